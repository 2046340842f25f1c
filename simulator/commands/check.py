"""vzcptsim check: one migration, its outcome explained."""

import argparse

from simulator.commands.options import (
    HelpAsked,
    add_counted,
    add_engine,
    add_json,
    add_kernel,
    container_id,
    engine_of,
    kernel_of,
    waived_codes,
)
from simulator.errors import UsageError
from simulator.output import Streams, terminal_columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simulator.verdicts.migrations import Check, Migration, NodePair

_EPILOG = """\
There are two verdicts. Restore: what 'vzcptcheck version' and 'vzcptcheck caps' answer on the two
nodes. Programs: whether what runs in the container survives, which the kernels do not look at. The
outcome is safe (both possible; exit status 0), risky (it restores, and programs may crash; 2),
refused (it does not restore; 2), or unknown (3); an error is 1. Without --ct and --suspended,
every container of SOURCE is judged, and the worst outcome counts. 'vzcptsim schema check' prints
the JSON's shape.

SOURCE may be the checkpoint image of a suspended container. Restore is then what the kernel of
DESTINATION answers to the image, with every check that it would not pass; programs are judged by
the capability number that the image may hold, and by what a whole image has. A file that is
damaged, or no image at all, is an error; with --image it is judged all the same.
"""


class _Explain(argparse.Action):
    """Show the documentation of a code, as --help shows its text."""

    def __call__(self, _: object, __: object, code: object, *___: object) -> None:
        """Raise HelpAsked."""
        raise HelpAsked(_explain(str(code)))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "source", metavar="SOURCE", help="the node that containers are on, or an image's path"
    )
    parser.add_argument("destination", metavar="DESTINATION", help="the node they are to go to")
    container = parser.add_mutually_exclusive_group()
    container.add_argument(
        "--ct", metavar="ID", type=container_id, help="judge this container of SOURCE alone"
    )
    container.add_argument(
        "--suspended",
        metavar="ID",
        type=container_id,
        help="judge a container that is suspended on SOURCE, recorded or not: by its node",
    )
    container.add_argument(
        "--image",
        action="store_true",
        help="judge SOURCE as a checkpoint image, whatever it looks like",
    )
    add_counted(parser)
    add_kernel(parser)
    add_engine(parser)
    parser.add_argument("--verbose", action="store_true", help="print remarks in full")
    add_json(parser)
    parser.add_argument(
        "--explain",
        metavar="CODE",
        action=_Explain,
        help="say what a reason's code means; no nodes",
    )
    parser.set_defaults(command=_check)


def _check(options: argparse.Namespace, streams: Streams) -> int:
    from simulator.verdicts.migrations import status_of

    check = _judge(options, waived_codes(options))
    streams.answer(_format(check, options, streams))
    return status_of(check.outcome)


def _judge(options: argparse.Namespace, waived: tuple[str, ...]) -> "Check":
    from simulator.profiles.nodes import read_each
    from simulator.verdicts.migrations import Check, NodePair, status_of

    engine, is_cpt = engine_of(options), options.engine == "cpt"
    if not is_cpt and (options.image or options.suspended is not None):
        raise UsageError("check: images and suspended containers are CPT's: no --engine criu")
    if is_cpt and (options.image or _is_image(options)):
        return _judge_image(options, waived)
    source, destination = read_each(
        [options.source, options.destination], kernel_of(options), options.printed_by
    )
    migrations = _migrations(NodePair(source, destination, waived, engine), options)
    restore_only = options.restore_only
    if any(status_of(one.judgement.outcome(restore_only=restore_only)) for one in migrations):
        from simulator.verdicts.remedies import Remedies

        remedies = Remedies(source, destination, waived, engine, restore_only=restore_only)
        migrations = tuple(one._replace(helps=remedies.of(one)) for one in migrations)
    return Check(source.name, destination.name, migrations, restore_only, waived, engine)


def _is_image(options: argparse.Namespace) -> bool:
    """Tell whether SOURCE is to be judged as restore would: an empty or damaged file, too.

    Where a kernel is said, what has no signature of an image is a register dump.
    """
    from simulator.profiles.nodes import is_fleet_file
    from simulator.profiles.store import is_no_profile

    if not is_no_profile(options.source) or is_fleet_file(options.source):
        return False
    if options.kernel is None:
        return True
    from simulator.verdicts.image import load_image

    return load_image(options.source).is_recognized


def _judge_image(options: argparse.Namespace, waived: tuple[str, ...]) -> "Check":
    if options.ct is not None or options.suspended is not None:
        raise UsageError(f"{options.source} is an image, of one container: no --ct, no --suspended")
    from simulator.profiles.nodes import load_one
    from simulator.verdicts.image import judge_restore, load_image, refuse_damage
    from simulator.verdicts.migrations import Check

    destination, image = (
        load_one(options.destination, options.kernel, options.printed_by),
        load_image(options.source),
    )
    if not options.image:
        refuse_damage(image, options.source)
    migration = judge_restore(image, destination, waived)
    return Check(options.source, destination.name, (migration,), options.restore_only, waived)


def _migrations(pair: "NodePair", options: argparse.Namespace) -> "tuple[Migration, ...]":
    if options.ct is not None:
        return (pair.judge_one(options.ct),)
    if options.suspended is not None:
        return (pair.judge_suspended(options.suspended),)
    return pair.judge_all()


def _format(check: "Check", options: argparse.Namespace, streams: Streams) -> str:
    if options.json:
        from simulator.reports.check_report import format_check

        return format_check(check)
    from simulator.reports.check_report import check_lines
    from simulator.reports.terminal import render

    return render(check_lines(check, is_verbose=options.verbose), streams.stdout)


def _explain(name: str) -> str:
    """Return the documentation of a code, as wide as help is."""
    import textwrap

    from simulator.verdicts.codes import find_code

    code = find_code(name)
    about = "restore" if code.verdict == "restore" else "programs; it may be waived"
    paragraphs = (
        f"{name} (on {about}): {code.summary}.",
        code.explanation,
        *([f"Hidden by: {code.hidden_by}."] if code.hidden_by else ()),
        f"Next: {code.next_step}",
    )
    wrapper = textwrap.TextWrapper(max(terminal_columns() - 2, 1), break_on_hyphens=False)
    return "\n\n".join(map(wrapper.fill, paragraphs)) + "\n"
