"""Small nodes for tests of the simulator: a CPU by its features, a kernel by its release.

Numbers are transcribed from the kernel's header and tables, not taken from the simulator.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from simulator.facts.bits import WORDS, bits_with_words
from simulator.facts.capabilities import NodeFacts
from simulator.facts.cpuid import CpuidTable, RegisterName, Registers
from simulator.facts.generations import EXAMPLES, identify
from simulator.kernel.containers import Container, Contents, Process
from simulator.kernel.kernel import SimulatedKernel
from simulator.profiles.compose import CpuSource, compose, parse_spec
from simulator.profiles.profile import KernelFacts, NodeProfile
from simulator.run.in_process import SimulatedSyscalls

#: One release of each generation, oldest first.
RELEASES = EXAMPLES
NEWEST = RELEASES["042stab107"]
OLD = RELEASES["042stab"]
SINCE_042STAB = tuple(RELEASES)[2:]
SINCE_088 = tuple(RELEASES)[3:]
SINCE_101 = tuple(RELEASES)[5:]

#: A release whose kernel may count every process as having used the FPU.
EAGER_RELEASE = "2.6.32-042stab141.3"

BIT_NUMBERS = {
    "CMOV": 0, "FXSR": 1, "SSE": 2, "SSE2": 3, "MMX": 4, "3DNOW": 5, "3DNOW2": 6, "SEP": 7,
    "EMT64": 8, "IA64": 9, "SYSCALL": 10, "SYSCALL32": 11, "SEP32": 12, "SSE4_1": 13,
    "SSE4_2": 14, "SSE4A": 15, "EXTERNAL_PROCESS": 16, "NAMESPACES": 17, "SCHEDULER_POLICY": 18,
    "PTRACED_FROM_VE0": 19, "UNSUPPORTED_FSTYPE": 20, "BIND_MOUNT": 21, "UNSUPPORTED_NETDEV": 22,
    "UNSUPPORTED_MISC": 23, "SLM_DMPRST": 24, "XSAVE": 25, "AVX": 26, "AESNI": 27, "NO_IPV6": 28,
    "RDRAND": 29,
}  # fmt: skip


#: Where CPUID has what a word stands for.
PLACES: dict[str, tuple[int, int, RegisterName, int]] = {
    "cmov": (0x1, 0, "edx", 15),
    "fxsr": (0x1, 0, "edx", 24),
    "sse": (0x1, 0, "edx", 25),
    "sse2": (0x1, 0, "edx", 26),
    "mmx": (0x1, 0, "edx", 23),
    "sysenter": (0x1, 0, "edx", 11),
    "sse4_1": (0x1, 0, "ecx", 19),
    "sse4_2": (0x1, 0, "ecx", 20),
    "aesni": (0x1, 0, "ecx", 25),
    "xsave": (0x1, 0, "ecx", 26),
    "avx": (0x1, 0, "ecx", 28),
    "rdrand": (0x1, 0, "ecx", 30),
    "syscall": (0x80000001, 0, "edx", 11),
    "3dnowext": (0x80000001, 0, "edx", 30),
    "3dnow": (0x80000001, 0, "edx", 31),
    "sse4a": (0x80000001, 0, "ecx", 6),
    "lm": (0x80000001, 0, "edx", 29),
    "xsaveopt": (0xD, 1, "eax", 0),
}
EVERYTHING = tuple(PLACES)

#: Features of a CPU that has AVX, of one that has not, and what any 64-bit one here has.
STRONG = tuple(word for word in EVERYTHING if word not in {"lm", "syscall"})
WEAK = tuple(word for word in STRONG if word not in {"avx", "xsave", "xsaveopt"})
BASELINE = ("lm", "syscall", "cmov", "fxsr", "sse", "sse2", "mmx", "sysenter")

VENDORS = {
    "GenuineIntel": (0x756E6547, 0x6C65746E, 0x49656E69),
    "AuthenticAMD": (0x68747541, 0x444D4163, 0x69746E65),
}
INTEL, AMD = VENDORS


def caps(*names: str) -> int:
    """Make a capability number of the header's names."""
    return sum(1 << BIT_NUMBERS[name] for name in names)


def words_of(capability_bits: int) -> list[str]:
    """List the kernel's words for bits that all have one, in the order of its diagnostics."""
    found = [WORDS[bit] for bit in bits_with_words(capability_bits)]
    assert len(found) == capability_bits.bit_count()
    return found


def cpu(*words: str, vendor: str = INTEL) -> CpuidTable:
    """Make a CPU that has these features alone, each of its leaves recorded."""
    answers = {
        (0x0, 0): Registers(0xD, *VENDORS[vendor]),
        (0x1, 0): Registers(0x000206D7, 0, 0, 0),
        (0x7, 0): Registers(0, 0, 0, 0),
        (0xD, 0): Registers(7, 0x340, 0x340, 0),
        (0xD, 1): Registers(0, 0, 0, 0),
        (0x80000000, 0): Registers(0x80000001, 0, 0, 0),
        (0x80000001, 0): Registers(0, 0, 0, 0),
    }
    for word in words:
        leaf, subleaf, register, bit = PLACES[word]
        own = answers[leaf, subleaf]
        answers[leaf, subleaf] = own._replace(**{register: getattr(own, register) | 1 << bit})
    return CpuidTable(answers.items())


