"""Ours on an image: its capability number, and what a whole one has."""

import errno
import os
from pathlib import Path

import pytest
from msgspec import structs

from simulator.kernel.restore import Restorer
from simulator.verdicts.image import (
    ImageDestination,
    ImageFileError,
    destination_of,
    judge_restore,
    load_image,
    programs_opinion,
    restore_opinion,
)
from simulator.verdicts.verdict import Opinion, Outcome, Reason, Verdict, Weight
from support.images import CAPS_SANDY_BRIDGE, CHAIN_141, build, change
from support.simulated_nodes import caps
from support.simulated_profiles import recorded_nodes
from support.simulated_traits import WELCOMING
from vzcptcheck.image import I386, IA64, MOST_SECTIONS, Image, read_image
from vzcptcheck.syscalls import LinuxSyscalls

SANDY_BRIDGE = "042stab141.3.SandyBridge.default"


def image(data: bytes) -> Image:
    return read_image(lambda size, position: data[position : position + size], len(data))


def destination(
    offered_caps: int = WELCOMING, architecture: int = 1, has_rst: bool = True
) -> ImageDestination:
    restorer = Restorer(lambda version: True, 1000, (35, 35), architecture)
    return ImageDestination(restorer, has_rst, offered_caps)


def on_programs(data: bytes, to: ImageDestination | None = None) -> Opinion:
    return programs_opinion(image(data), to or destination())


def weights(data: bytes, to: ImageDestination | None = None) -> dict[str, Weight]:
    return {one.code: one.weight for one in on_programs(data, to).reasons}


WHOLE = build(blank=False)


def test_a_whole_image_on_a_node_that_has_all_has_nothing_against_it() -> None:
    assert on_programs(WHOLE) == Opinion()


# Capabilities


def test_a_feature_that_the_destination_lacks_refuses() -> None:
    data = build(blank=False, caps=caps("AVX", "SSE2", "RDRAND"))
    opinion = on_programs(data, destination(caps("SSE2")))
    assert opinion.verdict is Verdict.NOT_POSSIBLE
    assert opinion.reasons == tuple(
        Reason(
            "image-cpu-feature-missing",
            Weight.REFUSES,
            feature=word,
            place=f"CPUID 0x00000001 ecx bit {register_bit}, capability bit {bit}",
            source="1",
            destination="0",
        )
        for word, register_bit, bit in [("avx", 28, 26), ("rdrand", 30, 29)]
    )


def test_each_word_is_looked_at_by_its_own_bit() -> None:
    data = build(blank=False, caps=caps("SSE4_2"))
    assert weights(data, destination(caps("SSE4_1"))) == {
        "image-cpu-feature-missing": Weight.REFUSES
    }
    assert weights(data, destination(caps("SSE4_2"))) == {}


@pytest.mark.parametrize(
    "fields",
    [
        # Bits that are no CPU's; EMT64 where there are no 64-bit tasks.
        {"caps": caps("NAMESPACES", "SEP32", "NO_IPV6", "SLM_DMPRST") | 3 << 30},
        {"caps": caps("EMT64"), "tasks_64": 0},
    ],
)
def test_bits_that_are_no_cpus_make_no_difference(fields: dict[str, int]) -> None:
    assert on_programs(build(blank=False, **fields), destination(0)) == Opinion()


def test_a_bit_that_is_no_registers_has_its_own_number_alone() -> None:
    (reason,) = on_programs(build(blank=False, caps=caps("EMT64")), destination(0)).reasons
    assert (reason.feature, reason.place) == ("emt64", "capability bit 8")


def test_a_number_that_is_not_recorded_leaves_unknown() -> None:
    assert weights(build(blank=False, caps=0)) == {"image-caps-not-recorded": Weight.UNKNOWN}


# What a whole image has


@pytest.mark.parametrize(
    ("number", "name"), [(1, "VEINFO"), (3, "TASKS"), (4, "MM"), (10, "NAMESPACE")]
)
def test_a_section_that_is_missing_refuses(number: int, name: str) -> None:
    chain = tuple(section for section in CHAIN_141 if section[0] != number)
    (reason,) = on_programs(build(chain, blank=False)).reasons
    assert (reason.code, reason.weight) == ("image-section-missing", Weight.REFUSES)
    assert reason.feature == name


def test_what_a_chain_that_is_too_long_lacks_is_not_known() -> None:
    assert set(weights(build(((8, 16),) * (MOST_SECTIONS + 1)))) == {"image-section-repeated"}


def test_a_header_length_past_the_chain_is_no_container() -> None:
    data = change(WHOLE, "u16@4=65535")
    assert restore_opinion(image(data), destination()).verdict is Verdict.POSSIBLE
    found = on_programs(data)
    assert found.verdict is Verdict.NOT_POSSIBLE
    missing = [one.feature for one in found.reasons if one.code == "image-section-missing"]
    assert missing == ["VEINFO", "NAMESPACE", "TASKS", "MM"]


def test_a_section_that_stands_again_is_named_once() -> None:
    (reason,) = on_programs(build(((8, 16), (8, 16), *CHAIN_141), blank=False)).reasons
    assert (reason.code, reason.weight) == ("image-section-repeated", Weight.REFUSES)
    assert (reason.feature, reason.source) == ("TTY", "2 before it")


def test_an_index_that_has_another_section_there_refuses() -> None:
    # FILES is SYSV_SHM now; the index knows better.
    found = on_programs(change(WHOLE, "u32@3712=13")).reasons
    assert {(one.feature, one.weight) for one in found} == {
        ("FILES", Weight.UNKNOWN),
        ("SYSV_SHM", Weight.REFUSES),
    }
    assert [one.source for one in found] == [
        "by the index at 3704, by the chain nowhere",
        "by the index nowhere, by the chain at 3704",
    ]
    # Entry 2 of the index: the tail begins at 24824, its index 24 bytes further on.
    assert found[0].place == "offset 24864"


