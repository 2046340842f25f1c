# fish completion for vzcptsim.
# Made by tools.make_completions of the program's own command line: change that.

set -g __vzcptsim_nodes \
    042stab061.9.Opteron_G3.default \
    042stab061.9.SandyBridge.default \
    042stab061.9.qemu64.default \
    042stab061.9.qemu64.ipv6.disable \
    042stab088.4.Opteron_G3.default \
    042stab088.4.SandyBridge.default \
    042stab088.4.qemu64.default \
    042stab092.1.Opteron_G3.default \
    042stab092.1.SandyBridge.default \
    042stab092.1.qemu64.default \
    042stab108.1.Opteron_G3.default \
    042stab108.1.SandyBridge.default \
    042stab108.1.qemu64.default \
    042stab108.1.qemu64.ipv6.disable \
    042stab109.3.Opteron_G3.default \
    042stab109.3.SandyBridge.default \
    042stab109.3.qemu64.default \
    042stab113.5.Opteron_G3.default \
    042stab113.5.SandyBridge.default \
    042stab113.5.qemu64.default \
    042stab141.3.Haswell.clearcpuid.154 \
    042stab141.3.Haswell.default \
    042stab141.3.Haswell.nordrand \
    042stab141.3.Opteron_G3.default \
    042stab141.3.Penryn.default \
    042stab141.3.SandyBridge.default \
    042stab141.3.SandyBridge.eagerfpu.off \
    042stab141.3.SandyBridge.forced_cpuid_faulting \
    042stab141.3.SandyBridge.ipv6.disable \
    042stab141.3.SandyBridge.noxsave \
    042stab141.3.SandyBridge.utrace \
    042stab141.3.phenom_3dnow_3dnowext.default \
    042stab141.3.qemu64.default \
    042stab141.3.qemu64.eagerfpu.on \
    042stab141.3.qemu64_vendor_GenuineIntel.default \
    13th-gen-intel-core-i7-1370p.042stab088.4 \
    13th-gen-intel-core-i7-1370p.042stab108.1 \
    amd-epyc-7451.042stab061.9 \
    amd-epyc-7451.042stab108.1 \
    amd-epyc-7551p.042stab092.1 \
    amd-epyc-7551p.042stab108.1 \
    amd-epyc-7742.042stab108.1 \
    amd-epyc-7742.042stab141.3 \
    amd-epyc-7763.042stab090.5 \
    amd-epyc-7763.042stab141.3 \
    amd-epyc-9654.028stab056.1 \
    amd-epyc-9654.042stab092.1 \
    amd-epyc-9655.028stab056.1 \
    amd-epyc-9655.042stab113.5 \
    amd-opteron-240-he.042stab092.1 \
    amd-opteron-240-he.042stab108.1 \
    amd-opteron-250.042stab061.9 \
    amd-opteron-250.042stab141.3 \
    amd-opteron-4176-he.042stab061.9 \
    amd-opteron-4176-he.042stab088.4 \
    amd-opteron-6164-he.028stab056.1 \
    amd-opteron-6164-he.042stab092.1 \
    amd-opteron-6272.028stab056.1 \
    amd-opteron-6272.042stab088.4 \
    amd-opteron-6348.042stab092.1 \
    amd-opteron-6348.dzhanibekov.1 \
    amd-opteron-x3216-apu.042stab090.5 \
    amd-opteron-x3216-apu.042stab092.1 \
    amd-ryzen-ai-9-hx-370-w-radeon-890m.042stab108.1 \
    amd-ryzen-ai-9-hx-370-w-radeon-890m.dzhanibekov.1 \
    clearcpuid.042stab141.3 \
    dual-core-amd-opteron-165.042stab108.1 \
    dual-core-amd-opteron-165.042stab113.5 \
    dual-core-amd-opteron-2218.042stab108.1 \
    dual-core-amd-opteron-2218.dzhanibekov.1 \
    hygon-c86-7185.028stab056.1 \
    hygon-c86-7185.042stab088.4 \
    i686.028stab056.1 \
    i686.042stab113.5 \
    ia64.028stab056.1 \
    ia64.dzhanibekov.1 \
    intel-core-ultra-5-225u.028stab056.1 \
    intel-core-ultra-5-225u.042stab090.5 \
    intel-xeon-2-80ghz.028stab056.1 \
    intel-xeon-2-80ghz.042stab108.1 \
    intel-xeon-3-20ghz.042stab113.5 \
    intel-xeon-3-20ghz.dzhanibekov.1 \
    intel-xeon-658x.042stab092.1 \
    intel-xeon-658x.042stab141.3 \
    intel-xeon-d-1540.042stab088.4 \
    intel-xeon-d-1540.dzhanibekov.1 \
    intel-xeon-e3-1230-v2.042stab108.1 \
    intel-xeon-e3-1230-v2.042stab141.3 \
    intel-xeon-e3-1245-v3.028stab056.1 \
    intel-xeon-e3-1245-v3.042stab061.9 \
    intel-xeon-e5-2650-0.042stab092.1 \
    intel-xeon-e5-2650-0.042stab113.5 \
    intel-xeon-e5-2650l-v4.042stab092.1 \
    intel-xeon-e5-2650l-v4.dzhanibekov.1 \
    intel-xeon-e5-2680-v3.028stab056.1 \
    intel-xeon-e5-2680-v3.042stab108.1 \
    intel-xeon-e5-2697-v2.028stab056.1 \
    intel-xeon-e5-2697-v2.042stab113.5 \
    intel-xeon-e5-4620-v2.042stab141.3 \
    intel-xeon-e5-4620-v2.dzhanibekov.1 \
    intel-xeon-e5345.042stab088.4 \
    intel-xeon-e5345.042stab113.5 \
    intel-xeon-e5462.042stab061.9 \
    intel-xeon-e5462.dzhanibekov.1 \
    intel-xeon-e7-4870.042stab092.1 \
    intel-xeon-e7-4870.042stab108.1 \
    intel-xeon-e7520.042stab090.5 \
    intel-xeon-e7520.042stab092.1 \
    intel-xeon-gold-6140.028stab056.1 \
    intel-xeon-gold-6140.dzhanibekov.1 \
    intel-xeon-gold-6230.042stab061.9 \
    intel-xeon-gold-6230.042stab108.1 \
    intel-xeon-gold-6336y.042stab061.9 \
    intel-xeon-gold-6336y.042stab092.1 \
    intel-xeon-l5320.028stab056.1 \
    intel-xeon-l5320.dzhanibekov.1 \
    intel-xeon-max-9460.028stab056.1 \
    intel-xeon-max-9460.042stab141.3 \
    intel-xeon-phi-7210.028stab056.1 \
    intel-xeon-phi-7210.042stab061.9 \
    intel-xeon-w7-2475x.042stab090.5 \
    intel-xeon-w7-2475x.042stab108.1 \
    intel-xeon-x5550.042stab090.5 \
    intel-xeon-x5550.dzhanibekov.1 \
    intel-xeon-x5650.042stab061.9 \
    intel-xeon-x5650.dzhanibekov.1 \
    intel-xeon-x5667.042stab061.9 \
    intel-xeon-x5667.042stab088.4 \
    intel-xeon-x7460.042stab061.9 \
    intel-xeon-x7460.042stab092.1 \
    lazy-fpu.042stab141.3 \
    masked-nothing.042stab113.5 \
    masked.042stab113.5 \
    no-ipv6.042stab061.9 \
    no-ipv6.042stab113.5 \
    no-modules.042stab113.5 \
    no-vzcpt.042stab141.3 \
    no-vzrst.042stab092.1 \
    nordrand.042stab108.1 \
    noxsave.042stab113.5 \
    quad-core-amd-opteron-2344-he.028stab056.1 \
    quad-core-amd-opteron-2344-he.dzhanibekov.1 \
    quad-core-amd-opteron-2378.042stab061.9 \
    quad-core-amd-opteron-2378.dzhanibekov.1 \
    six-core-amd-opteron-8439-se.042stab061.9 \
    six-core-amd-opteron-8439-se.042stab113.5 \
    slm.dzhanibekov.1 \
    zhaoxin-kaisheng-kh-40000-32.042stab061.9 \
    zhaoxin-kaisheng-kh-40000-32.042stab090.5 \
    zxd-d4600.042stab088.4 \
    zxd-d4600.042stab092.1

