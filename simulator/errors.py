"""Errors in the user's input."""


class UserError(Exception):
    """A mistake of the user; the text says what, where, and what to do."""


class UsageError(UserError):
    """The command line is wrong; the text ends with the usage."""
