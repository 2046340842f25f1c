"""Nodes without a kernel: machines, and checkpoints that were made on them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.dumps.own_json import format_dumps
from simulator.dumps.recognise import parse_dump
from simulator.errors import UserError
from simulator.facts.cpu_image import CpuImage
from simulator.profiles.bare_node import AnyNode, BareNode
from simulator.profiles.catalogue import find_cpu
from simulator.profiles.nodes import NO_KERNEL, read_all, read_each
from support.criu_images import core, cpuinfo, inventory, real_checkpoint
from support.samples import tar

REAL = real_checkpoint()
PODMAN = {"checkpoint/inventory.img": inventory(), "checkpoint/core-1.img": core([2])}
FOREIGN = cpuinfo(1, (0, 0, 0), [0] * 19, (8, 0), (9, 0), (10, 0))


def read(node: str) -> BareNode:
    [found] = read_each([node], NO_KERNEL)
    assert isinstance(found, BareNode)
    return found


def unpack(files: dict[str, bytes], folder: Path) -> str:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return str(folder)


def pack(files: dict[str, bytes], folder: Path) -> str:
    path = folder.with_suffix(".tar")
    path.write_bytes(tar(files))
    return str(path)


PLACES: list[Callable[[dict[str, bytes], Path], str]] = [unpack, pack]


def test_a_recorded_cpu_is_a_machine() -> None:
    found = read("amd-epyc-7763")
    assert (found.name, found.image, found.has_xsave_area) == ("amd-epyc-7763", None, None)
    assert [cpu.cpuid for cpu in found.cpus] == [find_cpu("amd-epyc-7763").table]


def test_what_is_captured_on_any_machine_is_one(tmp_path: Path) -> None:
    path = tmp_path / "one.cpus"
    rows = find_cpu("intel-xeon-e5-2650-v3").table.rows()
    path.write_text(json.dumps([{"id": "0-3", "mode": "64-bit", "cpuid": rows}]))
    found = read(str(path))
    assert (found.name, found.source) == ("one.cpus", "one.cpus, JSON, CPU 0-3")
    assert found.cpus[0].cpuid.rows() == rows


@pytest.mark.parametrize("place", PLACES)
def test_a_checkpoint_with_its_cpu(
    place: Callable[[dict[str, bytes], Path], str], tmp_path: Path
) -> None:
    found = read(place(REAL, tmp_path / "one"))
    [dump] = parse_dump(REAL["cpuinfo.img"])
    assert dump.image is not None
    assert found.image == dump.image
    assert found.has_xsave_area is True
    assert found.source.endswith(", CRIU cpuinfo image, CPU 0")
    assert [cpu.model_name for cpu in found.cpus] == ["AMD EPYC"]


@pytest.mark.parametrize("place", PLACES)
def test_a_checkpoint_without_it(
    place: Callable[[dict[str, bytes], Path], str], tmp_path: Path
) -> None:
    found = read(place(PODMAN, tmp_path / "one"))
    assert (found.cpus, found.image, found.has_xsave_area, found.is_x86) == ((), None, True, True)
    assert found.source.endswith(", a checkpoint without cpuinfo.img")


def test_a_checkpoint_of_another_architecture(tmp_path: Path) -> None:
    files = {**PODMAN, "checkpoint/core-1.img": core((), 3)}
    found = read(unpack(files, tmp_path / "one"))
    assert (found.has_xsave_area, found.is_x86) == (False, False)


@pytest.mark.parametrize("kept", [FOREIGN, format_dumps(parse_dump(FOREIGN)).encode()])
def test_a_cpu_that_criu_does_not_know_is_its_image_alone(kept: bytes, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo.img").write_bytes(kept)
    found = read(str(tmp_path / "cpuinfo.img"))
    assert (found.cpus, found.image) == ((), CpuImage("", (0,) * 19, 0, 0, 0))


def test_errors_say_which_file_and_what_to_do(tmp_path: Path) -> None:
    path = unpack({"inventory.img": inventory(3)}, tmp_path / "one")
    with pytest.raises(UserError, match=f"^{path}: inventory.img: images of version 3, of which"):
        read(path)
    vendorless = tmp_path / "two"
    vendorless.write_bytes(cpuinfo(0, (6, 45, 7), [1] * 19, (7, b"Some CPU")))
    with pytest.raises(UserError, match=f"^{vendorless}: CRIU cpuinfo image does not tell the ven"):
        read(str(vendorless))


def test_a_folder_of_profiles_is_one_still(tmp_path: Path) -> None:
    folder = unpack({"checkpoint/core-1.img": core([2])}, tmp_path / "one")
    with pytest.raises(UserError, match="a folder without profiles"):
        read(folder)
    with pytest.raises(UserError, match="a folder without profiles"):
        read_each([unpack(PODMAN, tmp_path / "two")])


def test_many_are_read_one_by_one(tmp_path: Path) -> None:
    nodes = (unpack(PODMAN, tmp_path / "one"), "amd-epyc-7763", "042stab141.3.qemu64.default")
    found: list[AnyNode] = list(read_all(nodes, NO_KERNEL))
    assert [node.name for node in found] == ["one", *nodes[1:]]
