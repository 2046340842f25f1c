"""What restore says to an image: every recorded row, and an oracle written beside it."""

import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.facts.capabilities import NodeFacts
from simulator.facts.generations import identify
from simulator.kernel.restore import (
    Answer,
    Finding,
    Restorer,
    answer,
    find_refusals,
    frame_refusals,
    restorer_of,
)
from support.images import (
    CHAIN_061,
    CHAIN_141,
    MM,
    NAMESPACE,
    NOWHERE,
    TASKS,
    VEINFO,
    Row,
    build,
    change,
    image_of_row,
    read_rows,
)
from support.simulated_nodes import RELEASES, node_facts
from vzcptcheck.image import MOST_SECTIONS, Image, read_image

NEW = "2.6.32-042stab141.3"
OLD = "2.6.32-042stab061.9"


def image(data: bytes) -> Image:
    """Read an image out of memory."""
    return read_image(lambda size, position: data[position : position + size], len(data))


def kernel(release: str = NEW, machine: str = "x86_64") -> Restorer:
    return restorer_of(NodeFacts(release=identify(release), machine=machine, cpuid=None))


def refusals(data: bytes, restorer: Restorer | None = None) -> tuple[Finding, ...]:
    return find_refusals(image(data), restorer or kernel())


def said(data: bytes, restorer: Restorer | None = None) -> Answer:
    return answer(refusals(data, restorer))


def codes(data: bytes, restorer: Restorer | None = None) -> list[str]:
    return [finding.code for finding in refusals(data, restorer)]


def places(data: bytes, restorer: Restorer | None = None) -> list[str]:
    return [finding.place for finding in refusals(data, restorer)]


# Recorded


@pytest.mark.parametrize("blank", [True, False], ids=["blank", "with contents"])
@pytest.mark.parametrize(
    "row", read_rows(), ids=lambda row: f"{row.kernel}, {row.image}: {row.changes}"
)
def test_restore_says_what_was_recorded(row: Row, blank: bool) -> None:
    data = change(image_of_row(row.image, row.size, blank), row.changes)
    given_answer = said(data, kernel(f"2.6.32-{row.kernel}"))
    assert given_answer.result == row.result
    assert given_answer.errno == ("EINVAL" if row.result else "")
    assert "|".join(given_answer.diagnostics or ()) == row.diagnostics
    assert (given_answer.stopped_at is not None) == bool(row.result)


# An oracle: restore's rules once more, over bytes, for 042stab061.9 and 141.3


def word(data: bytes, offset: int, size: int) -> int:
    return int.from_bytes(data[offset : offset + size], "little")


def oracle(data: bytes, newest_minor: int, section_end: int) -> str | None:
    """Return what restore says as it refuses; None where it does not."""
    size = len(data)
    if size % 8 or size < 328 or data[:4] != b"\x79\x1c\x01\x63":
        return ""
    hz, version = word(data, 22, 2), word(data, 6, 2)
    if hz != 1000:
        return f"Error: HZ mismatch: {hz} != 1000"
    if version not in range(0x303, 0x400) and (version >> 8 != 8 or version & 15 > newest_minor):
        return f"Error: Unknown image version: {version:x}. Can't restore."
    return oracle_of_frame(data, section_end)


def oracle_of_frame(data: bytes, section_end: int) -> str | None:
    size = len(data)
    if data[-4:] != b"\x79\x1c\x01\x63" or word(data, size - 8, 4) != 27:
        return ""
    position, last = word(data, 4, 2), size - 264
    objects = []
    while position < last:
        step, number, length, _ = struct.unpack_from("<QIHH", data, position)
        if length < 16 or step < length or position + step > last or number >= section_end:
            return ""
        objects.append((number, position, position + length, step - length >= 16))
        position += step
    if word(data, size - 228, 4) and word(data, 8, 2) != 1:
        return "Error: Cannot restore 64 bit container on this architecture"
    return oracle_of_veinfo(data, objects)


def oracle_of_veinfo(data: bytes, objects: list[tuple[int, int, int, bool]]) -> str | None:
    numbers = {one[0] for one in objects}
    lacks = 3 in numbers and not {1, 10} <= numbers
    places = [one for one in objects if one[0] == 1]
    if not places:
        return "" if lacks else None
    _, section, start, has_room = places[-1]
    if not has_room:
        return ""
    found = word(data, start + 8, 4)
    if not any(word(data, one[2] + 8, 4) for one in objects if one[3]):
        index = [word(data, len(data) - 224 + 8 * number, 8) for number in range(27)]
        there = index.index(section) if section in index else 1
        found = {1: 13, 24: 1042}.get(there, -1)
    if found == 13:
        return "" if lacks else None
    first = f"Error: _rst_get_object: wrong object type: {found} (expected: 13) @{start}|"
    return ("" if found == -1 else first) + "Error: rst_veinfo: -22"


