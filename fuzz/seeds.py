"""Inputs to begin with, in every form: written here, of a CPU and a node of the fixtures'."""

import bz2
import gzip
import io
import json
import lzma
import quopri
import struct
import tarfile
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from textwrap import wrap

from backports import zstd

from fuzz.parts import join_parts
from simulator.dumps.criu import parse_image
from simulator.dumps.model import CpuDump, KnownBits, make_dump
from simulator.dumps.own_json import format_dumps
from simulator.facts.cpu_image import CpuImage
from simulator.facts.cpuid import CpuidTable, Registers
from simulator.facts.generations import EXAMPLES
from simulator.fleets.expectation_text import format_expectation
from simulator.fleets.expectations import expect
from simulator.fleets.fleet import gather_fleet, group_by_class
from simulator.fleets.matrix import Matrix
from simulator.kernel.calls import HEADER
from simulator.profiles.store import fixtures_folder, load_node

_NODE = "042stab141.3.SandyBridge.default"

#: Profiles with little in them, each of another kind.
_SMALL_NODES = (
    "ia64.028stab056.1",
    "i686.028stab056.1",
    "intel-xeon-l5320.028stab056.1",
)

#: Nodes for a matrix that is kept, as short as they come.
_KEPT_NODES = ("ia64.028stab056.1", "i686.028stab056.1")

#: Leaves without which no form says anything worth saying.
_LEAVES = (0x0, 0x1, 0x4, 0x7, 0xD, 0x8000_0000, 0x8000_0001, 0x8000_0002)

_CPUINFO = b"""\
processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 45
model name\t: Some  CPU
stepping\t: 7
microcode\t: 0x15
cpuid level\t: 13
flags\t\t: fpu cmov sep lm sse sse2 xsave avx

processor\t: 1
vendor_id\t: AuthenticAMD
cpu family\t: 21
model\t\t: 2
stepping\t: unknown
flags\t\t:

"""

_REPORTS = b"""\
Error: Destination cpu does not have sse4_2
Error: Destination cpu does not have nothing
Error: external process 12/1012(back)up) inside CT (e.g. vzctl enter or vzctl exec).
Error: scheduler policy is not supported 1/1001(init)
Error: task 1012/12(sales) is ptraced from host system
Error: unsupported netdevice tun0
Error: Unsupported filesystem ramfs
Error: SLM is enabled, but slm_dmprst module is not loaded
"""

#: A section that is blank, and the three that no image is without: number and size.
_CHAIN = ((1, 176), (24, 64), (10, 160), (4, 32), (3, 48), (22, 16))
_SIGNATURE = b"\x79\x1c\x01\x63"
_NOWHERE = (1 << 64) - 1
_TRAILER = 23


@cache
def small_table() -> CpuidTable:
    """Return a CPU with the leaves that matter."""
    table = load_node(_NODE).cpus[0].cpuid
    return CpuidTable((key, answer) for key, answer in table.items() if key[0] in _LEAVES)


def _answers() -> list[tuple[int, int, Registers]]:
    return [(leaf, subleaf, answer) for (leaf, subleaf), answer in small_table().items()]


def profiles() -> Iterator[bytes]:
    """Yield profiles of machines of each kind, one with containers."""
    for name in _SMALL_NODES:
        yield Path(fixtures_folder(), f"{name}.json").read_bytes()
    document = json.loads(Path(fixtures_folder(), f"{_NODE}.json").read_bytes())
    document["containers"] = document["containers"][:2]
    document["cpuid_override"] = ""
    yield json.dumps(document).encode()


def aida64() -> Iterator[bytes]:
    """Yield three ways to write a row, and a heading of each kind."""
    colons, tabs = [], []
    for leaf, subleaf, answer in _answers():
        words = [f"{value:08X}" for value in answer]
        remark = f" [SL {subleaf:02X}]" if subleaf else ""
        colons.append(f"CPUID {leaf:08X}: {'-'.join(words)}{remark}")
        tabs.append(f"CPUID {leaf:08X}\t{' '.join(words)}")
    yield _lines("------[ Logical CPU #0 ]------", *colons, "CPU#000 AffMask: 0x00000006", *colons)
    yield _lines("CPUID Registers (CPU #1)", *tabs)
    yield _lines(*tabs).decode().encode("utf-16")


