"""CRIU's verdict: what the real program answered, and a second transcription of its rules."""

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from simulator.facts.cpu_image import CpuImage, image_of, joined
from simulator.facts.cpu_traits import XsaveArea
from simulator.facts.cpuid import CpuidTable, Registers
from simulator.facts.features import BY_NAME
from simulator.kernel.containers import Container, State
from simulator.profiles.bare_node import BareNode
from simulator.verdicts.criu import Criu, CriuTraits, NotTold, Refusal
from simulator.verdicts.criu_remedies import kernel_trials, with_xsave
from simulator.verdicts.criu_rules import make_rules
from simulator.verdicts.migrations import NodePair
from simulator.verdicts.remedies import Remedies
from simulator.verdicts.traits import ContainerTraits
from simulator.verdicts.verdict import Opinion, Outcome, Verdict
from support.criu import (
    RecordedCheck,
    RecordedRestore,
    bare_node,
    criu,
    recorded_checks,
    recorded_cpus,
    recorded_restores,
)
from support.criu_rules import compel_cpuid, validate
from support.mutated_cpus import cpuid_of, in_part, mutated
from support.simulated_profiles import recorded_nodes

ZHAOXIN = "zxd-d4600"
WITHOUT_AVX = "SandyBridge,-avx"

MODES = {
    None: {"fpu", "ins"},
    "none,fpu": {"fpu"},
    "none,ins": {"ins"},
    "none,cpu": {"cpu"},
    "all": {"fpu", "ins", "cpu"},
}


def table_of(name: str) -> CpuidTable:
    """Return a recorded CPU's registers; of one that was recorded without AVX, made so."""
    if name != WITHOUT_AVX:
        return recorded_cpus()[name].table
    table = table_of("SandyBridge")
    features, area = table[1, 0], Registers(3, 576, 576, 0)
    ecx = features.ecx & ~(1 << BY_NAME["avx"].bit)
    return table.replace({(1, 0): features._replace(ecx=ecx), (0xD, 0): area})


def opinion(engine: Criu, image: CpuidTable, host: CpuidTable) -> Opinion:
    one, other = (engine.node_traits(bare_node(table)) for table in (image, host))
    return engine.answers(one.kernel, other.kernel)(None)


def said(found: Opinion) -> str:
    return next((reason.said for reason in found.reasons if reason.said), "")


CHECKS = [
    pytest.param(list(those), id=" ".join(map(str, key)))
    for key, those in groupby(recorded_checks(), lambda one: (one.version, one.cpu_cap, one.image))
]


@pytest.mark.parametrize("checks", CHECKS)
def test_a_check_is_what_the_real_program_answered(checks: list[RecordedCheck]) -> None:
    engine = criu(checks[0].version, checks[0].cpu_cap, check=True)
    for one in checks:
        found = opinion(engine, table_of(one.image), table_of(one.host))
        verdicts = {True: Verdict.POSSIBLE, False: Verdict.NOT_POSSIBLE, None: Verdict.UNKNOWN}
        assert (one.host, found.verdict) == (one.host, verdicts[one.passed])
        assert (one.host, said(found)) == (one.host, one.said)


def test_all_answers_of_a_check_are_recorded() -> None:
    checks = list(recorded_checks())
    assert len(checks) == 1915
    assert sum(one.passed is None for one in checks) == 64
    assert {one.image for one in checks if one.passed is None} == {ZHAOXIN}


@pytest.mark.parametrize("one", list(recorded_restores()))
def test_a_restore_is_what_the_real_program_did(one: RecordedRestore) -> None:
    engine = criu(one.version, one.cpu_cap)
    pair = NodePair(bare_node(table_of(one.image)), bare_node(table_of(one.host)), (), engine)
    restore, programs = pair.judge_nodes().judgement
    assert restore.verdict is (Verdict.POSSIBLE if one.passed else Verdict.NOT_POSSIBLE)
    if not one.passed:
        assert said(restore) == one.said
    elif not one.lived:
        assert programs.verdict is Verdict.NOT_POSSIBLE


def test_restores_that_died_and_that_lived_are_recorded() -> None:
    restores = list(recorded_restores())
    assert len(restores) == 61
    assert sum(one.passed and not one.lived for one in restores) == 8
    assert sum(not one.passed for one in restores) == 20


