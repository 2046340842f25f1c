"""Build hook: generate completions and manual pages, and add them to the wheel."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SharedFilesHook(BuildHookInterface):
    """Hand hatchling a temporary folder of generated files as the wheel's shared data."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Generate the files before the wheel is written."""
        sys.path.insert(0, self.root)
        from tools.shared_files import write  # noqa: PLC0415 - of the sources, by the path above

        self._folder = TemporaryDirectory()
        write(Path(self._folder.name))
        build_data["shared_data"][f"{self._folder.name}/share"] = "share"

    def finalize(self, *_: object) -> None:
        """Remove the folder once the wheel is written."""
        self._folder.cleanup()
