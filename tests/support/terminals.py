"""A terminal that keeps what is written to it."""

import io
import re

#: What sets colours: all that a terminal may be told.
SGR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True
