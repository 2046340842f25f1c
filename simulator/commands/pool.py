"""vzcptsim pool: groups that can migrate among themselves, and what would make one of them."""

import argparse

from simulator.commands.options import (
    add_counted,
    add_engine,
    add_json,
    add_kernel,
    engine_of,
    kernel_of,
    waived_codes,
)
from simulator.output import Streams

_EPILOG = """\
A node counts for its running containers whose needs are known. What keeps a container from being
moved at all (somebody has entered it, it is locked...) is its own matter, and splits no group. A
node without such containers counts for one that uses all that the node has. What is proposed is
the smallest change that makes one group, or else fewer: newer kernels, boot options to take away,
masks to lift or widen, and lines for /proc/vz/cpuid_override. It is applied to the simulated
nodes, and what these answer is told. Where a dump does not tell whether a node has that file, its
lines are conditional: compose it with --cpuid-override '' where it has. The exit status is 0 where
the nodes are one group as they are, 2 where some pair is not safe, 3 where some pair is unknown, 1
on an error; what is proposed does not change it. 'vzcptsim schema pool' prints the JSON's shape.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.epilog = _EPILOG
    parser.add_argument("nodes", metavar="NODE", nargs="+", help="the nodes of the pool")
    parser.add_argument(
        "--any-container",
        action="store_true",
        help="count containers to come too: each node for one that uses all that it has",
    )
    add_counted(parser)
    add_kernel(parser)
    add_engine(parser)
    add_json(parser)
    parser.set_defaults(command=_pool)


def _pool(options: argparse.Namespace, streams: Streams) -> int:
    from simulator.fleets.pool import Rule
    from simulator.fleets.pool_change import make_pool
    from simulator.profiles.nodes import read_all
    from simulator.verdicts.verdict import Verdict

    engine = engine_of(options)
    rule = Rule(options.any_container, options.restore_only, waived_codes(options), engine)
    pool = make_pool(read_all(options.nodes, kernel_of(options), options.printed_by), rule)
    if options.json:
        from simulator.reports.pool_report import format_pool

        streams.answer(format_pool(pool))
    else:
        from simulator.reports.pool_report import pool_lines
        from simulator.reports.terminal import render

        streams.answer(render(pool_lines(pool), streams.stdout))
    return {Verdict.POSSIBLE: 0, Verdict.NOT_POSSIBLE: 2, Verdict.UNKNOWN: 3}[pool.now.verdict]
