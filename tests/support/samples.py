"""What stands in tests/data: the kernels' own answers, and register dumps of real machines."""

import csv
import json
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
