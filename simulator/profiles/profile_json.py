"""Profiles as JSON: strict to read, canonical to write. The schema is published beside it."""

import json
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from itertools import islice
from typing import Any, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from simulator.facts.cpuid import CpuidTable, Registers
from simulator.kernel.containers import Container, Contents, Entered, Needs, Process, State
from simulator.profiles.profile import (
    Answers,
    CpuFacts,
    KernelFacts,
    NodeProfile,
    Origin,
    OriginKind,
    ProfileError,
)

FORMAT = 1

_LONGEST_PROBLEM = 300

#: Of so many errors the best is said: a list of a million others would take minutes.
_MOST_ERRORS = 1000
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")

#: A process's traits, and what they are where a profile does not say.
_PROCESS_DEFAULTS = {
    "bits": 64,
    "vdso": True,
    "used_fpu": False,
    "policy": "normal",
    "traced": False,
    "private_mounts": False,
    "mempolicy": False,
    "keys": False,
    "kernel_thread": False,
}


def parse_profile(data: bytes, name: str, where: str) -> NodeProfile:
    """Read a profile; ``where`` names its file in errors. Raises ProfileError.

    Its shape is checked here, against the schema; ``profile_checks`` asks whether its facts
    agree with each other.
    """
    document = _read(data, where)
    return NodeProfile(
        name=name,
        origin=_parse_origin(document["origin"]),
        kernel=_parse_kernel(document["kernel"]),
        cpus=tuple(
            _parse_cpu(cpu, where, f"cpus[{number}]") for number, cpu in enumerate(document["cpus"])
        ),
        cpuid_override=document["cpuid_override"],
        answers=_parse_answers(document["answers"]),
        containers=tuple(map(parse_container, document["containers"])),
    )


def format_profile(profile: NodeProfile) -> str:
    """Write a profile in the one canonical way: fixed order, no defaults, one value a line."""
    return json.dumps(profile_document(profile), indent=2, ensure_ascii=False) + "\n"


def profile_document(profile: NodeProfile) -> dict[str, Any]:
    """Return a profile as the plain data that its JSON holds."""
    return {
        "format": FORMAT,
        "origin": _origin_document(profile.origin),
        "kernel": _kernel_document(profile.kernel),
        "cpus": list(map(_cpu_document, profile.cpus)),
        "cpuid_override": profile.cpuid_override,
        "answers": {
            "image_version": profile.answers.image_version,
            "accepted_versions": _list_or_none(profile.answers.accepted_versions),
            "capability_number": profile.answers.capability_number,
        },
        "containers": list(map(container_document, profile.containers)),
    }


@cache
def schema_validator() -> Draft202012Validator:
    """Return the validator of the published schema."""
    return Draft202012Validator(load_schema())


def load_schema() -> dict[str, Any]:
    """Return the published schema."""
    text = resources.files("simulator").joinpath("schema/profile.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def parse_container(document: dict[str, Any]) -> Container:
    """Read a container of the schema's shape."""
    needs = document["needs"]
    return Container(
        ctid=document["ctid"],
        state=State(document["state"]),
        needs=None if needs is None else Needs(needs["caps"], tuple(needs["reports"])),
        contents=_parse_contents(document["origin"]) if "origin" in document else None,
    )


def container_document(container: Container) -> dict[str, Any]:
    """Return a container as the plain data that its JSON holds."""
    needs = container.needs
    document: dict[str, Any] = {
        "ctid": container.ctid,
        "state": container.state.value,
        "needs": None if needs is None else {"caps": needs.caps, "reports": list(needs.reports)},
    }
    if container.contents is not None:
        document["origin"] = _contents_document(container.contents)
    return document


def _read(data: bytes, where: str) -> Any:
    """Return a document that is of the schema's shape."""
    try:
        document = _load(data.decode("utf-8"))
        error = best_match(islice(schema_validator().iter_errors(document), _MOST_ERRORS))
    except UnicodeDecodeError as error:
        raise ProfileError(where, "", f"not UTF-8 at byte {error.start}") from error
    except RecursionError as error:
        raise ProfileError(where, "", "nested too deeply to be a profile") from error
    except ValueError as error:
        raise ProfileError(where, "", f"not JSON: {error}") from error
    if error is not None:
        raise ProfileError(where, _path(error), _problem(error))
    return document


def _load(text: str) -> Any:
    document = json.loads(
        text,
        object_pairs_hook=_unique_keys,
        parse_float=_refuse_number,
        parse_constant=_refuse_number,
    )
    if "\\u" in text and _HALF_CHARACTER.search(json.dumps(document, ensure_ascii=False)):
        raise ValueError("half of a surrogate pair is no character")
    return document


def _refuse_number(text: str) -> NoReturn:
    # To the schema 2.0 is an integer; to Python it is none, and no mask either.
    raise ValueError(f"{text[:20]} is no integer")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} comes twice in one object")
    return document