@given(
    mutated(), mutated(), st.sampled_from(list(MODES)), st.sampled_from([(3, 12), (3, 13), (4, 1)])
)
def test_a_second_transcription_answers_alike_for_any_two_cpus(
    image: CpuidTable, host: CpuidTable, cpu_cap: str | None, version: tuple[int, int]
) -> None:
    engine = criu("{}.{}".format(*version), cpu_cap, check=True)
    one, other = (compel_cpuid(cpuid_of(table), version) for table in (image, host))
    expected = validate(one, other, MODES[cpu_cap], version)
    found = opinion(engine, image, host)
    if one.vendor == "UNKNOWN":
        assert [reason.code for reason in found.reasons] == ["criu-vendor-unknown"]
    else:
        assert (found.verdict is Verdict.POSSIBLE) == (not expected)
        assert said(found) == expected


@given(mutated(), mutated(), st.sampled_from(list(MODES)), st.data())
def test_an_answer_on_what_is_known_in_part_is_one_on_the_whole(
    image: CpuidTable, host: CpuidTable, cpu_cap: str | None, data: st.DataObject
) -> None:
    engine = criu("", cpu_cap, check=True)
    found = opinion(engine, in_part(image, data), in_part(host, data))
    whole = opinion(engine, image, host)
    assert found.verdict in {Verdict.UNKNOWN, whole.verdict}
    assert said(found) in {"", said(whole)}


@given(mutated(), mutated())
def test_whether_the_area_is_restored_depends_on_osxsave_alone(
    image: CpuidTable, host: CpuidTable
) -> None:
    one, other = (compel_cpuid(cpuid_of(table)) for table in (image, host))
    has, can = (bool(cpu.capability[4] >> 27 & 1) for cpu in (one, other))
    found = opinion(criu(), image, host)
    if one.vendor != "UNKNOWN":
        assert found.verdict is (Verdict.NOT_POSSIBLE if has and not can else Verdict.POSSIBLE)
        dropped = opinion(criu("", "none"), image, host)
        assert [reason.code for reason in dropped.reasons] == ["criu-xsave-state-dropped"] * (
            has and not can
        )
        assert dropped.verdict is Verdict.POSSIBLE


# What is read from images


def stored(name: str, **fields: object) -> BareNode:
    """Return a checkpoint of a CPU, whose image has other fields than CRIU writes today."""
    table = table_of(name)
    image = replace(image_of(table), is_stored=True, unknown=(), **fields)
    return replace(bare_node(table), image=image)


def judged(engine: Criu, source: BareNode, destination: BareNode) -> Opinion:
    one, other = map(engine.node_traits, (source, destination))
    return engine.answers(one.kernel, other.kernel)(None)


def test_what_an_old_image_has_not_is_taken_from_the_host() -> None:
    """Version 1 has 12 words, and images before 3.11 have neither components nor sizes."""
    source, host = "SandyBridge", bare_node(table_of("Haswell"))
    engine = criu("", "none,fpu", check=True)
    assert judged(engine, stored(source, xsave_size=1), host).verdict is Verdict.NOT_POSSIBLE
    no_area = {"xfeatures_mask": None, "xsave_size": None, "xsave_size_max": None}
    assert judged(engine, stored(source, **no_area), host) == Opinion()
    words = image_of(table_of("Haswell")).words
    assert any(words[12:])
    engine = criu("", "none,cpu", check=True)
    same = bare_node(table_of("Haswell"))
    changed = (*words[:12], *(1 ^ word for word in words[12:]))
    assert judged(engine, stored("Haswell", words=changed), same).verdict is Verdict.NOT_POSSIBLE
    assert judged(engine, stored("Haswell", words=words[:12]), same) == Opinion()


def test_an_image_may_have_any_component() -> None:
    engine, host = criu("", "none,fpu", check=True), bare_node(table_of("Haswell"))
    found = judged(engine, stored("Haswell", xfeatures_mask=0x1_0002_010F), host)
    assert said(found) == "CPU xfeatures has unsupported bits (0x10002010a)"
    assert [(one.feature, one.place) for one in found.reasons] == [
        ("component 1", "CPUID 0x0000000d eax bit 1"),
        ("component 3", "CPUID 0x0000000d eax bit 3"),
        ("component 8", "CPUID 0x0000000d eax bit 8"),
        ("component 17", "CPUID 0x0000000d eax bit 17"),
        ("component 32", "CPUID 0x0000000d edx bit 0"),
    ]
    assert len(found.reasons) == found.size


def test_an_image_counts_and_not_the_registers_beside_it() -> None:
    source = replace(bare_node(table_of("Haswell")), image=stored("SandyBridge").image)
    assert (
        judged(criu("", None, check=True), source, bare_node(table_of("SandyBridge"))) == Opinion()
    )


