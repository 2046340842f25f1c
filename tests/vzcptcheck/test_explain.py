"""``explain``: numbers in words, without asking a node."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.vzcptcheck_fakes import run_command
from vzcptcheck.explain import caps_facts, comparison_facts, version_facts

OLD = "2.6.18 028stab kernels"
UPSTREAM = "2.6.32 kernels before 042stab"
EARLY = "042stab kernels before 088"
LATE = "042stab088 and later kernels"

NUMBERS = st.one_of(st.integers(0, 2**31 - 1), st.integers(0, 2**16))


def explained(*arguments):
    status, stdout, stderr = run_command(None, "explain", *arguments)
    assert (status, stderr) == (0, "")
    return stdout


class TestVersion:
    @pytest.mark.parametrize(
        ("number", "words", "writer", "restorers"),
        [
            (0x803, "2051 = 0x803, named 32_3 after 2.6.32", LATE, [LATE]),
            (770, "770 = 0x302, named 18_2 after 2.6.18", OLD, [OLD]),
            (2048, "2048 = 0x800, named 32 after 2.6.32", UPSTREAM, [UPSTREAM, EARLY, LATE]),
            (0, "0 = 0x000, named 8 after 2.6.8", None, [OLD, UPSTREAM]),
            (2052, "2052 = 0x804", None, []),
        ],
    )
    def test_a_version_has_a_name_a_writer_and_restorers(self, number, words, writer, restorers):
        assert explained("version", str(number)) == (
            f"{words}\n"
            f"  written by   {writer or 'no kernel known here'}\n"
            f"  restored by  {', '.join(restorers) or 'no kernel known here'}\n"
        )
        assert explained("version", hex(number)) == explained("version", str(number))

    @pytest.mark.parametrize(
        ("number", "shown", "name", "writer"),
        [(2051, "0x803", "32_3", LATE), (2052, "0x804", None, None)],
    )
    def test_the_same_as_data_where_what_is_not_known_is_null(self, number, shown, name, writer):
        assert json.loads(explained("version", str(number), "--json")) == {
            "image_version": number,
            "hexadecimal": shown,
            "name": name,
            "written_by": writer,
            "restored_by": [writer] if writer else [],
        }
        assert explained("version", "--json", str(number)).startswith("{")

    @given(NUMBERS)
    def test_any_number_is_explained(self, number):
        assert explained("version", str(number)).startswith(f"{number} = 0x")
        assert json.loads(explained("version", str(number), "--json")) == version_facts(number)


class TestCaps:
    def test_every_bit_is_named_with_its_origin(self):
        assert explained("caps", str(1 << 30 | 1 << 26 | 1 << 17 | 1)) == (
            "1140981761 = 0x44020001\n"
            "  bit  0  CMOV               CPUID 0x00000001 edx bit 15\n"
            "  bit 17  NAMESPACES         private mount namespaces: used, or can be migrated\n"
            "  bit 26  AVX                CPUID 0x00000001 ecx bit 28\n"
            "  bit 30  (no name)\n"
        )

    def test_no_bit_at_all_and_zero_is_a_number_to_compare_with(self):
        assert explained("caps", "0") == "0 = 0x00000000\n  nothing\n"
        assert explained("caps", "1", "0").startswith("only in 1:\n  bit  0")

    def test_the_same_as_data(self):
        cmov, rdrand = "CPUID 0x00000001 edx bit 15", "CPUID 0x00000001 ecx bit 30"
        since = {"CMOV": None, "RDRAND": "042stab101.5"}
        features = [(0, "CMOV", "cmov", cmov), (29, "RDRAND", "rdrand", rdrand)]

        assert json.loads(explained("caps", "0x60000001", "--json")) == {
            "capnum": 0x60000001,
            "hexadecimal": "0x60000001",
            "features": [
                {
                    "bit": bit,
                    "name": name,
                    "word": word,
                    "origin": origin,
                    "shown_since": since[name],
                }
                for bit, name, word, origin in features
            ],
            "unknown_bits": [30],
        }

    def test_two_numbers_are_compared(self):
        assert explained("caps", "3", "6") == (
            "only in 3:\n"
            "  bit  0  CMOV               CPUID 0x00000001 edx bit 15\n"
            "only in 6:\n"
            "  bit  2  SSE                CPUID 0x00000001 edx bit 25\n"
            "in both:\n"
            "  bit  1  FXSR               CPUID 0x00000001 edx bit 24\n"
        )

    def test_of_a_bit_that_is_missing_it_is_said_which_kernels_never_show_it(self):
        newer = str(1 << 29 | 1 << 26 | 1)
        rdrand = "  bit 29  RDRAND             CPUID 0x00000001 ecx bit 30"
        avx = "  bit 26  AVX                CPUID 0x00000001 ecx bit 28"
        assert explained("caps", newer, "1").splitlines()[1:3] == [
            f"{avx}; no kernel before 042stab shows it",
            f"{rdrand}; no kernel before 042stab101.5 shows it",
        ]
        assert explained("caps", str(1 << 17), newer).splitlines()[2:6] == [
            f"only in {newer}:",
            "  bit  0  CMOV               CPUID 0x00000001 edx bit 15",
            avx,
            f"{rdrand}; no kernel before 042stab101.5 shows it",
        ]

    def test_equal_numbers_differ_in_nothing(self):
        assert explained("caps", "1", "1") == (
            "only in 1:\n  nothing\n"
            "only in 1:\n  nothing\n"
            "in both:\n  bit  0  CMOV               CPUID 0x00000001 edx bit 15\n"
        )

    def test_a_comparison_as_data(self):
        facts = json.loads(explained("--json", "caps", "3", "6"))
        assert [facts[part]["capnum"] for part in ("only_first", "only_second", "both")] == [
            1,
            4,
            2,
        ]
        assert len(facts) == 3

    @given(NUMBERS)
    def test_any_number_is_explained(self, number):
        assert explained("caps", str(number)).startswith(f"{number} = 0x")
        assert json.loads(explained("caps", str(number), "--json")) == caps_facts(number)

    @given(NUMBERS, NUMBERS)
    def test_any_two_numbers_are_compared_and_no_bit_is_lost(self, first, second):
        facts = json.loads(explained("caps", str(first), str(second), "--json"))
        assert facts == comparison_facts(first, second)
        assert facts["only_first"]["capnum"] | facts["both"]["capnum"] == first
        assert facts["only_second"]["capnum"] | facts["both"]["capnum"] == second
        assert explained("caps", str(first), str(second)).count("\n") >= 6
