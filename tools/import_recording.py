"""Turn a raw recording of a booted kernel into a fixture and a compact recording.

Usage: python tools/import_recording.py RAW.jsonl...

A raw recording's first line is the node, each further line one observation in order; their
`scenario` tells which open file a request went to. Here that is spelled out. Written are
fixtures/NAME.json (the node with one container for each scenario) and
tests/recordings/NAME.tsv (what was done and seen, see tests/recordings/README.md).
"""

import errno
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from simulator.facts.cpuid import parse_rows
from simulator.facts.generations import ASKED_VERSIONS
from simulator.kernel.calls import Request
from simulator.kernel.containers import Container, Contents, Entered, Process, State
from simulator.profiles.profile import (
    Answers,
    CpuFacts,
    KernelFacts,
    NodeProfile,
    Origin,
    OriginKind,
    derive_answers,
    derive_needs,
)
from simulator.profiles.profile_checks import check_profile
from simulator.profiles.profile_json import format_profile
from vzcptcheck.cpuinfo import parse_cpuinfo

ROOT = Path(__file__).resolve().parent.parent

Observation = dict[str, Any]
Row = tuple[str, ...]

#: The boot part of a raw recording's name, as kernel options.
_BOOT_OPTIONS = {
    "ipv6.disable": "ipv6.disable=1",
    "noxsave": "noxsave",
    "nordrand": "nordrand",
    "eagerfpu.on": "eagerfpu=on",
    "eagerfpu.off": "eagerfpu=off",
}

#: Scenarios that go on with the file of the line before. All others of the device phases
#: begin with a fresh one.
_SAME_FILE = {
    "veid unset",
    "set",
    "veid nonexistent 4242",
    "veid nonexistent",
    "NULL pointer",
    "bad pointer 1",
    "veid 0",
    "veid -1",
    "with errorfd",
    "join 0, none nameless but own",
    "first",
    "second, different id",
    "same id again",
    "other fd, new id",
    "put",
    "put with no context",
    "join gone",
    "join 100 from other fd",
    "set veid through joined",
    "get after join, other id",
    "drop",
    "null",
    "directory",
    "wronly null",
    "x",
    "not dir",
    "dir",
    "no suspend",
    "on cpt",
    "on rst",
    "suspended",
    "resumed",
}

#: Fresh files that the recorder gave a pipe for diagnostics at once (a nameless context).
_WITH_ERROR_FILE = {"missing id", "other fd, taken id"}

#: Fresh files that are opened beside those that are open, not in their place.
_BESIDE = {"other fd, taken id", "join existing", "other ctx while suspended"}

#: Reads before which files were closed.
_CLOSED_BEFORE = {
    "after close": "all",
    "second fd closed (sticky)": "last",
    "first fd closed, 100 sticky": "all",
    "closed": "all",
    "end of phase": "all",
}

_DIRECTORY_SCENARIOS = {"directory", "dir"}
_DESCRIPTOR_REQUESTS = {
    "CPT_SET_ERRORFD",
    "CPT_SET_DUMPFD",
    "CPT_SET_STATUSFD",
    "CPT_SET_LOCKFD",
    "CPT_SET_LOCKFD2",
    "CPT_SET_PAGEINFDIN",
    "CPT_SET_PAGEINFDOUT",
    "CPT_LINKDIR_ADD",
}
_HEADER_NAMES = {f"CPT_{request.name}" for request in Request}
_VE_LOCK = 16
_CPU_DIAGNOSTIC = "Destination cpu does not have "


def main(arguments: list[str]) -> int:
    """Import each raw recording that is named."""
    for argument in arguments:
        path = Path(argument)
        observations = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        importer = Importer(path.name.removesuffix(".jsonl"), observations[0])
        rows = list(importer.rows(observations[1:]))
        node = importer.node(has_override=any(row[0] == "override" for row in rows))
        write(check_profile(node, str(path)), rows)
    return 0


def write(node: NodeProfile, rows: list[Row]) -> None:
    """Write the fixture and, where anything was observed, the compact recording."""
    (ROOT / "fixtures" / f"{node.name}.json").write_text(format_profile(node), "utf-8")
    text = "".join("\t".join(row).rstrip("\t") + "\n" for row in rows)
    (ROOT / "tests" / "recordings" / f"{node.name}.tsv").write_text(text, "utf-8")


