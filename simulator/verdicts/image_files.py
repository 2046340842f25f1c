"""Checkpoint images as the source of a migration: told from profiles, and read."""

import os
import stat
from typing import TYPE_CHECKING

from simulator.errors import UserError
from simulator.profiles.store import SUFFIX, is_fixture
from simulator.sources.files import read_beginning

if TYPE_CHECKING:
    from vzcptcheck.image import Image

#: How much of a file is looked at to tell what it is.
_BEGINNING = 4096


class ImageFileError(UserError):
    """An image that cannot be read."""


def is_image(source: str) -> bool:
    """Tell whether a migration's source is an image: a regular file that is no profile's.

    A profile is JSON by its name, or a text that begins as an object does. All else is judged
    as restore would, a damaged signature and an empty file too.
    """
    if is_fixture(source) or os.path.splitext(source)[1] == SUFFIX:
        return False
    try:
        if not os.path.isfile(source):
            return False
        beginning = read_beginning(source, _BEGINNING)
    except OSError as error:
        raise ImageFileError(f"{source}: {error.strerror}") from error
    return b"\0" in beginning or not beginning.lstrip().startswith(b"{")


def load_image(source: str) -> "Image":
    """Read an image's records; a pipe or a folder is an image of no size, as to the kernel.

    Raises ImageFileError where the file cannot be read.
    """
    from vzcptcheck.errors import CheckError
    from vzcptcheck.image import Image
    from vzcptcheck.image_command import open_image
    from vzcptcheck.syscalls import LinuxSyscalls

    try:
        if not stat.S_ISREG(os.stat(source).st_mode):
            return Image(0)
        return open_image(LinuxSyscalls(), source)
    except OSError as error:
        raise ImageFileError(f"{source}: {error.strerror}") from error
    except CheckError as error:
        raise ImageFileError(" ".join(filter(None, (error.message, error.hint)))) from error
