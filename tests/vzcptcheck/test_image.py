"""``image``: a checkpoint image in words, and everything that keeps it from being whole."""

import errno
import json
import os
import socket
import stat
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.images import CHAIN_061, MM, NOWHERE, build, chain_of, change, image_of_row, read_rows
from support.vzcptcheck_fakes import error, run_command
from vzcptcheck import image as image_module
from vzcptcheck.image import MOST_SECTIONS, find_faults, read_image
from vzcptcheck.syscalls import LinuxSyscalls, Syscalls

DATA = os.path.join(os.path.dirname(__file__), os.pardir, "data")
PATH = "/vz/dump/Dump.102"
GIB = 1 << 30


class OneFile(Syscalls):
    """One file, with every call on record.

    ``failing`` maps a call's name to the errno that it fails with; a read gives no more than
    ``piece`` bytes, and nothing from ``cut`` on, as of a file that became shorter.
    """

    def __init__(self, data, mode=stat.S_IFREG | 0o600, failing=(), piece=4096, cut=None):
        self.data = data
        self.mode = mode
        self.failing = dict(failing)
        self.piece = piece
        self.cut = len(data) if cut is None else cut
        self.calls = []
        self.open_fds = []

    def _record(self, *call):
        self.calls.append(call)
        if call[0] in self.failing:
            raise error(self.failing[call[0]])

    def stat_mode(self, path):
        self._record("stat_mode", path)
        return self.mode

    def open(self, path, flags):
        self._record("open", path, flags)
        self.open_fds.append(9)
        return 9

    def file_size(self, fd):
        self._record("file_size", fd)
        return len(self.data)

    def pread(self, fd, size, position):
        self._record("pread", size, position)
        return self.data[position : min(position + min(size, self.piece), self.cut)]

    def close(self, fd):
        self.open_fds.remove(fd)
        self._record("close", fd)


def parsed(data):
    """Read an image out of memory, as it would be out of a file."""

    def read(size, position):
        piece = data[position : position + size]
        assert len(piece) == size, "beyond the end"
        return piece

    return read_image(read, len(data))


def faults_of(data):
    return [(fault.offset, fault.text) for fault in find_faults(parsed(data))]


def shown(data, *options):
    """Run the command on an image; return its status and what it wrote."""
    return run_command(OneFile(data), "image", PATH, *options)


class TestWholeImages:
    @pytest.mark.parametrize("blank", [True, False])
    @pytest.mark.parametrize("name", ["042stab061.9.fpu64.flags", "042stab141.3.nofpu64.flags"])
    def test_an_image_as_kernels_write_it_has_no_fault(self, name, blank):
        data = image_of_row(name, None, blank)
        assert faults_of(data) == []
        assert parsed(data).is_blank == blank
        assert shown(data)[0] == 0

    def test_it_is_told_in_words(self):
        status, stdout, stderr = shown(
            build(((1, 176), (10, 160), (4, 9080), (3, 48)), blank=False)
        )

        assert (status, stderr) == (0, "")
        with open(os.path.join(DATA, "image.txt")) as file:
            assert stdout == file.read()

    def test_a_number_that_is_not_recorded_is_none(self):
        assert "  capabilities    none recorded\n" in shown(build(caps=0))[1]

    def test_a_blank_image_is_said_to_be_a_sample(self):
        status, stdout, _ = shown(build())
        assert status == 0
        assert stdout.endswith(
            "  whole\n  the sections' contents are blank: a sample, which no kernel can restore\n"
        )

    def test_the_same_as_data(self):
        data = build(((1, 176), (10, 160), (4, 9080), (3, 48)), lazy_pages=7)
        status, stdout, stderr = shown(data, "--json")
        facts = json.loads(stdout)

        assert (status, stderr) == (0, "")
        assert facts["size"] == 9808
        assert facts["header"]["version"]["image_version"] == 0x803
        assert facts["header"]["capabilities"]["capnum"] == 134431
        assert facts["header"]["capability_words"] == [134431, 0, 0, 0]
        assert facts["header"]["start_seconds"] == 1795375528
        assert facts["tail"]["index"][:5] == [None, 80, None, 9496, 416]
        assert (facts["tail"]["tasks_64"], facts["tail"]["lazy_pages"]) == (1, 7)
        assert facts["sections"][1] == {
            "number": 10,
            "name": "NAMESPACE",
            "offset": 256,
            "size": 160,
        }
        assert (facts["whole"], facts["blank"], facts["faults"]) == (True, True, [])

    def test_ia64_has_pages_of_another_size(self):
        assert faults_of(build(architecture=2, page_size=16384)) == []

    def test_an_image_of_a_kernel_whose_hz_is_not_known(self):
        data = build(CHAIN_061[:3] + CHAIN_061[15:16] + CHAIN_061[19:20], version=0x302, hz=250)
        assert faults_of(data) == []
        assert "  HZ              250 (042stab kernels restore 1000 alone)\n" in shown(data)[1]


