"""JSON, read as a dump is read: what is wrong with it is one DumpError."""

import json

from simulator.dumps.model import DumpError


def load_json(text: str) -> object:
    """Return what a text of JSON says."""
    try:
        document: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise DumpError(f"not JSON: {error.msg}", error.lineno) from None
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, brackets nested by the thousand.
        raise DumpError(f"not JSON of a register dump: {error}") from None
    return document
