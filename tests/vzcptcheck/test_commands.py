"""Every command with every answer of the kernel: exit status, stdout and stderr."""

import errno

import pytest

from support import vzcptcheck_fakes as fakes
from support.vzcptcheck_fakes import CPT, RST, FakeKernel, cpuid_device, error, fill_in, run_command

EINVAL = error(errno.EINVAL)
ENOSYS = error(errno.ENOSYS)

UNKNOWN_KERNEL = "  This kernel is not one that vzcptcheck knows: nothing can be said.\n"
COMPAT_HINT = (
    "  A 32-bit program on a 64-bit kernel gets this answer to every request: "
    "run vzcptcheck with a 64-bit Python.\n"
)
LOOK = ": look there at /proc/cpuinfo, /proc/vz/cpuid_override, /proc/cmdline and 'uname -r'.\n"
HIDDEN = "    Its CPU lacks it, or /proc/vz/cpuid_override or a boot option hides it there"
DO = (
    "    Take away what hides it, choose another destination, "
    "or move the container while it is stopped.\n"
)
CPU_ADVICE = HIDDEN + LOOK + DO
OLD_KERNEL_ADVICE = f"{HIDDEN}, or its kernel is too old to show it{LOOK}{DO}"
BEFORE_042STAB = " (no kernel before 042stab shows it)"
STOPPED_ADVICE = "    End what is named here, or move the container while it is stopped.\n"

#: Errnos in words: the first four mean nothing in particular, EAGAIN among them.
ERRNOS = {
    errno.EAGAIN: "Resource temporarily unavailable (EAGAIN)",
    errno.EIO: "Input/output error (EIO)",
    errno.ENOTTY: "Inappropriate ioctl for device (ENOTTY)",
    errno.EFAULT: "Bad address (EFAULT)",
    errno.EINVAL: "Invalid argument (EINVAL)",
    errno.ENOSYS: "Function not implemented (ENOSYS)",
}

#: Every command, what it asks, what its errors begin with, the errnos that have a meaning of
#: their own there, and answers that no kernel gives.
COMMANDS = [
    (["version"], fakes.OWN_VERSION, "/proc/cpt: ioctl CPT_TEST_VERSION: ", {errno.EINVAL},
     [0, -1, -2147483648]),
    (["version", "2051"], fakes.TAKES_VERSION, "/proc/rst: ioctl CPT_TEST_VERSION: ",
     {errno.EINVAL}, [2, 2051, -1]),
    (["caps"], fakes.OWN_CAPS, "/proc/rst: ioctl CPT_TEST_CAPS: ", {errno.ENOSYS}, [0, -1]),
    (["caps", "511"], fakes.COMPARE_CAPS, "/proc/cpt: ioctl CPT_TEST_CAPS: ", {errno.ENOSYS},
     [2, 3, 511, -1]),
    (["caps", "101", "511"], fakes.TEST_VECAPS, "/proc/cpt: ioctl CPT_TEST_VECAPS: ", set(),
     [-1, -22]),
]  # fmt: skip


def refused(kernel, *arguments):
    """Run a command that is refused or fails; return its status and what stderr says."""
    status, stdout, stderr = run_command(kernel, *arguments)
    assert stdout == ""
    assert stderr.startswith("vzcptcheck: ")
    assert kernel.open_paths == []
    return status, stderr[len("vzcptcheck: ") :]


def answered(kernel, *arguments):
    """Run a command that needs no remark; return its status and what stdout says."""
    status, stdout, stderr = run_command(kernel, *arguments)
    assert stderr == ""
    assert kernel.open_paths == []
    return status, stdout


class TestShowVersion:
    def kernel(self, answer, **how):
        return FakeKernel({fakes.OWN_VERSION: answer}, **how)

    @pytest.mark.parametrize("answer", [0x801, 0x803, 1, 2**31 - 1])
    def test_the_version_is_printed_in_decimal(self, answer):
        kernel = self.kernel(answer)
        assert answered(kernel, "version") == (0, f"{answer}\n")
        assert kernel.requests() == [(CPT, fakes.CPT_TEST_VERSION, 0)]

    def test_a_kernel_without_the_request_is_an_error(self):
        kernel = self.kernel(EINVAL)
        kernel.answers[fakes.COMPARE_CAPS] = 1

        assert refused(kernel, "version") == (
            1,
            (
                "/proc/cpt: this kernel cannot be asked for its image version\n"
                "  Kernels before 042stab have no such request: 2.6.18 028stab writes 770 (0x302), "
                "2.6.32 without stab writes 2048 (0x800).\n"
            ),
        )