#: Changes to an image of 141.3, and the faults that come of them.
CHANGED = {
    "u8@0=0x78": {0: "the header's signature is 78 1c 01 63"},
    "u16@4=240": {4: "the header's length is 240, not 80"},
    "u16@6=0x900": {6: "image version 0x900: no kernel known restores it"},
    "u16@8=3": {8: "architecture 3 is none that is known"},
    "u16@10=1": {10: "the header's reserved field is 1, not 0"},
    "u16@20=8192": {20: "the page size is 8192, not 4096"},
    "u16@22=100": {22: "HZ is 100: what restores this version has 1000"},
    "u16@8=0": {24844: "1 64-bit tasks in an image of i386"},
    "u32@end-8=26": {25064: "the tail counts 26 sections, not 27"},
    "u8@end-1=0x62": {25068: "the tail's signature is 79 1c 01 62"},
    "zero@end-264=16": {
        24808: "the TRAILER's size is 0, not 264",
        24816: "the TRAILER's number is 0, not 23",
        24820: "the TRAILER's header length is 0, not 16",
    },
    "zero@end-248=16": {
        24824: "the tail's size is 0, not 248",
        24832: "the tail's type is 0, not 1034",
        24836: "the tail's header length is 0, not 248",
    },
    "u16@end-234=1": {24838: "the tail's kind of content is 1, not 0"},
    "u64@end-216=81": {24856: "the tail's index has VEINFO at 81, the chain at 80"},
    "u64@end-224=5": {24848: "the tail's index has ERROR at 5, the chain nowhere"},
    "u32@88=99": {
        80: "section 99 is none that a known kernel writes",
        24808: "the chain ends here, without VEINFO",
        24856: "the tail's index has VEINFO at 80, the chain nowhere",
    },
    # UBC is VEINFO now.
    "u32@264=1": {
        80: "VEINFO is there again at 256",
        256: "VEINFO begins with an object of type 1042, not 13",
        24856: "the tail's index has VEINFO at 80, the chain at 256",
        25040: "the tail's index has UBC at 256, the chain nowhere",
    },
    "u64@80=15": {80: "the chain breaks at VEINFO: its size is 15, below its header's length, 16"},
    "u16@92=15": {80: "the chain breaks at VEINFO: its header's length is 15, below 16"},
    "u64@80=0x7fffffffffffffff": {
        80: "the chain breaks at VEINFO: it ends at 9223372036854775887, beyond the TRAILER's "
        "header at 24808"
    },
    "append=8": {
        24808: "the chain breaks at TRAILER: it ends at 25072, beyond the TRAILER's header at 24816"
    },
}