IMAGES = [build(blank=True), build(blank=False), build(CHAIN_061, 0x801, blank=False)]

#: Offsets at which something is looked at: header, first sections, tail.
SPOTS = [*range(130), *range(240, 290), *range(3376, 3392)]
TAIL_SPOTS = list(range(1, 300))
VALUES = st.sampled_from(
    [
        *(0, 1, 2, 3, 8, 15, 16, 17, 24, 32, 33, 34, 35, 99, 100, 176, 256, 1000),
        *(0x303, 0x801, 0x803, 0x8F1, 0x813, 0xFFFF),
        *(2**31, 2**32 - 1, 2**63 - 1, 2**64 - 16, 2**64 - 1),
    ]
)


@st.composite
def changed_images(draw: st.DrawFn) -> bytes:
    """Draw an image with some numbers in it changed, or its size."""
    data = draw(st.sampled_from(IMAGES))
    ops = []
    for _ in range(draw(st.integers(0, 3))):
        offset = draw(
            st.one_of(st.sampled_from(SPOTS), st.sampled_from([f"end-{n}" for n in TAIL_SPOTS]))
        )
        width = draw(st.sampled_from([8, 16, 32, 64]))
        ops.append(f"u{width}@{offset}={draw(VALUES) % 2**width}")
    if draw(st.integers(0, 4)) == 0:
        ops.append(draw(st.sampled_from(["cut", "append"])) + f"={draw(st.integers(0, 25100))}")
    size = len(data)
    changed = change(data, ";".join(ops))
    return changed if "append" in str(ops) else changed[:size]


@given(changed_images())
@example(change(IMAGES[0], "u32@264=1"))
@example(change(IMAGES[0], "u32@88=9;u32@3384=1"))
@example(change(IMAGES[1], "u32@88=9"))
@example(change(IMAGES[1], "u32@3384=9"))
@example(change(IMAGES[0], "u64@80=0xffffffffffffffff"))
@pytest.mark.parametrize(("release", "minor", "end"), [(OLD, 1, 33), (NEW, 3, 35)])
def test_restore_is_the_oracle(release: str, minor: int, end: int, data: bytes) -> None:
    expected = oracle(data, minor, end)
    given_answer = said(data, kernel(release))
    assert given_answer.result == (0 if expected is None else -1)
    assert "|".join(given_answer.diagnostics or ()) == (expected or "")


# In order, and all at once


def test_every_reason_is_named_and_the_first_is_the_kernels() -> None:
    changes = "u16@22=100;u16@6=0x900;u32@end-8=26;u8@end-1=0;u32@88=77;u64@256=1;u16@8=2"
    data = change(build(), changes)
    assert codes(data) == [
        "image-hz",
        "image-version",
        "image-tail",
        "image-tail",
        "image-section-unknown",
        "image-chain",
        "image-64-bit",
    ]
    assert places(data)[2:6] == ["offset 25068", "offset 25064", "offset 80", "offset 256"]
    expected = Answer(-1, "EINVAL", ("Error: HZ mismatch: 100 != 1000",), "image-hz")
    assert said(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # A file without any signature is no image, and nothing else is said.
        (b"x" * 4096, ["image-signature"]),
        (b"x" * 4097, ["image-size", "image-signature"]),
        (b"x" * 80, ["image-size", "image-signature"]),
        (b"", ["image-size"]),
        # One with a tail is looked at though it does not begin as an image.
        (change(build(), "u8@0=0;u16@22=1"), ["image-signature", "image-hz"]),
        # What a chain that breaks may hold is not looked at.
        (change(build(), "u32@264=1;u64@3376=0"), ["image-chain"]),
    ],
    ids=["x", "odd size", "short", "empty", "with a tail", "broken chain"],
)
def test_what_is_looked_at(data: bytes, expected: list[str]) -> None:
    assert codes(data) == expected


# What differs between kernels