set -g __vzcptsim_cpus \
    amd-opteron-6272 \
    amd-opteron-6348 \
    amd-epyc-7451 \
    amd-epyc-7763 \
    amd-epyc-9654 \
    amd-ryzen-ai-9-hx-370-w-radeon-890m \
    six-core-amd-opteron-8439-se \
    amd-opteron-6164-he \
    dual-core-amd-opteron-2218 \
    amd-opteron-250 \
    intel-core-ultra-5-225u \
    intel-xeon-e5-2650l-v4 \
    intel-xeon-gold-6230 \
    intel-xeon-e5345 \
    intel-xeon-e5-2680-v3 \
    intel-xeon-e5-4620-v2 \
    intel-xeon-phi-7210 \
    intel-xeon-x5550 \
    intel-xeon-x7460 \
    13th-gen-intel-core-i7-1370p \
    intel-xeon-e5-2650-0 \
    intel-xeon-max-9460 \
    intel-xeon-gold-6140 \
    intel-xeon-x5650 \
    zhaoxin-kaisheng-kh-40000-32 \
    zxd-d4600 \
    amd-opteron-240-he \
    dual-core-amd-opteron-165 \
    quad-core-amd-opteron-2344-he \
    quad-core-amd-opteron-2378 \
    amd-opteron-4176-he \
    amd-opteron-x3216-apu \
    amd-epyc-7551p \
    amd-epyc-7742 \
    amd-epyc-9655 \
    intel-xeon-l5320 \
    intel-xeon-e5462 \
    intel-xeon-x5667 \
    intel-xeon-e7520 \
    intel-xeon-e7-4870 \
    intel-xeon-e3-1230-v2 \
    intel-xeon-e5-2697-v2 \
    intel-xeon-e3-1245-v3 \
    intel-xeon-d-1540 \
    intel-xeon-gold-6336y \
    intel-xeon-w7-2475x \
    intel-xeon-658x \
    intel-xeon-2-80ghz \
    intel-xeon-3-20ghz \
    hygon-c86-7185

