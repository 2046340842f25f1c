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
    ("error", "words"),
    [
        (OSError(errno.ENOENT, "else"), "No such file or directory (ENOENT)"),
        (OSError(errno.ENOSYS, "else"), "Function not implemented (ENOSYS)"),
        (OSError(errno.EINVAL, "else"), "Invalid argument (EINVAL)"),
        (OSError(512, "else"), os.strerror(512) + " (errno 512)"),
        (OSError("dynamic loading not supported"), "dynamic loading not supported"),
    ],
)
def test_an_errno_is_told_in_words_and_as_its_constant(error, words):
    assert describe_failure(error) == words


def test_a_device_error_names_the_file_and_the_call():
    error = DeviceError("/proc/cpt", "open", OSError(errno.EACCES, ""), "Be root.")
    odd = DeviceError("/proc/cpt", "open", OSError("odd"))
    assert error.message == "/proc/cpt: open: Permission denied (EACCES)"
    assert (error.path, error.call, error.number) == ("/proc/cpt", "open", errno.EACCES)
    assert error.hint == "Be root."
    assert isinstance(error, CheckError)
    assert (odd.message, odd.number, odd.hint) == ("/proc/cpt: open: odd", None, "")
