"""Files that tools make, and that are kept: written, or compared with what is there."""

import argparse
from collections.abc import Mapping
from pathlib import Path


def settle(description: str, files: Mapping[Path, str]) -> int:
    """Write files, or with --check say which are not as they are made; return an exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 where one differs")
    if not parser.parse_args().check:
        for path, text in files.items():
            path.write_text(text, "utf-8")
        return 0
    stale = [path for path, text in files.items() if not is_as_made(path, text)]
    for path in stale:
        print(f"{path}: not as it is made: run the tool without --check, and look at the change")
    return 1 if stale else 0


def is_as_made(path: Path, text: str) -> bool:
    """Tell whether a file is there, and has this text."""
    return path.is_file() and path.read_text("utf-8") == text
