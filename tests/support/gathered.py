"""What vzcptcheck-gather.sh writes, made by hand for tests."""

from collections.abc import Mapping

from simulator.kernel.calls import HEADER
from support.samples import tar
from support.simulated_profiles import ROWS

TOP = "vzcptcheck-gathered"

_BLOCK = """\
processor\t: {number}
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 45
model name\t: {name}
stepping\t: 7
microcode\t: 0x15
flags\t\t: fpu cmov  sep lm

"""


def cpuinfo(*names: str) -> bytes:
    """Write /proc/cpuinfo of processors of these models, from number 0 on."""
    blocks = [_BLOCK.format(number=number, name=name) for number, name in enumerate(names)]
    return "".join(blocks).encode()


def rows(*lines: str) -> bytes:
    """Write what a processor answered."""
    return "".join(f"{line}\n" for line in lines).encode()


#: A node of the newest generation, with one container that runs and one that is suspended.
FILES: Mapping[str, bytes] = {
    "about": rows(
        "format 1",
        "script 1.0.0",
        "date 2026-11-23",
        "release 2.6.32-042stab113.5",
        "machine x86_64",
        "host node1",
    ),
    "proc/version": b"Linux version 2.6.32-042stab113.5\n",
    "proc/cmdline": b"ro root=/dev/sda1 nordrand quiet noxsave=1 clearcpuid=154 nordrand\n",
    "proc/cpuinfo": cpuinfo("Some CPU"),
    "proc/cpt": f"{HEADER}ffff88003ee00000 00000066 102      2\n".encode(),
    "proc/rst": HEADER.encode(),
    "proc/net/if_inet6": b"00000000000000000000000000000001 01 80 10 80       lo\n",
    "proc/vz/version": b"042stab113_5\n",
    "proc/vz/veinfo": b"       102     2    17   10.0.0.2\n       101     2     1\n  0  0 32\n",
    "proc/vz/cpuid_override": b"0x00000001: 0x00000000 0x00000000 0xfdffffff 0xffffffff\n",
    "cpuid/0": rows(*ROWS),
}


def packed(files: Mapping[str, bytes], mode: str = "w", top: str = TOP) -> bytes:
    """Pack files as the script does."""
    return tar({f"{top}/{name}": data for name, data in files.items()}, mode)