class TestVersion:
    def kernel(self, answer, **how):
        return FakeKernel({fakes.TAKES_VERSION: answer}, **how)

    def restoring(self, *taken):
        return self.kernel(lambda image_version: int(image_version in taken))

    @pytest.mark.parametrize("number", ["2051", "0x803"])
    def test_an_accepted_version_needs_no_words(self, number):
        kernel = self.kernel(1)
        assert answered(kernel, "version", number) == (0, "")
        assert kernel.requests() == [(RST, fakes.CPT_TEST_VERSION, 2051)]

    @pytest.mark.parametrize(
        ("taken", "version", "said"),
        [
            (
                [0x303, 0x304, 0x800, 0x801],
                "2051",
                "image version 0x803 (32_3) cannot be restored on this node\n"
                "  It is too new: this kernel takes 0x303 (18_3), 0x304 (18_4), 0x800 (32), "
                "0x801 (32_1).\n"
                "  Update this node's kernel, or choose a destination with a newer one.\n",
            ),
            (
                [0x800, 0x803],
                "770",
                "image version 0x302 (18_2) cannot be restored on this node\n"
                "  It is too old: this kernel takes 0x800 (32), 0x803 (32_3).\n"
                "  Update the source's kernel, or move the container while it is stopped.\n",
            ),
            # A kernel that takes no version that has a name.
            ([], "2052", "image version 0x804 cannot be restored on this node\n"),
        ],
    )
    def test_a_version_that_is_too_new_or_too_old(self, taken, version, said):
        assert refused(self.restoring(*taken), "version", version) == (2, said)

    def test_the_refusal_stands_where_its_reason_cannot_be_learned(self):
        kernel = self.kernel(lambda version: 0 if version == 2052 else error(errno.EIO))

        assert refused(kernel, "version", "2052") == (
            2,
            (
                "image version 0x804 cannot be restored on this node\n"
                "  which versions it takes could not be learned: "
                "/proc/rst: ioctl CPT_TEST_VERSION: Input/output error (EIO)\n"
            ),
        )

    @pytest.mark.parametrize("caps", [511, 0, 1, ENOSYS])
    def test_a_kernel_without_the_request_says_yes_with_a_warning(self, caps):
        kernel = self.kernel(EINVAL)
        kernel.answers[fakes.OWN_CAPS] = caps

        assert refused(kernel, "version", "2051") == (
            0,
            (
                "warning: nothing was checked: this kernel has no CPT_TEST_VERSION, and whether it "
                "takes this version shows only at restore\n"
            ),
        )

    @pytest.mark.parametrize("arguments", [["version"], ["version", "770"]])
    @pytest.mark.parametrize(("bits", "hint"), [(32, COMPAT_HINT), (64, "")])
    def test_a_kernel_that_knows_no_request_at_all_is_an_error(self, arguments, bits, hint):
        path = RST if arguments[1:] else CPT
        kernel = FakeKernel(
            {(path, fakes.CPT_TEST_VERSION): EINVAL, (path, fakes.CPT_TEST_CAPS): EINVAL}, bits=bits
        )
        assert refused(kernel, *arguments) == (
            1,
            f"{path}: ioctl CPT_TEST_CAPS: Invalid argument (EINVAL)\n" + hint,
        )


class TestShowCaps:
    def kernel(self, answer, **how):
        return FakeKernel({fakes.OWN_CAPS: answer}, **how)

    @pytest.mark.parametrize("answer", [511, 0x2E02E5DF, 1, 2**31 - 1])
    def test_the_number_is_printed_in_decimal(self, answer):
        kernel = self.kernel(answer)
        assert answered(kernel, "caps") == (0, f"{answer}\n")
        assert [request[:2] for request in kernel.requests()] == [
            (RST, fakes.CPT_SET_ERRORFD),
            fakes.OWN_CAPS,
        ]

    def test_a_kernel_that_cannot_tell_is_an_error(self):
        assert refused(self.kernel(ENOSYS), "caps") == (
            1,
            "/proc/rst: this kernel has no capability number\n",
        )