class Importer:
    """One recording on its way through: the container at hand, the files that are open."""

    def __init__(self, name: str, boot: Observation) -> None:
        self.name = name
        self.boot = boot
        self.container: Container | None = None
        self.kept: dict[str, Container] = {}
        self.files: list[str] = []
        self.opened = 0
        self.versions: dict[tuple[str, int], int] = {}

    def rows(self, observations: list[Observation]) -> Iterator[Row]:
        """Yield the compact rows of all observations."""
        for observation in observations:
            handler = _HANDLERS.get(observation["what"])
            if handler is not None:
                yield from handler(self, observation)
        yield from self._close_all()

    def node(self, has_override: bool) -> NodeProfile:
        """Return the node with the containers that were kept, its answers as recorded."""
        bare = _bare_node(self.name, self.boot, has_override)
        containers = [replace(one, needs=derive_needs(bare, one)) for one in self.kept.values()]
        return replace(
            bare,
            answers=self._answers(bare),
            containers=tuple(sorted(containers, key=lambda one: one.ctid)),
        )

    def _answers(self, bare: NodeProfile) -> Answers:
        """Return what was answered; of a boot without observations, what its kernel's rules say."""
        by_rules = derive_answers(bare)
        if not self.versions:
            return replace(by_rules, capability_number=self.boot["caps"])
        accepted = tuple(one for one in ASKED_VERSIONS if self.versions["rst", one] == 1)
        return Answers(self.versions["cpt", 0], accepted, self.boot["caps"])

    def ioctl(self, observation: Observation) -> Iterator[Row]:
        """Yield a request, after what the recorder did to get there."""
        if observation["request"] == "CPT_TEST_VERSION":
            asked = (observation["device"], observation["arg"])
            self.versions[asked] = observation["result"]
        yield from self._adapt_container(observation["scenario"])
        yield from self._prepare_file(observation)
        yield (
            "ioctl",
            self.files[-1],
            _request(observation),
            _argument(observation),
            observation.get("errname", str(observation["result"])),
            _compact(observation.get("diagnostics", "")),
            str(observation.get("features", "")),
        )

    def read(self, observation: Observation) -> Iterator[Row]:
        """Yield a reading of the list of contexts."""
        closed = _CLOSED_BEFORE.get(observation["scenario"])
        if closed == "all":
            yield from self._close_all()
        elif closed == "last":
            yield ("close", self.files.pop())
        yield ("read", observation["device"], _text(observation["content"]))

    def veinfo(self, observation: Observation) -> Iterator[Row]:
        """Yield what /proc/vz/veinfo read as."""
        yield ("veinfo", _text(observation["content"]))

    def write(self, observation: Observation) -> Iterator[Row]:
        """Yield a write to one of the two files."""
        yield ("write", observation["device"], errno.errorcode[observation["errno"]])

    def open(self, observation: Observation) -> Iterator[Row]:
        """Yield an attempt of some user on one of the two files."""
        result = "0" if observation["result"] == 0 else errno.errorcode[observation["errno"]]
        yield ("try", observation["device"], observation["flags"], str(observation["uid"]), result)

    def stat(self, observation: Observation) -> Iterator[Row]:
        """Yield what was told of one of the two files."""
        keys = ("device", "mode", "uid", "gid", "size", "nlink")
        yield ("stat", *(str(observation[key]) for key in keys))

    def original(self, observation: Observation) -> Iterator[Row]:
        """Yield what the original program answered."""
        stdout = observation.get("stdout", "USAGE")
        who = {"nobody": "nobody", "root inside VE": "inside"}.get(observation["user"], "root")
        yield (
            "original",
            observation["program"].removesuffix("-bit"),
            who,
            str(observation["status"]),
            _text(stdout),
            json.dumps(observation["arguments"]),
        )

    def override(self, observation: Observation) -> Iterator[Row]:
        """Yield a write to /proc/vz/cpuid_override, and what came of it."""
        yield (
            "override",
            _text(observation["data"]),
            str(observation["result"]),
            _text(observation["content_after"]),
            str(observation["rst_test_caps_after"]),
        )

    def create(self, observation: Observation) -> Iterator[Row]:
        """Yield a container that was started; a result of -1 says that it was stopped."""
        yield from self._close_all()
        if observation["result"] < 0:
            stopped = Container(ctid=observation["veid"], state=State.STOPPED)
            yield from self._run(stopped)
            self._keep("stopped", stopped)
        else:
            yield from self._run(_created(observation))

    def enter(self, observation: Observation) -> Iterator[Row]:
        """Yield a container that a process has entered; those that had are gone."""
        guest = Process(
            pid=int(observation["pid_in_ve"]),
            host_pid=observation["hostpid"],
            name="veinit",
            entered=Entered.FOREIGN,
        )
        contents = _contents(self.container)
        processes = (*_without_guests(contents.processes), guest)
        yield from self._run(
            replace(_known(self.container), contents=replace(contents, processes=processes))
        )

    def _adapt_container(self, scenario: str) -> Iterator[Row]:
        """Change the container as the scenario says that it was, and keep it for the fixture."""
        label = scenario.removeprefix("VE ").split(" dst=")[0]
        if label in self.kept or not scenario.startswith(("VE ", "suspend seq", "dump seq")):
            return
        if label == "stopped":
            return
        change = _CHANGES.get(label, _unchanged)
        changed = replace(_known(self.container), contents=change(_contents(self.container)))
        if changed != self.container:
            yield from self._run(changed)
        suspended = label == "suspend seq"
        self._keep(label, replace(changed, state=State.SUSPENDED) if suspended else changed)

    def _run(self, container: Container) -> Iterator[Row]:
        self.container = container
        yield ("container", msgspec.json.encode(container).decode())

    def _keep(self, label: str, container: Container) -> None:
        """Keep a container under a number of its own: 107, 1072, 1073..."""
        taken = {one.ctid for one in self.kept.values()}
        variants = range(container.ctid * 10 + 2, container.ctid * 10 + 10)
        ctid = next(one for one in (container.ctid, *variants) if one not in taken)
        self.kept[label] = replace(container, ctid=ctid)

    def _prepare_file(self, observation: Observation) -> Iterator[Row]:
        """Open the file that a request goes to, where it is not open yet."""
        scenario, request = observation["scenario"], observation["request"]
        if self._goes_on(scenario, request):
            if scenario == "suspended" and len(self.files) > 1:
                yield ("close", self.files.pop())
            return
        if scenario not in _BESIDE:
            yield from self._close_all()
        self.opened += 1
        self.files.append(f"f{self.opened}")
        with_errors = (
            scenario.startswith(("VE ", "suspend seq", "dump seq"))
            or scenario in _WITH_ERROR_FILE
            or (scenario == "bad fd" and request != "CPT_SET_ERRORFD")
        )
        yield ("open", self.files[-1], observation["device"], "errors" if with_errors else "")

    def _goes_on(self, scenario: str, request: str) -> bool:
        if scenario.startswith(("VE ", "suspend seq", "dump seq", "other ctx")):
            return request != "CPT_SET_VEID"
        return scenario in _SAME_FILE

    def _close_all(self) -> Iterator[Row]:
        while self.files:
            yield ("close", self.files.pop())


