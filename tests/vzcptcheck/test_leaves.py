"""Which leaves and subleaves a CPU is asked for: those that it has, by its own word."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vzcptcheck.cpuid import Registers
from vzcptcheck.leaves import of_any_thread, read_leaves

ZEROS = Registers(0, 0, 0, 0)
HYPERVISOR = 1 << 31


def reader(answers, otherwise=ZEROS):
    """Make a CPU that gives these answers, and zeros (or EIO, for None) to all else."""
    asked = []

    def read_leaf(leaf, subleaf):
        asked.append((leaf, subleaf))
        answer = answers.get((leaf, subleaf), otherwise)
        if answer is None:
            raise OSError(errno.EIO, "a hole")
        return Registers(*answer)

    read_leaf.asked = asked
    return read_leaf


def keys_read(answers, otherwise=ZEROS):
    return list(read_leaves(reader(answers, otherwise))[0])


def subleaves_read(leaf, answers):
    """List the subleaves that are read of one leaf of a CPU that has it last."""
    first = leaf & 0xFFFF0000
    table = {(0, 0): (1, 0, 0, 0), (first, 0): (leaf, 0, 0, 0)}
    table.update(((leaf, subleaf), answer) for subleaf, answer in answers.items())
    return [subleaf for one, subleaf in keys_read(table) if one == leaf]


def test_all_leaves_up_to_the_last_of_each_range_are_read_in_order():
    answers = {(0, 0): (3, 1, 2, 3), (0x80000000, 0): (0x80000002, 0, 0, 0)}
    assert keys_read(answers) == [
        (0, 0), (1, 0), (2, 0), (3, 0),
        (0x80000000, 0), (0x80000001, 0), (0x80000002, 0),
    ]  # fmt: skip


def test_an_answer_is_kept_as_it_is():
    answers, holes = read_leaves(reader({(0, 0): (1, 2, 3, 4), (1, 0): (5, 6, 7, 8)}))
    assert answers[0, 0] == (1, 2, 3, 4)
    assert answers[1, 0] == Registers(eax=5, ebx=6, ecx=7, edx=8)
    assert holes == []


@pytest.mark.parametrize("first", [0x80860000, 0xC0000000])
def test_a_makers_own_range_is_there_where_its_first_leaf_names_a_last_one_in_it(first):
    answers = {(0, 0): (0, 0, 0, 0), (first, 0): (first + 1, 0, 0, 0)}
    assert [leaf for leaf, _ in keys_read(answers) if leaf >= first] == [first, first + 1]


@pytest.mark.parametrize(
    ("bit", "last", "leaves"),
    [
        (0, 0x40000001, []),
        (HYPERVISOR, 0x40000001, [0x40000000, 0x40000001]),
        (HYPERVISOR, 0, [0x40000000]),  # Some name no last leaf.
    ],
)
def test_a_hypervisors_leaves_are_there_where_leaf_1_says_so(bit, last, leaves):
    answers = {
        (0, 0): (1, 0, 0, 0),
        (1, 0): (0, 0, bit, 0),
        (0x40000000, 0): (last, 0x4B4D564B, 0, 0),
    }
    found = [leaf for leaf, _ in keys_read(answers) if 0x40000000 <= leaf < 0x80000000]
    assert found == leaves


@pytest.mark.parametrize("leaf", [0x7, 0x14, 0x17, 0x18, 0x1D, 0x20, 0x24])
def test_a_leaf_that_names_its_last_subleaf_is_read_up_to_it(leaf):
    assert subleaves_read(leaf, {0: (2, 0, 0, 0)}) == [0, 1, 2]
    assert subleaves_read(leaf, {0: (0, 0, 0, 0)}) == [0]


@pytest.mark.parametrize(
    ("leaf", "typed"),
    [
        (0x4, (0x21, 0, 0, 0)),
        (0xB, (0, 0, 0x100, 0)),
        (0x1B, (1, 0, 0, 0)),
        (0x1F, (0, 0, 0x100, 0)),
        (0x8000001D, (0x21, 0, 0, 0)),
        (0x80000026, (0, 0, 0x100, 0)),
    ],
)
def test_a_leaf_that_lists_things_is_read_up_to_the_one_without_a_type(leaf, typed):
    other = tuple(value + 0x1000000 for value in typed)
    assert subleaves_read(leaf, {0: typed, 1: other}) == [0, 1, 2]
    assert subleaves_read(leaf, {}) == [0]


def test_sgx_lists_from_subleaf_2_on_where_there_is_sgx():
    table = {(0, 0): (0x12, 0, 0, 0), (7, 0): (0, 1 << 2, 0, 0), (0x12, 2): (1, 0, 0, 0)}
    assert [sub for leaf, sub in keys_read(table) if leaf == 0x12] == [0, 1, 2, 3]
    del table[0x12, 2]
    assert [sub for leaf, sub in keys_read(table) if leaf == 0x12] == [0, 1, 2]
    table[7, 0] = (0, ~(1 << 2) & 0xFFFFFFFF, 0, 0)
    assert [sub for leaf, sub in keys_read(table) if leaf == 0x12] == [0]


@pytest.mark.parametrize(
    ("leaf", "answer"),
    [
        (0xF, (0, 0, 0, 0b10)),
        (0x10, (0, 0b1010, 0, 0)),
        (0x23, (0b1011, 0, 0, 0)),
        (0x80000020, (0, 0b10, 0, 0)),
    ],
)
def test_a_leaf_that_has_a_mask_of_its_subleaves_is_read_by_it(leaf, answer):
    mask = next(value for value in answer if value)
    wanted = [0, *(bit for bit in range(1, 8) if mask >> bit & 1)]
    assert subleaves_read(leaf, {0: answer}) == wanted


def test_xsave_has_the_components_of_users_and_of_supervisors():
    answers = {0: (0b100, 0, 0, 1 << 30), 1: (0, 0, 1 << 8, 0)}
    assert subleaves_read(0xD, answers) == [0, 1, 2, 8, 62]


def test_xsaves_subleaf_1_may_be_a_hole():
    table = {(0, 0): (0xD, 0, 0, 0), (0xD, 0): (0b100, 0, 0, 0), (0xD, 2): (1, 2, 3, 4)}
    answers, holes = read_leaves(reader(table, otherwise=None))
    assert [key for key in answers if key[0] == 0xD] == [(0xD, 0), (0xD, 2)]
    assert (0xD, 1) in holes


def test_what_is_not_answered_is_a_hole_and_is_asked_for_once():
    read_leaf = reader({(0, 0): (2, 0, 0, 0), (2, 0): (1, 0, 0, 0)}, otherwise=None)
    answers, holes = read_leaves(read_leaf)
    assert list(answers) == [(0, 0), (2, 0)]
    assert holes == [(1, 0), (0x80000000, 0), (0x80860000, 0), (0xC0000000, 0)]
    assert len(set(read_leaf.asked)) == len(read_leaf.asked)


def test_a_device_that_looks_at_no_subleaf_repeats_the_first_which_is_a_hole():
    def read_leaf(leaf, _):
        table = {0: (0xD, 0, 0, 0), 4: (0x21, 0, 0, 0), 0xD: (0b111, 0x340, 0x340, 0)}
        return Registers(*table.get(leaf, ZEROS))

    answers, holes = read_leaves(read_leaf)

    assert [key for key in answers if key[1]] == []
    assert holes == [(4, 1), (0xD, 1), (0xD, 2)]


def test_nobody_answers_where_leaf_0_is_not_answered():
    with pytest.raises(OSError) as caught:
        read_leaves(reader({}, otherwise=None))
    assert caught.value.errno == errno.EIO


@given(st.tuples(*[st.integers(0, 0xFFFFFFFF)] * 4))
def test_any_answer_ends_after_a_bounded_number_of_questions(registers):
    read_leaf = reader({(0, 0): (0xFF, 0, 0, 0)}, otherwise=registers)
    read_leaves(read_leaf)
    assert len(read_leaf.asked) < 5 * 0x100 + 64 * 40


@pytest.mark.parametrize(
    ("leaf", "kept"),
    [
        (0x1, (0xFFFFFFFF, 0x00FFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)),
        (0xB, (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)),
        (0x1F, (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)),
        (0x8000001E, (0, 0xFFFFFF00, 0xFFFFFF00, 0xFFFFFFFF)),
        (0x80000026, (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)),
        (0x7, (0xFFFFFFFF,) * 4),
    ],
)
def test_a_threads_own_number_and_place_is_no_difference_between_cpus(leaf, kept):
    ones = Registers(*[0xFFFFFFFF] * 4)
    assert of_any_thread({(leaf, 0): ones}) == {(leaf, 0): kept}


@pytest.mark.parametrize(
    "answers",
    [
        # A CPU without extended leaves repeats another leaf there.
        {(0, 0): (1, 0, 0, 0), (0x80000000, 0): (0x07, 0x340, 0, 0)},
        # Leaf 0 is there whatever it names as the last.
        {(0, 0): (0xFFFFFFFF, 1, 2, 3)},
    ],
)
def test_leaves_that_are_not_there_are_not_read(answers):
    assert keys_read(answers) == [(0, 0), (1, 0)]


def test_a_list_that_does_not_end_is_left_after_64_subleaves():
    endless = {subleaf: (0x21, subleaf, 0, 0) for subleaf in range(100)}
    assert subleaves_read(0x4, endless) == list(range(64))
