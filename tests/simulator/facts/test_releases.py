"""Which release is of which generation, and since when the FPU is eager."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.facts.generations import BY_NAME
from simulator.facts.releases import EXAMPLES, UnknownReleaseError, identify


def named(release: str, vz_version: str = "") -> str:
    return identify(release, vz_version).generation.name


NUMBERS = {
    "042stab": ["000", "001.1", "061.9", "087", "087.99"],
    "042stab088": ["088", "088.0", "088.4", "091.9"],
    "042stab092": ["092", "092.1", "101.4"],
    # A recording of 108.1 shows CPT_TEST_CAPS away still, so it had not come back before.
    "042stab101": ["101.5", "106.99", "107", "107.0", "108", "108.1"],
    "042stab107": ["107.1", "107.99", "108.2", "109.3", "141.3", "999.1"],
}


@pytest.mark.parametrize(
    ("generation", "number"), [(name, one) for name in NUMBERS for one in NUMBERS[name]]
)
def test_a_042stab_number_lies_between_these_boundaries(generation: str, number: str) -> None:
    assert named(f"2.6.32-042stab{number}") == generation


SECTION_ENDS = {
    "18-028stab056.1": (31, 31), "32": (32, 32),
    "32-042stab061.9": (33, 33), "32-042stab087.99": (33, 33), "32-042stab088": (34, 34),
    # A tree with 34, and one with 35; in between it was not read.
    "32-042stab088.4": (34, 34), "32-042stab088.5": (34, 35), "32-042stab092.1": (34, 35),
    "32-042stab113.5": (34, 35), "32-042stab141.2": (34, 35), "32-042stab141.3": (35, 35),
    "32-042stab142": (35, 35),
}  # fmt: skip


@pytest.mark.parametrize(("release", "ends"), SECTION_ENDS.items())
def test_section_numbers_end_where_it_was_read(release: str, ends: tuple[int, int]) -> None:
    assert identify(f"2.6.{release}").section_ends == ends


@pytest.mark.parametrize(
    ("release", "vz_version", "generation"),
    [
        ("2.6.18-028stab056.1", "", "028stab"),
        ("2.6.18-348.16.1.el5.028stab108.1", "", "028stab"),
        ("2.6.18-194.3.1.el5.028stab069.6PAE", "", "028stab"),
        ("2.6.32", "", "2.6.32"),
        ("2.6.32-dzhanibekov.1", "", "2.6.32"),
        ("2.6.32.28-belyayev", "", "2.6.32"),
        ("2.6.32-042stab113.11.debug", "", "042stab107"),
        ("2.6.32", "042stab061_9", "042stab"),
        ("2.6.32", "042stab088.4", "042stab088"),
        ("2.6.32", "042stab101_5", "042stab101"),
        ("2.6.32", "042stab141_3", "042stab107"),
        ("2.6.32", "something else", "2.6.32"),
        # The release goes before the vz_version.
        ("2.6.32-042stab061.9", "042stab141_3", "042stab"),
    ],
)
def test_a_release_as_uname_prints_it_or_a_bare_one_with_its_vz_version(
    release: str, vz_version: str, generation: str
) -> None:
    assert named(release, vz_version) == generation


UNKNOWN_RELEASES = [
    "", "3.10.0-1160.el7.x86_64", "2.6.320", "2.6.9-023stab044.4", "2.6.18-8.el5", "2.6.32-stab",
    "028stab056.1", "2.6.32-042stab" + "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("release", UNKNOWN_RELEASES)
def test_an_unknown_release_lists_what_is_known(release: str) -> None:
    with pytest.raises(UnknownReleaseError) as caught:
        identify(release)
    assert repr(release) in str(caught.value)
    assert "2.6.18-*028stab*" in str(caught.value)
    assert "042stab107.1 and later, but 108.1" in str(caught.value)


@given(st.text(), st.text())
@example("2.6.32", "042stab" + "9" * 5000)
def test_any_release_is_of_a_generation_or_unknown(release: str, vz_version: str) -> None:
    try:
        said = named(release, vz_version)
    except UnknownReleaseError as refusal:
        said = str(refusal)
    assert said in BY_NAME or repr(release) in said


@pytest.mark.parametrize("release", ["18-028stab056.1", "32", "32-042stab113.5", "32-042stab141.2"])
def test_the_fpu_may_be_eager_from_141_3_on(release: str) -> None:
    assert identify(f"2.6.{release}").has_eager_fpu is False
    assert identify("2.6.32-042stab141.3").has_eager_fpu is True
    assert identify("2.6.32-042stab145.1").has_eager_fpu is True


def test_there_is_an_example_of_each_generation() -> None:
    assert list(EXAMPLES) == [named(release) for release in EXAMPLES.values()]
    assert set(EXAMPLES) == set(BY_NAME)