def cpuid_r() -> Iterator[bytes]:
    """Yield rows with numbers of CPUs, and without."""
    rows = [
        f"   0x{leaf:08x} 0x{subleaf:02x}: eax=0x{eax:08x} ebx=0x{ebx:08x} ecx=0x{ecx:08x} "
        f"edx=0x{edx:08x}"
        for leaf, subleaf, (eax, ebx, ecx, edx) in _answers()
    ]
    yield _lines("CPU 0:", *rows, "CPU 1:", *rows[:3])
    yield _lines("CPU:", *(row.replace(" 0x00:", ":") for row in rows))


def cpuid_text() -> Iterator[bytes]:
    """Yield bits in words."""
    yield _lines(
        "CPU 0:",
        '   vendor_id = "GenuineIntel"',
        "   version information (1/eax):",
        "      processor type  = primary processor (0)",
        "      family          = 0x6 (6)",
        "      model           = 0xd (13)",
        "      stepping id     = 0x7 (7)",
        "   feature information (1/edx):",
        "      x87 FPU on chip                        = true",
        "      CMOV: conditional move/compare instr   = true",
        "   feature information (1/ecx):",
        "      AES instruction                         = false",
        "   XSAVE features (0xd/0):",
        "      XCR0 valid bit field mask               = 0x0000000000000007",
        '   brand = "Some CPU"',
    )


def libcpuid() -> Iterator[bytes]:
    """Yield arrays, as newer and as older versions write them."""
    rows = []
    for leaf, subleaf, answer in _answers():
        figures = " ".join(f"{value:08x}" for value in answer)
        array = "ext_cpuid" if leaf >> 31 else "basic_cpuid"
        if not subleaf:
            rows.append(f"{array}[{leaf & 0xFF}]={figures}")
        if leaf in (4, 0xD):
            rows.append(f"intel_fn{leaf}[{subleaf}]={figures}")
    yield _lines("version=0.6.2", "_____ Logical CPU #0 _____", *rows, "intel_fn12h[0]=0 0 0 0")
    yield _lines(*rows, *rows, "--------------------", "basic_cpuid[0]=0 0 0 0")


def _hwloc_file() -> bytes:
    rows = (
        f"{5 if leaf in (4, 7, 0xD) else 1:x} {leaf:x} 0 {subleaf:x} 0 => "
        + " ".join(f"{value:x}" for value in answer)
        for leaf, subleaf, answer in _answers()
    )
    return _lines("# mask e[abcd]x => e[abcd]x", *rows)


def hwloc() -> Iterator[bytes]:
    """Yield one file of a folder."""
    yield _hwloc_file()


def libvirt() -> Iterator[bytes]:
    """Yield elements of newer and of older files."""
    elements = [
        f"  <cpuid eax_in='0x{leaf:08x}' ecx_in='0x{subleaf:02x}' "
        + " ".join(
            f"{name}='0x{value:08x}'" for name, value in zip(Registers._fields, answer, strict=True)
        )
        + "/>"
        for leaf, subleaf, answer in _answers()
    ]
    yield _lines("<!-- CPU -->", "<cpudata arch='x86'>", *elements, "</cpudata>")
    old = (element.replace("eax_in", "function") for element in elements if "'0x00'" in element)
    yield _lines("<cpudata>", *old, "<msr index='0x10a' edx='0x0' eax='0x1'/>", "</cpudata>")


