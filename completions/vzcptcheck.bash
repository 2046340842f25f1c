# bash completion for vzcptcheck.
# Made by tools.make_completions of the program's own command line: change that.
# shellcheck shell=bash

_vzcptcheck_takes() {
    # What may stand in a place: @KIND for a kind of words, and words themselves.
    case $1 in
        'first') what='version caps capture explain image help -h --help --version' ;;
        'caps first') what='@containers' ;;
        'capture options') what='-o --output --mode --ct --anonymize --cpus --instruction' ;;
        'capture -o' | 'capture --output') what='@files' ;;
        'capture --mode') what='' ;;
        'capture --ct') what='@containers' ;;
        'explain options') what='--json' ;;
        'explain first') what='version caps' ;;
        'image options') what='--json' ;;
        'image any') what='@files' ;;
        *) return 1 ;;
    esac
}

_vzcptcheck_offer() {
    # Words of "$1" that begin as what is typed; @KIND stands for all words of that kind.
    local word words='' files=''
    for word in $1; do
        case $word in
            @files) files=all ;;
            @containers) words+=" $(sed -n 's/^ *\([1-9][0-9]*\) .*/\1/p' /proc/vz/veinfo 2>/dev/null)" ;;
            *) words+=" $word" ;;
        esac
    done
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    case $files in
        all) mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$cur") ;;
        profiles)
            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- "$cur")
            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -X '!*.json' -- "$cur")
            ;;
    esac
    # bash says no where this is called for a test, and nothing is being completed.
    [[ ! $files ]] || compopt -o filenames 2>/dev/null || true
}

_vzcptcheck() {
    local cur=${COMP_WORDS[COMP_CWORD]} at=$COMP_CWORD is_joined='' what=''
    COMPREPLY=()
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
        _vzcptcheck_takes first
    elif [[ ${COMP_WORDS[at]} == -* ]] && _vzcptcheck_takes "${COMP_WORDS[1]} ${COMP_WORDS[at]}"; then
        :
    elif [[ $cur == -* ]]; then
        _vzcptcheck_takes "${COMP_WORDS[1]} options"
    elif ((COMP_CWORD != 2)) || ! _vzcptcheck_takes "${COMP_WORDS[1]} first"; then
        _vzcptcheck_takes "${COMP_WORDS[1]} any"
    fi
    _vzcptcheck_offer "$what"
}

complete -F _vzcptcheck vzcptcheck
