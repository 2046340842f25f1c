# bash completion for vzcptsim.
# Made by tools.make_completions of the program's own command line: change that.
# shellcheck shell=bash

_vzcptsim_nodes='
    042stab061.9.Opteron_G3.default
    042stab061.9.SandyBridge.default
    042stab061.9.qemu64.default
    042stab061.9.qemu64.ipv6.disable
    042stab088.4.Opteron_G3.default
    042stab088.4.SandyBridge.default
    042stab088.4.qemu64.default
    042stab092.1.Opteron_G3.default
    042stab092.1.SandyBridge.default
    042stab092.1.qemu64.default
    042stab108.1.Opteron_G3.default
    042stab108.1.SandyBridge.default
    042stab108.1.qemu64.default
    042stab108.1.qemu64.ipv6.disable
    042stab109.3.Opteron_G3.default
    042stab109.3.SandyBridge.default
    042stab109.3.qemu64.default
    042stab113.5.Opteron_G3.default
    042stab113.5.SandyBridge.default
    042stab113.5.qemu64.default
    042stab141.3.Haswell.clearcpuid.154
    042stab141.3.Haswell.default
    042stab141.3.Haswell.nordrand
    042stab141.3.Opteron_G3.default
    042stab141.3.Penryn.default
    042stab141.3.SandyBridge.default
    042stab141.3.SandyBridge.eagerfpu.off
    042stab141.3.SandyBridge.forced_cpuid_faulting
    042stab141.3.SandyBridge.ipv6.disable
    042stab141.3.SandyBridge.noxsave
    042stab141.3.SandyBridge.utrace
    042stab141.3.phenom_3dnow_3dnowext.default
    042stab141.3.qemu64.default
    042stab141.3.qemu64.eagerfpu.on
    042stab141.3.qemu64_vendor_GenuineIntel.default
    13th-gen-intel-core-i7-1370p.042stab088.4
    13th-gen-intel-core-i7-1370p.042stab108.1
    amd-epyc-7451.042stab061.9
    amd-epyc-7451.042stab108.1
    amd-epyc-7551p.042stab092.1
    amd-epyc-7551p.042stab108.1
    amd-epyc-7742.042stab108.1
    amd-epyc-7742.042stab141.3
    amd-epyc-7763.042stab090.5
    amd-epyc-7763.042stab141.3
    amd-epyc-9654.028stab056.1
    amd-epyc-9654.042stab092.1
    amd-epyc-9655.028stab056.1
    amd-epyc-9655.042stab113.5
    amd-opteron-240-he.042stab092.1
    amd-opteron-240-he.042stab108.1
    amd-opteron-250.042stab061.9
    amd-opteron-250.042stab141.3
    amd-opteron-4176-he.042stab061.9
    amd-opteron-4176-he.042stab088.4
    amd-opteron-6164-he.028stab056.1
    amd-opteron-6164-he.042stab092.1
    amd-opteron-6272.028stab056.1
    amd-opteron-6272.042stab088.4
    amd-opteron-6348.042stab092.1
    amd-opteron-6348.dzhanibekov.1
    amd-opteron-x3216-apu.042stab090.5
    amd-opteron-x3216-apu.042stab092.1
    amd-ryzen-ai-9-hx-370-w-radeon-890m.042stab108.1
    amd-ryzen-ai-9-hx-370-w-radeon-890m.dzhanibekov.1
    clearcpuid.042stab141.3
    dual-core-amd-opteron-165.042stab108.1
    dual-core-amd-opteron-165.042stab113.5
    dual-core-amd-opteron-2218.042stab108.1
    dual-core-amd-opteron-2218.dzhanibekov.1
    hygon-c86-7185.028stab056.1
    hygon-c86-7185.042stab088.4
    i686.028stab056.1
    i686.042stab113.5
    ia64.028stab056.1
    ia64.dzhanibekov.1
    intel-core-ultra-5-225u.028stab056.1
    intel-core-ultra-5-225u.042stab090.5
    intel-xeon-2-80ghz.028stab056.1
    intel-xeon-2-80ghz.042stab108.1
    intel-xeon-3-20ghz.042stab113.5
    intel-xeon-3-20ghz.dzhanibekov.1
    intel-xeon-658x.042stab092.1
    intel-xeon-658x.042stab141.3
    intel-xeon-d-1540.042stab088.4
    intel-xeon-d-1540.dzhanibekov.1
    intel-xeon-e3-1230-v2.042stab108.1
    intel-xeon-e3-1230-v2.042stab141.3
    intel-xeon-e3-1245-v3.028stab056.1
    intel-xeon-e3-1245-v3.042stab061.9
    intel-xeon-e5-2650-0.042stab092.1
    intel-xeon-e5-2650-0.042stab113.5
    intel-xeon-e5-2650l-v4.042stab092.1
    intel-xeon-e5-2650l-v4.dzhanibekov.1
    intel-xeon-e5-2680-v3.028stab056.1
    intel-xeon-e5-2680-v3.042stab108.1
    intel-xeon-e5-2697-v2.028stab056.1
    intel-xeon-e5-2697-v2.042stab113.5
    intel-xeon-e5-4620-v2.042stab141.3
    intel-xeon-e5-4620-v2.dzhanibekov.1
    intel-xeon-e5345.042stab088.4
    intel-xeon-e5345.042stab113.5
    intel-xeon-e5462.042stab061.9
    intel-xeon-e5462.dzhanibekov.1
    intel-xeon-e7-4870.042stab092.1
    intel-xeon-e7-4870.042stab108.1
    intel-xeon-e7520.042stab090.5
    intel-xeon-e7520.042stab092.1
    intel-xeon-gold-6140.028stab056.1
    intel-xeon-gold-6140.dzhanibekov.1
    intel-xeon-gold-6230.042stab061.9
    intel-xeon-gold-6230.042stab108.1
    intel-xeon-gold-6336y.042stab061.9
    intel-xeon-gold-6336y.042stab092.1
    intel-xeon-l5320.028stab056.1
    intel-xeon-l5320.dzhanibekov.1
    intel-xeon-max-9460.028stab056.1
    intel-xeon-max-9460.042stab141.3
    intel-xeon-phi-7210.028stab056.1
    intel-xeon-phi-7210.042stab061.9
    intel-xeon-w7-2475x.042stab090.5
    intel-xeon-w7-2475x.042stab108.1
    intel-xeon-x5550.042stab090.5
    intel-xeon-x5550.dzhanibekov.1
    intel-xeon-x5650.042stab061.9
    intel-xeon-x5650.dzhanibekov.1
    intel-xeon-x5667.042stab061.9
    intel-xeon-x5667.042stab088.4
    intel-xeon-x7460.042stab061.9
    intel-xeon-x7460.042stab092.1
    lazy-fpu.042stab141.3
    masked-nothing.042stab113.5
    masked.042stab113.5
    no-ipv6.042stab061.9
    no-ipv6.042stab113.5
    no-modules.042stab113.5
    no-vzcpt.042stab141.3
    no-vzrst.042stab092.1
    nordrand.042stab108.1
    noxsave.042stab113.5
    quad-core-amd-opteron-2344-he.028stab056.1
    quad-core-amd-opteron-2344-he.dzhanibekov.1
    quad-core-amd-opteron-2378.042stab061.9
    quad-core-amd-opteron-2378.dzhanibekov.1
    six-core-amd-opteron-8439-se.042stab061.9
    six-core-amd-opteron-8439-se.042stab113.5
    slm.dzhanibekov.1
    zhaoxin-kaisheng-kh-40000-32.042stab061.9
    zhaoxin-kaisheng-kh-40000-32.042stab090.5
    zxd-d4600.042stab088.4
    zxd-d4600.042stab092.1
