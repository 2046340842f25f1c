"""What holds for all tests, whoever started them, and whatever else the machine is doing."""

import os
import signal
import sys

import pytest
from hypothesis import settings

from support import needed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    import coverage

# Busy machines: no example has a deadline.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

# nohup, and a shell that starts them in the background, have programs ignore these signals, and
# what they start with them: programs that tests end by a signal would go on.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

#: Where this is set, a Python that starts measures coverage.
_MEASURING = "COVERAGE_PROCESS_CONFIG"


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(needed)
    line = "unmeasured: others show coverage of all that this takes, which is slow to measure"
    config.addinivalue_line("markers", line)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> "Iterator[None]":
    """Measure no coverage of an unmeasured test, in this process or in those that it starts."""
    running = _running_coverage() if item.get_closest_marker("unmeasured") else None
    if running is None:
        yield
        return
    told = os.environ.pop(_MEASURING, None)
    running.stop()
    yield
    running.start()
    if told is not None:
        os.environ[_MEASURING] = told


def _running_coverage() -> "coverage.Coverage | None":
    """Return what measures coverage in this process, where something does."""
    module = sys.modules.get("coverage")
    return module and module.Coverage.current()
