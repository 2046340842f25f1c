_PROGRAM_offer() {
    # Words of "$1" that begin as what is typed; @KIND stands for all words of that kind.
    local word words='' files=''
    for word in $1; do
        case $word in
            @files) files=all ;;
            @cpus) words+=" $_PROGRAM_cpus" files=all ;;
            @nodes) words+=" $_PROGRAM_nodes" files=all ;;
            @pairs) [[ ! $is_joined ]] || words+=" $_PROGRAM_nodes" files=all ;;
            @codes) words+=" $_PROGRAM_codes" ;;
            @waivable) words+=" $_PROGRAM_waivable" ;;
            @releases) words+=" $_PROGRAM_releases" ;;
            @containers) words+=" $(CONTAINERS)" ;;
            *) words+=" $word" ;;
        esac
    done
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    [[ ! $files ]] || mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur")
    # bash says no where this is called for a test, and nothing is being completed.
    [[ ! $files ]] || compopt -o filenames 2>/dev/null || true
}

_PROGRAM_handed_on() {
    # Words after -- are another program's, and complete as they do for it.
    local first=2 function
    until [[ ${COMP_WORDS[first - 1]} == -- ]]; do
        ((first++ < COMP_CWORD)) || return
    done
    if [[ ${COMP_WORDS[1]} == replay ]]; then
        COMP_WORDS=(vzcptcheck "${COMP_WORDS[@]:first}")
        COMP_CWORD=$((COMP_CWORD - first + 1))
    else
        COMP_WORDS=("${COMP_WORDS[@]:first}")
        COMP_CWORD=$((COMP_CWORD - first))
    fi
    if ((COMP_CWORD == 0)); then
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
        return 0
    fi
    if ! complete -p "${COMP_WORDS[0]}" &>/dev/null && declare -F _completion_loader >/dev/null; then
        _completion_loader "${COMP_WORDS[0]}"
    fi
    function=$(complete -p "${COMP_WORDS[0]}" 2>/dev/null | sed -n 's/.* -F \([^ ]*\) .*/\1/p')
    if [[ $function ]]; then
        COMP_LINE=${COMP_WORDS[*]}
        COMP_POINT=${#COMP_LINE}
        "$function" "${COMP_WORDS[0]}" "$cur" "${COMP_WORDS[COMP_CWORD - 1]}"
    else
        _PROGRAM_offer @files
    fi
}

_PROGRAM() {
    local cur=${COMP_WORDS[COMP_CWORD]} at=$COMP_CWORD is_joined='' what=''
    COMPREPLY=()
    ! _PROGRAM_handed_on || return 0
    # bash takes = for a word of its own: --ct=101 is three, and --node-for a=b four.
    if [[ $cur == = ]]; then
        cur='' is_joined=yes at=$((at - 1))
    elif ((at > 1)) && [[ ${COMP_WORDS[at - 1]} == = ]]; then
        is_joined=yes at=$((at - 2))
    else
        at=$((at - 1))
    fi
    [[ ! $is_joined || ${COMP_WORDS[at]} == -* ]] || at=$((at - 1))
    if ((COMP_CWORD == 1)); then
        _PROGRAM_takes first
    elif [[ ${COMP_WORDS[at]} == -* ]] && _PROGRAM_takes "${COMP_WORDS[1]} ${COMP_WORDS[at]}"; then
        :
    elif [[ $cur == -* ]]; then
        _PROGRAM_takes "${COMP_WORDS[1]} options"
    elif ((COMP_CWORD != 2)) || ! _PROGRAM_takes "${COMP_WORDS[1]} first"; then
        _PROGRAM_takes "${COMP_WORDS[1]} any"
    fi
    _PROGRAM_offer "$what"
}