# cmov fxsr sse sse2 mmx sysenter emt64 syscall sse4_1 sse4_2 xsave avx aesni, and of no CPU:
# mount namespaces, and that IPv6 is not there.
NODE = 0x1E02659F

OLD_AMD = {
    (0, 0): (5, 0x68747541, 0x444D4163, 0x69746E65),
    (1, 0): (0x00100F23, 0x80000800, 0x00802009, 0x078BFBFD),
    (0x80000000, 0): (0x8000001B, 0x68747541, 0x444D4163, 0x69746E65),
    (0x80000001, 0): (0x00100F23, 0, 0x00000065, 0xE993FBFD),
}


class TestSuspendedContainer:
    def kernel(self, answer, **how):
        return FakeKernel({fakes.COMPARE_CAPS: answer}, **how)

    def refusing(self, own, **how):
        return FakeKernel({fakes.COMPARE_CAPS: 1, fakes.OWN_CAPS: own}, **how)

    def test_a_number_that_fits_needs_no_words(self):
        kernel = self.kernel(0)
        assert answered(kernel, "caps", "0x1ff") == (0, "")
        assert [request[:2] for request in kernel.requests()] == [
            (CPT, fakes.CPT_SET_ERRORFD),
            fakes.COMPARE_CAPS,
        ]
        assert kernel.requests()[1][2] == 511

    def test_a_kernel_that_cannot_tell_says_yes_with_a_warning(self):
        assert refused(self.kernel(ENOSYS), "caps", "511") == (
            0,
            (
                "warning: nothing was checked: this kernel does not compare capability numbers "
                "(ENOSYS, as 042stab101.5 to 106 and 108.1 say); test the container while it is "
                "running\n"
            ),
        )

    def test_the_missing_features_are_this_nodes_own_number_less_the_other(self):
        offered = NODE & ~(1 << 26 | 1 << 14 | 1 << 8 | 1 << 17)
        kernel = self.refusing(NODE)

        assert refused(kernel, "caps", str(offered)) == (
            2,
            "a container suspended on this node cannot be restored there\n"
            "  this node's CPU has (by its capability number), and the number lacks:\n"
            "    emt64      64-bit processes: the kernel is x86_64, capability bit 8\n"
            f"    sse4_2     CPUID 0x00000001 ecx bit 20, capability bit 14{BEFORE_042STAB}\n"
            f"    avx        CPUID 0x00000001 ecx bit 28, capability bit 26{BEFORE_042STAB}\n"
            + OLD_KERNEL_ADVICE,
        )
        assert kernel.requests()[-1] == (RST, fakes.CPT_TEST_CAPS, 0)

    @pytest.mark.parametrize(
        ("own", "offered", "note", "advice"),
        [
            # Every kernel from 042stab on shows bit 17: one that does is new enough for AVX.
            (1 << 26, 1 << 17, "", CPU_ADVICE),
            (1 << 26, 0, BEFORE_042STAB, OLD_KERNEL_ADVICE),
            (1 << 10, 0, " (no kernel before 2.6.32 shows it)", OLD_KERNEL_ADVICE),
            (1 << 10, 1 << 17, "", CPU_ADVICE),
            (1 << 29, 1 << 17, " (no kernel before 042stab101.5 shows it)", OLD_KERNEL_ADVICE),
            (1 << 0, 0, "", CPU_ADVICE),
        ],
    )
    def test_a_kernel_that_may_be_too_old_is_said(self, own, offered, note, advice):
        _, said = refused(self.refusing(own), "caps", str(offered))
        _, _, line, *rest = said.splitlines(keepends=True)
        assert line.endswith(f"capability bit {own.bit_length() - 1}{note}\n")
        assert "".join(rest) == advice

    def test_a_number_of_one_bit_is_a_number(self):
        _, stderr = refused(self.refusing(1), "caps", "0")
        assert "    cmov       CPUID 0x00000001 edx bit 15, capability bit 0\n" in stderr

    def test_a_number_that_lacks_nothing_is_said_to_lack_nothing(self):
        assert refused(self.refusing(NODE), "caps", str(NODE)) == (
            2,
            "a container suspended on this node cannot be restored there\n"
            "  the number has all that this node's CPU has (by its capability number)\n"
            + OLD_KERNEL_ADVICE,
        )

    @pytest.mark.parametrize("own", [0, -1, ENOSYS, error(errno.EIO)])
    def test_without_its_own_number_the_cpu_is_asked(self, own):
        files = {"/dev/cpu/0/cpuid": cpuid_device(OLD_AMD)}
        kernel = self.refusing(own, files=files)
        offered = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 10

        # SEP, which this CPU has (CPUID 1 edx 11), is not named: no 64-bit kernel counts it.
        assert refused(kernel, "caps", str(offered)) == (
            2,
            "a container suspended on this node cannot be restored there\n"
            "  this node's CPU has (by /dev/cpu/0/cpuid), and the number lacks:\n"
            "    3dnow      CPUID 0x80000001 edx bit 31, capability bit 5\n"
            "    3dnowext   CPUID 0x80000001 edx bit 30, capability bit 6\n"
            f"    sse4a      CPUID 0x80000001 ecx bit 6, capability bit 15{BEFORE_042STAB}\n"
            + OLD_KERNEL_ADVICE,
        )

    def test_the_cpu_is_asked_too_where_the_module_is_not_loaded(self):
        kernel = self.kernel(1, files={"/proc/cpuinfo": b"processor: 0\nflags: fpu avx sep\n"})
        assert refused(kernel, "caps", "1") == (
            2,
            "a container suspended on this node cannot be restored there\n"
            "  this node's CPU has (by /proc/cpuinfo), and the number lacks:\n"
            f"    avx        CPUID 0x00000001 ecx bit 28, capability bit 26{BEFORE_042STAB}\n"
            + OLD_KERNEL_ADVICE,
        )

    def test_the_refusal_stands_where_nobody_can_say_why(self):
        assert refused(self.kernel(1), "caps", "1") == (
            2,
            "a container suspended on this node cannot be restored there\n"
            "  which feature is missing could not be learned: "
            "No source tells what CPU 0 can do: "
            "/dev/cpu/0/cpuid: read: No such file or directory (ENOENT); "
            "the CPUID instruction, on the CPU that runs this process: read: "
            "Function not implemented (ENOSYS); "
            "/proc/cpuinfo: read: No such file or directory (ENOENT)\n" + OLD_KERNEL_ADVICE,
        )

    def test_the_refusal_stands_where_the_cpu_stops_answering(self):
        # The device: open, pipe, set_nonblocking, two requests, three closes; /proc/rst: open;
        # then leaves 0 and 0x80000000 of the CPU, in three calls each, and leaf 1.
        kernel = self.kernel(
            1, files={"/dev/cpu/0/cpuid": cpuid_device(OLD_AMD)}, failing={16: errno.EIO}
        )
        status, stderr = refused(kernel, "caps", "1")
        assert kernel.calls[16][0] == "pread"
        assert status == 2
        assert "could not be learned: /dev/cpu/0/cpuid: read: Input/output error" in stderr


