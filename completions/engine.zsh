_PROGRAM_nodes() {
    _alternative 'names:recorded node:compadd -a _PROGRAM_nodes' 'files:profile, dump or fleet file:_files'
}

_PROGRAM_cpus() {
    _alternative 'names:recorded CPU:compadd -a _PROGRAM_cpus' 'files:register dump:_files'
}

_PROGRAM_pairs() {
    if compset -P '*='; then
        _PROGRAM_nodes
    else
        _message 'HOST=NODE'
    fi
}

_PROGRAM_containers() {
    local -a containers
    containers=(${(f)"$(CONTAINERS)"})
    compadd -a containers
}

_PROGRAM_handed_on() {
    words=(vzcptcheck "${words[@]}")
    ((CURRENT++))
    _normal
}
