"""/proc/cpuinfo, which tells of registers in part."""

import pytest

from simulator.dumps import cpuinfo
from simulator.dumps.model import NOTHING_KNOWN, CpuDump
from simulator.dumps.recognise import parse_dump
from simulator.errors import UserError
from simulator.facts.cpuid import Registers
from simulator.facts.features import BY_NAME, FEATURES, Feature
from simulator.profiles.profile import NodeProfile
from support.dumps import bits, refusal
from support.samples import sample
from support.simulated_profiles import captured_nodes

EPYC_CPUINFO = sample("epyc-9004.cpuinfo.txt")

XEON_CPUINFO = sample("xeon-e5345.cpuinfo.txt")


def test_cpuinfo() -> None:
    first, second = parse_dump(EPYC_CPUINFO.encode())
    assert (first.cpus, first.form, first.model_name) == ("0", "/proc/cpuinfo", "AMD EPYC")
    assert first.microcode == "0xa101148"
    assert first.table is not None
    assert first.table[0, 0] == Registers(28, 0x6874_7541, 0x444D_4163, 0x6974_6E65)
    assert bits(first, 1, 0, "eax") == (0x00A1_0F11, 0x0FFF_0FFF)
    assert bits(first, 1, 0, "ecx") == (1 << 26 | 1 << 19 | 1, 1 << 26 | 1 << 19 | 1)
    assert bits(first, 7, 0, "edx") == (1 << 4, 1 << 4)
    assert bits(first, 7, 1, "eax") == (1 << 5, 1 << 5)
    assert bits(first, 0xD, 1, "eax") == (1, 1)
    assert bits(first, 0x8000_0008, 0, "ebx") == (1, 1)
    assert (second.cpus, second.table, second.microcode) == ("1", None, None)


def test_an_old_cpuinfo() -> None:
    [dump] = parse_dump(XEON_CPUINFO.encode())
    assert (dump.cpus, dump.mode) == ("3", "64-bit")
    assert dump.model_name == "Intel(R) Xeon(R) CPU E5345 @ 2.33GHz"
    # The registers of the recorded E5345: hwloc, Intel-Core-2xXeon-E5345.tar.bz2.
    assert bits(dump, 1, 0, "eax") == (0x0000_06F7, 0x000F_0FFF)
    values, known = bits(dump, 1, 0, "edx")
    assert (values, known) == (0x3FEB_FBFF, 0x3FEB_FBFF)


def test_no_word_that_is_not_there_is_a_zero() -> None:
    for dump in parse_dump(EPYC_CPUINFO.encode()) + parse_dump(XEON_CPUINFO.encode()):
        for key, answer in dump.partial:
            if key not in {(0, 0), (1, 0)}:
                assert answer.values == answer.known
        signature = dict(dump.partial)[1, 0]
        assert signature.values[1:] == signature.known[1:]


#: Words of /proc/cpuinfo, old and new, and their places.
PLACES = {
    **dict.fromkeys(("cr8legacy", "altmovcr8", "cr8_legacy"), (0x8000_0001, "ecx", 4)),
    "ffxsr": (0x8000_0001, "edx", 25),
    "perfctr_l2": (0x8000_0001, "ecx", 28),
    "sse5": (0x8000_0001, "ecx", 11),
    "mwaitx": (0x8000_0001, "ecx", 29),
    "3dnow": (0x8000_0001, "edx", 31),
    "rdrand": (0x1, "ecx", 30),
    "pbe": (0x1, "edx", 31),
    "avx512vl": (0x7, "ebx", 31),
    "sgx_lc": (0x7, "ecx", 30),
    "arch_capabilities": (0x7, "edx", 29),
    "wbnoinvd": (0x8000_0008, "ebx", 9),
    "lrti": (0x8086_0001, "edx", 3),
    "pmm_en": (0xC000_0001, "edx", 13),
}


@pytest.mark.parametrize("flag", PLACES)
def test_words_of_old_and_new_kernels(flag: str) -> None:
    leaf, register, bit = PLACES[flag]
    [dump] = cpuinfo.parse(["processor: 0", f"flags: {flag}", ""])
    assert bits(dump, leaf, 0, register) == (1 << bit, 1 << bit)


@pytest.mark.parametrize(
    "flag", ["hypervisor", "arat", "constant_tsc", "ibpb", "ibrs", "stibp", "ssbd", "cppc", "nopl"]
)
def test_words_that_kernels_set_themselves_tell_nothing(flag: str) -> None:
    [dump] = cpuinfo.parse(f"processor: 0\nflags: fpu {flag}\n".splitlines())
    assert dict(dump.partial) == dict(cpuinfo.parse(["processor: 0", "flags: fpu"])[0].partial)