class TestFaults:
    @pytest.mark.parametrize("changes", CHANGED)
    def test_what_no_kernel_writes_is_named_with_its_place(self, changes):
        found = faults_of(change(build(blank=False), changes))
        assert [fault for fault in CHANGED[changes].items() if fault not in found] == []

    @pytest.mark.parametrize("changes", CHANGED)
    def test_the_status_is_2_and_stderr_says_how_many(self, changes):
        data = change(build(blank=False), changes)
        count = len(faults_of(data))
        plural = "" if count == 1 else "s"
        status, stdout, stderr = shown(data)
        facts = json.loads(shown(data, "--json")[1])

        assert status == 2
        assert "  whole\n" not in stdout
        assert stderr == f"vzcptcheck: {PATH}: this image is not whole: {count} fault{plural}\n"
        assert len(facts["faults"]) == count
        assert not facts["whole"]

    @pytest.mark.parametrize(
        "changes",
        ["u16@6=0x900", "u16@8=3", "u16@10=1", "u16@20=8192", "u16@22=100", "u64@end-216=81"],
    )
    def test_one_change_is_one_fault(self, changes):
        assert len(faults_of(change(build(blank=False), changes))) == 1

    def test_faults_are_in_the_order_of_their_places(self):
        offsets = [offset for offset, _ in faults_of(change(build(), "append=9;u16@22=0"))]
        assert offsets == sorted(offsets)
        assert len(offsets) > 3

    @pytest.mark.parametrize(
        ("number", "name"), [(1, "VEINFO"), (3, "TASKS"), (4, "MM"), (10, "NAMESPACE")]
    )
    def test_a_needed_section_is_missed(self, number, name):
        chain = [section for section in CHAIN_061 if section[0] != number]
        assert [text for _, text in faults_of(build(chain, 0x801))] == [
            "the chain ends here, without " + name
        ]

    @pytest.mark.parametrize("number", [9, 31, 33])
    def test_no_other_section_is_missed(self, number):
        chain = [section for section in chain_of("042stab141.3") if section[0] != number]
        assert faults_of(build(chain)) == []

    def test_an_image_may_be_cut_off_anywhere(self):
        data = build()
        for size in (80, 84, 320, 328, 12536, 25064):
            status, stdout, _ = shown(data[:size])
            assert status == 2
            assert "integrity\n  at " in stdout

    def test_a_short_one_has_no_tail(self):
        status, stdout, _ = shown(build()[:80])
        assert status == 2
        assert "\ntail\n  none\n" in stdout
        assert "  at 80: the file ends here, and no image is below 328 bytes\n" in stdout
        assert json.loads(shown(build()[:80], "--json")[1])["tail"] is None

    def test_what_is_shorter_than_a_header_has_nothing_else(self):
        assert faults_of(build()[:79]) == [
            (79, "the size, 79, is no multiple of 8"),
            (79, "the file ends here, and no image is below 328 bytes"),
        ]

    def test_where_the_chain_breaks_the_index_is_not_compared(self):
        stdout = shown(change(build(), "u64@80=0"))[1]
        assert "  index           not compared: the chain of sections does not reach it\n" in stdout

    def test_how_much_of_the_index_differs(self):
        # 22 entries point at something, and then at the beginning; five at nowhere.
        stdout = shown(change(build(), "zero@end-224=216"))[1]
        assert "  index           not that of the chain: 27 entries\n" in stdout

    def test_a_veinfo_without_room_for_its_object(self):
        chain = ((1, 24), *CHAIN_061[1:])
        assert faults_of(build(chain, 0x801)) == [(80, "VEINFO has no room for its object")]

    @pytest.mark.parametrize("number", range(27))
    def test_a_blank_veinfo_is_what_the_index_says(self, number):
        index = [NOWHERE] * 27
        index[number] = 80
        problems = [text for _, text in faults_of(build(CHAIN_061, 0x801, index=index))]
        said = [text for text in problems if text.startswith("VEINFO has the place of ")]
        assert len(said) == (number != 1)

    def test_a_blank_veinfo_among_others_with_contents_is_a_fault(self):
        data = change(build(blank=False), "zero@96=16")
        assert faults_of(data) == [(80, "VEINFO begins with an object of type 0, not 13")]
        assert not parsed(data).is_blank


