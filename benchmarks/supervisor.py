"""What 'vzcptsim run' costs: on calls it leaves alone, looks at or answers, and at the start.

Usage: python benchmarks/supervisor.py

It takes gcc for all but the start, and strace to compare with: what is not here is passed over. The
programs that are compared run in turn, many times over, so that a noisy machine is as noisy to
all. Exit status 1 where a call that is left alone takes more than LIMIT of what it takes under the
filter itself: by the lower quartiles of each round's least time, since a processor that runs one
round faster than all others (7 % and more) has the least time of all to itself.
"""

import ctypes
import os
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from simulator.run.seccomp import build_filter
from simulator.run.supervisor import SELECTIONS
from vzcptcheck.ioctls import CPT_TEST_VERSION

LIMIT = 1.05

#: A node, and what it answers to CPT_TEST_VERSION.
NODE = "042stab141.3.SandyBridge.default"
IMAGE_VERSION = 2051

RUN = [sys.executable, "-m", "simulator", "run", "--node", NODE, "--"]

PROBE = r"""
/* Usage: probe SAMPLES CALLS [FILE [open]]: nanoseconds a call, one sample a line, of getppid() or,
   where FILE is given, of an ioctl on it, or of opening and closing it. It stops at a wrong
   answer. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

int main(int argc, char **argv)
{
    int samples = atoi(argv[1]), calls = atoi(argv[2]);
    int fd = argc == 4 ? open(argv[3], O_RDWR) : -1;
    double *taken = calloc(samples, sizeof(*taken));

    for (int sample = 0; sample < samples; sample++) {
        double begun = now();
        for (int call = 0; call < calls; call++)
            if (argc == 3)
                getppid();
            else if (argc == 5 ? close(open(argv[3], O_RDONLY)) != 0 : 0)
                return 1;
            else if (argc == 5)
                continue;
            else if (ioctl(fd, TEST_VERSION, 0) != IMAGE_VERSION)
                return 1;
        taken[sample] = (now() - begun) / calls;
    }
    for (int sample = 0; sample < samples; sample++)
        printf("%.1f\n", taken[sample]);
    return 0;
}
"""

#: From linux/filter.h, linux/seccomp.h and linux/prctl.h.
_RETURN = 0x06
_NOTIFY = 0x7FC00000
_ALLOW = 0x7FFF0000
_PR_SET_SECCOMP = 22
_MODE_FILTER = 2
_PR_SET_NO_NEW_PRIVS = 38

Commands = Mapping[str, Sequence[str]]
Times = Mapping[str, Sequence[float]]


def main(arguments: list[str]) -> int:
    """Measure, print, and compare with the limit; with arguments, run them under the filter."""
    if arguments:
        _run_under_filter(arguments)
    is_over = False
    with tempfile.TemporaryDirectory() as folder:
        probe = _compile_probe(Path(folder))
        if probe is None:
            print("no gcc that links statically: only starting is measured")
        else:
            is_over = _compare_unselected(probe)
            _compare_ioctl(probe)
            _compare_open(probe)
    _compare_starts()
    return int(is_over)


def _compile_probe(folder: Path) -> str | None:
    """Return the path of the static program; None where it cannot be made."""
    compiler = shutil.which("gcc")
    if compiler is None:
        return None
    source, probe = folder / "probe.c", folder / "probe"
    source.write_text(PROBE, "utf-8")
    macros = (f"-DTEST_VERSION={CPT_TEST_VERSION}u", f"-DIMAGE_VERSION={IMAGE_VERSION}")
    command = [compiler, "-O2", "-static", *macros, "-o", str(probe), str(source)]
    made = subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
    return str(probe) if made.returncode == 0 else None


def _compare_unselected(probe: str) -> bool:
    """Measure a call that the filter does not select; tell whether the limit is exceeded."""
    command = [probe, "1000", "200"]
    programs = {
        "plain": command,
        "filter alone": [sys.executable, __file__, *command],
        "vzcptsim run": [*RUN, *command],
    }
    times = _measure(programs, 40, lambda command: [min(_run_probe(command))])
    _show("getppid(), not selected, nanoseconds a call", times)
    _compare(times, "filter alone", "plain", " (the filter's own cost)")
    return (
        _compare(times, "vzcptsim run", "filter alone", f" (limit {LIMIT} for the second)") > LIMIT
    )