def _path(error: ValidationError) -> str:
    """Write where in the document an error is: containers[0].needs.caps."""
    path = ""
    for part in error.absolute_path:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.lstrip(".")


def _problem(error: ValidationError) -> str:
    problem = error.message
    return problem if len(problem) <= _LONGEST_PROBLEM else f"{problem[:_LONGEST_PROBLEM]}..."


def _parse_origin(document: dict[str, Any]) -> Origin:
    return Origin(OriginKind(document["kind"]), document["source"], document.get("utrace", True))


def _origin_document(origin: Origin) -> dict[str, Any]:
    document: dict[str, Any] = {"kind": origin.kind.value, "source": origin.source}
    if not origin.utrace:
        document["utrace"] = False
    return document


def _parse_kernel(document: dict[str, Any]) -> KernelFacts:
    return KernelFacts(
        release=document["release"],
        machine=document["machine"],
        vz_version=document["vz_version"],
        boot_options=tuple(document["boot_options"]),
        modules=frozenset(document["modules"]),
        ipv6=document["ipv6"],
        slm_without_module=document.get("slm_without_module", False),
    )


def _kernel_document(kernel: KernelFacts) -> dict[str, Any]:
    document: dict[str, Any] = {
        "release": kernel.release,
        "machine": kernel.machine,
        "vz_version": kernel.vz_version,
        "boot_options": list(kernel.boot_options),
        "modules": sorted(kernel.modules),
        "ipv6": kernel.ipv6,
    }
    if kernel.slm_without_module:
        document["slm_without_module"] = True
    return document


def _parse_cpu(document: dict[str, Any], where: str, path: str) -> CpuFacts:
    try:
        cpuid = CpuidTable(map(_parse_row, document["cpuid"]))
    except ValueError as error:
        raise ProfileError(where, f"{path}.cpuid", str(error)) from error
    flags = document["flags"]
    return CpuFacts(
        processors=document["processors"],
        cpuid=cpuid,
        model_name=document["model_name"],
        microcode=document["microcode"],
        flags=None if flags is None else tuple(flags.split()),
    )


def _cpu_document(cpu: CpuFacts) -> dict[str, Any]:
    return {
        "processors": cpu.processors,
        "cpuid": [f"{row[0]} {row[1]}: {' '.join(row[2:])}" for row in cpu.cpuid.rows()],
        "model_name": cpu.model_name,
        "microcode": cpu.microcode,
        "flags": None if cpu.flags is None else " ".join(cpu.flags),
    }


def _parse_row(row: str) -> tuple[tuple[int, int], Registers]:
    leaf, subleaf, *values = (int(text, 16) for text in row.replace(":", "").split())
    return (leaf, subleaf), Registers(*values)


def _parse_answers(document: dict[str, Any]) -> Answers:
    accepted = document["accepted_versions"]
    return Answers(
        image_version=document["image_version"],
        accepted_versions=None if accepted is None else tuple(accepted),
        capability_number=document["capability_number"],
    )


def _parse_contents(document: dict[str, Any]) -> Contents:
    optional = {"dump_failure": document["dump_failure"]} if "dump_failure" in document else {}
    return Contents(
        processes=tuple(map(_parse_process, document["processes"])),
        unsupported_devices=tuple(document.get("unsupported_devices", ())),
        unsupported_mounts=tuple(document.get("unsupported_mounts", ())),
        **optional,
    )


def _contents_document(contents: Contents) -> dict[str, Any]:
    document: dict[str, Any] = {"processes": list(map(_process_document, contents.processes))}
    for key in ("unsupported_devices", "unsupported_mounts"):
        if getattr(contents, key):
            document[key] = list(getattr(contents, key))
    if contents.dump_failure != Contents(()).dump_failure:
        document["dump_failure"] = contents.dump_failure
    return document


def _parse_process(document: dict[str, Any]) -> Process:
    traits = {key: document.get(key, default) for key, default in _PROCESS_DEFAULTS.items()}
    return Process(
        pid=document["pid"],
        host_pid=document["host_pid"],
        name=document["name"],
        entered=Entered(document["entered"]) if "entered" in document else None,
        **traits,
    )


def _process_document(process: Process) -> dict[str, Any]:
    document: dict[str, Any] = {
        "pid": process.pid,
        "host_pid": process.host_pid,
        "name": process.name,
    }
    for key, default in _PROCESS_DEFAULTS.items():
        if getattr(process, key) != default:
            document[key] = getattr(process, key)
    if process.entered is not None:
        document["entered"] = process.entered.value
    return document


def _list_or_none(numbers: Iterable[int] | None) -> list[int] | None:
    return None if numbers is None else list(numbers)