@pytest.mark.parametrize(
    ("family", "model", "stepping", "value", "known"),
    [
        (5, 4, 3, 0x543, 0xFFF),
        (6, 143, 8, 0x0008_06F8, 0x000F_0FFF),
        (15, 65, 2, 0x0004_0F12, 0x0FFF_0FFF),
        (25, 17, 1, 0x00A1_0F11, 0x0FFF_0FFF),
    ],
)
def test_signature(family: int, model: int, stepping: int, value: int, known: int) -> None:
    """The extended family counts from 15 on, the extended model from 6 on."""
    text = f"processor:0\nflags:\ncpu family:{family}\nmodel:{model}\nstepping:{stepping}\n"
    assert bits(cpuinfo.parse(text.splitlines())[0], 1, 0, "eax") == (value, known)


NOT_KNOWN = [
    "stepping: unknown", "vendor_id: unknown", "cpuid level: -1", "model name: unknown",
    "cpu family: 4\nmodel: 1\nstepping: unknown",
]  # fmt: skip


@pytest.mark.parametrize("line", NOT_KNOWN)
def test_what_cpuinfo_does_not_know_is_unknown(line: str) -> None:
    [dump] = cpuinfo.parse(f"processor: 0\nflags: fpu\n{line}".splitlines())
    assert (dump.table, dump.model_name) == (None, None)
    assert [key for key, _ in dump.partial] == [(1, 0)]
    assert bits(dump, 1, 0, "eax") == (0, 0)


def test_flags_that_are_none_tell_nothing() -> None:
    text = "processor: 0\nflags: \u00b5"
    assert "nothing is told of its registers" in refusal(text.encode()).message


@pytest.mark.parametrize("name", ["  Shanghai  ", "SiS SiS SiS ", "CentaurHauls"])
def test_spaces_around_a_vendor_are_its_name(name: str) -> None:
    [dump] = cpuinfo.parse(f"processor: 0\nvendor_id: {name}\ncpuid level: 7\n".splitlines())
    assert dump.table is not None
    assert dump.table.vendor == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("processor : 0\nFeatures : fp asimd\n", "cpuinfo: no line is 'vendor_id : ...'"),
        ("flags : fpu\n", "cpuinfo: no line is 'processor : 0'"),
        (EPYC_CPUINFO.replace(": 25", ": x"), "processor 0: 'cpu family' is no number: 'x'"),
        (EPYC_CPUINFO.replace(": 25", ": 999"), "processor 0: no CPU is of family 999, model 17"),
        (EPYC_CPUINFO.replace(": 25", ": 5"), "processor 0: no CPU is of family 5, model 17"),
        (EPYC_CPUINFO.replace("stepping\t: 1", "stepping\t: 16"), "model 17, stepping 16"),
        (EPYC_CPUINFO.replace("processor\t: 1", "processor\t: one"), "processor one: 'processor'"),
        ("processor: 0\nvendor_id:\n", "CPU 0: nothing is told of its registers"),
    ],
)
def test_cpuinfo_is_refused(text: str, message: str) -> None:
    assert message in refusal(text.encode(), "cpuinfo").message


# Words that are not there


def told(printed_by: str | None, flags: str = "fpu sse2 lm", **lines: str) -> CpuDump:
    text = "".join(
        f"{key.replace('_', ' ')} : {value}\n"
        for key, value in {"processor": "0", "flags": flags, **lines}.items()
    )
    (dump,) = cpuinfo.parse(text.splitlines())
    return cpuinfo.clear_absent(dump, printed_by)


def has(dump: CpuDump, name: str) -> bool | None:
    """Tell whether a CPU has a feature; None where that is not known."""
    feature = BY_NAME[name]
    values, known = dump.answers().get((feature.leaf, feature.subleaf), NOTHING_KNOWN)
    bit = 1 << feature.bit
    return bool(getattr(values, feature.register) & bit) if known_bit(known, feature) else None


def known_bit(known: Registers, feature: Feature) -> bool:
    return bool(getattr(known, feature.register) >> feature.bit & 1)


