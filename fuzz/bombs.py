"""Inputs that ask for more than their size: no file of these is kept."""

from fuzz import seeds
from fuzz.parts import join_parts


def _list(entry: bytes, count: int) -> bytes:
    """Write a list in JSON, of an entry with a number in it."""
    return b"[" + b",".join(entry % number for number in range(count)) + b"]"


def bombs(share: int = 1) -> dict[str, dict[str, bytes]]:
    """Return them by target and name; those of many entries have that share of as many."""
    return {
        "profiles": {
            "lists": b"[" * (1 << 20),
            "objects": b'{"format":' * (1 << 17),
            "digits": b'{"format": ' + b"9" * (1 << 20) + b"}",
            "exponent": b'{"format": 1e999999999}',
            "errors": b'{"format": 1, "containers": ['
            + b",".join([b'{"":0}'] * (140_000 // share))
            + b"]}",
            "nothing": b"[%s{}]" % (b"{}," * (340_000 // share)),
        },
        "dump-json": {
            "lists": b"[" * (1 << 20),
            "objects": b'[{"cpuid":' * (1 << 17),
            "digits": b"[" + b"9" * (1 << 20) + b"]",
            "processors": b'[{"processors": "0-999999999", "cpuid": [["0x0"]]}]',
            "cpus": _list(
                b'{"id": "%d", "cpuid": [["0x0","0x0","0x0","0x0","0x0","0x0"]]}', 14_000 // share
            ),
            "unknown": _list(
                b'{"id": "%d", "partial": [["0x1","0x0","0x1","0x0",null,"0x0"]]}', 14_000 // share
            ),
            "answers": b'[{"cpuid": %s}]'
            % _list(b'["0x%x","0x0","0x0","0x0","0x0","0x0"]', 24_000 // share),
            "nothing": b"[%s{}]" % (b"{}," * (340_000 // share)),
        },
        "dump-criu": {
            "lists": b'{"magic": "CPUINFO", "entries": ' + b"[" * (1 << 20),
            "digits": b'{"magic": "CPUINFO", "entries": [' + b"9" * (1 << 20) + b"]}",
            "length": next(seeds.criu())[:8] + b"\xff\xff\xff\xff" + bytes(64),
            "varints": next(seeds.criu())[:8] + b"\0\0\x10\0" + b"\xff" * (1 << 20),
        },
        "checkpoints": {
            "fields": join_parts(
                {
                    "inventory.img": b"\x16\x31\x31\x58\x02\0\0\0\x08\x02",
                    **{
                        f"core-{number}.img": b"\x19\x43\x56\x54\x47\x38\x05\x55\0\0\x03\0"
                        + b"\x08\x01" * (0x3_0000 // 2)
                        for number in range(64 // share)
                    },
                }
            ),
        },
        "dump-cpuid-r": {
            "processors": b"".join(
                b"CPU %d:\n0x0 0x0: eax=0x%x ebx=0x0 ecx=0x0 edx=0x0\n" % (n, n)
                for n in range(8192 // share)
            ),
        },
        "dump-cpuid": {
            "processors": b"feature information (1/edx):\n"
            + b"CPU:\n(1/edx):\nx87 FPU on chip = true\n" * (8192 // share),
        },
        "dump-libcpuid": {
            "arrays": b"basic_cpuid[0]=1 2 3 4\n"
            + b"".join(b"intel_fn%d[0]=1 2 3 4\n" % n for n in range(65_000 // share)),
        },
        "dump-cpuinfo": {
            "processors": b"".join(
                b"processor:%d\nvendor_id:GenuineIntel\nflags:fpu\n\n" % n
                for n in range(8000 // share)
            ),
            "lines": b"processor:0\nvendor_id:GenuineIntel\nflags:fpu\n"
            + b"".join(b"%x:\n" % n for n in range(280_000 // share)),
        },
        "dump-libvirt": {
            "laughs": b"<!DOCTYPE cpudata ["
            b'<!ENTITY a0 "ha">'
            + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 20))
            + b"]><cpudata>&a19;</cpudata>",
            "elements": b"<cpudata>" + b"<a>" * (1 << 18),
            "file": b'<!DOCTYPE cpudata [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
            b"<cpudata>&x;</cpudata>",
        },
        "override": {
            "digits": b"1: " + b"f" * (1 << 20) + b" 0 0 0",
            "lines": b"1: 0 0 0 0\n" * 4000,
        },
        "specs": {"digits": b"9" * (1 << 20), "processes": b"101:" + b"process=a," * (1 << 14)},
        "arguments": {
            "digits": b"explain\ncaps\n0x" + b"f" * (1 << 20),
            "words": b"caps\n" * (1 << 18),
        },
        "expectations": {
            "digits": next(seeds.expectations()).replace(b"0x", b"0x" + b"f" * (1 << 18))
        },
        "node": {
            "containers": join_parts({"proc/vz/veinfo": b"1 0 0\n" * 1000, "words": b"capture"})
        },
    }
