"""What readers of a report want to know of nodes, and no verdict depends on."""

from dataclasses import dataclass

from simulator.profiles.profile import NodeProfile


@dataclass(frozen=True, slots=True)
class Note:
    """What a reader wants to know of a node, and no verdict depends on."""

    release: str
    cpu: str


def note_on(profile: NodeProfile) -> Note:
    """Note down a recorded node's kernel and CPU."""
    models = dict.fromkeys(cpu.model_name or "" for cpu in profile.cpus)
    return Note(profile.kernel.release, ", ".join(filter(None, models)))
