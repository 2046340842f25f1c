"""The real CRIU on this machine: what it makes of the CPU, and what it says of images for others.

'nox -s criu' runs it. This machine's registers are those that 'vzcptcheck capture --cpus' reads;
images are written of what the engine makes of the catalogue's CPUs.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from simulator.dumps.model import table_of
from simulator.dumps.recognise import parse_dump
from simulator.facts.cpu_image import FIRST_WORD_COUNT, WORD_COUNT, CpuImage, image_of
from simulator.facts.cpuid import ALL_BITS, CpuidTable
from simulator.profiles.catalogue import find_cpu
from support.criu_images import cpuinfo
from support.programs import vzcptsim
from support.real_criu import Answer, RealCriu, find_criu
from support.running import succeed

#: Of each vendor that CRIU knows, with XSAVE areas of each kind, and without.
CPUS = (
    "amd-phenom-9500",
    "amd-opteron-6272",
    "amd-opteron-6348",
    "amd-athlon-5350-apu-with-radeon-r3",
    "amd-zen-engineering-sample",
    "amd-epyc-7713",
    "amd-epyc-7763",
    "amd-epyc-9124",
    "amd-epyc-9655",
    "hygon-c86-7185",
    "intel-celeron-e1200",
    "intel-celeron-900",
    "intel-core-i7-2600k",
    "intel-core-i5-2500",
    "intel-core-i7-6500u",
    "intel-core-i7-7800x",
    "intel-xeon-phi-7210",
    "intel-core-i7-1065g7",
    "intel-xeon-max-9460",
    "intel-core-ultra-5-225u",
    "intel-xeon-2-80ghz",
)

#: Spellings of --cpu-cap, each of which compares something else.
SPELLINGS = (None, "none,fpu", "none,ins", "none,cpu", "all", "none")


class Machine(NamedTuple):
    """This machine: its CRIU, and its registers as programs see them."""

    criu: RealCriu
    captured: Path


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    folder = tmp_path_factory.mktemp("criu")
    criu = find_criu(folder)
    captured = folder / "this-machine.cpus"
    capture = ("-m", "vzcptcheck", "capture", "--cpus", "--instruction", "-o", captured)
    succeed([sys.executable, *capture])
    print("CRIU", criu.version)
    return Machine(criu, captured)


def test_what_criu_dumps_is_what_is_made_of_the_registers(machine: Machine) -> None:
    [stored] = parse_dump(machine.criu.own)
    [dump] = parse_dump(machine.captured.read_bytes())
    made = image_of(table_of(dump))
    assert stored.image is not None
    assert not any(made.unknown)
    assert stored.image == CpuImage(
        made.vendor, made.words, made.xfeatures_mask, made.xsave_size, made.xsave_size_max
    )
    print(stored.image)


def write_image(folder: Path, image: CpuImage, table: CpuidTable) -> None:
    """Write what CRIU makes of a CPU, as CRIU does."""
    vendor = {"INTEL": 1, "AMD": 2}[image.vendor]
    signature = (table.family, table.model, table.stepping)
    area = (image.xfeatures_mask, image.xsave_size, image.xsave_size_max)
    later = [(number, one) for number, one in enumerate(area, start=8) if one is not None]
    version = 2 if len(image.words) == WORD_COUNT else 1
    folder.mkdir()
    data = cpuinfo(vendor, signature, image.words, (7, b"Some CPU"), *later, version=version)
    (folder / "cpuinfo.img").write_bytes(data)


def images_near(image: CpuImage) -> Iterator[tuple[str, CpuImage]]:
    """Yield images that differ from a machine's own in one thing each, by what that is."""
    for number in range(WORD_COUNT):
        for name, word in (("clear", 0), ("set", ALL_BITS)):
            words = [word if place == number else one for place, one in enumerate(image.words)]
            yield f"word-{number}-{name}", replace(image, words=tuple(words))
    yield "first-version", replace(image, words=image.words[:FIRST_WORD_COUNT])
    for bit in (0, 1, 2, 3, 8, 9, 17):
        mask = (image.xfeatures_mask or 0) ^ 1 << bit
        yield f"component-{bit}", replace(image, xfeatures_mask=mask)
    for name in ("xsave_size", "xsave_size_max"):
        yield f"{name}-larger", replace(image, **{name: getattr(image, name) + 64})
        yield f"{name}-smaller", replace(image, **{name: getattr(image, name) - 64})
    for name in ("xfeatures_mask", "xsave_size", "xsave_size_max"):
        yield f"without-{name}", replace(image, **{name: None})


def engine_answer(machine: Machine, name: str, cpu_cap: str | None) -> Answer:
    """Return what the engine says of an image and this machine, both read from their files."""
    major, minor, *_ = machine.criu.version.split(".")
    options = ["--engine", f"criu@{major}.{minor}", "--criu-check"]
    options += [] if cpu_cap is None else ["--cpu-cap", cpu_cap]
    nodes = (str(machine.criu.folder / name), str(machine.captured))
    restore = json.loads(vzcptsim("check", *nodes, *options, "--json").stdout)["migrations"][0][
        "restore"
    ]
    if restore["verdict"] == "possible":
        return Answer(0, "")
    assert restore["verdict"] == "not possible"
    return Answer(1, restore["reasons"][0]["said"])


def compare(machine: Machine, asked: list[tuple[str, str | None]]) -> Counter[int]:
    """Ask CRIU and the engine; return how often CRIU answered each status."""
    answers = machine.criu.check(asked)
    for (name, cpu_cap), answer in zip(asked, answers, strict=True):
        print(name, "" if cpu_cap is None else f"--cpu-cap={cpu_cap}", *answer)
    for (name, cpu_cap), answer in zip(asked, answers, strict=True):
        assert engine_answer(machine, name, cpu_cap) == answer, (name, cpu_cap)
    return Counter(answer.status for answer in answers)


def test_criu_answers_of_the_catalogues_cpus_as_the_engine_says(machine: Machine) -> None:
    for name in CPUS:
        table = find_cpu(name).table
        image = image_of(table)
        assert not any(image.unknown)
        write_image(machine.criu.folder / name, image, table)
    counted = compare(machine, list(product(CPUS, SPELLINGS)))
    assert counted[1] > 0
    assert compare(machine, list(product(["own"], SPELLINGS))) == {0: len(SPELLINGS)}


def test_criu_answers_of_images_near_its_own_as_the_engine_says(machine: Machine) -> None:
    table = table_of(parse_dump(machine.captured.read_bytes())[0])
    images = dict(images_near(image_of(table)))
    for name, image in images.items():
        write_image(machine.criu.folder / name, image, table)
    counted = compare(machine, list(product(images, SPELLINGS[1:4])))
    assert min(counted[0], counted[1]) > 0
