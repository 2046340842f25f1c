"""The exceptions of this package, each with a hint that says what to do next."""


class CheckError(Exception):
    """Something could not be asked or understood.

    ``message`` says what and where, ``hint`` what to do next (it may be empty).
    """

    def __init__(self, message: "str", hint: "str" = "") -> "None":
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(CheckError):
    """The command line is wrong; where ``show_usage`` is true, the usage is shown with it."""

    def __init__(self, message: "str", hint: "str" = "", show_usage: "bool" = False) -> "None":
        super().__init__(message, hint)
        self.show_usage = show_usage


class DeviceError(CheckError):
    """A system call on one of the kernel's files failed.

    ``path`` is the file, ``call`` what was called on it, ``number`` the errno (None where the
    exception has none: Python's own, not the kernel's).
    """

    def __init__(self, path: "str", call: "str", error: "OSError", hint: "str" = "") -> "None":
        super().__init__(f"{path}: {call}: {describe_failure(error)}", hint)
        self.path = path
        self.call = call
        self.number = error.errno


def describe_failure(error: "OSError") -> "str":
    """Say the errno in words and as its constant."""
    import errno
    import os

    if error.errno is None:
        return str(error)
    name = errno.errorcode.get(error.errno, f"errno {error.errno}")
    return f"{os.strerror(error.errno)} ({name})"
