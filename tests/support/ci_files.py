"""Files for CI services, as tests read them: what they have a shell run."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml


def load(path: Path) -> dict[str, Any]:
    """Read a file for a CI service."""
    loaded = yaml.safe_load(path.read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def scripts(path: Path) -> Iterator[str]:
    """Yield what a file has a shell run, a step at a time."""
    loaded = load(path)
    for job in (*loaded.get("jobs", {}).values(), *loaded.values()):
        if isinstance(job, Mapping):
            yield from (step["run"] for step in job.get("steps", ()) if "run" in step)
            yield from (line for key in ("before_script", "script") for line in job.get(key, ()))