class TestHugeAndHostile:
    def test_a_huge_image_is_read_by_seeking(self, tmp_path):
        """The contents of 8 GiB are a hole: nothing but records is read of it."""

        reads = []

        class Counting(LinuxSyscalls):
            def pread(self, fd, size, position):
                reads.append(size)
                return super().pread(fd, size, position)

        path = tmp_path / "huge.img"
        small = build()
        memory = dict(chain_of("042stab141.3"))[MM]
        start = small.index(struct.pack("<QI2H", memory, MM, 16, 0))
        index = [
            place + 8 * GIB if start < place < NOWHERE else place
            for place in parsed(small).tail.index
        ]
        with path.open("wb") as file:
            file.write(change(small[: start + 16], f"u64@{start}={memory + 8 * GIB}"))
            file.seek(start + memory + 8 * GIB)
            file.write(build(index=index)[start + memory :])

        status, stdout, stderr = run_command(Counting(), "image", str(path))

        assert (status, stderr) == (0, "")
        assert "checkpoint image, {} bytes\n".format(len(small) + 8 * GIB) in stdout
        assert len(reads) < 100
        assert sum(reads) < 4096

    def test_as_many_sections_as_are_looked_at(self):
        chain = [(9, 16)] * (MOST_SECTIONS - 4) + [(1, 160), (3, 16), (4, 16), (10, 16)]
        image = parsed(build(chain))
        assert (len(image.sections), image.is_cut) == (MOST_SECTIONS, False)

    def test_more_sections_than_are_looked_at_are_left_and_said(self):
        data = build([(9, 16)] * (MOST_SECTIONS + 1))
        syscalls = OneFile(data)
        status, stdout, _ = run_command(syscalls, "image", PATH)
        assert status == 2
        assert "  at 16464: more than 1024 sections: the rest was not looked at\n" in stdout
        assert sum(call[0] == "pread" for call in syscalls.calls) < MOST_SECTIONS + 10
        assert "without VEINFO" not in stdout

    @given(st.data())
    def test_any_change_of_bytes_is_told_and_never_a_crash(self, data):
        image = bytearray(build(blank=data.draw(st.booleans())))
        places = st.one_of(
            st.integers(0, 120),
            st.integers(len(image) - 280, len(image) - 1),
            st.integers(0, len(image) - 1),
        )
        for _ in range(data.draw(st.integers(1, 6))):
            image[data.draw(places)] = data.draw(st.integers(0, 255))
        size = data.draw(st.one_of(st.just(len(image)), st.integers(0, len(image) + 9)))
        image = bytes(image)[:size].ljust(size, b"\0")
        status, stdout, stderr = shown(image)

        assert status in (0, 1, 2)
        assert bool(stdout) == (status != 1)
        assert bool(stderr) == (status != 0)
        if status != 1:
            facts = json.loads(shown(image, "--json")[1])
            assert facts["whole"] == (status == 0)

    @given(st.binary(max_size=700))
    def test_any_bytes_at_all(self, data):
        assert shown(data)[0] in (1, 2)
        assert shown(b"\x79\x1c\x01\x63" + data)[0] in (1, 2)


def refused(syscalls, path=PATH):
    """Run the command where it fails: return the message."""
    status, stdout, stderr = run_command(syscalls, "image", path)
    assert (status, stdout) == (1, "")
    return stderr


