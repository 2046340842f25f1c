"""What holds for all tests, whoever started them, and whatever else the machine is doing."""

import signal

import pytest
from hypothesis import settings

from support import needed

# Busy machines: no example has a deadline.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

# nohup, and a shell that starts them in the background, have programs ignore these signals, and
# what they start with them: programs that tests end by a signal would go on.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(needed)