def test_a_checkpoint_without_an_image_is_restored_without_cpu_cap() -> None:
    host, old = bare_node(table_of("Haswell")), bare_node(table_of("Nehalem"))
    source = BareNode(name="saved", cpus=(), source="a test", has_xsave_area=True)
    assert judged(criu(), source, host) == Opinion()
    assert said(judged(criu(), source, old)).startswith("FPU xsave area present")
    unknown = judged(criu(), replace(source, has_xsave_area=None), old)
    assert [reason.code for reason in unknown.reasons] == ["criu-not-told"]
    for version, words in (("4.1", ""), ("4.2", "No cpuinfo image")):
        found = judged(criu(version, "all"), source, host)
        assert [(one.code, one.said) for one in found.reasons] == [("criu-image-missing", words)]
    pair = NodePair(source, host, (), criu())
    judgement = pair.judge_nodes().judgement
    assert judgement.outcome() is Outcome.UNKNOWN
    assert judgement.outcome(restore_only=True) is Outcome.SAFE


def test_a_node_of_which_nothing_is_known_takes_nothing_for_certain() -> None:
    nothing = BareNode(name="saved", cpus=(), source="a test")
    for cpu_cap in MODES:
        found = judged(criu("", cpu_cap, check=True), bare_node(table_of("Haswell")), nothing)
        assert found.verdict is Verdict.UNKNOWN


def test_an_image_that_tells_nothing_of_its_cpu_is_of_an_unknown_vendor() -> None:
    image = CpuImage("", (0,) * 19, 0, 0, 0)
    source = BareNode(name="saved", cpus=(), source="a test", image=image)
    for engine in (criu(), criu("", "all", check=True)):
        found = judged(engine, source, bare_node(table_of("Haswell")))
        assert [one.code for one in found.reasons] == ["criu-vendor-unknown"]


def test_there_is_no_check_of_other_architectures() -> None:
    arm = BareNode(name="saved", cpus=(), source="a test", is_x86=False)
    found = judged(criu(), arm, bare_node(table_of("Haswell")))
    assert [(one.code, one.source, one.destination) for one in found.reasons] == [
        ("criu-no-check", "not x86", "x86")
    ]
    assert found.verdict is Verdict.UNKNOWN


def test_an_image_of_an_unknown_vendor_is_unknown_and_a_host_has_nothing() -> None:
    for engine in (criu(), criu("", "all", check=True)):
        found = opinion(engine, table_of(ZHAOXIN), table_of("Haswell"))
        assert [reason.code for reason in found.reasons] == ["criu-vendor-unknown"]
        assert found.verdict is Verdict.UNKNOWN
        assert (
            opinion(engine, table_of("Haswell"), table_of(ZHAOXIN)).verdict is Verdict.NOT_POSSIBLE
        )


# What is said


def test_all_that_fails_is_found_and_the_first_test_has_the_words() -> None:
    found = opinion(criu("", "all", check=True), table_of("Skylake-Server"), table_of("Nehalem"))
    codes = list(dict.fromkeys(reason.code for reason in found.reasons))
    assert codes == [
        "criu-fpu-missing",
        "criu-component-missing",
        "criu-xsave-size-differs",
        "criu-xsave-max-size-differs",
        "criu-instructions-missing",
        "criu-words-differ",
    ]
    words = {reason.code: reason.said for reason in found.reasons}
    assert words["criu-fpu-missing"].endswith("(fpu:0 fxsr:0 osxsave:1 xsaves:0)")
    assert set(words.values()) == {words["criu-fpu-missing"], ""}
    assert len(found.reasons) == found.size
    components = [one.feature for one in found.reasons if one.code == "criu-component-missing"]
    assert components == ["x87", "AVX", "PKRU"]
    sizes = [one for one in found.reasons if "size" in one.code]
    assert [(one.place, one.source, one.destination) for one in sizes] == [
        ("CPUID 0x0000000d ebx", "2696 bytes", "0 bytes"),
        ("CPUID 0x0000000d ecx", "2696 bytes", "0 bytes"),
    ]
    assert all(one.waive(frozenset({"criu-words-differ"})) == one for one in found.findings)


def test_both_sides_of_a_word_that_differs_are_told() -> None:
    image, host = recorded_cpus()["Nehalem"], recorded_cpus()["amd-epyc-7742"]
    found = opinion(criu("", "none,cpu", check=True), image.table, host.table)
    words = [
        (f"{one:#010x}", f"{other:#010x}")
        for one, other in zip(image.words, host.words, strict=True)
        if one != other
    ]
    assert [(one.source, one.destination) for one in found.reasons] == words
    assert found.size == len(words)
    features = {one.place: one.feature for one in found.reasons}
    assert features["CPUID 0x0000000d subleaf 1 eax"] == "xsaveopt xsavec xgetbv1 xsaves"
    assert features["CPUID 0x80000007 ebx"] == "bit 0 bit 1 bit 3 bit 4"
    assert said(found) == "CPU capabilities do not match run time"
    assert {one.said for one in found.reasons} == {said(found)}