@pytest.mark.parametrize(
    ("printed_by", "known", "unknown"),
    [
        (None, "avx fma rdrand abm bmi1 sse4a", "avx2 bmi2 avx512f sha_ni sep lahf_lm pat"),
        ("2.6.32-042stab061.9", "avx fma rdrand", "avx2 bmi2 sep avx512f"),
        ("2.6.32-042stab092.1", "avx avx2 bmi2 sep", "avx512f rdseed sha_ni"),
        ("2.6.32-042stab141.3", "avx2 avx512f rdseed adx", "sha_ni gfni avx_vnni"),
        ("3.10.0-1160.el7.x86_64", "avx fma", "avx2 avx512f"),
        ("5.10.0-30-amd64", "avx fma", "avx2 avx512f"),
        ("6.1.0-47-amd64", "avx2 avx512f sha_ni gfni avx_vnni", "sha512 pku umip avx_vnni_int8"),
        ("6.12.117+deb12-amd64", "avx_vnni gfni", "sha512 la57"),
        ("2.6.32-754.el6", "", "avx avx2 fma"),
        ("2.6.18-028stab101.1", "", "avx sse4_1"),
    ],
)
def test_a_word_that_is_not_there_is_clear_if_the_kernel_knows_it(
    printed_by: str | None, known: str, unknown: str
) -> None:
    dump = told(printed_by)
    assert {has(dump, name) for name in known.split()} <= {False}
    assert {has(dump, name) for name in unknown.split()} == {None}
    assert has(dump, "sse2") is True


def test_what_is_no_release_is_an_error() -> None:
    with pytest.raises(UserError, match="'stretch' is no kernel's release"):
        told("stretch")


def test_without_flags_and_in_other_forms_nothing_is_clear() -> None:
    bare = told("6.1.0-47-amd64", flags="", cpuid_level="13")
    assert has(bare, "avx") is None
    other = told(None)._replace(form="another")
    assert cpuinfo.clear_absent(other, "6.1.0") is other


@pytest.mark.parametrize("profile", captured_nodes(), ids=lambda profile: profile.name)
def test_what_recorded_kernels_did_not_print_their_cpus_lack(profile: NodeProfile) -> None:
    """But for what boot options hide from the kernel."""
    cpu = profile.cpus[0]
    dump = told(profile.kernel.release, flags=cpu.flags or "")
    hiding = any(
        option.startswith(("noxsave", "nordrand", "clearcpuid", "nofxsr"))
        for option in profile.kernel.boot_options
    )
    contradicted = {
        feature.name
        for feature in FEATURES
        if feature.is_in(cpu.cpuid) and has(dump, feature.name) is False
    }
    assert not contradicted or hiding


# Flags that are not all there


def told_of(text: str) -> dict[str, bool | None]:
    """Return what is known of each feature by what kernels print, and by what they do not."""
    dump = cpuinfo.clear_absent(parse_dump(text.encode())[0], "6.1.0-47-amd64")
    return {feature.name: has(dump, feature.name) for feature in FEATURES if feature.name}


BEFORE = "processor: 0\nvendor_id: AuthenticAMD\nwp : yes\n"
ALL_FLAGS = "flags : fpu tsc sse4a 3dnowprefetch xop fma4 avx avx2 smca"
WHOLE_TEXT = f"{BEFORE}{ALL_FLAGS}\nbugs : x\npower management:\n"


@pytest.mark.parametrize("length", range(len(BEFORE), len(WHOLE_TEXT)))
def test_a_text_that_is_cut_anywhere_tells_nothing_that_is_not_so(length: int) -> None:
    whole, cut = told_of(WHOLE_TEXT), told_of(WHOLE_TEXT[:length])
    assert [name for name, known in cut.items() if known not in {None, whole[name]}] == []
    assert whole["fma"] is False
    assert cut["fma"] is None or length > len(BEFORE + ALL_FLAGS)


@pytest.mark.parametrize(
    "text",
    [
        f"{BEFORE}{ALL_FLAGS.replace(' avx2', ' ...')}\nbugs : x\n",
        f"{BEFORE}{ALL_FLAGS} \u2026\nbugs : x\n",
        f"{BEFORE}{ALL_FLAGS.replace('fpu tsc', '')}\nbugs : x\n",
        f"{BEFORE}{ALL_FLAGS.replace(' avx', chr(10) + 'anything new and avx')}\nbugs : x\n",
        f"vendor_id: AuthenticAMD\n{ALL_FLAGS}_or_anything",
    ],
)
def test_of_flags_that_are_not_all_there_nothing_is_absent(text: str) -> None:
    assert {known for name, known in told_of(text).items() if known is not True} == {None}
    assert parse_dump(text.encode())[0].form == "/proc/cpuinfo, whose flags may be cut short"


def test_flags_that_were_picked_out_are_all_there() -> None:
    for end in ("", "\n", "\n\nThat is all.\n"):
        assert told_of(f"vendor_id: AuthenticAMD\n{ALL_FLAGS}{end}")["fma"] is False


def test_cpus_of_other_architectures_are_told_as_that() -> None:
    arm = b"processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd aes\nCPU part\t: 0xd0c\n"
    assert refusal(arm).message == (
        "looks like cpuinfo, but no line is 'vendor_id : ...': of another architecture"
    )
