"""Which CRIU is asked, and what it compares: its release, and the modes of --cpu-cap.

Sources: criu/config.c, criu/cpuinfo.c and criu/arch/x86/cpu.c of CRIU 3.11 to 4.2, and what
Debian's 4.1.1 did with each spelling (tests/data/criu).
"""

import re

from msgspec import Struct

from simulator.errors import UsageError
from simulator.facts.cpu_image import FPU_BITS, INSTRUCTIONS

#: The modes, as bits: what each compares.
FPU_MODE, INS_MODE, CPU_MODE = 1, 2, 4
_ALL = FPU_MODE | INS_MODE | CPU_MODE
_DEFAULT = FPU_MODE | INS_MODE
_MODES = {"fpu": FPU_MODE, "ins": INS_MODE, "cpu": CPU_MODE, "all": _ALL}
_NONE = "none"

#: The first and the last minor release of each major one whose rules are known.
_KNOWN_VERSIONS = {3: (11, 19), 4: (0, 2)}
_NEWEST = (4, 2)

#: From these on Hygon's CPUs are known; components are compared as a set, and not as a number; it
#: is said that an image is missing.
_HYGON_SINCE, _SET_SINCE, _TOLD_SINCE = (3, 13), (3, 14), (4, 2)


class Rules(Struct, frozen=True):
    """A release of CRIU, and what it is asked.

    ``is_check``: 'criu cpuinfo check', and not 'criu restore'. ``reads_image``: ``cpuinfo.img`` is
    read, as restore does where --cpu-cap is given.
    """

    version: tuple[int, int] = _NEWEST
    modes: int = _DEFAULT
    is_check: bool = False
    reads_image: bool = False

    @property
    def compared(self) -> int:
        """The bits of the words that are compared."""
        if not self.reads_image:
            return 0
        if self.modes & CPU_MODE:
            return ~0
        fpu = FPU_BITS if self.modes & FPU_MODE else 0
        return fpu | (INSTRUCTIONS if self.modes & INS_MODE else 0)

    @property
    def compares_area(self) -> bool:
        """Whether components and sizes are compared."""
        return self.reads_image and bool(self.modes & FPU_MODE)

    @property
    def compares_sets(self) -> bool:
        """Whether components are compared as a set: before, as numbers."""
        return self.version >= _SET_SINCE

    @property
    def knows_hygon(self) -> bool:
        """Whether Hygon's CPUs are known."""
        return self.version >= _HYGON_SINCE

    @property
    def tells_of_missing_image(self) -> bool:
        """Whether it is said that there is no image."""
        return self.version >= _TOLD_SINCE

    @property
    def command(self) -> str:
        """The command that is asked, as on a command line."""
        command = "criu cpuinfo check" if self.is_check else "criu restore"
        words = [word for word, mode in _MODES.items() if mode & self.modes == mode]
        option = f" --cpu-cap={'all' if 'all' in words else ','.join([_NONE, *words])}"
        is_default = self.modes == _DEFAULT and self.reads_image == self.is_check
        return command if is_default else command + option


def parse_version(text: str) -> tuple[int, int]:
    """Return a release of CRIU; UsageError where its rules are not known."""
    found = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})(?:\.[0-9]{1,3})*", text)
    if found:
        major, minor = int(found[1]), int(found[2])
        first, last = _KNOWN_VERSIONS.get(major, (1, 0))
        if first <= minor <= last:
            return major, minor
    known = ", ".join(f"{n}.{a} to {n}.{b}" for n, (a, b) in _KNOWN_VERSIONS.items())
    raise UsageError(f"--engine: the rules of CRIU {text!r} are not known; known are {known}")


def make_rules(version: str = "", cpu_cap: str | None = None, *, is_check: bool = False) -> Rules:
    """Return the rules of a release, empty for the newest, with --cpu-cap's value if it is given.

    UsageError where the release or the value is none.
    """
    modes, reads_image = (_DEFAULT, False) if cpu_cap is None else _parse_modes(cpu_cap)
    if is_check:
        modes, reads_image = modes or _ALL, True
    return Rules(parse_version(version) if version else _NEWEST, modes, is_check, reads_image)


def _parse_modes(text: str) -> tuple[int, bool]:
    """Return the modes that a value comes to, and whether restore reads the image.

    They begin with what there is without the option, and add up; those after a ^ are taken away.
    """
    is_inverse, words = text.startswith("^"), text.removeprefix("^").split(",")
    for word in words:
        if word not in {*_MODES, _NONE}:
            known = ", ".join((*_MODES, _NONE))
            problem = f"{word!r} is none of {known} (apart by commas, all of them after a ^ or not)"
            raise UsageError(f"--cpu-cap: {problem}")
    modes = _DEFAULT
    for word in words:
        if word == _NONE:
            modes = _ALL if is_inverse else 0
        elif is_inverse:
            modes &= ~_MODES[word]
        else:
            modes |= _MODES[word]
    return modes, words != [_NONE]
