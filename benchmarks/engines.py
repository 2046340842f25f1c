"""What 'vzcptsim matrix' costs over the whole catalogue by CRIU's rules, beside CPT's.

Usage: python benchmarks/engines.py

Every CPU of the catalogue is a node, with one kernel where CPT judges. Commands take turns, and
write the matrix as JSON; seconds are of the processor. Exit status 1 where the least of CRIU's is
above its limit, as a ratio to the least of CPT's.
"""

import os
import resource
import statistics
import subprocess
import sys

from simulator.profiles.catalogue import load_cpus

ROUNDS = 5

#: How each is asked, and the limit where there is one.
WAYS = {
    "CPT": (("--kernel", "042stab141.3"), None),
    "criu restore": (("--engine", "criu"), 1.25),
    "criu cpuinfo check": (("--engine", "criu", "--criu-check"), 2.0),
    "criu restore --cpu-cap=all": (("--engine", "criu", "--cpu-cap=all"), None),
}


def main() -> int:
    """Measure, print, and compare with the limits."""
    names = list(load_cpus())
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, (options, _) in WAYS.items():
            seconds[name].append(_spend(["matrix", *names, *options]))
    print(f"{len(names)} CPUs; processor seconds: least and median of {ROUNDS} runs")
    exceeding = False
    least = min(seconds["CPT"])
    for name, spent in seconds.items():
        ratio, limit = min(spent) / least, WAYS[name][1]
        print(f"  {name:28} {min(spent):6.2f} {statistics.median(spent):6.2f} s {ratio:6.2f} x")
        exceeding |= limit is not None and ratio > limit
    return int(exceeding)


def _spend(arguments: list[str]) -> float:
    command = [sys.executable, "-m", "simulator", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, "--format", "json", "--output", os.devnull], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