class TestErrors:
    @pytest.mark.parametrize("call", ["stat_mode", "open", "file_size", "pread", "close"])
    @pytest.mark.parametrize("number", sorted(errno.errorcode))
    def test_whatever_fails_its_errno_is_told_and_nothing_stays_open(self, call, number):
        syscalls = OneFile(build(), failing={call: number})
        assert refused(syscalls) == "vzcptcheck: {}: {}: {} ({})\n".format(
            PATH,
            {"stat_mode": "stat", "open": "open"}.get(call, "read"),
            os.strerror(number),
            errno.errorcode[number],
        )
        assert syscalls.open_fds == []

    @pytest.mark.parametrize(
        ("kind", "name"),
        [
            (stat.S_IFDIR, "a directory"),
            (stat.S_IFIFO, "a pipe"),
            (stat.S_IFSOCK, "a socket"),
            (stat.S_IFCHR, "a device"),
            (stat.S_IFBLK, "a device"),
        ],
    )
    def test_what_is_no_regular_file_is_not_opened(self, kind, name):
        syscalls = OneFile(build(), mode=kind | 0o600)
        assert refused(syscalls).startswith("vzcptcheck: {}: this is {}\n".format(PATH, name))
        assert [call[0] for call in syscalls.calls] == ["stat_mode"]

    def test_a_file_that_is_replaced_by_a_pipe_does_not_hold_anybody_up(self):
        syscalls = OneFile(build())
        run_command(syscalls, "image", PATH)
        assert syscalls.calls[1] == (
            "open",
            PATH,
            os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC,
        )

    @pytest.mark.parametrize("cut", [0, 50, 90, 24900])
    def test_a_file_that_becomes_shorter_is_an_error(self, cut):
        syscalls = OneFile(build(), cut=cut)
        assert "it became shorter while it was read: nothing is at " in refused(syscalls)
        assert syscalls.open_fds == []

    def test_a_read_may_come_in_pieces(self):
        assert run_command(OneFile(build(), piece=7), "image", PATH) == shown(build())

    @pytest.mark.parametrize("data", [b"", b"x" * 79, b"x" * 400, b'{"format": 1}' * 100])
    def test_what_is_no_image_is_an_error(self, data):
        assert refused(OneFile(data)) == (
            "vzcptcheck: {}: no checkpoint image: the signature 79 1c 01 63 is not at its "
            "beginning, nor at its end\n"
            "  A checkpoint image is a regular file, such as 'vzctl suspend --dumpfile' makes.\n"
        ).format(PATH)

    @pytest.mark.parametrize("arguments", [(), ("a", "b"), ("--json",)])
    def test_it_takes_one_file(self, arguments):
        status, stdout, stderr = run_command(None, "image", *arguments)
        assert (status, stdout) == (1, "")
        assert stderr.startswith("Usage: ")
        assert stderr.endswith("\nvzcptcheck: image takes one file\n")


class TestRealFiles:
    def test_a_link_to_an_image_is_followed(self, tmp_path):
        (tmp_path / "image").write_bytes(build())
        (tmp_path / "link").symlink_to("image")
        assert run_command(None, "image", str(tmp_path / "link")) == shown(build())

    def test_a_missing_file(self, tmp_path):
        path = str(tmp_path / "missing")
        assert refused(None, path) == (
            "vzcptcheck: {}: stat: No such file or directory (ENOENT)\n".format(path)
        )

    def test_pipes_folders_sockets_and_devices(self, tmp_path):
        os.mkfifo(str(tmp_path / "pipe"))
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(str(tmp_path / "socket"))
        assert "this is a pipe" in refused(None, str(tmp_path / "pipe"))
        assert "this is a socket" in refused(None, str(tmp_path / "socket"))
        assert "this is a directory" in refused(None, str(tmp_path))
        assert "this is a device" in refused(None, "/dev/zero")

    def test_nothing_but_the_image_is_opened(self, tmp_path):
        before = os.listdir("/proc/self/fd")
        (tmp_path / "image").write_bytes(build())
        run_command(None, "image", str(tmp_path / "image"))
        assert os.listdir("/proc/self/fd") == before


def test_rows_of_recordings_are_images_of_the_size_that_they_say():
    rows = read_rows()
    assert len(rows) == 101
    for row in rows:
        assert len(image_of_row(row.image, row.size)) == row.size
        assert faults_of(image_of_row(row.image, row.size, blank=False)) == []


def test_the_names_are_the_headers():
    assert len(image_module.SECTION_NAMES) == 35
    assert image_module.SECTION_NAMES[23] == "TRAILER"
    assert image_module.section_name(34) == "NET_IP6TABLES"
    assert image_module.section_name(35) == "section 35"
    assert image_module.architecture_name(2) == "IA64"
    assert image_module.architecture_name(3) == "number 3"
