#!/bin/sh
# Gather what an OpenVZ node tells of itself, where there is no Python 3 for 'vzcptcheck capture'.
#
# Usage: vzcptcheck-gather.sh [-a] [-o FILE]
#
# Run it as root. It reads files, changes nothing, loads no module, and writes one tar archive, for
# its owner alone: vzcptcheck-gathered.tar, or FILE; '-' is standard output. Elsewhere
# 'vzcptsim import gathered FILE -o PROFILE' makes the node's profile of it. With -a it keeps no
# names: of the host, of containers, of addresses. The exit status is 0, or 1 where it failed; then
# nothing is left. A POSIX shell with awk, dd, mktemp, od and tar will do: EL5 has them.
#
# shellcheck disable=SC2016 # awk has a $ of its own
set -u
umask 077
LC_ALL=C
export LC_ALL

VERSION=1.0.0
NAME=vzcptcheck-gathered

# No node has more kinds of processors, no range of CPUID more leaves, no leaf more subleaves.
MOST_KINDS=16
MOST_LEAVES=256
LAST_SUBLEAF=63

folder=

say() {
    printf 'vzcptcheck-gather: %s\n' "$1" >&2
}

die() {
    say "$1"
    exit 1
}

# note TEXT: say it here, and where the archive is read.
note() {
    say "$1"
    printf '%s\n' "$1" >>"$gathered/notes" || die "$folder: cannot be written"
}

clean_up() {
    [ -z "$folder" ] || rm -rf "$folder"
}

main() {
    anonymize=
    output=$NAME.tar
    while getopts ao: option; do
        case $option in
        a) anonymize=yes ;;
        o) output=$OPTARG ;;
        *) die "usage: vzcptcheck-gather.sh [-a] [-o FILE]" ;;
        esac
    done
    case $output in
    -?*) output=./$output ;;
    esac
    [ $# -lt "$OPTIND" ] || die "usage: vzcptcheck-gather.sh [-a] [-o FILE]"
    [ $((4294967295 + 1)) = 4294967296 ] || die "this shell counts in 32 bits: run it by bash"
    { [ -e /proc/vz ] && [ -e /proc/bc ]; } ||
        die "there is no OpenVZ node to gather here: run it on the node, outside of containers"
    make_folder
    gather_kernel
    gather_processors
    write_archive
}