'

_vzcptsim_cpus='
    amd-opteron-6272
    amd-opteron-6348
    amd-epyc-7451
    amd-epyc-7763
    amd-epyc-9654
    amd-ryzen-ai-9-hx-370-w-radeon-890m
    six-core-amd-opteron-8439-se
    amd-opteron-6164-he
    dual-core-amd-opteron-2218
    amd-opteron-250
    intel-core-ultra-5-225u
    intel-xeon-e5-2650l-v4
    intel-xeon-gold-6230
    intel-xeon-e5345
    intel-xeon-e5-2680-v3
    intel-xeon-e5-4620-v2
    intel-xeon-phi-7210
    intel-xeon-x5550
    intel-xeon-x7460
    13th-gen-intel-core-i7-1370p
    intel-xeon-e5-2650-0
    intel-xeon-max-9460
    intel-xeon-gold-6140
    intel-xeon-x5650
    zhaoxin-kaisheng-kh-40000-32
    zxd-d4600
    amd-opteron-240-he
    dual-core-amd-opteron-165
    quad-core-amd-opteron-2344-he
    quad-core-amd-opteron-2378
    amd-opteron-4176-he
    amd-opteron-x3216-apu
    amd-epyc-7551p
    amd-epyc-7742
    amd-epyc-9655
    intel-xeon-l5320
    intel-xeon-e5462
    intel-xeon-x5667
    intel-xeon-e7520
    intel-xeon-e7-4870
    intel-xeon-e3-1230-v2
    intel-xeon-e5-2697-v2
    intel-xeon-e3-1245-v3
    intel-xeon-d-1540
    intel-xeon-gold-6336y
    intel-xeon-w7-2475x
    intel-xeon-658x
    intel-xeon-2-80ghz
    intel-xeon-3-20ghz
    hygon-c86-7185
