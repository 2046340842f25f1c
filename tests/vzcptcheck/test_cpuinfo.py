"""The format of /proc/cpuinfo."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vzcptcheck.cpuinfo import CpuinfoError, flags_of, parse_cpuinfo
from vzcptcheck.errors import CheckError

TWO_PROCESSORS = b"""\
processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Example(R) CPU @ 2.00GHz: a name
flags\t\t: fpu cmov fxsr sse sse2 lm
vmx flags\t: vnmi
bogomips\t: 4000.00
power management:

processor\t: 1
vendor_id\t: GenuineIntel
model name\t: Example(R) CPU @ 2.00GHz: a name
flags\t\t: fpu cmov
bogomips\t: 4000.10
power management:

"""


def complaint(text):
    with pytest.raises(CpuinfoError) as caught:
        parse_cpuinfo(text)
    return caught.value.message


def test_every_processor_has_its_own_values():
    first, second = parse_cpuinfo(TWO_PROCESSORS)

    assert first == {
        "processor": "0",
        "vendor_id": "GenuineIntel",
        "model name": "Example(R) CPU @ 2.00GHz: a name",
        "flags": "fpu cmov fxsr sse sse2 lm",
        "vmx flags": "vnmi",
        "bogomips": "4000.00",
        "power management": "",
    }
    assert second["processor"] == "1"
    assert second["bogomips"] == "4000.10"


def test_flags_are_words():
    first, second = parse_cpuinfo(TWO_PROCESSORS)
    assert flags_of(first) == {"fpu", "cmov", "fxsr", "sse", "sse2", "lm"}
    assert flags_of(second) == {"fpu", "cmov"}


@pytest.mark.parametrize(
    "text",
    [TWO_PROCESSORS.rstrip(b"\n"), b"\n \n" + TWO_PROCESSORS, TWO_PROCESSORS + b"\n\n"],
    ids=["no last newline", "empty lines before", "empty lines after"],
)
def test_empty_lines_around_do_not_matter(text):
    assert parse_cpuinfo(text) == parse_cpuinfo(TWO_PROCESSORS)


def test_bytes_beyond_ascii_do_not_hide_the_flags():
    (processor,) = parse_cpuinfo(b"processor: 0\nmodel name: \xa0\xffCPU\x85\nflags: sse sse2\n")
    assert processor["model name"] == "\xa0\xffCPU\x85"
    assert flags_of(processor) == {"sse", "sse2"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "cpuinfo, line 1: the text ends and no processor was listed"),
        (b"\n\n", "cpuinfo, line 3: the text ends and no processor was listed"),
        (b"processor : 0\nflags sse\n", "cpuinfo, line 2: no colon in b'flags sse'"),
        (b"vendor_id : x\n", "cpuinfo, line 1: 'vendor_id' stands where a processor begins"),
        (
            b"processor : 0\n\nflags : sse\n",
            "cpuinfo, line 3: 'flags' stands where a processor begins",
        ),
        (
            b"processor : 0\nflags : sse\nprocessor : 1\n",
            "cpuinfo, line 3: 'processor' comes a second time for one processor",
        ),
    ],
)
def test_an_error_says_at_which_line(text, message):
    assert complaint(text) == message


def test_more_processors_than_linux_can_have_are_an_error():
    block = b"processor : 0\n\n"
    assert len(parse_cpuinfo(block * 8192)) == 8192
    with pytest.raises(CpuinfoError, match="line 16385: over 8192 processors, which no kernel has"):
        parse_cpuinfo(block * 8193)


@pytest.mark.parametrize("text", [b"processor: 7\n", b"processor: 7\nflags\t\t:\n"])
def test_a_processor_without_flags_is_a_hole_not_a_weak_cpu(text):
    (processor,) = parse_cpuinfo(text)
    with pytest.raises(CpuinfoError) as caught:
        flags_of(processor)
    assert caught.value.message == "cpuinfo, processor 7: no flags line, or an empty one"
    assert isinstance(caught.value, CheckError)


def test_flags_of_nothing_are_an_error():
    with pytest.raises(CpuinfoError, match="processor without a number: no flags"):
        flags_of({})


def read_or_complain(text):
    try:
        return [flags_of(processor) for processor in parse_cpuinfo(text)]
    except CpuinfoError:
        return None


@given(st.binary())
def test_any_bytes_give_a_result_or_the_error(text):
    read_or_complain(text)


@given(st.data())
def test_a_damaged_text_gives_a_result_or_the_error(data):
    start = data.draw(st.integers(0, len(TWO_PROCESSORS)))
    stop = data.draw(st.integers(start, len(TWO_PROCESSORS)))
    patch = data.draw(st.binary(max_size=8))
    read_or_complain(TWO_PROCESSORS[:start] + patch + TWO_PROCESSORS[stop:])


WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=12)


@given(st.lists(st.sets(WORDS, min_size=1), min_size=1, max_size=4))
def test_words_come_back_as_they_were_written(processors):
    text = "".join(
        "processor\t: {}\nflags\t\t: {}\n\n".format(number, " ".join(sorted(words)))
        for number, words in enumerate(processors)
    )
    assert read_or_complain(text.encode("ascii")) == processors