set -g __vzcptsim_releases \
    2.6.18-028stab056.1 \
    2.6.32-dzhanibekov.1 \
    2.6.32-042stab061.9 \
    2.6.32-042stab088.4 \
    2.6.32-042stab092.1 \
    2.6.32-042stab108.1 \
    2.6.32-042stab113.5

set -g __vzcptsim_codes \
    module-missing \
    version-not-told \
    version-not-tested \
    version-too-new \
    caps-not-told \
    caps-not-compared \
    container-not-running \
    container-locked \
    container-suspended \
    needs-unknown \
    cpu-feature-missing \
    destination-slm-module \
    source-slm-module \
    container-entered \
    container-namespaces \
    container-scheduler \
    container-traced \
    container-filesystem \
    container-netdevice \
    container-misc \
    container-other \
    destination-ipv6 \
    destination-namespaces \
    image-size \
    image-signature \
    image-hz \
    image-version \
    image-tail \
    image-chain \
    image-chain-long \
    image-section-unknown \
    image-64-bit \
    image-veinfo \
    restore-version-too-new \
    restore-version-too-old \
    restore-version-other-family \
    architecture-differs \
    kernel-narrower \
    vendor-differs \
    instructions-missing \
    instructions-differ \
    instructions-slower \
    instructions-kernel-only \
    cpuid-not-recorded \
    xsave-not-recorded \
    xsave-component-missing \
    xsave-layout-differs \
    xsave-area-smaller \
    image-caps-not-recorded \
    image-cpu-feature-missing \
    image-section-missing \
    image-section-repeated \
    image-index-differs \
    image-architecture-unknown \
    image-page-size \
    image-lazy-pages \
    image-odd-record \
    image-blank

set -g __vzcptsim_waivable \
    restore-version-too-new \
    restore-version-too-old \
    restore-version-other-family \
    architecture-differs \
    kernel-narrower \
    vendor-differs \
    instructions-missing \
    instructions-differ \
    instructions-slower \
    instructions-kernel-only \
    cpuid-not-recorded \
    xsave-not-recorded \
    xsave-component-missing \
    xsave-layout-differs \
    xsave-area-smaller \
    image-caps-not-recorded \
    image-cpu-feature-missing \
    image-section-missing \
    image-section-repeated \
    image-index-differs \
    image-architecture-unknown \
    image-page-size \
    image-lazy-pages \
    image-odd-record \
    image-blank