def test_an_index_that_points_at_nothing_leaves_unknown() -> None:
    found = on_programs(change(WHOLE, "zero@end-224=216")).reasons
    assert {(one.code, one.weight) for one in found} == {("image-index-differs", Weight.UNKNOWN)}


@pytest.mark.parametrize(
    ("changes", "code", "weight"),
    [
        ("u16@20=8192", "image-page-size", Weight.REFUSES),
        ("u32@end-232=1", "image-lazy-pages", Weight.UNKNOWN),
        ("zero@end-264=16", "image-odd-record", Weight.REMARK),
        ("u64@end-248=0", "image-odd-record", Weight.REMARK),
        ("u16@10=0xffff", "image-odd-record", Weight.REMARK),
        ("u16@8=3", "image-architecture-unknown", Weight.UNKNOWN),
        ("u16@8=2", "architecture-differs", Weight.REFUSES),
    ],
)
def test_what_restore_does_not_look_at(changes: str, code: str, weight: Weight) -> None:
    assert weights(change(WHOLE, changes)) == {code: weight}


@pytest.mark.parametrize(
    "changes", ["u64@56=0", "u64@12=0xffffffffffffffff", "u64@24=0", "u32@32=0x7fffffff"]
)
def test_what_makes_no_difference(changes: str) -> None:
    assert on_programs(change(WHOLE, changes)) == Opinion()


def test_a_sample_without_contents_is_remarked() -> None:
    assert weights(build()) == {"image-blank": Weight.REMARK}


# Machines


@pytest.mark.parametrize(
    ("architecture", "tasks_64", "to", "expected"),
    [
        (1, 0, I386, {"kernel-narrower": Weight.UNKNOWN}),
        # Here restore itself refuses.
        (1, 1, I386, {}),
        (0, 0, I386, {}),
        (0, 0, 1, {}),
        (2, 0, I386, {"architecture-differs": Weight.REFUSES}),
        (0, 0, IA64, {"architecture-differs": Weight.REFUSES}),
        (1, 1, IA64, {"architecture-differs": Weight.REFUSES}),
        (2, 1, IA64, {}),
    ],
)
def test_the_machine_that_it_was_made_on(
    architecture: int, tasks_64: int, to: int, expected: dict[str, Weight]
) -> None:
    data = build(blank=False, architecture=architecture, tasks_64=tasks_64)
    assert weights(data, destination(architecture=to)) == expected


def test_pages_of_an_ia64_are_not_known() -> None:
    data = build(blank=False, architecture=2, page_size=16384)
    assert weights(data, destination(architecture=IA64)) == {}


# Whose opinion


@pytest.mark.parametrize("data", [b"", WHOLE[:80], WHOLE[:320], b"x" * 4096])
def test_of_what_is_no_image_there_is_nothing_to_say(data: bytes) -> None:
    assert on_programs(data) == Opinion()
    assert restore_opinion(image(data), destination()).verdict is Verdict.NOT_POSSIBLE


def test_without_its_module_restore_cannot_be_asked() -> None:
    opinion = restore_opinion(image(WHOLE), destination(has_rst=False))
    assert [one.code for one in opinion.reasons] == ["module-missing"]
    assert opinion.verdict is Verdict.UNKNOWN


def test_a_recorded_node_is_a_destination() -> None:
    node = recorded_nodes()[SANDY_BRIDGE]
    to = destination_of(node)
    assert (to.has_rst, to.caps) == (True, node.answers.capability_number)
    assert to.restorer.section_ends == (35, 35)
    judged = judge_restore(image(build(caps=CAPS_SANDY_BRIDGE)), node)
    assert judged.judgement.outcome() is Outcome.SAFE
    assert judged.ctid is None
    assert judged.image is not None
    assert judged.image.answer is not None
    assert judged.image.answer.result == 0


def test_reasons_about_programs_can_be_waived() -> None:
    node = recorded_nodes()["042stab141.3.Penryn.default"]
    data = build(caps=CAPS_SANDY_BRIDGE)
    assert judge_restore(image(data), node).judgement.outcome() is Outcome.RISKY
    waived = judge_restore(image(data), node, ["image-cpu-feature-missing"])
    assert waived.judgement.outcome() is Outcome.SAFE


def test_a_node_without_vzrst_answers_nothing() -> None:
    node = recorded_nodes()[SANDY_BRIDGE]
    bare = structs.replace(node, kernel=structs.replace(node.kernel, modules=frozenset()))
    judged = judge_restore(image(WHOLE), bare)
    assert judged.image is not None
    assert judged.image.answer is None
    assert judged.judgement.outcome() is Outcome.UNKNOWN


# Files


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "file").write_bytes(build())
    return str(tmp_path / "file")


def test_an_image_is_read(path: str) -> None:
    read = load_image(path)
    assert (read.size, len(read.sections)) == (25072, 24)


def test_a_pipe_or_a_folder_is_an_image_of_no_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path, tmp_path / "pipe"):
        assert load_image(str(source)).size == 0


def fail(*_: object) -> bytes:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_file_that_cannot_be_read_is_an_error_with_what_to_do(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImageFileError, match=r"^/nowhere: No such file or directory$"):
        load_image("/nowhere")
    monkeypatch.setattr(LinuxSyscalls, "pread", fail)
    with pytest.raises(ImageFileError, match=f"^{path}: read: Input/output error"):
        load_image(path)
    monkeypatch.setattr(LinuxSyscalls, "pread", lambda *_: b"")
    with pytest.raises(ImageFileError, match=r"it became shorter .* Ask again when nobody"):
        load_image(path)
