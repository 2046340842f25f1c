"""CRIU's checkpoints: folders and archives of images, real ones and ones written by hand."""

import gzip
import re
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps.checkpoint import Checkpoint, parse_checkpoint
from simulator.dumps.model import DumpError
from simulator.dumps.recognise import is_checkpoint_folder, parse_dump, read_source
from simulator.sources.files import SourceError
from support.criu_images import (
    COMMON,
    MAGIC,
    SAVED,
    core,
    cpuinfo,
    image,
    inventory,
    message,
    real_checkpoint,
    varint,
)
from support.dumps import is_parsed_or_refused, refusal
from support.samples import tar

REAL = real_checkpoint()
CPU = cpuinfo(2, (25, 1, 1), [0x178B_FBFF] * 19, (7, b"AMD EPYC"), (8, 5), (9, 832))
PODMAN = {
    "checkpoint/inventory.img": inventory(),
    "checkpoint/core-1.img": core([2]),
    "checkpoint/core-7.img": core([2, 9]),
    "checkpoint/pages-1.img": bytes(1 << 20),
    "config.dump": b"{}",
    "spec.dump": b"{}",
}


def test_what_criu_wrote() -> None:
    """The machine has AVX and AVX-512, and CRIU saves CET's state with them."""
    read = parse_checkpoint(REAL)
    assert read.cpu is not None
    assert read.cpu == parse_dump(REAL["cpuinfo.img"])[0]
    assert read[1:] == (True, 1 << 2 | 0b111 << 5 | 1 << 11, "X86_64")
    without = {name: data for name, data in REAL.items() if name != "cpuinfo.img"}
    assert parse_checkpoint(without) == read._replace(cpu=None)
    assert parse_dump(REAL) == [read.cpu]


def test_what_podman_packs() -> None:
    expected = Checkpoint(
        None, has_xsave_area=True, components=1 << 2 | 1 << 9, architecture="X86_64"
    )
    assert parse_checkpoint(PODMAN) == expected


@pytest.mark.parametrize(("component", "field"), SAVED.items())
def test_each_component_has_a_field(component: int, field: int) -> None:
    assert field in range(2, 10)
    files = {"inventory.img": inventory(), "core-1.img": core([component])}
    assert parse_checkpoint(files).components == 1 << component


@pytest.mark.parametrize("missing", [None, 2, 3, 13])
def test_a_thread_without_an_xsave_area(missing: int | None) -> None:
    inside = {13: message((1, 3)), 3: message((1, 895)), 2: message((1, 4096))}
    body = b""
    for number in (13, 3, 2):
        body = b"" if number == missing else message((number, inside[number] + body))
    made = image("core.img", message((1, 1)) + body)
    read = parse_checkpoint({"inventory.img": inventory(), "core-1.img": made})
    assert read.has_xsave_area is (missing is None)
    assert parse_checkpoint({"inventory.img": inventory(), "core-1.img": core(None)})[1:3] == (
        False,
        0,
    )


def test_a_message_in_parts_is_the_same_as_in_one() -> None:
    def info(field: int) -> bytes:
        return message((2, message((3, message((13, message((field, 1))))))))

    made = image("core.img", message((1, 3), (1, 1)) + info(2) + info(8))
    read = parse_checkpoint({"inventory.img": inventory(), "core-1.img": made})
    assert (read.components, read.architecture) == (1 << 2 | 1 << 9, "X86_64")


@pytest.mark.parametrize(
    ("number", "name"),
    list(
        enumerate(
            ("X86_64", "ARM", "AARCH64", "PPC64", "S390", "MIPS", "LOONGARCH64", "RISCV64"), start=1
        )
    ),
)
def test_other_architectures(number: int, name: str) -> None:
    files = {"inventory.img": inventory(), "core-1.img": core((), number)}
    assert parse_checkpoint(files).architecture == name


def test_images_of_the_first_version_have_one_number_at_their_beginning() -> None:
    files = {
        "inventory.img": inventory(1),
        "core-1.img": core([2]).removeprefix(COMMON),
        "cpuinfo.img": CPU.removeprefix(COMMON),
    }
    read = parse_checkpoint(files)
    assert (read.cpu, read.components) == (parse_dump(CPU)[0], 1 << 2)