def missing(word):
    return f"Error: Destination cpu does not have {word}\n"


#: Diagnostics of the kernel, by the advice that goes with them.
ADVICE = {
    "End the session that entered the container (vzctl enter, vzctl exec).": [
        "external process 4711/13(bash) inside CT (e.g. vzctl enter or vzctl exec).",
        "external process group 4711/13(bash) inside CT (e.g. vzctl enter or vzctl exec).",
        "external process session 4711/13(sh) inside CT (e.g. vzctl enter or vzctl exec).",
        "foreign process 13/4711(bash) inside CT (e.g. vzctl enter or vzctl exec).",
    ],
    "End the process that uses a private mount namespace.": [
        "namespaces are not supported: process 13/4711(systemd)"
    ],
    "Give the process a normal policy: 'chrt --other --pid 0 PID'.": [
        "scheduler policy is not supported 13/4711(jackd)",
        # A process's name is its owner's choice, and chooses no advice.
        "scheduler policy is not supported 13/4711(IPv6 not loaded)",
    ],
    "Detach the debugger on this node from the process.": [
        "task 4711/13(a.out) is ptraced from host system"
    ],
    "Start the process again without a NUMA memory policy.": [
        "NUMA mempolicy is used by 13,13(qemu)"
    ],
    "End the process that holds keys of its own: see keyctl(1).": ["keys are used by 13,13(sshd)"],
    "Take the network device out of the container.": ["unsupported netdevice tun0"],
    "Unmount the file system in the container.": ["Unsupported filesystem fuse"],
    "Load the module on this node: 'modprobe slm_dmprst'.": [
        "SLM is enabled, but slm_dmprst module is not loaded"
    ],
    "Load the module on the destination: 'modprobe slm_dmprst'.": [
        "SLM is enabled on destination node, but slm_dmprst module is not loaded"
    ],
    "Load IPv6 on the destination: 'modprobe ipv6', and boot without ipv6.disable=1.": [
        "IPv6 not loaded or disabled on destination node",
        "IPv6 not loaded on destination node",
    ],
    "Choose a destination with a 042stab kernel, or end the processes in the container that use "
    "a private mount namespace.": [
        "Mount namespaces migration support is not present on destination node"
    ],
    "End what is named here, or move the container while it is stopped.": [
        "something that no kernel of today says",
        "odd process 13/4711(SLM is enabled)",
    ],
}