function __vzcptsim_in --description 'Is this the command, with no -- yet?'
    set -l words (commandline -opc)
    not contains -- -- $words; and test "$words[2]" = $argv[1]
end

function __vzcptsim_first --description 'Is this the first word after the command?'
    __vzcptsim_in $argv; and test (count (commandline -opc)) -eq 2
end

function __vzcptsim_none --description 'Is there no command yet?'
    test (count (commandline -opc)) -eq 1
end

function __vzcptsim_hands_on --description 'Is this after the -- of the command?'
    set -l words (commandline -opc)
    contains -- -- $words; and test "$words[2]" = $argv[1]
end

function __vzcptsim_handed_on --description 'What completes the words after --, with a program before'
    set -l words (commandline -opc)
    set -l first (contains --index -- -- $words)
    set -e words[1..$first]
    complete -C (string join ' ' -- $argv (string escape -- $words) (commandline -ct))
end

function __vzcptsim_nodes --description 'Files that may be profiles'
    __fish_complete_suffix .json
end

function __vzcptsim_pairs --description 'HOST=NODE'
    set -l host (commandline -ct | string match -r '^[^=]*=')
    and string join \n -- $host$__vzcptsim_nodes
end

complete -c vzcptsim -f
complete -c vzcptsim -n __vzcptsim_none -s h -l help -d 'show this help, and end'
complete -c vzcptsim -n __vzcptsim_none -l version -d 'show the version of this program'
complete -c vzcptsim -n __vzcptsim_none -a nodes -d 'list the recorded nodes'
complete -c vzcptsim -n __vzcptsim_none -a kernels -d 'list the kernels that can be simulated'
complete -c vzcptsim -n __vzcptsim_none -a cpus -d 'list the real CPUs to compose nodes from'
complete -c vzcptsim -n __vzcptsim_none -a replay -d 'run vzcptcheck on a recorded node, in this process'
complete -c vzcptsim -n __vzcptsim_none -a run -d 'run any program, with all that it starts, on a recorded node'
complete -c vzcptsim -n __vzcptsim_none -a compose -d 'make a node\'s profile from a CPU\'s registers and a kernel release'
complete -c vzcptsim -n __vzcptsim_none -a import -d 'read a register dump in any form, and write it in the project\'s own (JSON)'
complete -c vzcptsim -n __vzcptsim_none -a check -d 'say whether containers can migrate from one node to another, and why not'
complete -c vzcptsim -n __vzcptsim_none -a matrix -d 'say who can migrate where: all pairs of nodes'
complete -c vzcptsim -n __vzcptsim_none -a diff -d 'say what differs between two nodes, and which verdicts change with it'
complete -c vzcptsim -n __vzcptsim_none -a pool -d 'group nodes that can all migrate to each other, and say what makes one group'
complete -c vzcptsim -n '__vzcptsim_in nodes' -s h -l help -d 'show this help, and end'
complete -c vzcptsim -n '__vzcptsim_in nodes' -l json -d 'for a machine to read'
complete -c vzcptsim -n '__vzcptsim_in nodes' -f -k -a '$__vzcptsim_nodes (__vzcptsim_nodes)'
complete -c vzcptsim -n '__vzcptsim_in kernels' -s h -l help -d 'show this help, and end'
complete -c vzcptsim -n '__vzcptsim_in kernels' -l json -d 'for a machine to read'
complete -c vzcptsim -n '__vzcptsim_in cpus' -s h -l help -d 'show this help, and end'
complete -c vzcptsim -n '__vzcptsim_in cpus' -l json -d 'for a machine to read'
complete -c vzcptsim -n '__vzcptsim_in replay' -s h -l help -d 'show this help, and end'
complete -c vzcptsim -n '__vzcptsim_in replay' -l user -r -f -d 'run as this user'
complete -c vzcptsim -n '__vzcptsim_in replay' -l inside -r -f -d 'run inside this container'
complete -c vzcptsim -n '__vzcptsim_in replay' -l 32-bit -d 'run as a 32-bit program'
complete -c vzcptsim -n '__vzcptsim_in replay' -f -k -a '$__vzcptsim_nodes (__vzcptsim_nodes)'
complete -c vzcptsim -n '__vzcptsim_hands_on replay' -f -a '(__vzcptsim_handed_on vzcptcheck)'
complete -c vzcptsim -n '__vzcptsim_in run' -s h -l help -d 'show this help, and end'
complete -c vzcptsim -n '__vzcptsim_in run' -l node -r -f -k -a '$__vzcptsim_nodes (__vzcptsim_nodes)' -d 'where it is to run'
complete -c vzcptsim -n '__vzcptsim_in run' -l user -r -f -d 'who it is to the node: root if not said'
complete -c vzcptsim -n '__vzcptsim_in run' -l inside -r -f -d 'run inside this container'
complete -c vzcptsim -n '__vzcptsim_in run' -l node-for -r -f -a '(__vzcptsim_pairs)' -d '\'ssh HOST COMMAND\' runs COMMAND on that other node'
complete -c vzcptsim -n '__vzcptsim_in run' -l sshd-for -r -f -a '(__vzcptsim_pairs)' -d 'the same, through the real ssh and a real sshd on that node'
complete -c vzcptsim -n '__vzcptsim_in run' -l cpu-instruction -d 'run it under qemu-user with a CPU like the node\'s: for programs that execute CPUID'
complete -c vzcptsim -n '__vzcptsim_hands_on run' -f -a '(__vzcptsim_handed_on)'
complete -c vzcptsim -n '__vzcptsim_in compose' -s h -l help -d 'show this help, and end'
complete -c vzcptsim -n '__vzcptsim_in compose' -l cpuid -r -F -a '$__vzcptsim_cpus' -d 'a register dump\'s path (in any form: hwloc, criu, aida64, cpuid-r, cpuid, libcpuid, libvirt, cpuinfo, json), - for standard input, or a CPU\'s name from \'vzcptsim cpus\'; none on ia64'
complete -c vzcptsim -n '__vzcptsim_in compose' -l processor -r -f -d 'take the N-th CPU of the dump, from 0'
complete -c vzcptsim -n '__vzcptsim_in compose' -l kernel -r -f -a '$__vzcptsim_releases' -d 'what uname -r prints'
complete -c vzcptsim -n '__vzcptsim_in compose' -l machine -r -f -a 'x86_64 i386 i486 i586 i686 ia64' -d 'what uname -m prints'
complete -c vzcptsim -n '__vzcptsim_in compose' -l ct -r -f -d 'a container; see below'
complete -c vzcptsim -n '__vzcptsim_in compose' -l boot-option -r -f -d 'of the kernel\'s command line: noxsave, nordrand, clearcpuid=N, eagerfpu=on...'
complete -c vzcptsim -n '__vzcptsim_in compose' -l no-ipv6 -d 'IPv6 is not loaded'
complete -c vzcptsim -n '__vzcptsim_in compose' -l slm -d 'SLM is enabled, and slm_dmprst is not loaded'
complete -c vzcptsim -n '__vzcptsim_in compose' -l no-module -r -f -a 'vzcpt vzrst' -d 'vzcpt or vzrst is not loaded'
complete -c vzcptsim -n '__vzcptsim_in compose' -l cpuid-override -r -f -d 'what is written to /proc/vz/cpuid_override; empty where the file is there'
complete -c vzcptsim -n '__vzcptsim_in compose' -s o -l output -r -F -d 'write there, not to stdout'
complete -c vzcptsim -n '__vzcptsim_in import' -s h -l help -d 'show this help, and end'
complete -c vzcptsim -n '__vzcptsim_in import' -s o -l output -r -F -d 'write there, not to stdout'
complete -c vzcptsim -n '__vzcptsim_first import' -a 'auto hwloc criu aida64 cpuid-r cpuid libcpuid libvirt cpuinfo json gathered'
complete -c vzcptsim -n '__vzcptsim_in import' -F
complete -c vzcptsim -n '__vzcptsim_in check' -s h -l help -d 'show this help, and end'
complete -c vzcptsim -n '__vzcptsim_in check' -l ct -r -f -d 'judge this container of SOURCE alone'
complete -c vzcptsim -n '__vzcptsim_in check' -l suspended -r -f -d 'judge a container that is suspended on SOURCE, recorded or not: by its node'
complete -c vzcptsim -n '__vzcptsim_in check' -l image -d 'judge SOURCE as a checkpoint image, whatever it looks like'
complete -c vzcptsim -n '__vzcptsim_in check' -l strict -d 'count our opinion in, not the kernel\'s alone'
complete -c vzcptsim -n '__vzcptsim_in check' -l waive -r -f -a '$__vzcptsim_waivable' -d 'a reason of ours that does not count; the kernel\'s cannot be waived'
complete -c vzcptsim -n '__vzcptsim_in check' -l verbose -d 'tell all there is of remarks, too'
complete -c vzcptsim -n '__vzcptsim_in check' -l json -d 'for a machine to read'
complete -c vzcptsim -n '__vzcptsim_in check' -l explain -r -f -a '$__vzcptsim_codes' -d 'say what a reason\'s code means; no nodes'
complete -c vzcptsim -n '__vzcptsim_in check' -f -k -a '$__vzcptsim_nodes (__vzcptsim_nodes)'
complete -c vzcptsim -n '__vzcptsim_in matrix' -s h -l help -d 'show this help, and end'
complete -c vzcptsim -n '__vzcptsim_in matrix' -l format -r -f -a 'table json csv markdown junit html' -d 'how to write it; a table if not said'
complete -c vzcptsim -n '__vzcptsim_in matrix' -l by -r -f -a 'node class' -d 'report nodes, or classes of them'
complete -c vzcptsim -n '__vzcptsim_in matrix' -l full -d 'write every pair of nodes as it is made: CSV, or JSON with a pair a line'
complete -c vzcptsim -n '__vzcptsim_in matrix' -s o -l output -r -F -d 'write there, not to stdout'
complete -c vzcptsim -n '__vzcptsim_in matrix' -l strict -d 'count our opinion in, not the kernel\'s alone'
complete -c vzcptsim -n '__vzcptsim_in matrix' -l waive -r -f -a '$__vzcptsim_waivable' -d 'a reason of ours that does not count; the kernel\'s cannot be waived'
complete -c vzcptsim -n '__vzcptsim_in matrix' -l expect -r -F -d 'compare with the matrix that is kept there'
complete -c vzcptsim -n '__vzcptsim_in matrix' -l update -d 'with --expect: keep this matrix there, compare nothing'
complete -c vzcptsim -n '__vzcptsim_in matrix' -f -k -a '$__vzcptsim_nodes (__vzcptsim_nodes)'
complete -c vzcptsim -n '__vzcptsim_in diff' -s h -l help -d 'show this help, and end'
complete -c vzcptsim -n '__vzcptsim_in diff' -l strict -d 'count our opinion in, not the kernel\'s alone'
complete -c vzcptsim -n '__vzcptsim_in diff' -l waive -r -f -a '$__vzcptsim_waivable' -d 'a reason of ours that does not count; the kernel\'s cannot be waived'
complete -c vzcptsim -n '__vzcptsim_in diff' -l json -d 'for a machine to read'
complete -c vzcptsim -n '__vzcptsim_in diff' -f -k -a '$__vzcptsim_nodes (__vzcptsim_nodes)'
complete -c vzcptsim -n '__vzcptsim_in pool' -s h -l help -d 'show this help, and end'
complete -c vzcptsim -n '__vzcptsim_in pool' -l any-container -d 'count containers to come too: each node for one that uses all that it has'
complete -c vzcptsim -n '__vzcptsim_in pool' -l strict -d 'count our opinion in, not the kernel\'s alone'
complete -c vzcptsim -n '__vzcptsim_in pool' -l waive -r -f -a '$__vzcptsim_waivable' -d 'a reason of ours that does not count; the kernel\'s cannot be waived'
complete -c vzcptsim -n '__vzcptsim_in pool' -l json -d 'for a machine to read'
complete -c vzcptsim -n '__vzcptsim_in pool' -f -k -a '$__vzcptsim_nodes (__vzcptsim_nodes)'
