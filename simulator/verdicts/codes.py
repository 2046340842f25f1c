"""What each reason's code means, and what to do about it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from simulator.errors import UserError


class Code(NamedTuple):
    """One code: ``opinion`` is whose reason it is, ``kernel`` or ``ours``, the rest is prose.

    ``summary`` is a line, ``explanation`` a paragraph, ``next_step`` a sentence or two.
    """

    name: str
    opinion: str
    summary: str
    explanation: str
    next_step: str


def find_code(name: str) -> Code:
    """Return a code; UserError where there is none of that name, with those that are near."""
    if name in CODES:
        return CODES[name]
    from difflib import get_close_matches

    near = get_close_matches(name, CODES, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(CODES)}"
    raise UserError(f"there is no code {name!r}: {hint}")


#: Every code that a reason may have: the kernel's opinion first, then ours (which may be waived).
_CODES = (
    Code(
        "module-missing",
        "kernel",
        "A kernel module that has to be asked is not loaded",
        "/proc/cpt on the source comes from the module vzcpt, /proc/rst on the destination from "
        "vzrst. Where one of them is missing, none of the questions put to it has an answer, and "
        "nothing could be checked. A migration would fail there too. The fact is the node's list "
        "of modules.",
        "Load it on that node, 'modprobe vzcpt' or 'modprobe vzrst', and ask again.",
    ),
    Code(
        "version-not-told",
        "kernel",
        "The source's kernel does not tell which image version it writes",
        "'vzcptcheck version' asks by CPT_TEST_VERSION, which came with the 042stab kernels: "
        "older ones answer EINVAL, and the command ends with status 1. What they write is known "
        "all the same, 0x302 from 2.6.18 028stab and 0x800 from 2.6.32: our opinion compares it "
        "with what the destination's kernel restores.",
        "Look at our opinion on the version, and ask the destination: 'vzcptcheck version NUM'.",
    ),
    Code(
        "version-not-tested",
        "kernel",
        "The destination's kernel does not tell which image versions it restores",
        "'vzcptcheck version NUM' asks by CPT_TEST_VERSION. Kernels before 042stab have no such "
        "request and answer EINVAL, which vzcptcheck(8) takes for a yes with a warning. Restore "
        "itself has a rule nevertheless: our opinion applies it.",
        "Look at our opinion on the version before you rely on this one.",
    ),
    Code(
        "version-too-new",
        "kernel",
        "The destination's kernel is too old for the source's image version",
        "The source writes images of a version that the destination's kernel refuses, since it "
        "knows only older ones of that family (the upper eight bits of the version). Named are "
        "the version and those that are taken. The rule is the one of CPT_TEST_VERSION in the "
        "destination's kernel.",
        "Upgrade the destination's kernel: from 042stab088 on they take 0x803 (32_3).",
    ),
    Code(
        "caps-not-told",
        "kernel",
        "The destination's capability number is 0, which is no answer",
        "'vzcptcheck caps' on the destination takes a number above 0 for an answer, and ends with "
        "status 1 else. Every CPU that these kernels run on gives a number: 0 comes of a "
        "recording that is wrong, or of an override that masks all there is.",
        "Look at /proc/vz/cpuid_override on the destination, and record the node again.",
    ),
    Code(
        "caps-not-compared",
        "kernel",
        "The source's kernel does not compare capability numbers of suspended containers",
        "CPT_TEST_CAPS on /proc/cpt answers ENOSYS in kernels from 042stab101.5 to 106 and in "
        "108.1. vzcptcheck(8) takes that for a yes with a warning: nothing was checked. What we "
        "say of the two CPUs holds all the same.",
        "Resume the container and ask about it running, or go by our opinion.",
    ),
    Code(
        "container-not-running",
        "kernel",
        "The container does not run, so nobody can say what it needs",
        "CPT_TEST_VECAPS asks the processes of a running container. A stopped one is not there "
        "for the kernel, one that is stopping is refused: both ESRCH, and vzcptcheck(8) ends with "
        "status 1. A stopped container needs no such check: it is moved as files.",
        "Move it while it is stopped, or start it and ask again.",
    ),
    Code(
        "container-locked",
        "kernel",
        "The container is locked: it is being checkpointed, started or stopped",
        "CPT_TEST_VECAPS answers EBUSY about a container that is locked, with the diagnostic 'CT "
        "is locked', and vzcptcheck(8) ends with status 1. Nothing is known of what it needs.",
        "Wait until whatever holds the lock is done, and ask again.",
    ),
    Code(
        "container-suspended",
        "kernel",
        "The container is suspended, and the question was that for a running one",
        "CPT_TEST_VECAPS answers EBUSY about a container that is suspended already. For these "
        "there is another question, CPT_TEST_CAPS, which compares the whole node that it was "
        "suspended on.",
        "Ask about it as a suspended one: 'vzcptcheck caps CAPNUM', 'vzcptsim check --suspended'.",
    ),
    Code(
        "needs-unknown",
        "kernel",
        "It is not recorded what the container needs",
        "The node's profile says neither what is in the container nor what its kernel said of its "
        "needs. A hole is not taken for a container without needs.",
        "Record the node again, or describe the container: 'vzcptsim compose --ct'.",
    ),
    Code(
        "cpu-feature-missing",
        "kernel",
        "The destination lacks a CPU feature that the source's kernel compares",
        "The kernel tests up to 19 words. A running container needs what its processes are known "
        "to use: of one that has used the FPU every FPU feature that the source has. Of a "
        "suspended one the whole node's bits are compared. Shown are the bit of the capability "
        "number that is looked at, with the place in CPUID that it comes from, and its value on "
        "both sides. Kernels from 042stab to before 042stab101 look at the bit of SSE4_1 for the "
        "word sse4_2.",
        "Choose a destination whose CPU has it, mask it on the source by /proc/vz/cpuid_override "
        "before the container starts, or move the container while it is stopped.",
    ),
    Code(
        "destination-slm-module",
        "kernel",
        "SLM is enabled on the destination, but its module slm_dmprst is not loaded",
        "Bit 24 of the destination's capability number says so, and from 2.6.32 on the source's "
        "kernel refuses every running container for it. Only 2.6.32 kernels before 042stab set "
        "the bit.",
        "Load the module on the destination: 'modprobe slm_dmprst'.",
    ),
    Code(
        "source-slm-module",
        "kernel",
        "SLM is enabled on the source, but its module slm_dmprst is not loaded",
        "2.6.32 kernels before 042stab put bit 24 into the needs of every container then, and it "
        "is among those that cannot be checkpointed.",
        "Load the module on the source: 'modprobe slm_dmprst'.",
    ),
    Code(
        "container-entered",
        "kernel",
        "A process that came from outside is in the container",
        "Somebody entered the container (vzctl enter, vzctl exec), or a process has its group or "
        "session on the node: bit 16 of the container's needs. Such a process cannot be "
        "checkpointed. The kernel's diagnostic names it.",
        "End the session that entered the container.",
    ),
    Code(
        "container-namespaces",
        "kernel",
        "A process has a private mount namespace, which this kernel cannot checkpoint",
        "Bit 17 of the container's needs. Kernels before 042stab cannot checkpoint mount "
        "namespaces; 042stab kernels can, and ask whether the destination can restore them.",
        "End the process that uses a private mount namespace.",
    ),
    Code(
        "container-scheduler",
        "kernel",
        "A process has a scheduling policy that cannot be checkpointed",
        "Bit 18 of the container's needs: a policy other than the normal one (from 042stab on "
        "batch and idle are fine too). The kernel's diagnostic names the process.",
        "Give the process a normal policy: 'chrt --other --pid 0 PID'.",
    ),
    Code(
        "container-traced",
        "kernel",
        "A process of the container is traced from the node",
        "Bit 19 of the container's needs: a debugger on the node is attached to a process inside. "
        "The kernel's diagnostic names the process.",
        "Detach the debugger or strace on the node.",
    ),
    Code(
        "container-filesystem",
        "kernel",
        "A file system in the container cannot be checkpointed",
        "Bit 20 (a type that is not supported) or bit 21 (a bind mount) of the container's needs. "
        "The kernel's diagnostic names the type.",
        "Unmount the file system in the container.",
    ),
    Code(
        "container-netdevice",
        "kernel",
        "A network device in the container cannot be checkpointed",
        "Bit 22 of the container's needs. The kernel's diagnostic names the first such device, "
        "and no other.",
        "Take the network device out of the container.",
    ),
    Code(
        "container-misc",
        "kernel",
        "Something else in the container cannot be checkpointed",
        "Bit 23 of the container's needs: a NUMA memory policy, keys of its own, or what else the "
        "kernel has no state for. The kernel's diagnostic names the process where it knows it.",
        "End the process that is named, or start it without what is named.",
    ),
    Code(
        "container-other",
        "kernel",
        "The container needs something that this kernel cannot checkpoint, and has no name for",
        "A bit of the container's needs is among those that the kernel refuses (its mask of what "
        "is not supported), and is none that a published kernel sets of a container.",
        "Look at the kernel's diagnostics: 'vzcptcheck caps CTID CAPNUM' on the source.",
    ),
    Code(
        "destination-ipv6",
        "kernel",
        "The destination has no IPv6, and the container is not known to do without",
        "Bit 28 of the destination's capability number says that IPv6 is not loaded or disabled "
        "there. From 042stab088 on a container on a node without IPv6 passes; before that, in "
        "042stab, no container ever does, not even to its own node.",
        "Load IPv6 on the destination: 'modprobe ipv6', and boot without ipv6.disable=1.",
    ),
    Code(
        "destination-namespaces",
        "kernel",
        "The destination cannot restore private mount namespaces, and the container uses one",
        "Bit 17 is in the container's needs and not in the destination's capability number: "
        "kernels before 042stab cannot restore mount namespaces.",
        "Choose a destination with a 042stab kernel, or end the processes in the container that "
        "use a private mount namespace.",
    ),
    Code(
        "image-size",
        "kernel",
        "The image's size is none that an image has",
        "Restore first looks at the size: a multiple of 8, and room for a header and a tail, 80 "
        "and 248 bytes. What is shorter was cut off; a pipe or a folder has no size at all.",
        "Copy the image again, whole, to a regular file.",
    ),
    Code(
        "image-signature",
        "kernel",
        "The file does not begin as a checkpoint image does",
        "The first four bytes of the header are 79 1c 01 63. Restore refuses anything else with "
        "EINVAL and without a word.",
        "Make sure that this is the image, and copy it again: 'vzcptcheck image FILE'.",
    ),
    Code(
        "image-hz",
        "kernel",
        "The image is of a kernel with another clock rate (HZ) than the destination's",
        "The times in an image are counted in the clock ticks of its kernel, and restore refuses "
        "another rate than its own ('HZ mismatch'). RHEL6 kernels (042stab) have 1000. That of "
        "older kernels is not known here: there it is left unknown.",
        "Choose a destination whose kernel has the image's HZ.",
    ),
    Code(
        "image-version",
        "kernel",
        "The destination's kernel does not restore this image version",
        "Restore has a rule of its own on versions, which is that of CPT_TEST_VERSION where there "
        "is such a request: named are the version and those with a name that it takes. Its word "
        "is 'Unknown image version', in hexadecimal without 0x.",
        "Choose a destination with a kernel like the source's: 'vzcptcheck explain version NUM' "
        "names those that restore it.",
    ),
    Code(
        "image-tail",
        "kernel",
        "The file does not end as a checkpoint image does",
        "The last 248 bytes are the tail: it ends with the number of entries of its index, 27, "
        "and the signature 79 1c 01 63 once more. An image that was cut off or got longer on its "
        "way has something else there. Restore refuses it without a word.",
        "Copy the image again, and compare the sizes: 'vzcptcheck image FILE'.",
    ),
    Code(
        "image-chain",
        "kernel",
        "The chain of sections is broken",
        "From the header's own length on each section says where the next one begins, up to the "
        "TRAILER's header, 264 bytes before the end. Restore refuses a section whose header is "
        "below 16 bytes, one that is smaller than its header, and one that goes beyond the "
        "TRAILER's, without a word.",
        "Copy the image again; if it is as it was written, suspend the container anew.",
    ),
    Code(
        "image-chain-long",
        "kernel",
        "The chain has more sections than are looked at here",
        "Kernels write each kind of section once, 35 at most. Restore would follow any number of "
        "them; here only the first 1024 are, so that a file that was made for it keeps nobody "
        "busy, and what comes after them is not known.",
        "Do not restore it: no kernel has written this file.",
    ),
    Code(
        "image-section-unknown",
        "kernel",
        "A section has a number that the destination's kernel does not know",
        "A kernel refuses an image with a section of a number at or above its own end: 31 in "
        "2.6.18 028stab, 32 in 2.6.32, 33 in 042stab before 088, 34 in 042stab088.4 and 35 from "
        "090.5 on. Where between these two it grew was not read, so section 34, NET_IP6TABLES, "
        "leaves it unknown there.",
        "Choose a destination whose kernel is not older than the source's.",
    ),
    Code(
        "image-64-bit",
        "kernel",
        "The image has 64-bit tasks of another architecture than the destination's",
        "The tail counts 64-bit tasks, and where there are any the header's architecture must be "
        "that of the kernel, else restore says 'Cannot restore 64 bit container on this "
        "architecture'. It is the last check of an image's frame.",
        "Choose a destination with a kernel of the image's architecture.",
    ),
    Code(
        "image-veinfo",
        "kernel",
        "The section VEINFO does not hold what restore reads there first",
        "The last section with the number of VEINFO counts, and its first object must be of type "
        "13, else restore says 'wrong object type' and 'rst_veinfo: -22'. A section without room "
        "for an object was refused without a word. Both are recorded of 141.3. Where all objects "
        "of the image are blank, the tail's index tells what the section was; blanks alone are "
        "not held against a sample.",
        "Copy the image again; if it is as it was written, suspend the container anew.",
    ),
    Code(
        "image-section-not-found",
        "kernel",
        "Restore asks for a section that the image does not have",
        "When restore makes a container it reads VEINFO, and then NAMESPACE. Without the one it "
        "ends with EIO, without the other with ENODEV (section 11 of kernel-facts.md; what it "
        "writes beside that was not recorded). It comes to that only where there is a section "
        "TASKS: an image without any is restored with result 0, and makes no container.",
        "Copy the image again: 'vzcptcheck image FILE' has what there is of it.",
    ),
    Code(
        "restore-version-too-new",
        "ours",
        "Restore on the destination refuses the image version: too new",
        "The two kernels could not be asked about versions. What the source's kernel writes is "
        "newer than what restore in the destination's kernel takes of that family. The rules are "
        "those of the published kernels' restore: kernel-facts.md, section 5.",
        "Upgrade the destination's kernel, or move the container while it is stopped.",
    ),
    Code(
        "restore-version-too-old",
        "ours",
        "Restore on the destination refuses the image version: too old",
        "The two kernels could not be asked about versions. What the source's kernel writes is "
        "older than what restore in the destination's kernel takes of that family: 042stab "
        "kernels take 0x303 and 0x304 of 2.6.18's, and 028stab writes 0x302.",
        "Move the container while it is stopped, or upgrade the source's kernel first.",
    ),
    Code(
        "restore-version-other-family",
        "ours",
        "Restore on the destination refuses the image version: another family",
        "The two kernels could not be asked about versions. What the source's kernel writes is of "
        "a family (the upper eight bits of the version) of which restore in the destination's "
        "kernel takes none: 2.6.18 kernels restore no image of a 2.6.32 kernel.",
        "Move the container while it is stopped, or upgrade the destination to 2.6.32 042stab.",
    ),
    Code(
        "architecture-differs",
        "ours",
        "One node is an ia64, the other is not",
        "Nothing of the one runs on the other. The kernel finds that for a running container by "
        "the words emt64, ia64 and cmov; for a suspended one kernels before 042stab107 compare "
        "CPU features alone, and those of an ia64 (FXSR) are among an x86's.",
        "Choose a destination of the same architecture.",
    ),
    Code(
        "kernel-narrower",
        "ours",
        "The source's kernel is 64-bit, the destination's 32-bit",
        "Restore refuses an image with 64-bit processes there ('Cannot restore 64 bit container "
        "on this architecture'). The kernel finds that for a running container by the word emt64; "
        "for a suspended one kernels before 042stab107 do not ask. Whether a container of 32-bit "
        "processes alone is restored by a narrower kernel was never recorded.",
        "Choose a destination with a 64-bit kernel.",
    ),
    Code(
        "vendor-differs",
        "ours",
        "The CPUs are of different vendors",
        "Instruction sets and the XSAVE area are compared bit by bit, so the vendor by itself "
        "refuses nothing. But programs, the C library among them, choose code by it when they "
        "start, and how 32-bit processes enter the kernel depends on it (SYSENTER on Intel, "
        "SYSCALL elsewhere; kernels from 2.6.32 on test that). The vendor is CPUID leaf 0's.",
        "Try one container of each kind before you rely on it.",
    ),
    Code(
        "instructions-missing",
        "ours",
        "Programs were shown an instruction set that the destination lacks: they crash",
        "CPUID on the source, as /proc/vz/cpuid_override leaves it, tells programs of "
        "instructions that are undefined on the destination, or that its kernel does not enable. "
        "A program that has chosen them goes on to use them after the migration and ends with "
        "SIGILL. The kernel compares 19 features and not this one, or only where the container "
        "used the FPU. If no process has used the FPU so far, it is a remark for what needs the "
        "FPU. The table is facts/features.py, after the manuals of Intel and AMD.",
        "Mask it on the source by /proc/vz/cpuid_override and start the container again, or "
        "choose another destination ('vzcptsim pool' has the lines).",
    ),
    Code(
        "instructions-differ",
        "ours",
        "Programs were shown instructions that mean something else on the destination",
        "On a CPU without the feature these instructions are decoded as older ones: LZCNT as BSR, "
        "which counts from the other end. Programs go on with wrong results and no error. The "
        "table is facts/features.py.",
        "Mask it on the source by /proc/vz/cpuid_override and start the container again, or "
        "choose another destination.",
    ),
    Code(
        "instructions-slower",
        "ours",
        "Programs were shown a feature that the destination lacks: slower, no more",
        "The instructions do nothing on the destination, or take longer there: hints, prefetches, "
        "string moves, lock elision. Nothing breaks. The table is "
        "facts/features.py.",
        "Nothing needs to be done.",
    ),
    Code(
        "instructions-kernel-only",
        "ours",
        "The destination's CPU lacks a feature that only kernels use",
        "CPUID tells of it, but programs cannot use it, or these kernels do not enable it for "
        "them. It makes no difference to a container. The table is facts/features.py.",
        "Nothing needs to be done.",
    ),
    Code(
        "cpuid-not-recorded",
        "ours",
        "A CPUID leaf was not recorded, so it is not known whether instructions are missing",
        "The source tells programs of these instructions, or may do so, and whether the "
        "destination has them is not known: a leaf of CPUID was not recorded on one of the nodes. "
        "A hole is not taken for a weaker CPU, nor for a yes.",
        "Record that node's CPUID again, whole: 'vzcptcheck capture', or 'cpuid -r'.",
    ),
    Code(
        "xsave-not-recorded",
        "ours",
        "It is not recorded how one of the CPUs lays out the FPU's state",
        "Leaf 0xd of CPUID says which components XSAVE has, and subleaf N where component N is: "
        "subleaf 0, and 5, 6 and 7 of a CPU with AVX-512 below a kernel that enables it. They "
        "were not recorded on one of the nodes, or not whole, so the areas cannot be compared. Of "
        "two CPUs with the same registers it does not matter.",
        "Record that node's CPUID again, with all subleaves of 0xd: 'cpuid -r'.",
    ),
    Code(
        "xsave-not-settled",
        "ours",
        "It is not known whether a kernel of that release enables AVX-512's state",
        "Kernels up to 042stab092.1 enable x87, SSE and AVX in XCR0, those from 042stab108.1 on "
        "AVX-512's three components too. In between no tree was read. Both cases were compared, "
        "and they come to different ends. Named are the releases that it is not known of; two "
        "nodes of one release enable the same.",
        "Upgrade that node's kernel to 042stab108.1 or later, or choose a node whose CPU has no "
        "AVX-512.",
    ),
    Code(
        "xsave-component-missing",
        "ours",
        "The destination does not save a part of the FPU's state that may be in use",
        "The container has used the FPU, or may have, and the image holds a state component "
        "(AVX's upper halves, AVX-512's registers...) that the destination has no place for: "
        "restore drops it in silence, and programs go on with registers cleared. The components "
        "are those that the kernel enables (x87, SSE and AVX up to 042stab092.1, AVX-512's from "
        "108.1 on) and CPUID's leaf 0xd has. One that no instruction set was shown for is unused, "
        "and losing it harms nobody. What /proc/vz/cpuid_override hides was not shown: containers "
        "that were started before it was written keep the old instructions, and must be started "
        "again first.",
        "Write an override on the source that hides the instruction sets (leaf 7 for AVX-512's) "
        "and start the container again, choose a destination that saves the component, or move "
        "the container while it is stopped.",
    ),
    Code(
        "xsave-layout-differs",
        "ours",
        "The two CPUs keep a part of the FPU's state that may be in use at different places",
        "The image holds XSAVE's area as the source's CPU wrote it, and the destination's reads "
        "each component where it itself would have written it: AMD CPUs with AVX-512 have it 256 "
        "bytes before Intel's. Registers would be restored with other contents. The places are "
        "CPUID's leaf 0xd, subleaf N, ebx. A component that no instruction set was shown for is "
        "unused, as of xsave-component-missing.",
        "Hide the instruction sets on the source by /proc/vz/cpuid_override and start the "
        "container again, choose a destination of the same vendor, or move it while it is stopped.",
    ),
    Code(
        "xsave-area-smaller",
        "ours",
        "The destination's XSAVE area is smaller, and cuts a part that may be in use",
        "Restore copies as much of the image's area as the destination has room for, and neither "
        "compares the sizes nor says that it cuts. Sizes are where the last component ends that "
        "the kernel enables, by CPUID's leaf 0xd: 832 bytes with AVX, 576 without, and 512 where "
        "XSAVE is not there or not turned on. A smaller area that every component in use fits "
        "into is no reason.",
        "Choose a destination whose area is as large, or move the container while it is stopped.",
    ),
    Code(
        "xsave-area-larger",
        "ours",
        "The destination's XSAVE area is larger than programs on the source took it for",
        "The C library (glibc since 2.27, in some distributions before) saves registers by XSAVE "
        "when a function is bound at its first call, into room that it measured by CPUID's leaf "
        "0xd when the program started. XSAVE writes all components that the destination's kernel "
        "enables, and so beyond that room: restore succeeds, and the program crashes at such a "
        "call. That is so whether a process has used the FPU so far or not. The source's size is "
        "what programs were told: the area's own, or ebx of leaf 0xd in /proc/vz/cpuid_override "
        "if that is more. Programs that are not shown OSXSAVE do not save by XSAVE. Containers "
        "that were started before an override was written keep the size of that time.",
        "Move the container while it is stopped, and so start it anew on the destination; or "
        "start its services with LD_BIND_NOW=1 in their environment, and waive this code for it; "
        "or choose a destination whose area is of the same size; or write an override on the "
        "source with the destination's size in ebx of leaf 0xd, and start the container again.",
    ),
    Code(
        "image-caps-not-recorded",
        "ours",
        "The image does not say which CPU features its node had",
        "The header has room for the capability number of the node that the container was "
        "suspended on. It is there if CPT_SET_CPU_FLAGS was requested before the dump, as vzctl "
        "does, else it is 0. Restore does not look at it: an image with AVX state is restored in "
        "silence on a CPU without XSAVE.",
        "Ask about the node that it was suspended on: 'vzcptcheck caps CAPNUM' there, or "
        "'vzcptsim check SOURCE DESTINATION --suspended CTID'.",
    ),
    Code(
        "image-cpu-feature-missing",
        "ours",
        "The node that the image was made on had a CPU feature that the destination lacks",
        "The capability numbers of the two are compared by the 19 words of the newest kernels' "
        "CPT_TEST_CAPS, each by its own bit: what the container's processes have used of them the "
        "image does not say. The word emt64 counts where the tail has 64-bit tasks. Restore does "
        "not look at the number.",
        "Choose a destination whose CPU has it, or resume the container and ask about it running.",
    ),
    Code(
        "image-section-missing",
        "ours",
        "The image is not whole: a section that every container has is not in the chain",
        "VEINFO, NAMESPACE, TASKS and MM are in every image of a container. Restore asks for the "
        "first two; an image without TASKS or MM it may well restore, with result 0 and no "
        "container.",
        "Copy the image again: 'vzcptcheck image FILE' has what there is of it.",
    ),
    Code(
        "image-section-repeated",
        "ours",
        "A section stands in the image more than once",
        "Kernels write each section once. Restore reads the last of a number, and what the others "
        "hold is lost.",
        "Do not rely on it: suspend the container anew, or take another copy of the image.",
    ),
    Code(
        "image-index-differs",
        "ours",
        "The tail's index and the chain of sections contradict each other",
        "The tail lists where 27 of the sections begin, and restore does not look at it. Where a "
        "section of the chain is in the place of another one by the index, restore takes the "
        "one's contents for the other's: that refuses. Else one of the two is damaged, and nobody "
        "can tell which.",
        "Do not rely on it: suspend the container anew, or take another copy of the image.",
    ),
    Code(
        "image-architecture-unknown",
        "ours",
        "The image's architecture is none that is known",
        "There are 0 i386, 1 EMT64 and 2 IA64. Restore compares the number only where there are "
        "64-bit tasks.",
        "Make sure that the image is what the source has written: 'vzcptcheck image FILE'.",
    ),
    Code(
        "image-page-size",
        "ours",
        "The image's page size is not the destination's",
        "Memory is kept in pages, of 4096 bytes on x86. Restore does not look at the field; no "
        "kernel for x86 writes another.",
        "Make sure that the image is what the source has written: 'vzcptcheck image FILE'.",
    ),
    Code(
        "image-lazy-pages",
        "ours",
        "Pages of memory were left out of the image, to be fetched later",
        "The tail counts lazy pages: the image alone does not hold all of the container's memory. "
        "Restore takes it all the same; what became of such containers was not recorded.",
        "Restore it only while what serves its pages is there, or suspend the container anew.",
    ),
    Code(
        "image-odd-record",
        "ours",
        "A field that restore does not look at is not what kernels write",
        "The header's own length, the TRAILER's header and the beginning of the tail are the same "
        "in every image that kernels write. Nothing depends on them here, but the file was "
        "changed or damaged.",
        "Copy the image again, and compare.",
    ),
    Code(
        "image-blank",
        "ours",
        "The contents of the image's sections are blank: it is judged as if they were there",
        "The first objects of all sections are zeros, as in samples that were made public without "
        "their contents. What holds of the frame holds; such a file by itself no kernel restores.",
        "Nothing needs to be done for a sample; else copy the image again.",
    ),
)

CODES: Mapping[str, Code] = MappingProxyType({code.name: code for code in _CODES})