class TestRunningContainer:
    def kernel(self, answer, text="", features=None, **how):
        return FakeKernel(
            {
                fakes.TEST_VECAPS: answer,
                fakes.TEST_VECAPS2: EINVAL if features is None else fill_in(features),
            },
            {fakes.CPT_TEST_VECAPS: text.encode("utf-8", "surrogateescape")},
            **how,
        )

    def remarks(self, *how, **more):
        """Return what is said of a refused container after the first line."""
        status, stderr = refused(self.kernel(*how, **more), "caps", "101", "511")
        assert status == 2
        return stderr.partition("\n")[2]

    def test_a_container_that_fits_needs_no_words(self):
        kernel = self.kernel(0)
        assert answered(kernel, "caps", "101", "0x1ff") == (0, "")
        assert [request[:2] for request in kernel.requests()] == [
            (CPT, fakes.CPT_SET_ERRORFD),
            (CPT, fakes.CPT_SET_VEID),
            fakes.TEST_VECAPS,
        ]
        assert [request[2] for request in kernel.requests()][1:] == [101, 511]

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (1, "the destination does not show a CPU feature that the container needs"),
            (2, "something in the container cannot be checkpointed"),
            (3, "the destination has no IPv6, and the container needs it"),
            (4, "SLM is enabled on the destination without the module slm_dmprst"),
            (5, "the destination cannot restore private mount namespaces"),
            (6, "the kernel answers 6, which is not known here"),
            (2**31 - 1, "the kernel answers 2147483647, which is not known here"),
        ],
    )
    def test_every_positive_answer_is_a_refusal(self, answer, words):
        assert refused(self.kernel(answer), "caps", "101", "511") == (
            2,
            f"container 101 cannot be restored there: {words}\n",
        )

    @pytest.mark.parametrize(
        ("number", "words", "said", "hint"),
        [
            (
                errno.ESRCH,
                "No such process (ESRCH)",
                "Error: CT is not running\n",
                "  Container 101 is not running, or there is none of that number: see 'vzlist -a'. "
                "A suspended container is tested by 'vzcptcheck caps CAPNUM'.\n",
            ),
            (
                errno.EBUSY,
                "Device or resource busy (EBUSY)",
                "Error: CT is locked\n",
                "  Container 101 is locked (being checkpointed, started or stopped) or already "
                "suspended: wait for it, or test a suspended one by 'vzcptcheck caps CAPNUM'.\n",
            ),
        ],
    )
    def test_a_container_that_does_not_run_or_is_locked(self, number, words, said, hint):
        assert refused(self.kernel(error(number), said), "caps", "101", "511") == (
            1,
            f"container 101: /proc/cpt: ioctl CPT_TEST_VECAPS: {words}\n  kernel: {said}{hint}",
        )

    def test_every_missing_feature_is_named_with_its_register(self):
        kernel = self.kernel(1, missing("sse4_1") + missing("3dnowext") + missing("emt64"))

        assert refused(kernel, "caps", "101", "15") == (
            2,
            "container 101 cannot be restored there: "
            "the destination does not show a CPU feature that the container needs\n"
            "  the destination does not show:\n"
            f"    sse4_1     CPUID 0x00000001 ecx bit 19, capability bit 13{BEFORE_042STAB}\n"
            "    3dnowext   CPUID 0x80000001 edx bit 30, capability bit 6\n"
            "    emt64      64-bit processes: the kernel is x86_64, capability bit 8\n"
            + OLD_KERNEL_ADVICE,
        )

    def test_an_unknown_word_is_shown_as_the_kernel_says_it(self):
        assert self.remarks(1, missing("avx512f") + missing("cmov")) == (
            "  the destination does not show:\n"
            "    avx512f\n"
            "    cmov       CPUID 0x00000001 edx bit 15, capability bit 0 "
            "(which the number has)\n" + CPU_ADVICE
        )

    def test_the_kernels_mistake_about_sse4_2_is_told(self):
        kernel = self.kernel(1, missing("sse4_1") + missing("sse4_2"))
        assert refused(kernel, "caps", "101", str(1 << 14))[1].splitlines()[2:4] == [
            f"    sse4_1     CPUID 0x00000001 ecx bit 19, capability bit 13{BEFORE_042STAB}",
            (
                "    sse4_2     CPUID 0x00000001 ecx bit 20, capability bit 14 "
                "(which the number has: this kernel takes sse4_1 for it)"
            ),
        ]

    @pytest.mark.parametrize(
        ("diagnostic", "advice"), [(one, advice) for advice in ADVICE for one in ADVICE[advice]]
    )
    def test_a_diagnostic_is_shown_as_it_is_with_advice(self, diagnostic, advice):
        said = f"Error: {diagnostic}\n"
        assert self.remarks(2, said) == f"  kernel: {said}    {advice}\n"

    def test_all_reasons_are_told_at_once(self):
        text = (
            "Error: unsupported netdevice tun0\n"
            + missing("avx")
            + "Error: IPv6 not loaded or disabled on destination node\n"
        )
        kernel = self.kernel(3, text)

        assert refused(kernel, "caps", "101", str(1 << 28)) == (
            2,
            "container 101 cannot be restored there: "
            "the destination has no IPv6, and the container needs it\n"
            "  the destination does not show:\n"
            f"    avx        CPUID 0x00000001 ecx bit 28, capability bit 26{BEFORE_042STAB}\n"
            + OLD_KERNEL_ADVICE
            + "  kernel: Error: unsupported netdevice tun0\n"
            "    Take the network device out of the container.\n"
            "  kernel: Error: IPv6 not loaded or disabled on destination node\n"
            "    Load IPv6 on the destination: 'modprobe ipv6', "
            "and boot without ipv6.disable=1.\n",
        )

    def test_unsupported_features_are_named_where_no_diagnostic_says_why(self):
        features = 1 << 16 | 1 << 21 | 1 << 23 | 1 << 30 | 1 << 31

        assert self.remarks(2, features=features) == (
            "  container: a process entered from outside (capability bit 16)\n"
            "    End the session that entered the container (vzctl enter, vzctl exec).\n"
            "  container: an unsupported bind mount (capability bit 21)\n"
            + STOPPED_ADVICE
            + "  container: something else unsupported (capability bit 23)\n"
            + STOPPED_ADVICE
            + "  capability bit 30 (no name)\n"
            "  capability bit 31 (no name)\n"
        )

    def test_the_kernel_is_not_asked_again_where_it_has_said_why(self):
        """It would log every line once more, and the original does not ask."""
        kernel = self.kernel(2, "Error: keys are used by 1,2(sh)\n", features=1 << 23)
        refused(kernel, "caps", "101", "511")
        assert [request[:2] for request in kernel.requests()].count(fakes.TEST_VECAPS2) == 0

    def test_control_characters_in_a_processes_name_are_escaped(self):
        assert self.remarks(2, "Error: foreign process 1/2(\x1b[31m\x07\udcff) inside CT\n") == (
            "  kernel: Error: foreign process 1/2(\\x1b[31m\\x07\\xff) inside CT\n"
            "    End the session that entered the container (vzctl enter, vzctl exec).\n"
        )

    def test_the_refusal_stands_where_its_reasons_cannot_be_read(self):
        # open, pipe, set_nonblocking, SET_ERRORFD, close, SET_VEID, TEST_VECAPS, read, VECAPS2
        failing = {7: errno.EIO, 8: errno.ESRCH}
        assert self.remarks(2, "Error: lost\n", failing=failing) == (
            "  kernel: (what the kernel writes cannot be read: Input/output error (EIO))\n"
            + STOPPED_ADVICE
        )


