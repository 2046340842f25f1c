"""What differs between two nodes, and whether that matters to others."""

from typing import NamedTuple

from simulator.fleets.changes import Change
from simulator.fleets.verdict_changes import VerdictChange


class Diff(NamedTuple):
    """Two nodes by name, what differs, and which verdicts change with ``nodes``, if any."""

    old: str
    new: str
    changes: tuple[Change, ...]
    nodes: tuple[str, ...] = ()
    verdicts: tuple[VerdictChange, ...] = ()
    is_strict: bool = False
    waived: tuple[str, ...] = ()

    @property
    def matters(self) -> bool:
        """Tell whether a verdict that counts changes; without nodes, whether anything does."""
        if not self.nodes:
            return bool(self.changes)
        return any(
            change.old.verdict(strict=self.is_strict)
            is not change.new.verdict(strict=self.is_strict)
            for change in self.verdicts
        )