def criu() -> Iterator[bytes]:
    """Yield an image, and its JSON."""
    words = [0x078BFBFD, 0x28100800, 0, 0, 0x9E982203, 0, 1, 0, 0, 0x200, 1, 0, 0, 0, 4, *[0] * 4]
    numbers = (1, 6, 45, 7, 2)
    message = b"".join(_field(place, number) for place, number in enumerate(numbers, 1))
    message += b"".join(_field(6, word) for word in words) + _field(7, b"Some CPU") + _field(8, 7)
    message += _field(9, 832) + _field(10, 832)
    packed = b"".join(_field(place, number) for place, number in enumerate(numbers, 1))
    packed += _field(6, b"".join(map(_varint, words)))
    entry = _field(1, message) + _field(1, packed)
    yield struct.pack("<3I", 0x5456_4319, 0x6140_4013, len(entry)) + entry
    fields = {
        "vendor_id": "INTEL",
        "cpu_family": 6,
        "model": 45,
        "stepping": 7,
        "capability_ver": 2,
        "capability": words,
        "model_id": "Some CPU",
        "xfeatures_mask": 7,
    }
    yield json.dumps({"magic": "CPUINFO", "entries": [{"x86_entry": [fields]}]}).encode()


def own_json() -> Iterator[bytes]:
    """Yield CPUs known whole and in part."""
    known = KnownBits()
    known.add_vendor("GenuineIntel")
    known.add_signature(6, 45, 7)
    known.add((0xD, 0), "eax", 7, 0xFF)
    part = make_dump("4-7", known.answers(), "/proc/cpuinfo", model_name="Some CPU")
    whole = CpuDump("0-3", small_table(), "64-bit", "cpuid -r", microcode="0x15")
    yield format_dumps([whole, part]).encode()
    yield format_dumps(parse_image(next(criu()))[:1]).encode()
    image = CpuImage("AMD", tuple(range(12)), 7, 832, 1 << 40)
    yield format_dumps([make_dump("0", {}, "CRIU", image=image)]).encode()
    yield json.dumps({"id": "0", "cpuid": small_table().rows()}).encode()


def cpuinfo() -> Iterator[bytes]:
    """Yield two processors."""
    yield _CPUINFO


def lscpu() -> Iterator[bytes]:
    """Yield text and JSON."""
    words = "fpu cmov sep lm sse sse2 xsave avx"
    fields = {"Architecture": "x86_64", "Vendor ID": "GenuineIntel", "CPU family": "6"}
    fields |= {"Model": "45", "Stepping": "7", "Model name": "Some CPU", "Flags": words}
    yield _lines(*(f"{name}:   {value}" for name, value in fields.items()))
    listed = [{"field": f"{name}:", "data": value} for name, value in fields.items()]
    yield json.dumps({"lscpu": [{"field": "x:", "data": None, "children": listed}]}).encode()


def qmp() -> Iterator[bytes]:
    """Yield an expanded model, and a session with feature words."""
    props = {"avx": True, "sse4.1": True, "avx2": False, "vendor": "GenuineIntel", "family": 6}
    props |= {"model": 45, "stepping": 7, "model-id": "Some CPU"}
    yield json.dumps({"return": {"model": {"name": "base", "props": props}}}).encode()
    words = [
        {"cpuid-register": "EDX", "cpuid-input-eax": 1, "features": 126614525},
        {"cpuid-register": "EBX", "cpuid-input-eax": 7, "cpuid-input-ecx": 0, "features": 1},
    ]
    yield b'{"QMP": {}}\n(QEMU) ' + json.dumps({"return": words}).encode()


def xen() -> Iterator[bytes]:
    """Yield the sets of each tool, and those of older versions."""
    yield b"hw_caps : bfebfbff:77bef3ff:2c100800:00000021:00000001:00000281:00000000:00000100\n"
    yield b"hw_caps : bfebfbff:2c100800:00000000:00003f00:77bee3ff:00000000:00000001:00000281\n"
    yield _lines(
        *("vendor: GenuineIntel", "modelname: Some CPU", "family: 6", "model: 45", "stepping: 7"),
        *("features: 77bee3ff-bfebfbff-00000001-2c100800", "features_pv: 1-2-3"),
        "features_hvm: 1fcbfbff-f7ba3223-2c100800-00000021-00000001-00000a91",
    )
    yield _lines(
        "Raw    bfebfbff:77bee3ff:2c100800:00000021:00000001:00000281",
        "Host   b7ebfbff:77bef3ff:2c100800:00000021:00000001:00000281",
    )


