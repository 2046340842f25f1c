"""Names of checkpoint image versions, who writes them and who restores them.

The rules are those of the published kernel trees (028stab056.1; 2.6.32 before RHEL6;
042stab061.9, 088.4 and later).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

#: The versions with a name of their own, which is the 2.6.x kernel they came with.
NAMES = {
    0x000: "8",
    0x100: "9",
    0x101: "9_1",
    0x102: "9_2",
    0x200: "16",
    0x300: "18",
    0x301: "18_1",
    0x302: "18_2",
    0x303: "18_3",
    0x304: "18_4",
    0x400: "20",
    0x500: "24",
    0x600: "26",
    0x700: "27",
    0x703: "27_3",
    0x800: "32",
    0x801: "32_1",
    0x802: "32_2",
    0x803: "32_3",
}

#: Who writes a version, where that is known.
WRITERS = {
    0x302: "2.6.18 028stab kernels",
    0x800: "2.6.32 kernels before 042stab",
    0x801: "042stab kernels before 088",
    0x803: "042stab088 and later kernels",
}


def describe(image_version: "int") -> "str":
    """Write a version as the kernel's sources do, with its name where it has one."""
    name = NAMES.get(image_version)
    return "0x{:03x}{}".format(image_version, f" ({name})" if name else "")


def restorers(image_version: "int") -> "List[str]":
    """Name the kernels that restore an image of this version, oldest first."""
    minor = image_version & 0xF
    line = image_version & 0xFF00
    rules = (
        (
            "2.6.18 028stab kernels",
            image_version <= 0x302 and not (image_version < 0x300 and minor > 2),
        ),
        ("2.6.32 kernels before 042stab", image_version <= 0x800 and minor == 0),
        ("042stab kernels before 088", _taken_by_042stab(image_version, line, minor, 1)),
        ("042stab088 and later kernels", _taken_by_042stab(image_version, line, minor, 3)),
    )
    return [kernels for kernels, takes in rules if takes]


def _taken_by_042stab(version: "int", line: "int", minor: "int", newest: "int") -> "bool":
    return (line == 0x300 and version >= 0x303) or (line == 0x800 and minor <= newest)