def test_what_hides_a_bit_is_told() -> None:
    """A kernel without XSAVE hides OSXSAVE, a hypervisor may hide the rest."""
    found = opinion(criu(), table_of("Haswell"), table_of("Haswell.noxsave"))
    (reason,) = found.reasons
    assert (reason.code, reason.feature) == ("criu-xsave-area-refused", "osxsave")
    assert reason.hidden_by.startswith("its kernel, which has not turned XSAVE on")
    host = table_of("intel-xeon-e5-2650-0")
    bare = opinion(criu("", "none,ins", check=True), table_of("Haswell"), host)
    ecx = host[1, 0].ecx | 1 << 31
    guest = host.replace({(1, 0): host[1, 0]._replace(ecx=ecx)})
    hidden = opinion(criu("", "none,ins", check=True), table_of("Haswell"), guest)
    assert {one.hidden_by for one in bare.reasons} == {""}
    assert {one.hidden_by for one in hidden.reasons} == {
        "its hypervisor, unless the machine's CPU lacks it"
    }


def test_features_that_are_not_told_are_named() -> None:
    table = table_of("Haswell")
    kept = [(key, one) for key, one in table.items() if key not in {(0xD, 1), (0xD, 0), (6, 0)}]
    engine = criu("", "all", check=True)
    found = opinion(engine, table_of("SandyBridge"), CpuidTable(kept))
    assert [finding.verdict for finding in found.findings] == [
        Verdict.NOT_POSSIBLE,
        Verdict.UNKNOWN,
    ]
    (reason,) = found.findings[1].reasons
    assert "xsaveopt" in reason.feature
    assert reason.feature.endswith("the XSAVE area")
    assert said(found) == ""
    assert found.findings[1].size == 1
    assert found.findings[1].waive(frozenset({"criu-not-told"})) == found.findings[1]
    many = NotTold((1 << 608) - 1, has_more=True).reasons[0].feature
    assert many.count(",") == 39
    assert many.rpartition(" and ")[2].endswith(" more")


def test_what_is_not_told_of_two_machines_of_one_model_is_alike_but_for_the_kernels() -> None:
    table = table_of("Haswell")
    leaf_6 = CpuidTable([(key, one) for key, one in table.items() if key != (6, 0)])
    engine = criu("", "none,cpu", check=True)
    lasting = leaf_6.replace({(0, 0): table[0, 0]._replace(eax=0xD)})
    assert opinion(engine, lasting, lasting) == Opinion()
    other = lasting.replace({(1, 0): table[1, 0]._replace(eax=table[1, 0].eax ^ 1)})
    assert opinion(engine, lasting, other).verdict is Verdict.UNKNOWN
    known = Registers(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF & ~(1 << 27), 0xFFFFFFFF)
    values = table[1, 0]._replace(ecx=table[1, 0].ecx & known.ecx)
    rest = [(key, one) for key, one in table.items() if key != (1, 0)]
    part = CpuidTable(rest, [((1, 0), (values, known))])
    for cpu_cap in ("none,fpu", "none,cpu"):
        found = opinion(criu("", cpu_cap, check=True), part, part)
        assert [reason.feature for reason in found.reasons] == ["osxsave"]


# What programs meet


def programs_area(name: str) -> XsaveArea | None:
    return criu().node_traits(bare_node(table_of(name))).cpu.area


def test_the_area_is_the_size_that_cpuid_tells_without_places() -> None:
    sizes = {"Nehalem": 512, "SandyBridge": 832, WITHOUT_AVX: 576, "Haswell.noxsave": 512}
    sizes |= {"Skylake-Server": 2696, "Skylake-Server.nopku": 832, "EPYC-Milan": 2696}
    assert {name: programs_area(name) for name in sizes} == {
        name: XsaveArea(size) for name, size in sizes.items()
    }


def test_what_restore_makes_anew_is_no_obstacle() -> None:
    """AMD's places of AVX-512's components are others than Intel's: CRIU writes the host's."""
    pair = NodePair(
        bare_node(table_of("amd-epyc-9654")), bare_node(table_of("intel-xeon-max-9460")), (), criu()
    )
    codes = {reason.code for reason in pair.judge_nodes().judgement.programs.reasons}
    assert not codes & {"xsave-layout-differs", "xsave-area-smaller", "xsave-component-missing"}


