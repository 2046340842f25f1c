"""The exceptions, and how they name what failed."""

import errno
import os

import pytest

from vzcptcheck.errors import CheckError, DeviceError, UsageError, describe_failure


def test_an_error_has_a_message_and_perhaps_a_hint():
    error = CheckError("what", "what to do")

    assert (error.message, error.hint, str(error)) == ("what", "what to do", "what")
    assert CheckError("what").hint == ""


def test_a_usage_error_shows_the_usage_only_where_asked():
    assert UsageError("what").show_usage is False
    assert UsageError("what", show_usage=True).show_usage is True
    assert isinstance(UsageError("what"), CheckError)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOENT, "No such file or directory (ENOENT)"),
        (errno.ENOSYS, "Function not implemented (ENOSYS)"),
        (errno.EINVAL, "Invalid argument (EINVAL)"),
        (512, os.strerror(512) + " (errno 512)"),
    ],
)
def test_an_errno_is_told_in_words_and_as_its_constant(number, words):
    assert describe_failure(OSError(number, "something else")) == words


def test_an_exception_without_an_errno_speaks_for_itself():
    assert describe_failure(OSError("dynamic loading not supported")) == (
        "dynamic loading not supported"
    )


def test_a_device_error_names_the_file_and_the_call():
    error = DeviceError("/proc/cpt", "open", OSError(errno.EACCES, ""), "Be root.")

    assert error.message == "/proc/cpt: open: Permission denied (EACCES)"
    assert (error.path, error.call, error.number) == ("/proc/cpt", "open", errno.EACCES)
    assert error.hint == "Be root."
    assert isinstance(error, CheckError)


def test_a_device_error_without_an_errno():
    error = DeviceError("/proc/cpt", "open", OSError("odd"))

    assert (error.message, error.number, error.hint) == ("/proc/cpt: open: odd", None, "")