def with_xsave(*, with_avx512: bool) -> CpuidTable:
    """Make a CPU with AVX2, and with AVX-512F and its state or without.

    Sizes and places of components: what Intel's CPUs answer (SDM volume 1, 13.5).
    """
    table = cpu(*BASELINE, "sse4_1", "sse4_2", "aesni", "xsave", "avx")
    answers = {(13, 2): Registers(256, 576, 0, 0)}
    size, components, features = 832, 7, 1 << 5
    if with_avx512:
        places = {5: (64, 1088), 6: (512, 1152), 7: (1024, 1664)}
        answers |= {(13, number): Registers(*place, 0, 0) for number, place in places.items()}
        size, components, features = 2688, 0xE7, 1 << 5 | 1 << 16
    answers[13, 0] = Registers(components, 0, size, 0)
    answers[7, 0] = Registers(0, features, 0, 0)
    return table.replace(answers)


def node_facts(generation: str = "042stab107", *words: str, **traits: Any) -> NodeFacts:
    """Describe a 64-bit node of a generation whose CPU has these features."""
    vendor = traits.pop("vendor", INTEL)
    described = {
        "release": identify(RELEASES[generation]),
        "machine": "x86_64",
        "cpuid": cpu("lm", "syscall", *words, vendor=vendor),
    }
    return NodeFacts(**{**described, **traits})


def node(
    name: str,
    *containers: str,
    words: Sequence[str] = STRONG,
    vendor: str = INTEL,
    table: CpuidTable | None = None,
    override: str | None = None,
    **facts: Any,
) -> NodeProfile:
    """Compose a node: its containers as spelled, its CPU by words, and its kernel's facts."""
    kernel = {"release": NEWEST, "machine": "x86_64", "vz_version": None, **facts}
    table = table or cpu("lm", "syscall", *words, vendor=vendor)
    source = None if kernel["machine"] == "ia64" else CpuSource(table, "a CPU", "64-bit")
    return compose(name, source, KernelFacts(**kernel), map(parse_spec, containers), override)


def small_nodes() -> list[NodeProfile]:
    """Return nodes that differ in CPU, kernel, modules and containers; two are alike."""
    return [
        node("strong", "101:fpu", "102", "103:stopped"),
        node("weak", "201:fpu", "202:fpu,entered", words=WEAK),
        node("twin", "301", words=WEAK),
        node("old", "401:fpu", release=OLD),
        node("bare"),
        node("shut", "501", modules=frozenset()),
    ]


def plain(name: str, *words: str, containers: Sequence[str] = (), **traits: Any) -> NodeProfile:
    """Compose a node whose CPU has the baseline, and these features."""
    return node(name, *containers, words=(*BASELINE, *words), **traits)


def maskable(name: str, *words: str, **traits: Any) -> NodeProfile:
    """Compose one with /proc/vz/cpuid_override."""
    return plain(name, *words, **{"override": "", **traits})


def process(**traits: Any) -> Process:
    """Make a container's first process."""
    return Process(**{"pid": 1, "host_pid": 1001, **traits})


def container(ctid: int = 101, **traits: Any) -> Container:
    """Make a container whose one process has these traits."""
    return Container(ctid=ctid, contents=Contents((process(**traits),)))


@contextmanager
def failing(number: int) -> Iterator[None]:
    """Expect the errno that a system call ends with."""
    with pytest.raises(OSError) as caught:
        yield
    assert caught.value.errno == number


class Client:
    """A process that has /proc/cpt or /proc/rst open, and a pipe for what the kernel writes."""

    def __init__(self, kernel: SimulatedKernel, path: str = "/proc/cpt") -> None:
        self.process = SimulatedSyscalls(kernel)
        self.fd = self.process.open(path, 2)
        self.pipe, self.writer = self.process.pipe()
        self.process.set_nonblocking(self.pipe)

    def ask(self, request: int, argument: int | bytearray = 0) -> int:
        """Make a request."""
        return self.process.ioctl(self.fd, request, argument)

    def said(self) -> list[str]:
        """Return what the kernel has written since, in lines without their ``Error: ``."""
        try:
            text = self.process.read(self.pipe, 1 << 16).decode()
        except BlockingIOError:
            return []
        assert all(line.startswith("Error: ") for line in text.splitlines())
        return [line.removeprefix("Error: ") for line in text.splitlines()]

    def close(self) -> None:
        """Close the file of requests."""
        self.process.close(self.fd)