def freebsd() -> Iterator[bytes]:
    """Yield the lines of a boot."""
    yield _lines(
        "CPU: Some CPU (2600.04-MHz K8-class CPU)",
        '  Origin="GenuineIntel"  Id=0x206d7  Family=0x6  Model=0x2d  Stepping=7',
        "  Features=0xbfebfbff<FPU,VME,DE>",
        "  Features2=0x1fbee3ff<SSE3,PCLMULQDQ>",
        "  AMD Features=0x2c100800<SYSCALL,NX,Page1GB,RDTSCP,LM>",
        "  Structured Extended Features=0x281<FSGSBASE,SMEP,ERMS>",
        "  XSAVE Features=0x1<XSAVEOPT>",
    )


def firecracker() -> Iterator[bytes]:
    """Yield a fingerprint, and a template."""
    whole = [{"register": "eax", "bitmap": "0b" + "01" * 16}]
    part = [{"register": "ebx", "bitmap": "0b" + "x" * 31 + "1"}]
    one = {"leaf": "0x1", "subleaf": "0x0", "flags": 0, "modifiers": whole}
    yield json.dumps(
        {"microcode_version": "0x1", "guest_cpu_config": {"cpuid_modifiers": [one]}}
    ).encode()
    yield json.dumps({"cpuid_modifiers": [one | {"modifiers": part}]}).encode()


def libvirt_caps() -> Iterator[bytes]:
    """Yield capabilities, those of domains, and a CPU by itself."""
    inside = (
        "<arch>x86_64</arch><model>Some</model><vendor>Intel</vendor><microcode version='21'/>"
        "<signature family='6' model='45' stepping='7'/><feature name='avx'/>"
    )
    yield f"<capabilities><host>\n<cpu>{inside}</cpu></host></capabilities>".encode()
    yield (
        b"<domainCapabilities><arch>x86_64</arch><cpu><mode name='host-model'><model>Some</model>"
        b"<feature policy='require' name='avx'/></mode></cpu></domainCapabilities>"
    )
    yield f"<cpu mode='custom'>{inside}</cpu>".encode()


def rjcp() -> Iterator[bytes]:
    """Yield two processors."""
    rows = "".join(
        f'<register eax="{leaf:08X}" ecx="{subleaf:08X}">'
        f"{','.join(f'{value:08X}' for value in answer)}</register>\n"
        for leaf, subleaf, answer in _answers()
    )
    yield f"<cpuid><processor>\n{rows}</processor><processor>{rows}</processor></cpuid>".encode()


def every_libvirt() -> Iterator[bytes]:
    """Yield registers and names."""
    yield from libvirt()
    yield from libvirt_caps()


def as_sent() -> Iterator[bytes]:
    """Yield dumps as mails and web pages have them."""
    for make in (aida64, cpuid_r, cpuid_text, libcpuid, hwloc, cpuinfo, lscpu):
        text = next(make()).decode()
        yield "".join(f"> {line}\n" for line in text.splitlines()).encode()
        yield quopri.encodestring(text.encode())
        yield f"<p>It is</p><pre>{escape(text)}</pre>".encode()
        yield "\n".join(wrap(text, 40, replace_whitespace=False)).encode()


def dumps() -> Iterator[bytes]:
    """Yield dumps in every form."""
    for make in (aida64, cpuid_r, cpuid_text, libcpuid, hwloc, every_libvirt, criu, own_json):
        yield from make()
    for make in (cpuinfo, lscpu, qmp, xen, freebsd, firecracker, rjcp, as_sent):
        yield from make()