_HANDLERS: Mapping[str, Callable[[Importer, Observation], Iterator[Row]]] = {
    "ioctl": Importer.ioctl,
    "read": Importer.read,
    "veinfo": Importer.veinfo,
    "write": Importer.write,
    "open": Importer.open,
    "stat": Importer.stat,
    "original": Importer.original,
    "cpuid_override_write": Importer.override,
    "vecreate": Importer.create,
    "veenter": Importer.enter,
}


def _bare_node(name: str, boot: Observation, has_override: bool) -> NodeProfile:
    """Return the node of a recording's first line, without containers and answers."""
    processor = parse_cpuinfo(boot["cpuinfo_first"].encode())[0]
    options = _options(boot["boot"])
    cpu = CpuFacts(
        processors="0",
        cpuid=parse_rows(boot["cpuid"]).without_foreign(),
        model_name=processor["model name"],
        microcode=processor.get("microcode"),
        flags=" ".join(processor["flags"].split()),
    )
    source = (
        f"OpenVZ kernel {boot['kernel']}, built from its published tree and booted under qemu "
        f"7.2's software emulation with CPU model {boot['cpu_model']}, boot {boot['boot']}"
    )
    return NodeProfile(
        name=name,
        origin=Origin(OriginKind.CAPTURED, source, utrace=boot["boot"] == "utrace"),
        kernel=KernelFacts(
            release=boot["release"],
            machine=boot["uname_m"],
            vz_version=boot["vz_version"].rstrip("\n"),
            boot_options=options,
            ipv6="ipv6.disable=1" not in options,
        ),
        cpus=(cpu,),
        cpuid_override="" if has_override else None,
        answers=Answers(None, None, None),
        containers=(),
    )