def test_an_image_of_the_cpu_alone_tells_nothing_of_threads() -> None:
    assert parse_checkpoint({"x/cpuinfo.img": CPU})[1:] == (None, 0, "")
    assert parse_checkpoint({"inventory.img": inventory()}) == (None, None, 0, "")


@pytest.mark.parametrize("prefix", ["", "./", "a/b/"])
def test_one_folder_named_checkpoint_is_taken_of_several(prefix: str) -> None:
    files = {f"{prefix}checkpoint/cpuinfo.img": CPU, f"{prefix}pre-checkpoint/inventory.img": b""}
    assert parse_checkpoint(files).cpu == parse_dump(CPU)[0]


AREA = message((2, message((3, message((13, b"\x08"))))))
UNSOUND: dict[str, tuple[dict[str, bytes], str]] = {
    "folders": (
        {"a/cpuinfo.img": CPU, "b\x1b/cpuinfo.img": CPU},
        r"images are in several folders: a, b\x1b: take one",
    ),
    "checkpoints": (
        {"a/checkpoint/cpuinfo.img": CPU, "b/checkpoint/cpuinfo.img": CPU},
        "images are in several folders: a/checkpoint, b/checkpoint: take one",
    ),
    "version": (
        {"inventory.img": inventory(3)},
        "inventory.img: images of version 3, of which nothing is known here: CRIU up to 4.2 has 1 "
        "and 2, and refuses others",
    ),
    "no version": (
        {"inventory.img": image("inventory.img", message((2, 1)))},
        "inventory.img: it has no field 1 that is a number",
    ),
    "text for a version": (
        {"inventory.img": image("inventory.img", message((1, b"2")))},
        "inventory.img: it has no field 1 that is a number",
    ),
    "empty": ({"inventory.img": b""}, "inventory.img: it does not begin as CRIU's image"),
    "cut head": (
        {"inventory.img": MAGIC["inventory.img"] + b"\1\0"},
        "inventory.img: it ends within its first message",
    ),
    "cut": ({"inventory.img": inventory()[:-1]}, "inventory.img: it ends within its first message"),
    "no inventory": (
        {"core-1.img": core()},
        "there is no inventory.img, without which CRIU restores no checkpoint",
    ),
    "not a core": (
        {"inventory.img": inventory(), "core-2.img": inventory()},
        "core-2.img: it does not begin as CRIU's image of this name",
    ),
    "field": (
        {"inventory.img": inventory(), "core-2.img": image("core.img", b"\0\0")},
        "core-2.img: a field without a number at byte 0",
    ),
    "inner field": (
        {"inventory.img": inventory(), "core-2.img": image("core.img", message((1, 1)) + AREA)},
        "core-2.img: a number at byte 1 has no end",
    ),
    "number for a message": (
        {"inventory.img": inventory(), "core-2.img": image("core.img", message((1, 1), (2, 5)))},
        "core-2.img: a number is where a message should be",
    ),
    "architecture": (
        {"inventory.img": inventory(), "core-2.img": core((), 9)},
        "core-2.img: of an architecture that is not known here: 9",
    ),
    "architectures": (
        {"inventory.img": inventory(), "core-2.img": core(), "core-3.img": core((), 3)},
        "threads of several architectures: AARCH64, X86_64",
    ),
    "large": (
        {"inventory.img": inventory(), "core-2.img": bytes((256 << 10) + 1)},
        "core-2.img: over 256 KiB, which no thread takes",
    ),
    "cpu": ({"cpuinfo.img": b"?"}, "cpuinfo.img: it does not begin with the numbers"),
    "cut cpu": ({"cpuinfo.img": CPU[:-1]}, "cpuinfo.img: not a sound image"),
    "cpus": (
        {"cpuinfo.img": CPU + CPU[8:]},
        "cpuinfo.img: 2 CPUs are in it, and CRIU takes exactly one",
    ),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_what_is_not_sound_is_refused(name: str) -> None:
    files, problem = UNSOUND[name]
    with pytest.raises(DumpError, match=re.escape(problem)):
        parse_checkpoint(files)


def test_a_checkpoint_without_the_cpu_says_what_to_take() -> None:
    said = refusal(PODMAN).message
    assert said.startswith("criu: a checkpoint without cpuinfo.img, which 'criu dump --cpu-cap'")
    assert "'vzcptcheck capture --cpus'" in said
    assert "criu: no file is named inventory.img or cpuinfo.img" in refusal({}, "criu").message


# Archives and folders


def packed(pack: Callable[[bytes], bytes], files: dict[str, bytes], path: Path) -> str:
    path.write_bytes(pack(tar(files)))
    return str(path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstd.compress])