def archives() -> Iterator[bytes]:
    """Yield archives of processors and of a gathered node, compressed in each way."""
    tar = _tar({"cpuid/pu0": _hwloc_file(), "cpuid/pu1": _hwloc_file(), "cpuid/note": b"x"})
    yield tar
    yield from (compress(tar) for compress in (bz2.compress, gzip.compress, lzma.compress))
    yield zstd.compress(tar)
    yield _tar({f"vzcptcheck-gathered/{name}": text for name, text in _gathered().items()})


def checkpoints() -> Iterator[bytes]:
    """Yield the images of two threads as parts, with the CPU's and without."""
    area = _field(13, _field(1, 7) + _field(2, 5) * 2 + _field(8, 0))
    thread = _field(1, 1) + _field(2, _field(1, 4096) + _field(3, _field(1, 895) + area))
    images = {
        "inventory.img": _criu_image(0x5831_3116, _field(1, 2) + _field(2, 1)),
        "core-1.img": _criu_image(0x5505_3847, thread, common=True),
        "core-2.img": _criu_image(0x5505_3847, _field(1, 1), common=True),
    }
    yield join_parts({f"checkpoint/{name}": data for name, data in images.items()})
    yield join_parts({**images, "cpuinfo.img": next(criu())})


def _criu_image(magic: int, message: bytes, *, common: bool = False) -> bytes:
    head = struct.pack("<I", 0x5456_4319) if common else b""
    return head + struct.pack("<2I", magic, len(message)) + message


def gathered() -> Iterator[bytes]:
    """Yield the files of a node as parts."""
    yield join_parts(_gathered())


def _gathered() -> dict[str, bytes]:
    rows = [
        f"0x{leaf:08x} 0x{subleaf:x}: {' '.join(f'0x{value:08x}' for value in answer)}"
        for leaf, subleaf, answer in _answers()
    ]
    release = EXAMPLES["042stab107"]
    return {
        "about": _lines(
            *("format 1", "script 1.0.0", "date 2026-11-23", f"release {release}"),
            *("machine x86_64", "host node7"),
        ),
        "notes": b"one processor could not be asked\n",
        "proc/cpt": HEADER.encode() + b"ffff88003ee00000 00000066 102      2\n",
        "proc/rst": b"",
        "proc/cmdline": b"ro root=/dev/sda1 noxsave clearcpuid=154\n",
        "proc/cpuinfo": _CPUINFO.partition(b"\n\n")[0] + b"\n\n",
        "proc/vz/version": b"042stab113_5\n",
        "proc/vz/veinfo": b"       102     2    19   10.0.0.2\n         0     0   120\n",
        "proc/vz/cpuid_override": b"",
        "proc/net/if_inet6": b"",
        "cpuid/0": _lines(*rows, "0x80000003 0x0: no answer"),
    }


def images() -> Iterator[bytes]:
    """Yield an image that is whole, but blank; one of IA64; one that is cut off."""
    whole = _image(0x803)
    yield whole
    yield _image(0x302)[:8] + b"\2" + whole[9:-60]
    yield whole[:80]


def _image(version: int) -> bytes:
    parts = [
        struct.pack(
            "<4s4H2I2HQ2I4I4IQ",
            *(_SIGNATURE, 80, version, 1, 0, 0x205, 0, 4096, 1000, 0xFFFB_0000, 1795375528),
            *(607223000, 0x1602759F, 0, 0, 0, 1, 0, 0, 0, 0),
        )
    ]
    places, offset = {}, 80
    for number, size in _CHAIN:
        places[number] = offset
        parts.append(struct.pack("<QI2H", size, number, 16, 0))
        parts.append(
            struct.pack("<QI2H", size - 16, 13, 16, 0)[: size - 16].ljust(size - 16, b"\0")
        )
        offset += size
    places[_TRAILER] = offset
    parts.append(struct.pack("<QI2H", 264, _TRAILER, 16, 0))
    index = [places.get(number, _NOWHERE) for number in range(27)]
    parts.append(struct.pack("<QI2H2I27QI4s", 248, 1034, 248, 0, 0, 1, *index, 27, _SIGNATURE))
    return b"".join(parts)


