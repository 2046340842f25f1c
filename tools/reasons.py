"""Write docs/reasons.md: every code with all that 'vzcptsim check --explain' prints of it.

Run 'python tools/reasons.py' after a change of simulator/verdicts/codes.txt.
"""

from collections.abc import Iterator
from pathlib import Path

from simulator.verdicts.codes import CODES

PAGE = Path(__file__).parents[1] / "docs" / "reasons.md"

_HEAD = """\
# Reasons

Every reason that `vzcptsim check`, `matrix`, `pool` and `diff` give, by its code, with what
`vzcptsim check --explain CODE` prints of it. What `check` prints beside it was found by trying:
changes of the two nodes that turn the reason away, with what each costs and what comes of it.
"""
_PARTS = {
    "restore": ("Restore", "What the kernels answer, or CRIU. None of these can be waived."),
    "programs": ("Programs", "What the kernels do not look at. `--waive CODE` leaves one out."),
}


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_lines()])


def _lines() -> Iterator[str]:
    for verdict, (title, about) in _PARTS.items():
        yield f"## {title}\n\n{about}\n"
        yield "| code | what it means | what hides the feature | what to do |"
        yield "|---|---|---|---|"
        for code in CODES.values():
            if code.verdict == verdict:
                means = f"{code.summary}. {code.explanation}"
                cells = (means, code.hidden_by, code.next_step)
                yield " | ".join([f"| `{code.name}`", *map(_cell, cells)]) + " |"
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("*", r"\*")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