def test_an_archive_is_read_as_the_folder(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    source = read_source(packed(pack, PODMAN, tmp_path / "archive"))
    assert isinstance(source, dict)
    assert sorted(source) == sorted(name for name in PODMAN if "/core" in name or "/inv" in name)
    assert parse_checkpoint(source) == parse_checkpoint(PODMAN)
    folder = tmp_path / "folder"
    for name, data in PODMAN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    assert is_checkpoint_folder(str(folder))
    assert is_checkpoint_folder(str(folder / "checkpoint"))
    assert not is_checkpoint_folder(str(tmp_path))
    assert read_source(str(folder)) == source


def test_an_archive_of_the_folder_itself(tmp_path: Path) -> None:
    files = {f"./{name}": data for name, data in REAL.items()}
    assert parse_dump(read_source(packed(bytes, files, tmp_path / "one"))) == parse_dump(REAL)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_link_in_an_archive_is_no_image(kind: bytes, tmp_path: Path) -> None:
    data = tar({"cpuinfo.img": b""}, type=kind, linkname="/etc/passwd")
    (tmp_path / "archive").write_bytes(data)
    assert read_source(str(tmp_path / "archive")) == {}


def test_a_path_out_of_an_archive_leads_nowhere(tmp_path: Path) -> None:
    source = read_source(packed(bytes, {"../../cpuinfo.img": CPU}, tmp_path / "archive"))
    assert list(source) == ["../../cpuinfo.img"]
    assert parse_dump(source) == parse_dump(CPU)
    assert list(tmp_path.iterdir()) == [tmp_path / "archive"]


def test_an_archive_that_is_not_sound_is_named(tmp_path: Path) -> None:
    path = packed(lambda data: gzip.compress(data)[:-5], PODMAN, tmp_path / "archive")
    with pytest.raises(SourceError, match=re.escape(f"{path}: what is compressed here ends")):
        read_source(path)


# Properties


@given(st.sets(st.sampled_from(sorted(SAVED))) | st.none(), st.integers(1, 8))
def test_a_core_round_trips(components: set[int] | None, architecture: int) -> None:
    files = {"inventory.img": inventory(), "core-1.img": core(components, architecture)}
    read = parse_checkpoint(files)
    saved = components if architecture == 1 else None
    assert read.has_xsave_area is (saved is not None)
    assert read.components == sum(1 << component for component in saved or ())


@given(st.sampled_from(sorted(REAL)), st.binary(max_size=60), st.integers(0, 2700))
def test_a_damaged_checkpoint_is_parsed_or_refused(name: str, damage: bytes, where: int) -> None:
    data = REAL[name]
    damaged = data[:where] + damage + data[where + len(damage) :]
    assert is_parsed_or_refused({**REAL, name: damaged})


@given(st.integers(0, (1 << 64) - 1))
def test_every_number_but_two_is_no_version(version: int) -> None:
    try:
        parse_checkpoint({"inventory.img": inventory(version)})
    except DumpError:
        assert version not in {1, 2}
    else:
        assert version in {1, 2}


def test_what_is_written_by_hand_begins_as_what_criu_wrote() -> None:
    assert REAL["inventory.img"].startswith(MAGIC["inventory.img"])
    assert REAL["cpuinfo.img"].startswith(MAGIC["cpuinfo.img"])
    [name] = [one for one in REAL if one.startswith("core-")]
    head = MAGIC["core.img"]
    assert REAL[name].startswith(head)
    assert struct.unpack_from("<I", REAL[name], len(head)) == (len(REAL[name]) - len(head) - 4,)
    assert varint(300) == b"\xac\x02"
