"""Which release is of which generation, and since when the FPU is eager."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.facts.generations import BY_NAME
from simulator.facts.releases import EXAMPLES, UnknownReleaseError, identify


def named(release: str, vz_version: str = "") -> str:
    return identify(release, vz_version).generation.name


@pytest.mark.parametrize(
    ("number", "generation"),
    [
        ("000", "042stab"),
        ("001.1", "042stab"),
        ("061.9", "042stab"),
        ("087", "042stab"),
        ("087.99", "042stab"),
        ("088", "042stab088"),
        ("088.0", "042stab088"),
        ("088.4", "042stab088"),
        ("091.9", "042stab088"),
        ("092", "042stab092"),
        ("092.1", "042stab092"),
        ("101.4", "042stab092"),
        ("101.5", "042stab101"),
        ("106.99", "042stab101"),
        ("107", "042stab101"),
        ("107.0", "042stab101"),
        ("107.1", "042stab107"),
        ("107.99", "042stab107"),
        # A recording of 108.1 shows CPT_TEST_CAPS away still, so it had not come back before.
        ("108", "042stab101"),
        ("108.1", "042stab101"),
        ("108.2", "042stab107"),
        ("109.3", "042stab107"),
        ("141.3", "042stab107"),
        ("999.1", "042stab107"),
    ],
)
def test_a_042stab_number_lies_between_these_boundaries(number: str, generation: str) -> None:
    assert named(f"2.6.32-042stab{number}") == generation


@pytest.mark.parametrize(
    ("number", "ends"),
    [
        ("061.9", (33, 33)),
        ("087.99", (33, 33)),
        ("088", (34, 34)),
        # A tree with 34, and one with 35; in between it was not read.
        ("088.4", (34, 34)),
        ("088.5", (34, 35)),
        ("092.1", (34, 35)),
        ("113.5", (34, 35)),
        ("141.2", (34, 35)),
        ("141.3", (35, 35)),
        ("142", (35, 35)),
    ],
)
def test_section_numbers_end_where_it_was_read(number: str, ends: tuple[int, int]) -> None:
    assert identify(f"2.6.32-042stab{number}").section_ends == ends


def test_releases_without_a_number_have_their_generations_sections() -> None:
    assert identify("2.6.18-028stab056.1").section_ends == (31, 31)
    assert identify("2.6.32").section_ends == (32, 32)


@pytest.mark.parametrize(
    ("release", "generation"),
    [
        ("2.6.18-028stab056.1", "028stab"),
        ("2.6.18-348.16.1.el5.028stab108.1", "028stab"),
        ("2.6.18-194.3.1.el5.028stab069.6PAE", "028stab"),
        ("2.6.32", "2.6.32"),
        ("2.6.32-dzhanibekov.1", "2.6.32"),
        ("2.6.32.28-belyayev", "2.6.32"),
        ("2.6.32-042stab113.11.debug", "042stab107"),
    ],
)
def test_a_release_as_uname_prints_it(release: str, generation: str) -> None:
    assert named(release) == generation


@pytest.mark.parametrize(
    ("vz_version", "generation"),
    [
        ("", "2.6.32"),
        ("042stab061_9", "042stab"),
        ("042stab088.4", "042stab088"),
        ("042stab101_5", "042stab101"),
        ("042stab141_3", "042stab107"),
        ("something else", "2.6.32"),
    ],
)
def test_a_bare_release_is_told_by_the_vz_version(vz_version: str, generation: str) -> None:
    assert named("2.6.32", vz_version) == generation


def test_the_release_goes_before_the_vz_version() -> None:
    assert named("2.6.32-042stab061.9", "042stab141_3") == "042stab"


@pytest.mark.parametrize(
    "release",
    [
        "",
        "3.10.0-1160.el7.x86_64",
        "2.6.320",
        "2.6.9-023stab044.4",
        "2.6.18-8.el5",
        "2.6.32-stab",
        "028stab056.1",
        "2.6.32-042stab" + "9" * 5000,
    ],
)
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


@pytest.mark.parametrize(
    ("release", "eager"),
    [
        ("2.6.18-028stab056.1", False),
        ("2.6.32", False),
        ("2.6.32-042stab113.5", False),
        ("2.6.32-042stab141.2", False),
        ("2.6.32-042stab141.3", True),
        ("2.6.32-042stab145.1", True),
    ],
)
def test_the_fpu_may_be_eager_from_141_3_on(release: str, eager: bool) -> None:
    assert identify(release).has_eager_fpu is eager


def test_there_is_an_example_of_each_generation() -> None:
    assert {name: named(release) for name, release in EXAMPLES.items()} == {
        name: name for name in BY_NAME
    }
