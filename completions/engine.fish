function __PROGRAM_in --description 'Is this the command, with no -- yet?'
    set -l words (commandline -opc)
    not contains -- -- $words; and test "$words[2]" = $argv[1]
end

function __PROGRAM_first --description 'Is this the first word after the command?'
    __PROGRAM_in $argv; and test (count (commandline -opc)) -eq 2
end

function __PROGRAM_none --description 'Is there no command yet?'
    test (count (commandline -opc)) -eq 1
end

function __PROGRAM_hands_on --description 'Is this after the -- of the command?'
    set -l words (commandline -opc)
    contains -- -- $words; and test "$words[2]" = $argv[1]
end

function __PROGRAM_handed_on --description 'What completes the words after --, with a program before'
    set -l words (commandline -opc)
    set -l first (contains --index -- -- $words)
    set -e words[1..$first]
    complete -C (string join ' ' -- $argv (string escape -- $words) (commandline -ct))
end

function __PROGRAM_nodes --description 'Files that may be profiles'
    __fish_complete_suffix .json
end

function __PROGRAM_pairs --description 'HOST=NODE'
    set -l host (commandline -ct | string match -r '^[^=]*=')
    and string join \n -- $host$__PROGRAM_nodes
end

function __PROGRAM_containers --description 'The running containers of this node'
    CONTAINERS
end