'

_vzcptsim_releases='
    2.6.18-028stab056.1
    2.6.32-dzhanibekov.1
    2.6.32-042stab061.9
    2.6.32-042stab088.4
    2.6.32-042stab092.1
    2.6.32-042stab108.1
    2.6.32-042stab113.5
'

_vzcptsim_codes='
    module-missing
    version-not-told
    version-not-tested
    version-too-new
    caps-not-told
    caps-not-compared
    container-not-running
    container-locked
    container-suspended
    needs-unknown
    cpu-feature-missing
    destination-slm-module
    source-slm-module
    container-entered
    container-namespaces
    container-scheduler
    container-traced
    container-filesystem
    container-netdevice
    container-misc
    container-other
    destination-ipv6
    destination-namespaces
    image-size
    image-signature
    image-hz
    image-version
    image-tail
    image-chain
    image-chain-long
    image-section-unknown
    image-64-bit
    image-veinfo
    restore-version-too-new
    restore-version-too-old
    restore-version-other-family
    architecture-differs
    kernel-narrower
    vendor-differs
    instructions-missing
    instructions-differ
    instructions-slower
    instructions-kernel-only
    cpuid-not-recorded
    xsave-not-recorded
    xsave-component-missing
    xsave-layout-differs
    xsave-area-smaller
    image-caps-not-recorded
    image-cpu-feature-missing
    image-section-missing
    image-section-repeated
    image-index-differs
    image-architecture-unknown
    image-page-size
    image-lazy-pages
    image-odd-record
    image-blank
'

_vzcptsim_waivable='
    restore-version-too-new
    restore-version-too-old
    restore-version-other-family
    architecture-differs
    kernel-narrower
    vendor-differs
    instructions-missing
    instructions-differ
    instructions-slower
    instructions-kernel-only
    cpuid-not-recorded
    xsave-not-recorded
    xsave-component-missing
    xsave-layout-differs
    xsave-area-smaller
    image-caps-not-recorded
    image-cpu-feature-missing
    image-section-missing
    image-section-repeated
    image-index-differs
    image-architecture-unknown
    image-page-size
    image-lazy-pages
    image-odd-record
    image-blank
'

