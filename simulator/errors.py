"""What is wrong with what the user gave."""


class UserError(Exception):
    """A mistake of the user's; the text says what, where, and what to do."""


class UsageError(UserError):
    """The command line is wrong; the text ends with how it should be."""
