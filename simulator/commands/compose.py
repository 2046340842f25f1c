"""vzcptsim compose: a profile from a CPU's registers and a kernel release."""

import argparse

from simulator.output import Streams, write_atomically
from vzcptcheck.outcome import ExitStatus


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    from simulator.dumps.recognise import KEYS
    from simulator.facts.capabilities import MACHINES, X86_64
    from simulator.facts.generations import EXAMPLES
    from simulator.profiles.compose import SYNTAX

    releases = ", ".join(EXAMPLES.values())
    parser.epilog = f"{SYNTAX}\n\nKernel releases are those as in: {releases}."
    parser.add_argument(
        "--cpuid",
        metavar="DUMP",
        help=f"a register dump's path (in any form: {', '.join(KEYS)}), - for standard input, "
        "or a CPU's name as 'vzcptsim cpus' finds it; none on ia64",
    )
    parser.add_argument(
        "--processor",
        metavar="N",
        type=int,
        default=0,
        help="take the N-th CPU of the dump, from 0",
    )
    parser.add_argument(
        "--printed-by",
        metavar="RELEASE",
        help="what uname -r printed where DUMP, a /proc/cpuinfo, is from: a word that this kernel "
        "knows and did not print is a feature that the CPU lacks",
    )
    parser.add_argument(
        "--kernel", metavar="RELEASE", required=True, help="what uname -r prints, or 042stabN"
    )
    parser.add_argument(
        "--vz-version",
        metavar="TEXT",
        help="what /proc/vz/version reads as: what tells of a kernel which it is, where its "
        "release does not (2.6.32 alone, 2.6.32-26-pve)",
    )
    parser.add_argument(
        "--machine",
        metavar="MACHINE",
        choices=MACHINES,
        default=X86_64,
        help=f"what uname -m prints: {', '.join(MACHINES)}",
    )
    parser.add_argument(
        "--ct", metavar="SPEC", action="append", default=[], help="a container; see below"
    )
    parser.add_argument(
        "--boot-option",
        metavar="OPTION",
        action="append",
        default=[],
        help="of the kernel's command line: noxsave, nordrand, clearcpuid=N, eagerfpu=on...",
    )
    parser.add_argument("--no-ipv6", action="store_true", help="IPv6 is not loaded")
    parser.add_argument(
        "--slm", action="store_true", help="SLM is enabled, and slm_dmprst is not loaded"
    )
    parser.add_argument(
        "--no-module",
        metavar="MODULE",
        choices=("vzcpt", "vzrst"),
        action="append",
        default=[],
        help="vzcpt or vzrst is not loaded",
    )
    parser.add_argument(
        "--cpuid-override",
        metavar="TEXT",
        help="what is written to /proc/vz/cpuid_override; empty where the file is there",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write there, not to stdout")
    parser.set_defaults(command=_compose)


def _compose(options: argparse.Namespace, streams: Streams) -> int:
    from pathlib import Path

    from simulator.facts.generations import full_release
    from simulator.profiles.compose import compose, parse_spec
    from simulator.profiles.evidence import read_cpu
    from simulator.profiles.profile import MODULES, KernelFacts
    from simulator.profiles.profile_json import format_profile, parse_profile

    modules = frozenset(one for one in MODULES if one not in options.no_module)
    kernel = KernelFacts(
        release=full_release(options.kernel),
        machine=options.machine,
        vz_version=options.vz_version,
        boot_options=tuple(options.boot_option),
        modules=modules,
        ipv6=not (options.no_ipv6 or "ipv6.disable=1" in options.boot_option),
        slm_without_module=options.slm,
    )
    cpu = (
        None
        if options.cpuid is None
        else read_cpu(options.cpuid, options.processor, options.printed_by)
    )
    containers = [parse_spec(spec) for spec in options.ct]
    name = Path(options.output).stem if options.output else "composed"
    profile = compose(name, cpu, kernel, containers, options.cpuid_override)
    text = format_profile(profile)
    # Options are any text: a profile that could not be read again is not written.
    parse_profile(text.encode("utf-8", "surrogatepass"), name, name)
    if options.output is None:
        streams.answer(text)
    else:
        write_atomically(options.output, [text])
    return ExitStatus.YES