_vzcptsim_takes() {
    # What may stand in a place: @KIND for a kind of words, and words themselves.
    case $1 in
        'first') what='nodes kernels cpus replay run compose import check matrix diff pool -h --help --version' ;;
        'nodes options') what='-h --help --json' ;;
        'nodes any') what='@nodes' ;;
        'kernels options') what='-h --help --json' ;;
        'cpus options') what='-h --help --json' ;;
        'replay options') what='-h --help --user --inside --32-bit --' ;;
        'replay --user') what='' ;;
        'replay --inside') what='' ;;
        'replay any') what='@nodes' ;;
        'run options') what='-h --help --node --user --inside --node-for --sshd-for --cpu-instruction --' ;;
        'run --node') what='@nodes' ;;
        'run --user') what='' ;;
        'run --inside') what='' ;;
        'run --node-for') what='@pairs' ;;
        'run --sshd-for') what='@pairs' ;;
        'compose options') what='-h --help --cpuid --processor --kernel --machine --ct --boot-option --no-ipv6 --slm --no-module --cpuid-override -o --output' ;;
        'compose --cpuid') what='@cpus' ;;
        'compose --processor') what='' ;;
        'compose --kernel') what='@releases' ;;
        'compose --machine') what='x86_64 i386 i486 i586 i686 ia64' ;;
        'compose --ct') what='' ;;
        'compose --boot-option') what='' ;;
        'compose --no-module') what='vzcpt vzrst' ;;
        'compose --cpuid-override') what='' ;;
        'compose -o' | 'compose --output') what='@files' ;;
        'import options') what='-h --help -o --output' ;;
        'import -o' | 'import --output') what='@files' ;;
        'import first') what='auto hwloc criu aida64 cpuid-r cpuid libcpuid libvirt cpuinfo json gathered @files' ;;
        'import any') what='@files' ;;
        'check options') what='-h --help --ct --suspended --image --strict --waive --verbose --json --explain' ;;
        'check --ct') what='' ;;
        'check --suspended') what='' ;;
        'check --waive') what='@waivable' ;;
        'check --explain') what='@codes' ;;
        'check any') what='@nodes' ;;
        'matrix options') what='-h --help --format --by --full -o --output --strict --waive --expect --update' ;;
        'matrix --format') what='table json csv markdown junit html' ;;
        'matrix --by') what='node class' ;;
        'matrix -o' | 'matrix --output') what='@files' ;;
        'matrix --waive') what='@waivable' ;;
        'matrix --expect') what='@files' ;;
        'matrix any') what='@nodes' ;;
        'diff options') what='-h --help --strict --waive --json' ;;
        'diff --waive') what='@waivable' ;;
        'diff any') what='@nodes' ;;
        'pool options') what='-h --help --any-container --strict --waive --json' ;;
        'pool --waive') what='@waivable' ;;
        'pool any') what='@nodes' ;;
        *) return 1 ;;
    esac
}

_vzcptsim_offer() {
    # Words of "$1" that begin as what is typed; @KIND stands for all words of that kind.
    local word words='' files=''
    for word in $1; do
        case $word in
            @files) files=all ;;
            @cpus) words+=" $_vzcptsim_cpus" files=all ;;
            @nodes) words+=" $_vzcptsim_nodes" files=profiles ;;
            @pairs) [[ ! $is_joined ]] || words+=" $_vzcptsim_nodes" files=profiles ;;
            @codes) words+=" $_vzcptsim_codes" ;;
            @waivable) words+=" $_vzcptsim_waivable" ;;
            @releases) words+=" $_vzcptsim_releases" ;;
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

_vzcptsim_handed_on() {
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
        _vzcptsim_offer @files
    fi
}

_vzcptsim() {
    local cur=${COMP_WORDS[COMP_CWORD]} at=$COMP_CWORD is_joined='' what=''
    COMPREPLY=()
    ! _vzcptsim_handed_on || return 0
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
        _vzcptsim_takes first
    elif [[ ${COMP_WORDS[at]} == -* ]] && _vzcptsim_takes "${COMP_WORDS[1]} ${COMP_WORDS[at]}"; then
        :
    elif [[ $cur == -* ]]; then
        _vzcptsim_takes "${COMP_WORDS[1]} options"
    elif ((COMP_CWORD != 2)) || ! _vzcptsim_takes "${COMP_WORDS[1]} first"; then
        _vzcptsim_takes "${COMP_WORDS[1]} any"
    fi
    _vzcptsim_offer "$what"
}

complete -F _vzcptsim vzcptsim
