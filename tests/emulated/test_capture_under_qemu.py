"""'vzcptcheck capture --cpus' executes CPUID on every CPU model that Debian's qemu-user offers.

What it must have read is what another program, of a few dozen bytes, gets on the same model.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.facts.cpuid import CpuidTable, Key, Registers, parse_rows
from simulator.run.elf_probe import ElfClass, build_probe, parse_answers
from support.needed import find, needs
from support.running import Ended, finish, write_program

QEMU = "qemu-x86_64"

pytestmark = needs(QEMU)

#: Models whose CPUs have no long mode: they run 32-bit programs, and no 64-bit Python.
NO_LONG_MODE = frozenset({
    "486", "486-v1", "athlon", "athlon-v1", "coreduo", "coreduo-v1", "kvm32", "kvm32-v1",
    "n270", "n270-v1", "pentium", "pentium-v1", "pentium2", "pentium2-v1", "pentium3",
    "pentium3-v1", "qemu32", "qemu32-v1", "base",
})  # fmt: skip

#: Without SGX nothing is said of leaf 0x12, and qemu 7.2 answers with what is in its memory.
NOT_ANSWERED = 0x12


def models() -> list[str]:
    """List the models by name, as the program itself does."""
    if find(QEMU) is None:
        return []
    lines = finish([QEMU, "-cpu", "help"]).stdout.split("Recognized")[0].splitlines()
    return [line.split()[1] for line in lines if line.startswith("x86 ")]


MODELS = models()


def probe(model: str, keys: list[Key], folder: Path) -> CpuidTable:
    """Ask a model by the other program."""
    program = write_program(folder / "probe", build_probe(keys, ElfClass.X86_64))
    ended = subprocess.run([QEMU, "-cpu", model, str(program)], capture_output=True, check=True)
    return CpuidTable(parse_answers(keys, ended.stdout).items())


def capture(model: str) -> Ended:
    """Capture the CPUs on a model; this machine's own device would answer for this machine."""
    command = ["-S", "-m", "vzcptcheck", "capture", "--cpus", "--instruction"]
    return finish([QEMU, "-cpu", model, sys.executable, *command], timeout=300)


@pytest.mark.parametrize("model", sorted(NO_LONG_MODE & set(MODELS)))
def test_a_model_without_long_mode_runs_no_64_bit_program(model: str, tmp_path: Path) -> None:
    program = write_program(tmp_path / "probe", build_probe([(0, 0)], ElfClass.X86_64))
    ended = finish([QEMU, "-cpu", model, program])
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "The selected x86 CPU does not support 64 bit mode\n"


@pytest.mark.parametrize("model", [one for one in MODELS if one not in NO_LONG_MODE])
def test_a_capture_has_the_models_leaves(model: str, tmp_path: Path) -> None:
    ended = capture(model)
    assert ended.returncode == 0, ended.stderr
    # The emulator warns of what it leaves out of a model.
    assert not [line for line in ended.stderr.splitlines() if not line.startswith(QEMU)]
    (entry,) = json.loads(ended.stdout)
    assert entry["mode"] == "64-bit"
    captured = parse_rows(entry["cpuid"])
    probed = probe(model, list(captured), tmp_path)
    assert {
        key: (registers, probed[key])
        for key, registers in captured.items()
        if registers != probed[key] and key[0] != NOT_ANSWERED
    } == {}
    assert_all_leaves(captured, probe(model, everything(), tmp_path))


def everything() -> list[Key]:
    """List the leaves and subleaves that any of these models may have."""
    leaves = [*range(0x40), 0x4000_0000, 0x4000_0001, *range(0x8000_0000, 0x8000_0040)]
    return [(leaf, subleaf) for leaf in leaves for subleaf in range(64 if leaf == 0xD else 8)]


def assert_all_leaves(captured: CpuidTable, asked: CpuidTable) -> None:
    """Each leaf that the model has is there, and each subleaf with something in it."""
    owned = asked.without_foreign()
    missing = [key for key, registers in owned.items() if not key[1] and key not in captured]
    for (leaf, subleaf), registers in owned.items():
        is_telling = _is_telling(leaf, registers) and registers != owned[leaf, 0]
        if subleaf and is_telling and (leaf, subleaf) not in captured:
            missing.append((leaf, subleaf))
    assert missing == []


def _is_telling(leaf: int, registers: Registers) -> bool:
    """Tell whether a subleaf has something in it: a level of the topology that has a type does."""
    return bool(registers.ecx & 0xFF00) if leaf in (0xB, 0x1F) else any(registers)