@pytest.mark.parametrize(
    ("generation", "taken", "refused"),
    [
        ("028stab", [0x000, 0x102, 0x302], [0x103, 0x303, 0x800]),
        ("2.6.32", [0x000, 0x300, 0x800], [0x302, 0x801, 0x810, 0x900]),
        ("042stab", [0x303, 0x800, 0x801, 0x810], [0x302, 0x802, 0x803, 0x900]),
        ("042stab088", [0x303, 0x800, 0x803, 0x813], [0x302, 0x804, 0x900, 0xFFFF]),
    ],
)
def test_versions_are_those_of_the_generations_rule(
    generation: str, taken: list[int], refused: list[int]
) -> None:
    restorer = kernel(RELEASES[generation])
    chain = tuple(section for section in CHAIN_061 if section[0] < 31)
    for version in taken:
        assert "image-version" not in codes(build(chain, version), restorer)
    for version in refused:
        findings = refusals(build(chain, version), restorer)
        texts = [text for finding in findings for text in finding.diagnostics]
        assert texts == [f"Error: Unknown image version: {version:x}. Can't restore."]


def test_a_kernel_of_unknown_hz_is_unknown_and_what_refuses_all_the_same_refuses() -> None:
    chain = tuple(section for section in CHAIN_061 if section[0] < 31)
    for generation in ("028stab", "2.6.32"):
        restorer = kernel(RELEASES[generation])
        assert said(build(chain, 0x300), restorer) == Answer(None, None, None)
        (finding,) = refusals(build(chain, 0x300, hz=100), restorer)
        assert not finding.is_certain
        assert (finding.source, finding.destination) == ("100", "not known")
        # Whether by HZ or by its version, it is refused.
        assert said(build(chain, 0x900), restorer) == Answer(-1, "EINVAL", None)
        # What comes before HZ is certain.
        short = build(chain, 0x300)[:80]
        assert said(short, restorer) == Answer(-1, "EINVAL", (), "image-size")


@pytest.mark.parametrize(
    ("release", "known", "unsure", "unknown"),
    [
        (RELEASES["028stab"], 30, None, 31),
        (RELEASES["2.6.32"], 31, None, 32),
        (OLD, 32, None, 33),
        ("2.6.32-042stab088.4", 33, None, 34),
        ("2.6.32-042stab090.4", 33, 34, 35),
        ("2.6.32-042stab090.5", 34, None, 35),
        ("2.6.32-042stab113.5", 34, None, 35),
        (NEW, 34, None, 35),
    ],
)
def test_section_numbers_end_where_the_kernels_do(
    release: str, known: int, unsure: int | None, unknown: int
) -> None:
    def certainties(number: int) -> list[bool]:
        chain = ((1, 160), (3, 16), (number, 16))
        return [
            finding.is_certain
            for finding in refusals(build(chain, 0x800), kernel(release))
            if finding.code == "image-section-unknown"
        ]

    assert certainties(known) == []
    assert certainties(unknown) == [True]
    if unsure is not None:
        assert certainties(unsure) == [False]


def test_section_34_is_named_with_both_ends_that_may_be() -> None:
    data = build(((34, 16), *CHAIN_141))
    (finding,) = refusals(data, kernel("2.6.32-042stab089.1"))
    assert finding.feature == "NET_IP6TABLES"
    assert finding.destination == "up to 33 or 34"
    assert said(data, kernel("2.6.32-042stab089.1")) == Answer(None, None, None)
    assert said(data, kernel("2.6.32-042stab090.5")).result == said(data, kernel(NEW)).result == 0
    assert said(data, kernel("2.6.32-042stab088.4")).result == -1


@pytest.mark.parametrize(
    ("machine", "own"), [("x86_64", 1), ("i386", 0), ("i586", 0), ("i686", 0), ("ia64", 2)]
)
def test_64_bit_tasks_need_the_kernels_own_architecture(machine: str, own: int) -> None:
    for architecture in (0, 1, 2, 3):
        many = build(architecture=architecture, tasks_64=5)
        none = build(architecture=architecture, tasks_64=0)
        found = [] if architecture == own else ["image-64-bit"]
        assert codes(many, kernel(machine=machine)) == found
        assert codes(none, kernel(machine=machine)) == []


def test_a_restorer_is_what_the_facts_of_a_node_make_it() -> None:
    facts: Any = node_facts("042stab107")
    assert restorer_of(facts).hz == 1000
    assert restorer_of(facts).section_ends == (35, 35)


# VEINFO