def test_a_node_with_an_openvz_kernel_is_judged_as_its_kernel_shows_it() -> None:
    nodes = recorded_nodes()
    name = "042stab141.3.Haswell.default"
    pair = NodePair(nodes[name], bare_node(table_of("SandyBridge")), (), criu())
    (migration, *_) = pair.judge_all()
    assert migration.judgement.outcome() is Outcome.RISKY
    assert migration.reports == ()
    ia64 = next(node for node in nodes.values() if not node.cpus)
    found = criu().node_traits(ia64).kernel
    assert found == CriuTraits(None)
    assert found.words == "no CPUID"


def test_containers_make_no_difference() -> None:
    engine, node = criu(), bare_node(table_of("Haswell"))
    stopped = Container(ctid=101, state=State.STOPPED)
    assert engine.container_traits(node, stopped) == ContainerTraits()
    assert engine.stated_traits(node, stopped) == ContainerTraits()
    traits = engine.node_traits(node).kernel
    assert engine.opinion_on_kernels(traits, traits) == Opinion()
    found = engine.answers(traits, traits)(ContainerTraits())
    assert engine.question(traits, traits) == found == Opinion()


def test_traits_have_words_and_a_key() -> None:
    engine = criu("", "all", check=True)
    one, other = (
        engine.node_traits(bare_node(table_of(name))).kernel for name in ("Haswell", ZHAOXIN)
    )
    assert one.words == "INTEL, XSAVE area of 832 bytes"
    assert other.words == "a vendor that CRIU does not know, XSAVE area of 0 bytes"
    assert criu().node_traits(bare_node(table_of("Haswell"))).kernel.words == "INTEL"
    assert one.as_source() == one
    assert one.key.endswith("/")
    assert one.key != other.key
    assert (one.age, one.generation_name) == (0, "criu")
    assert one.document() == {
        "vendor": "INTEL",
        "xfeatures_mask": 5,
        "xsave_size": 832,
        "xsave_size_max": 832,
        "has_xsave_area": True,
    }
    assert Refusal(sizes=(1, 2)).size == 1


# What helps


@pytest.mark.parametrize(
    ("image", "host", "engine", "action"),
    [
        (
            "SandyBridge",
            "amd-epyc-7742",
            criu(check=True),
            "Ask 'criu cpuinfo check --cpu-cap=none,ins'",
        ),
        (
            "intel-xeon-e5-2650-0",
            "amd-epyc-7742",
            criu("", "all"),
            "Ask 'criu restore --cpu-cap=none,ins'",
        ),
        ("intel-xeon-e5-2650-0", "SandyBridge", criu("", "none,ins"), "Ask 'criu restore': "),
        ("Haswell", "Haswell.noxsave", criu(), "Boot box with XSAVE on"),
        ("Haswell", "SandyBridge", criu(check=True), ""),
        ("Haswell", "Nehalem", criu(), ""),
        ("intel-xeon-e5-2650-0", "SandyBridge", criu("", "none,ins", check=True), ""),
    ],
)
def test_a_remedy_makes_it_safe(image: str, host: str, engine: Criu, action: str) -> None:
    source, destination = bare_node(table_of(image)), bare_node(table_of(host))
    migration = NodePair(source, destination, (), engine).judge_nodes()
    assert migration.judgement.outcome() is not Outcome.SAFE
    helps = Remedies(source, destination, (), engine).of(migration)
    assert len(helps) == bool(action)
    for one in helps:
        assert one.remedy.action.startswith(action)
        assert one.outcome is Outcome.SAFE
        assert one.turns_away


def test_nothing_is_to_be_helped_where_all_is_well() -> None:
    node = bare_node(table_of("Haswell"))
    migration = NodePair(node, node, (), criu()).judge_nodes()
    assert Remedies(node, node, (), criu()).of(migration) == ()


def test_a_kernel_is_not_changed_where_it_is_not_the_nodes_own() -> None:
    off = bare_node(table_of("Haswell.noxsave"))
    assert len(list(kernel_trials(criu(), off))) == 1
    assert list(kernel_trials(criu(), replace(off, image=CpuImage("INTEL", (0,) * 19)))) == []
    assert list(kernel_trials(criu(), replace(off, cpus=()))) == []
    assert list(kernel_trials(criu(), recorded_nodes()["042stab141.3.Haswell.default"])) == []
    (cpu,) = with_xsave(off).cpus
    assert cpu.cpuid == table_of("Haswell")
    part = CpuidTable([(key, one) for key, one in table_of("Haswell").items() if key != (0xD, 0)])
    assert with_xsave(bare_node(part)).cpus[0].cpuid[1, 0] == part[1, 0]
    assert joined((1,)) == 1
    assert make_rules().version == (4, 2)