def _options(boot: str) -> tuple[str, ...]:
    if boot.startswith("clearcpuid."):
        return (f"clearcpuid={boot.removeprefix('clearcpuid.')}",)
    return (_BOOT_OPTIONS[boot],) if boot in _BOOT_OPTIONS else ()


def _created(observation: Observation) -> Container:
    """Return the container that the recorder's init makes for a scenario."""
    scenario, bits, host_pid = (observation[key] for key in ("scenario", "bits", "hostpid"))
    name = "veinit" if bits == 64 else "veinit32"
    init = Process(pid=1, host_pid=host_pid, name=name, bits=bits, used_fpu=scenario == "fpu")
    # A container has two kernel threads of its own: veinfo counts them, pids leave them room.
    threads = tuple(
        Process(pid=1 + one, host_pid=host_pid + one, name="kthread", kernel_thread=True)
        for one in (1, 2)
    )
    child = Process(
        pid=4,
        host_pid=host_pid + 3,
        name=name,
        bits=bits,
        used_fpu=scenario == "childfpu",
        private_mounts=scenario == "mntns",
        mempolicy=scenario == "mempolicy",
        keys=scenario == "keys",
    )
    children = () if scenario in {"nofpu", "fpu"} else (child,)
    mounts = (observation["extramnt"],) if "extramnt" in observation else ()
    return Container(
        ctid=observation["veid"],
        state=State.LOCKED if observation["flags"] & _VE_LOCK else State.RUNNING,
        contents=Contents((init, *threads, *children), unsupported_mounts=mounts),
    )


def _known(container: Container | None) -> Container:
    if container is None:
        raise ValueError("a request about a container comes before any container")
    return container


def _contents(container: Container | None) -> Contents:
    return _known(container).contents or Contents(())


def _without_guests(processes: tuple[Process, ...]) -> tuple[Process, ...]:
    return tuple(process for process in processes if process.entered is None)


def _unchanged(contents: Contents) -> Contents:
    return contents


def _init(**traits: Any) -> Callable[[Contents], Contents]:
    """Make a change of the container's init."""

    def change(contents: Contents) -> Contents:
        init, *others = contents.processes
        return replace(contents, processes=(replace(init, **traits), *others))

    return change


def _short_guest(contents: Contents) -> Contents:
    *others, guest = contents.processes
    return replace(contents, processes=(*others, replace(guest, bits=32, name="veinit32")))


def _guests_gone(contents: Contents) -> Contents:
    return replace(contents, processes=_without_guests(contents.processes))


def _dump_fails(contents: Contents) -> Contents:
    """There was no tar on the recorder's node, which the kernel runs for a dump."""
    return replace(contents, dump_failure="tar exited with 255")


#: What a scenario's name says of the container beyond how it was created.
_CHANGES: Mapping[str, Callable[[Contents], Contents]] = {
    "init SCHED_FIFO": _init(policy="fifo"),
    "init SCHED_RR": _init(policy="rr"),
    "init SCHED_BATCH": _init(policy="batch"),
    "init SCHED_IDLE": _init(policy="idle"),
    "init ptraced from VE0": _init(traced=True),
    "ptrace detached": _init(traced=False),
    "entered 32-bit process": _short_guest,
    "entered process gone": _guests_gone,
    "dump seq": _dump_fails,
}


def _request(observation: Observation) -> str:
    """Name a request as the recorder did, and give its number where that is no header's."""
    name = observation["request"]
    return name if name in _HEADER_NAMES else f"{observation['number']:#x}"


def _argument(observation: Observation) -> str:
    """Write the argument; descriptors by what they are open on, a struct by its first word."""
    argument = observation["arg"]
    if argument == "struct vecaps":
        return f"struct:{observation['dst_flags_out']}"
    descriptor = observation["request"] in _DESCRIPTOR_REQUESTS
    if descriptor and observation["scenario"] not in {"bad fd", "bad fd 0xffffffff"}:
        return "directory" if observation["scenario"] in _DIRECTORY_SCENARIOS else "file"
    return str(argument)


def _compact(diagnostics: str) -> str:
    """Write diagnostics apart by a bar; a missing word as -WORD."""
    lines = [line.removeprefix("Error: ") for line in diagnostics.splitlines()]
    return "|".join(
        f"-{line.removeprefix(_CPU_DIAGNOSTIC)}" if line.startswith(_CPU_DIAGNOSTIC) else line
        for line in lines
    )


def _text(text: str) -> str:
    """Write a text in one cell: as JSON without its quotes."""
    return json.dumps(text)[1:-1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
