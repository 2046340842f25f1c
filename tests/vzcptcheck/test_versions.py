"""Image versions, against what the kernels' own restore functions answer."""

import os

import pytest

from vzcptcheck.versions import NAMES, WRITERS, describe, restorers

OLD = "2.6.18 028stab kernels"
UPSTREAM = "2.6.32 kernels before 042stab"
EARLY = "042stab kernels before 088"
LATE = "042stab088 and later kernels"

#: The generations of the recorded answers, and what they are called in words.
GENERATIONS = {
    "028stab": OLD,
    "2.6.32": UPSTREAM,
    "042stab": EARLY,
    **dict.fromkeys(("042stab088", "042stab092", "042stab101", "042stab107"), LATE),
}


def recorded_answers():
    """Read (generation, image version, whether it is restored) for all that was recorded."""
    path = os.path.join(os.path.dirname(__file__), os.pardir, "data", "versions.tsv")
    with open(path) as file:
        rows = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    assert rows[0] == ["generation", "version", "test_version", "restore_accepts"]
    return [(row[0], int(row[1]), row[3] == "1") for row in rows[1:] if row[3] != "-"]


@pytest.mark.parametrize(("generation", "image_version", "restored"), recorded_answers())
def test_a_kernel_is_named_where_its_own_function_restores_the_version(
    generation, image_version, restored
):
    assert (GENERATIONS[generation] in restorers(image_version)) is restored


def test_every_generation_was_recorded():
    assert {generation for generation, _, _ in recorded_answers()} == set(GENERATIONS)


@pytest.mark.parametrize(
    ("image_version", "kernels"),
    [
        (0x302, [OLD]),
        (0x303, [EARLY, LATE]),
        (0x300, [OLD, UPSTREAM]),
        (0x800, [UPSTREAM, EARLY, LATE]),
        (0x801, [EARLY, LATE]),
        (0x803, [LATE]),
        (0x804, []),
        # Only the bits 0xff00 and 0xf are looked at, from 042stab on.
        (0x810, [EARLY, LATE]),
        (0x10800, [EARLY, LATE]),
        (0x10303, [EARLY, LATE]),
        (0x10300, [EARLY, LATE]),
        (0x7FFFFFFF, []),
    ],
)
def test_kernels_are_named_oldest_first(image_version, kernels):
    assert restorers(image_version) == kernels


def test_whoever_writes_a_version_restores_it():
    for image_version, writer in WRITERS.items():
        assert writer in restorers(image_version)
        assert image_version in NAMES


@pytest.mark.parametrize(
    ("image_version", "words"),
    [
        (0, "0x000 (8)"),
        (0x302, "0x302 (18_2)"),
        (0x803, "0x803 (32_3)"),
        (0x804, "0x804"),
        (0x10800, "0x10800"),
    ],
)
def test_a_version_is_written_in_hexadecimal_with_its_name(image_version, words):
    assert describe(image_version) == words


def test_the_names_are_the_kernels():
    assert NAMES == {
        0x000: "8",
        0x100: "9", 0x101: "9_1", 0x102: "9_2",
        0x200: "16",
        0x300: "18", 0x301: "18_1", 0x302: "18_2", 0x303: "18_3", 0x304: "18_4",
        0x400: "20", 0x500: "24", 0x600: "26",
        0x700: "27", 0x703: "27_3",
        0x800: "32", 0x801: "32_1", 0x802: "32_2", 0x803: "32_3",
    }  # fmt: skip
