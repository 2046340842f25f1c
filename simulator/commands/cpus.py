"""vzcptsim cpus: the real CPUs that nodes can be composed from."""

import argparse

from simulator.commands.options import add_json
from simulator.errors import UserError
from simulator.output import Streams
from vzcptcheck.outcome import ExitStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simulator.facts.features import Feature
    from simulator.profiles.catalogue import RecordedCpu


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.add_argument(
        "cpu",
        metavar="CPU",
        nargs="*",
        help="only CPUs of such a name, as people spell it: 'E5-2680 v3', haswell, 'epyc-7*'",
    )
    for name in ("family", "model", "stepping"):
        parser.add_argument(
            f"--{name}",
            metavar="N",
            type=_number,
            help=f"only CPUs of this {name}, as Linux counts",
        )
    for option, verb in (("--has", "have"), ("--lacks", "lack")):
        parser.add_argument(
            option,
            metavar="FEATURE",
            action="append",
            default=[],
            help=f"only CPUs that are known to {verb} it, by its name in /proc/cpuinfo",
        )
    add_json(parser)
    parser.set_defaults(command=_cpus)


def _number(text: str) -> int:
    """Read a number, decimal or, as CPUID shows them, hexadecimal with 0x."""
    try:
        return int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def _cpus(options: argparse.Namespace, streams: Streams) -> int:
    from simulator.profiles.catalogue import merged
    from simulator.reports.cpu_listing import cpu_listing

    found = _asked(options.cpu, streams)
    wanted = [(_feature(name), True) for name in options.has]
    wanted += [(_feature(name), False) for name in options.lacks]
    fitting = [cpu for cpu in found if _has_numbers(cpu, options) and _agrees(cpu, wanted)]
    if not fitting:
        raise UserError(f"no CPU is known to be such a one, of the {len(found)} that are looked at")
    # A machine gets every CPU by itself.
    lines = [[cpu] for cpu in fitting] if options.json else merged(fitting)
    listing = cpu_listing((cpus, [name for cpu in cpus for name in found[cpu]]) for cpus in lines)
    streams.answer(listing.as_json() if options.json else listing.as_table(streams.stdout))
    return ExitStatus.YES


def _asked(texts: list[str], streams: Streams) -> "dict[RecordedCpu, list[str]]":
    """Return the CPUs that are asked for, each with its names that were; all, if none is."""
    from simulator.profiles.catalogue import UnknownCpuError, load_cpus, nearest, search

    found: dict[RecordedCpu, list[str]] = {}
    for text in texts:
        named = search(text)
        if not named:
            named = nearest(text)
            if not named:
                raise UnknownCpuError(text, [])
            streams.remark(f"no CPU is recorded as {text!r}: those with the names nearest to it")
        for cpu, names in named.items():
            found.setdefault(cpu, []).extend(names)
    return found if texts else {cpu: [] for cpu in load_cpus().values()}


def _has_numbers(cpu: "RecordedCpu", options: argparse.Namespace) -> bool:
    """Tell whether a CPU is of the family, model and stepping that are asked for."""
    asked = {name: getattr(options, name) for name in ("family", "model", "stepping")}
    return all(value in (None, getattr(cpu.table, name)) for name, value in asked.items())


def _feature(name: str) -> "Feature":
    """Return the feature of that name: /proc/cpuinfo's, qemu's, or the kernel's word."""
    from simulator.errors import UsageError
    from simulator.facts.features import BY_NAME, BY_WORD, FEATURES

    spelled = name.lower().replace(".", "_").replace("-", "_")
    feature = BY_NAME.get(spelled) or BY_WORD.get(spelled)
    if feature is None or not spelled:
        begun = [one.name for one in FEATURES if spelled and one.name.startswith(spelled[:3])]
        hint = f", but there are: {', '.join(begun)}" if begun else ""
        raise UsageError(f"no feature is known as {name!r}{hint}")
    return feature


def _agrees(cpu: "RecordedCpu", wanted: "list[tuple[Feature, bool]]") -> bool:
    """Tell whether a CPU is known to have and to lack what is wanted."""
    from simulator.facts.features import as_64bit

    return all(one.is_in(as_64bit(cpu.table)) is whether for one, whether in wanted)
