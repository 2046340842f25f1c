# fish completion for vzcptcheck.
# Made by tools.make_completions of the program's own command line: change that.

function __vzcptcheck_in --description 'Is this the command, with no -- yet?'
    set -l words (commandline -opc)
    not contains -- -- $words; and test "$words[2]" = $argv[1]
end

function __vzcptcheck_first --description 'Is this the first word after the command?'
    __vzcptcheck_in $argv; and test (count (commandline -opc)) -eq 2
end

function __vzcptcheck_none --description 'Is there no command yet?'
    test (count (commandline -opc)) -eq 1
end

function __vzcptcheck_containers --description 'The running containers of this node'
    sed -n 's/^ *\([1-9][0-9]*\) .*/\1/p' /proc/vz/veinfo 2>/dev/null
end

complete -c vzcptcheck -f
complete -c vzcptcheck -n __vzcptcheck_none -s h -l help -d 'how to use the program'
complete -c vzcptcheck -n __vzcptcheck_none -l version -d 'the version of this program'
complete -c vzcptcheck -n __vzcptcheck_none -a version -d 'show the image version that this node writes (source)'
complete -c vzcptcheck -n __vzcptcheck_none -a caps -d 'show this node\'s capability number (destination)'
complete -c vzcptcheck -n __vzcptcheck_none -a capture -d 'this node\'s profile, for vzcptsim; \'-\' is standard output'
complete -c vzcptcheck -n __vzcptcheck_none -a explain -d 'a number, or two capability numbers compared, in words'
complete -c vzcptcheck -n __vzcptcheck_none -a image -d 'a checkpoint image in words; is it whole? (2: it is not)'
complete -c vzcptcheck -n __vzcptcheck_none -a help -d 'how to use the program'
complete -c vzcptcheck -n '__vzcptcheck_first caps' -f -a '(__vzcptcheck_containers)'
complete -c vzcptcheck -n '__vzcptcheck_in capture' -s o -l output -r -F -d 'write there; - is standard output'
complete -c vzcptcheck -n '__vzcptcheck_in capture' -l mode -r -f -d 'the mode of the file that is written, in octal'
complete -c vzcptcheck -n '__vzcptcheck_in capture' -l ct -r -f -a '(__vzcptcheck_containers)' -d 'capture this container'
complete -c vzcptcheck -n '__vzcptcheck_in capture' -l anonymize -d 'leave out whose node it is'
complete -c vzcptcheck -n '__vzcptcheck_in capture' -l cpus -d 'the CPUs\' answers to CPUID alone, on any machine'
complete -c vzcptcheck -n '__vzcptcheck_in capture' -l instruction -d 'with --cpus: execute the instruction'
complete -c vzcptcheck -n '__vzcptcheck_in explain' -l json -d 'for a machine to read'
complete -c vzcptcheck -n '__vzcptcheck_first explain' -a 'version caps'
complete -c vzcptcheck -n '__vzcptcheck_in image' -l json -d 'for a machine to read'
complete -c vzcptcheck -n '__vzcptcheck_in image' -F