class TestEveryCommand:
    @pytest.mark.parametrize(
        ("arguments", "question", "place", "number"),
        [
            (arguments, question, place, number)
            for arguments, question, place, meant, _ in COMMANDS
            for number in ERRNOS
            if number not in meant
        ],
    )
    def test_an_errno_without_a_meaning_is_an_error(self, arguments, question, place, number):
        about = "container 101: " if len(arguments) == 3 else ""
        assert refused(FakeKernel({question: error(number)}), *arguments) == (
            1,
            f"{about}{place}{ERRNOS[number]}\n",
        )

    @pytest.mark.parametrize(
        ("arguments", "question", "place", "answer"),
        [
            (arguments, question, place, answer)
            for arguments, question, place, _, answers in COMMANDS
            for answer in answers
        ],
    )
    def test_what_no_kernel_answers_is_an_error(self, arguments, question, place, answer):
        assert refused(FakeKernel({question: answer}), *arguments) == (
            1,
            f"{place}unexpected answer {answer}\n" + UNKNOWN_KERNEL,
        )

    @pytest.mark.parametrize(
        ("arguments", "path"), [(arguments, path) for arguments, (path, _), *_ in COMMANDS]
    )
    @pytest.mark.parametrize(
        ("existing", "hint"),
        [
            ([], "This kernel is not OpenVZ's: run vzcptcheck on an OpenVZ node."),
            (["/proc/vz"], "This is the inside of a container: run vzcptcheck on its node."),
            (["/proc/vz", "/proc/bc"], "The kernel module {0} is not loaded: run 'modprobe {0}'."),
        ],
    )
    def test_without_its_file_the_hint_says_why(self, arguments, path, existing, hint):
        hint = hint.format({CPT: "vzcpt", RST: "vzrst"}[path])
        assert refused(FakeKernel(existing=existing), *arguments) == (
            1,
            f"{path}: open: No such file or directory (ENOENT)\n  {hint}\n",
        )

    @pytest.mark.parametrize(
        ("arguments", "path"), [(arguments, path) for arguments, (path, _), *_ in COMMANDS]
    )
    def test_only_root_may_ask(self, arguments, path):
        assert refused(FakeKernel(files={path: errno.EACCES}), *arguments) == (
            1,
            f"{path}: open: Permission denied (EACCES)\n"
            "  Only root may ask: run vzcptcheck as root on the node.\n",
        )

    @pytest.mark.parametrize(
        ("arguments", "path"), [(arguments, path) for arguments, (path, _), *_ in COMMANDS[2:]]
    )
    def test_a_32_bit_program_on_a_64_bit_kernel_is_an_error(self, arguments, path):
        requests = [fakes.CPT_SET_ERRORFD, fakes.CPT_SET_VEID, fakes.CPT_TEST_CAPS]
        kernel = FakeKernel({(path, request): EINVAL for request in requests}, bits=32)
        assert refused(kernel, *arguments) == (
            1,
            f"{path}: ioctl CPT_SET_ERRORFD: Invalid argument (EINVAL)\n" + COMPAT_HINT,
        )