def test_the_last_veinfo_counts() -> None:
    twice = ((1, 160), *CHAIN_141)
    assert said(build(twice, blank=False)).result == 0
    assert said(build(twice)).result == 0
    stranger = change(build(blank=False), "u32@264=1")
    assert said(stranger).diagnostics == (
        "Error: _rst_get_object: wrong object type: 1042 (expected: 13) @272",
        "Error: rst_veinfo: -22",
    )


def test_of_a_blank_image_the_index_says_what_was_there() -> None:
    # NAMESPACE's number is changed: its type as an object is not known.
    data = change(build(), "u32@3384=1")
    assert said(data) == Answer(-1, "EINVAL", ("Error: rst_veinfo: -22",), "image-veinfo")
    veinfo, namespace = refusals(data)
    assert veinfo.source == "VEINFO has the place of NAMESPACE"
    assert namespace.feature == "NAMESPACE"
    # An index that has nothing there says nothing.
    assert codes(change(data, "zero@end-224=216")) == ["image-section-not-found"]


def lacking(*numbers: int) -> bytes:
    """Make an image without these sections."""
    return build(tuple(section for section in CHAIN_141 if section[0] not in numbers), blank=False)


@pytest.mark.parametrize(
    ("missing", "errno", "names"),
    [
        ((VEINFO,), "EIO", ["VEINFO"]),
        ((NAMESPACE,), "ENODEV", ["NAMESPACE"]),
        # VEINFO is read first.
        ((NAMESPACE, VEINFO), "EIO", ["VEINFO", "NAMESPACE"]),
        ((VEINFO, MM), "EIO", ["VEINFO"]),
    ],
)
def test_restore_asks_for_veinfo_and_namespace(
    missing: tuple[int, ...], errno: str, names: list[str]
) -> None:
    code = "image-section-not-found"
    for release in ("2.6.32-042stab090.5", NEW):
        data = lacking(*missing)
        found = refusals(data, kernel(release))
        assert [(one.code, one.feature) for one in found] == [(code, name) for name in names]
        assert said(data, kernel(release)) == Answer(-1, errno, None, code)


def test_who_makes_no_container_asks_for_nothing() -> None:
    for missing in ((TASKS,), (TASKS, VEINFO), (TASKS, NAMESPACE)):
        assert said(lacking(*missing)) == Answer(0, "", ())
    assert said(build(())).result == 0
    assert said(build(index=[NOWHERE] * 27)).result == 0
    assert said(lacking(MM)).result == 0


def test_what_refuses_before_a_section_is_asked_for_refuses() -> None:
    assert said(change(lacking(VEINFO), "u16@22=100")).errno == "EINVAL"
    # A VEINFO that cannot be read comes before NAMESPACE.
    spoiled = change(lacking(NAMESPACE), "u32@264=1")
    assert codes(spoiled) == ["image-veinfo", "image-section-not-found"]
    assert said(spoiled).errno == "EINVAL"
    # Behind a check that is not known, neither is whose errno it is.
    chain = tuple(one for one in CHAIN_061 if one[0] < 31)
    old = kernel(RELEASES["2.6.32"])
    assert said(build(chain[1:], 0x800), old) == Answer(-1, None, None)


def test_in_a_chain_that_breaks_the_section_may_be_further_on() -> None:
    data = change(build(((3, 64), (9, 64), *CHAIN_141[1:])), "u64@144=8")
    assert codes(data) == ["image-chain"]


# A chain that never ends


def test_a_chain_that_is_too_long_is_unknown() -> None:
    chain = ((1, 160), *((9, 16),) * MOST_SECTIONS)
    assert codes(build(chain)) == ["image-chain-long"]
    assert said(build(chain)) == Answer(None, None, None)
    assert said(build(chain[:-1])).result == 0


def test_what_refuses_beside_a_chain_that_is_too_long_refuses() -> None:
    chain = ((1, 160), *((9, 16),) * MOST_SECTIONS)
    data = build(chain, architecture=2)
    assert codes(data) == ["image-chain-long", "image-64-bit"]
    assert said(data) == Answer(-1, "EINVAL", None)
    # A VEINFO further on may be another one.
    assert codes(change(build(chain, blank=False), "u32@104=5")) == ["image-chain-long"]


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        (b"", ["image-size"]),
        (bytes(96), ["image-size", "image-signature"]),
        (bytes(1024), ["image-signature"]),
        (build(), []),
    ],
)
def test_what_is_wrong_with_a_frame_needs_no_kernel(data: bytes, codes: list[str]) -> None:
    image = read_image(lambda size, offset: data[offset : offset + size], len(data))
    assert [one.code for one in frame_refusals(image)] == codes
