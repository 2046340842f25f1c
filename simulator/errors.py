"""Errors in the user's input."""


class UserError(Exception):
    """A mistake of the user; the text says what, where, and what to do."""


class UsageError(UserError):
    """The command line is wrong; ``usage`` is what is shown before the text, where it helps."""

    def __init__(self, problem: str, usage: str = "") -> None:
        super().__init__(problem)
        self.usage = usage