def _compare_ioctl(probe: str) -> None:
    """Measure a simulated ioctl beside the same answer given through ptrace."""
    command = [probe, "500", "1"]
    programs = {"vzcptsim run": [*RUN, *command, "/proc/cpt"]}
    for name, strace in _straces().items():
        programs[name] = [*strace, *command, "/dev/null"]
    times = _measure(programs, 10, _run_probe)
    _show("ioctl(CPT_TEST_VERSION), answered, nanoseconds a call", times)
    for name in list(programs)[1:]:
        _compare(times, name, "vzcptsim run")


def _compare_open(probe: str) -> None:
    """Measure the opening of a file that is not the node's, by C and by Python."""
    source = (
        "import time\n"
        "for _ in range(20):\n"
        "    begun = time.perf_counter_ns()\n"
        "    for _ in range(100): open('/etc/passwd').close()\n"
        "    print((time.perf_counter_ns() - begun) / 100)\n"
    )
    commands = {
        "C": [probe, "50", "100", "/etc/passwd", "open"],
        "Python": [sys.executable, "-IS", "-c", source],
    }
    programs = {
        f"{how} {name}": [*before, *command]
        for name, command in commands.items()
        for how, before in (("plain", []), ("run", RUN))
    }
    times = _measure(programs, 10, _run_probe)
    _show("a file of this machine opened and closed, nanoseconds", times)
    for name in commands:
        _compare(times, f"run {name}", f"plain {name}")


def _straces() -> Commands:
    """Return the ways in which strace can answer an ioctl here."""
    strace = shutil.which("strace")
    if strace is None:
        print("no strace: the simulated ioctl is compared with nothing")
        return {}
    options = ["-e", "trace=ioctl", "-e", f"inject=ioctl:retval={IMAGE_VERSION}", "-o", "/dev/null"]
    ways = {"strace": [strace, *options]}
    shown = subprocess.run([strace, "--help"], capture_output=True, text=True, check=False)
    if "--seccomp-bpf" in shown.stdout:
        ways["strace --seccomp-bpf"] = [strace, "-f", "--seccomp-bpf", *options]
    return ways


def _compare_starts() -> None:
    """Measure the start of a program that does nothing, on a node, beside Python's own."""
    programs = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "vzcptsim run true": [*RUN, "true"],
    }
    times = _measure(programs, 30, _time_start)
    _show("starting, milliseconds", times)
    _compare(times, "vzcptsim run true", "python -c pass")


def _measure(
    programs: Commands, rounds: int, measure: Callable[[Sequence[str]], list[float]]
) -> Times:
    """Run each program in each round, and return all that was measured of it."""
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, command in programs.items():
            times[name] += measure(command)
    return times


def _run_probe(command: Sequence[str]) -> list[float]:
    """Return the nanoseconds that the probe prints."""
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [float(line) for line in ended.stdout.splitlines()]


def _time_start(command: Sequence[str]) -> list[float]:
    """Return the milliseconds that a program takes from its start to its end."""
    begun = time.perf_counter()
    subprocess.run(command, check=True)
    return [(time.perf_counter() - begun) * 1e3]


def _show(title: str, times: Times) -> None:
    print(f"{title}: least, lower quartile, median")
    for name, taken in times.items():
        print(f"  {name:<20}", *(f"{figure:10.1f}" for figure in _summarize(taken)))


def _compare(times: Times, name: str, reference: str, remark: str = "") -> float:
    """Print the ratios of least times, lower quartiles and medians; return the second."""
    pairs = zip(_summarize(times[name]), _summarize(times[reference]), strict=True)
    least, quartile, median = (ours / theirs for ours, theirs in pairs)
    print(f"{name} : {reference} = {least:.2f}, {quartile:.2f}, {median:.2f}{remark}")
    return quartile


def _summarize(taken: Sequence[float]) -> tuple[float, float, float]:
    """Return the least, the lower quartile and the median."""
    quartile, median, _ = statistics.quantiles(taken)
    return min(taken), quartile, median


def _run_under_filter(command: Sequence[str]) -> NoReturn:
    """Become a program under the filter of 'vzcptsim run', which allows what it would notify."""
    code = b"".join(struct.pack("=HBBI", *_allow(one)) for one in build_filter(SELECTIONS))
    instructions = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    if (
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        or libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, program) != 0
    ):
        sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
    os.execv(command[0], command)  # noqa: S606 (the filter stays, and nothing between)


def _allow(instruction: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    code, _, _, operand = instruction
    return (_RETURN, 0, 0, _ALLOW) if (code, operand) == (_RETURN, _NOTIFY) else instruction


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
