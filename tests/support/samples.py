"""What stands in tests/data: kernels' answers, dumps of real machines; and how they are packed."""

import csv
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "data"


def read_vectors(name: str) -> list[dict[str, str]]:
    """Read a table whose first lines say where it is from."""
    lines = (FOLDER / name).read_text("utf-8").splitlines()
    rows = [line for line in lines if not line.startswith("#")]
    return list(csv.DictReader(rows, delimiter="\t", restval="", quoting=csv.QUOTE_NONE))


def sample(name: str) -> str:
    """Read a register dump."""
    return (FOLDER / "dumps" / name).read_text("utf-8")


def document(name: str) -> Any:
    """Read JSON."""
    return json.loads((FOLDER / name).read_text("utf-8"))


def tar(
    files: Mapping[str, bytes], mode: str = "w", form: int | None = None, **traits: object
) -> bytes:
    """Pack files, each with these traits."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            add(archive, name, data, **traits)
    return buffer.getvalue()


def add(archive: tarfile.TarFile, name: str, data: bytes = b"", **traits: object) -> None:
    """Add a member with these traits."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for trait, value in traits.items():
        setattr(member, trait, value)
    archive.addfile(member, io.BytesIO(data))
