"""Where a report goes that is too long to be held: to a stream, or whole to a file."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def write_chunks(path: Path, chunks: Iterable[str]) -> None:
    """Write a file whole or not at all; a device or a pipe, which cannot be replaced, as it is."""
    if path.exists() and not path.is_file():
        _write(path, chunks)
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        _write(draft, chunks)
        draft.replace(path)
    except BaseException as error:
        with suppress(OSError):
            draft.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _write(path: Path, chunks: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(chunks)