# Everything is made in a private folder beside the archive, which is renamed at the end.
make_folder() {
    case $output in
    -) place=${TMPDIR:-/tmp} ;;
    */*) place=${output%/*}/ ;;
    *) place=. ;;
    esac
    if [ "$output" != - ] && [ -e "$output" ] && [ ! -f "$output" ]; then
        die "$output: there is something else than a plain file"
    fi
    trap clean_up EXIT
    trap 'exit 1' HUP INT PIPE TERM
    folder=$(mktemp -d "$place/.$NAME.XXXXXX") || die "$place: no folder can be made there"
    gathered=$folder/$NAME
    mkdir "$gathered" || die "$folder: cannot be written"
}

write_archive() {
    tar -cf "$folder/archive" -C "$folder" "$NAME" || die "$output: cannot be written"
    if [ "$output" = - ]; then
        cat "$folder/archive" || die "standard output: cannot be written"
    else
        mv -f "$folder/archive" "$output" || die "$output: cannot be written"
    fi
}

gather_kernel() {
    {
        printf 'format 1\nscript %s\n' "$VERSION"
        printf 'date %s\n' "$(date -u +%Y-%m-%d)"
        printf 'release %s\n' "$(uname -r)"
        printf 'machine %s\n' "$(uname -m)"
        [ -n "$anonymize" ] || printf 'host %s\n' "$(uname -n)"
    } >"$gathered/about" || die "$folder: cannot be written"
    for path in /proc/cpt /proc/rst /proc/version /proc/cmdline /proc/cpuinfo /proc/vz/version \
        /proc/vz/veinfo /proc/vz/cpuid_override /proc/net/if_inet6; do
        keep "$path"
    done
    [ -z "$anonymize" ] || forget_names
}

# keep PATH: that a file is not there is a fact; one that cannot be read is an error.
keep() {
    [ -e "$1" ] || return 0
    mkdir -p "$gathered${1%/*}" || die "$folder: cannot be written"
    cat "$1" >"$gathered$1" ||
        die "$1: cannot be read, or not kept: run this as root, with room in $place"
}

# Containers are numbered anew in the same order, from 101 on.
forget_names() {
    sort -n "$gathered/proc/vz/veinfo" 2>/dev/null |
        awk '$1 > 0 { print $1, 101 + count++ }' >"$folder/numbers"
    rewrite /proc/vz/veinfo '
        FILENAME == ARGV[1] { number[$1] = $2; next }
        $1 in number { print number[$1] }'
    for path in /proc/cpt /proc/rst; do
        rewrite "$path" '
            FILENAME == ARGV[1] { number[$1] = $2; next }
            FNR == 1 { print; next }
            { print "-", 0, number[$3] + 0, $4 }'
    done
    rewrite /proc/net/if_inet6 'FILENAME != ARGV[1] { print "-" }'
    # Of the command line what changes what the kernel sees of its CPU or its network.
    rewrite /proc/cmdline '
        FILENAME == ARGV[1] { next }
        {
            for (i = 1; i <= NF; i++)
                if ($i ~ /^(noxsave|noxsaveopt|nordrand|nofxsr|nosep)$/ ||
                    $i ~ /^(eagerfpu|clearcpuid|ipv6\.disable)=/)
                    print $i
        }'
}

# rewrite PATH PROGRAM: replace what was kept of a file by what awk makes of the new numbers and it.
rewrite() {
    [ -e "$gathered$1" ] || return 0
    awk "$2" "$folder/numbers" "$gathered$1" >"$folder/new" ||
        die "$1: cannot be rewritten without names"
    mv -f "$folder/new" "$gathered$1" || die "$folder: cannot be written"
}

# One processor of each kind is asked: on a node with hundreds of them the others say the same.
gather_processors() {
    mkdir "$gathered/cpuid" || die "$folder: cannot be written"
    kinds=0
    for processor in $(first_of_each_kind); do
        case $processor in
        *[!0-9]* | ?????*)
            note "/proc/cpuinfo: processor $processor has no number: left out"
            continue
            ;;
        esac
        kinds=$((kinds + 1))
        if [ $kinds -gt $MOST_KINDS ]; then
            note "more than $MOST_KINDS kinds of processors: from $processor on none is asked"
            break
        fi
        device=/dev/cpu/$processor/cpuid
        if [ ! -e "$device" ]; then
            note "$device: not there: load the module cpuid ('modprobe cpuid') and gather once more"
        elif ! (: <"$device") 2>/dev/null; then
            note "$device: cannot be opened"
        else
            ask_processor >"$gathered/cpuid/$processor" || die "$folder: cannot be written"
        fi
    done
}

# Processors are of a kind where /proc/cpuinfo says the same of them.
first_of_each_kind() {
    if [ ! -e "$gathered/proc/cpuinfo" ]; then
        echo 0
        return
    fi
    awk '
        function end_block() {
            if (number != "" && !(kind in seen)) {
                seen[kind] = 1
                print number
            }
            kind = ""
        }
        /^processor[ \t]*:/ { end_block(); number = $NF; next }
        /^(vendor_id|cpu family|model|model name|stepping|microcode|flags)[ \t]*:/ {
            kind = kind $0 "\n"
        }
        END { end_block() }
    ' "$gathered/proc/cpuinfo"
}

# Ranges of leaves: basic, a hypervisor's where leaf 1 names one, extended, Transmeta's, Centaur's.
ask_processor() {
    ask_range 0
    if answer 1 0 && [ $((ecx >> 31 & 1)) = 1 ]; then
        ask_range $((0x40000000))
    fi
    ask_range $((0x80000000))
    ask_range $((0x80860000))
    ask_range $((0xc0000000))
}

# ask_range FIRST: a range is there where its first leaf names a last one in it. Some hypervisors
# name none.
ask_range() {
    if ! answer "$1" 0; then
        write_row "$1" 0 || return
        return 0
    fi
    last=$eax
    if [ "$last" -lt "$1" ] || [ "$last" -ge $(($1 + MOST_LEAVES)) ]; then
        [ "$1" = $((0x40000000)) ] || return 0
        last=$1
    fi
    leaf=$1
    while [ "$leaf" -le "$last" ]; do
        ask_leaf || return
        leaf=$((leaf + 1))
    done
}

# Ask for a leaf and its subleaves. Sources: Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix
# E.
ask_leaf() {
    ask 0 || return
    case $(printf %x "$leaf") in
    7 | 14 | 17 | 18 | 1d | 20 | 24) ask_counted "$eax" ;;
    4 | 8000001d) ask_listed eax 31 0 ;;
    b | 1f | 80000026) ask_listed ecx 65280 0 ;;
    12) ask_listed eax 15 2 ;;
    1b) ask_listed eax 4095 0 ;;
    d) ask_components ;;
    f) ask_masked $((edx & ~1)) ;;
    10 | 80000020) ask_masked $((ebx & ~1)) ;;
    23) ask_masked $((eax & ~1)) ;;
    esac
}

# ask_counted LAST: subleaf 0 names the last one.
ask_counted() {
    end=$1
    [ "$end" -le $LAST_SUBLEAF ] || end=$LAST_SUBLEAF
    subleaf=1
    while [ "$subleaf" -le "$end" ]; do
        ask "$subleaf" || return
        subleaf=$((subleaf + 1))
    done
}

# ask_listed REGISTER MASK FIRST: from subleaf FIRST on things are listed until one has no type.
ask_listed() {
    subleaf=0
    while [ "$subleaf" -lt $LAST_SUBLEAF ]; do
        eval "type=\$(($1 & $2))"
        # shellcheck disable=SC2154 # eval sets it
        [ "$subleaf" -lt "$3" ] || [ "$type" != 0 ] || return 0
        subleaf=$((subleaf + 1))
        ask "$subleaf" || return
    done
}

# XSAVE's components: those of users, and, by subleaf 1, of supervisors.
ask_components() {
    components=$((eax | edx << 32))
    ask 1 || return
    ask_masked $(((components | ecx | edx << 32) & ~3))
}

# ask_masked MASK: a mask has the other subleaves.
ask_masked() {
    mask=$1
    subleaf=0
    while [ "$subleaf" -le $LAST_SUBLEAF ]; do
        if [ $((mask >> subleaf & 1)) = 1 ]; then
            ask "$subleaf" || return
        fi
        subleaf=$((subleaf + 1))
    done
}

# ask SUBLEAF: write a row for one answer, and leave it in eax, ebx, ecx, edx, zeros where there is
# none.
ask() {
    answer "$leaf" "$1"
    write_row "$leaf" "$1"
}

write_row() {
    if [ -z "$answered" ]; then
        printf '0x%08x 0x%x: no answer\n' "$1" "$2"
    elif [ -n "$anonymize" ] && [ "$1" = 3 ]; then
        printf '0x00000003 0x0: 0x00000000 0x00000000 0x00000000 0x00000000\n' # a serial number
    else
        printf '0x%08x 0x%x: 0x%08x 0x%08x 0x%08x 0x%08x\n' "$1" "$2" "$eax" "$ebx" "$ecx" "$edx"
    fi
}

# answer LEAF SUBLEAF: the device's position is LEAF | SUBLEAF << 32, and an answer has 16 bytes. dd
# skips in whole blocks only: one dd moves there byte by byte, another reads. It is opened anew each
# time, since dd moves on from where it is.
answer() {
    position=$(($1 | $2 << 32))
    # shellcheck disable=SC2046 # words of digits
    set -- $({
        dd bs=1 skip="$position" count=0
        dd bs=16 count=1
    } <"$device" 2>/dev/null | od -v -b)
    answered=
    eax=0 ebx=0 ecx=0 edx=0
    # The first word is od's own; a byte has three octal digits.
    [ $# -ge 17 ] || return 1
    answered=yes
    eax=$((0$2 | 0$3 << 8 | 0$4 << 16 | 0$5 << 24))
    ebx=$((0$6 | 0$7 << 8 | 0$8 << 16 | 0$9 << 24))
    ecx=$((0${10} | 0${11} << 8 | 0${12} << 16 | 0${13} << 24))
    edx=$((0${14} | 0${15} << 8 | 0${16} << 16 | 0${17} << 24))
}

main "$@"
