"""Which leaves and subleaves of CPUID a CPU has, found by asking it.

Sources: Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
"""

from vzcptcheck.cpuid import Registers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable, Iterator

    ReadLeaf = Callable[[int, int], Registers]
    Key = tuple[int, int]
    Answers = dict[Key, Registers]

VENDOR = 0x0
SIGNATURE = 0x1
HYPERVISOR = 0x40000000
EXTENDED = 0x80000000

#: Ranges of leaves that some makers have beside the two that all have: a range is there where
#: its first leaf names a last one in it (Transmeta, Centaur and Zhaoxin).
_MAKERS = (0x80860000, 0xC0000000)

_HYPERVISOR_BIT = 31

#: No CPU has as many leaves in a range, or subleaves; what names more is not believed.
_MOST_LEAVES = 0x100
_MOST_SUBLEAVES = 64

#: Leaves whose subleaf 0 names the last subleaf in EAX.
_COUNTED = (0x7, 0x14, 0x17, 0x18, 0x1D, 0x20, 0x24)

#: Leaves that list things until one has no type: register and the mask of its type.
_LISTED = {
    0x4: ("eax", 0x1F),
    0xB: ("ecx", 0xFF00),
    0x12: ("eax", 0xF),
    0x1B: ("eax", 0xFFF),
    0x1F: ("ecx", 0xFF00),
    0x8000001D: ("eax", 0x1F),
    0x80000026: ("ecx", 0xFF00),
}

#: Leaves whose subleaf 0 has a mask of the others.
_MASKED = {0xF: "edx", 0x10: "ebx", 0x23: "eax", 0x80000020: "ebx"}

_XSAVE = 0xD
_SGX = 0x12
_SGX_BIT = 2
_FEATURES = 0x7

#: What differs between any two threads of one machine: the thread's own number and place.
_OF_ONE_THREAD = {
    0x1: Registers(0, 0xFF000000, 0, 0),
    0xB: Registers(0, 0, 0, 0xFFFFFFFF),
    0x1F: Registers(0, 0, 0, 0xFFFFFFFF),
    0x8000001E: Registers(0xFFFFFFFF, 0xFF, 0xFF, 0),
    0x80000026: Registers(0, 0, 0, 0xFFFFFFFF),
}


def read_leaves(read_leaf: "ReadLeaf") -> "tuple[Answers, list[Key]]":
    """Ask for every leaf and subleaf that the CPU has.

    ``read_leaf(leaf, subleaf)`` returns ``Registers`` or raises ``OSError``. Returned are the
    answers, ordered, and the keys (leaf, subleaf) to which none was to be had. ``OSError`` is
    raised where leaf 0 is among those: then nobody answers.
    """
    survey = _Survey(read_leaf)
    survey.answers[VENDOR, 0] = read_leaf(VENDOR, 0)
    for first in (VENDOR, HYPERVISOR, EXTENDED, *_MAKERS):
        for leaf in survey.leaves_from(first):
            for subleaf in survey.subleaves_of(leaf):
                survey.ask(leaf, subleaf)
    return dict(sorted(survey.answers.items())), survey.holes


def of_any_thread(answers: "Answers") -> "Answers":
    """Return the answers without what tells one thread of a CPU from another."""
    return {key: _without_thread(key[0], registers) for key, registers in answers.items()}


def _without_thread(leaf: "int", registers: "Registers") -> "Registers":
    own = _OF_ONE_THREAD.get(leaf)
    if own is None:
        return registers
    return Registers(*(value & ~mask for value, mask in zip(registers, own)))


class _Survey:
    """What has been asked so far, and what came of it."""

    def __init__(self, read_leaf: "ReadLeaf") -> "None":
        self._read_leaf = read_leaf
        self.answers: "Answers" = {}
        self.holes: "list[Key]" = []

    def ask(self, leaf: "int", subleaf: "int" = 0) -> "Registers | None":
        """Ask once, and keep the answer; None where there is none.

        The device of 2.6.18 looks at the leaf alone, and repeats its first subleaf: a copy of
        that is no answer. No CPU gives one, but for zeros.
        """
        key = leaf, subleaf
        if key not in self.answers and key not in self.holes:
            try:
                answer = self._read_leaf(leaf, subleaf)
            except OSError:
                self.holes.append(key)
                return None
            if subleaf and any(answer) and answer == self.answers.get((leaf, 0)):
                self.holes.append(key)
            else:
                self.answers[key] = answer
        return self.answers.get(key)

    def leaves_from(self, first: "int") -> "Iterable[int]":
        """List the leaves of a range; none where the CPU has no such range."""
        if first == HYPERVISOR and not self._has_hypervisor():
            return ()
        answer = self.ask(first)
        if answer is None:
            return ()
        last = answer.eax
        if first <= last < first + _MOST_LEAVES:
            return range(first, last + 1)
        if first in (VENDOR, HYPERVISOR):
            return (first,)  # Some hypervisors name no last leaf; leaf 0 is every CPU's.
        # Another leaf's answer stands where the range would begin.
        del self.answers[first, 0]
        return ()

    def subleaves_of(self, leaf: "int") -> "Iterable[int]":
        """List the subleaves of a leaf, 0 first."""
        answer = self.ask(leaf)
        if answer is None:
            return ()
        if leaf in _COUNTED:
            return range(min(answer.eax, _MOST_SUBLEAVES - 1) + 1)
        if leaf == _SGX and not self._has_sgx():
            return (0,)
        if leaf in _LISTED:
            return self._listed(leaf, *_LISTED[leaf])
        if leaf in _MASKED:
            return (0, *_bits(getattr(answer, _MASKED[leaf]) & ~1))
        return self._components(answer) if leaf == _XSAVE else (0,)

    def _has_hypervisor(self) -> "bool":
        answer = self.ask(SIGNATURE)
        return answer is not None and bool(answer.ecx >> _HYPERVISOR_BIT & 1)

    def _has_sgx(self) -> "bool":
        """Tell whether leaf 0x12 means anything; an emulator may answer what it likes else."""
        answer = self.ask(_FEATURES)
        return answer is not None and bool(answer.ebx >> _SGX_BIT & 1)

    def _listed(self, leaf: "int", register: "str", type_mask: "int") -> "Iterator[int]":
        """Go on up to the subleaf that has no type; SGX's first two have none of this kind."""
        first_typed = 2 if leaf == _SGX else 0
        for subleaf in range(_MOST_SUBLEAVES):
            answer = self.ask(leaf, subleaf)
            yield subleaf
            is_typed = answer is not None and getattr(answer, register) & type_mask
            if subleaf >= first_typed and not is_typed:
                return

    def _components(self, answer: "Registers") -> "Iterable[int]":
        """List 0, 1 and XSAVE's components, those of users and of supervisors."""
        mask = answer.eax | answer.edx << 32
        supervisors = self.ask(_XSAVE, 1)
        if supervisors is not None:
            mask |= supervisors.ecx | supervisors.edx << 32
        return (0, 1, *_bits(mask & ~3))


def _bits(mask: "int") -> "list[int]":
    return [bit for bit in range(min(mask.bit_length(), _MOST_SUBLEAVES)) if mask >> bit & 1]
