"""What holds for all tests, whoever started them, and whatever else the machine is doing."""

import signal

from hypothesis import settings

# Busy machines: no example has a deadline.
settings.register_profile("project", deadline=None)
settings.load_profile("project")

# nohup has its programs ignore SIGHUP, and what they start with them: programs that are to be ended
# by it would go on.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