def overrides() -> Iterator[bytes]:
    """Yield lines with and without a subleaf, as they are written and as they read back."""
    yield b"0x00000001: 0x00000000 0x00000000 0xfdffffff 0xffffffff\n"
    yield b" d 1:\t1 2 3 4 \n\n7 0: 0X1 2 3 123456789\n"


def expectations() -> Iterator[bytes]:
    """Yield a small matrix that is kept."""
    fleet = gather_fleet([load_node(name) for name in _KEPT_NODES])
    yield format_expectation(expect(Matrix(fleet, group_by_class(fleet)))).encode()


def specs() -> Iterator[bytes]:
    """Yield containers with every word."""
    yield b"101"
    yield b"102:fpu,32bit,no-vdso,process=sshd,entered=group,policy=fifo,traced"
    yield b"2147483647:suspended,device=tun0,mount=ramfs,private-mounts,mempolicy,keys,entered"


def releases() -> Iterator[bytes]:
    """Yield a release of each generation, and what /proc/vz/version says."""
    for release in EXAMPLES.values():
        yield f"{release}\n042stab113_5".encode()


def arguments() -> Iterator[bytes]:
    """Yield command lines of vzcptcheck, one word a line."""
    for line in (
        *("version", "version 2051", "version 0x803", "caps", "caps 5", "caps 101 0x7fffffff"),
        *("explain version 770 --json", "explain caps 1 +2147483647", "explain caps -1", "help"),
        *("capture -o - --mode 0640 --ct 101 --anonymize", "capture --cpus --instruction"),
        *("image /image --json", "--version", "caps 99999999999999999999"),
    ):
        yield line.replace(" ", "\n").encode()


def nodes() -> Iterator[bytes]:
    """Yield nodes that answer: capture, and questions of a container that is refused."""
    gathered_files = {name: text for name, text in _gathered().items() if name.startswith("proc/")}
    registers = b"".join(struct.pack("<4I", *answer) for _, _, answer in _answers())
    common = {
        **gathered_files,
        "proc/bc/x": b"",
        "dev/cpu/0/cpuid": registers,
        "uname": b"2.6.32-042stab113.5\nx86_64\nnode7",
        "diagnostics": _REPORTS[:300],
        "answers": _lines(
            "cpt CPT_TEST_VERSION 2051",
            "cpt CPT_SET_ERRORFD 0",
            "cpt CPT_SET_VEID 0",
            "cpt CPT_TEST_VECAPS 2",
            "cpt CPT_TEST_VECAPS2 65536",
            "rst CPT_SET_ERRORFD 0",
            "rst CPT_TEST_VERSION 1",
            "rst CPT_TEST_CAPS 369300895",
        ),
    }
    yield join_parts({**common, "words": b"capture"})
    yield join_parts({**common, "words": b"capture\n--cpus", "dev/cpu/1/cpuid": registers[16:]})
    del common["dev/cpu/0/cpuid"]
    yield join_parts({**common, "words": b"caps\n101\n5", "cpuid": registers})
    yield join_parts({**common, "words": b"caps\n5", "answers": b"cpt CPT_TEST_CAPS 1"})


def diagnostics() -> Iterator[bytes]:
    """Yield what a kernel writes of a container: the result, unsupported bits, text."""
    yield struct.pack("<BI", 2, 0x10000) + _REPORTS
    yield struct.pack("<BI", 1, 0xFFFFFFFF) + _REPORTS[:90]


def _lines(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])


def _field(place: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(place << 3) + _varint(value)
    return _varint(place << 3 | 2) + _varint(len(value)) + value


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    # Without the padding to ten records.
    return packed.getvalue().rstrip(b"\0").ljust(0) + bytes(2048)
