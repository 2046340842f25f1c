"""A progress bar on what takes over a second, where somebody looks at a terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

#: Seconds after which a bar appears.
_PATIENCE = 1.0


@contextmanager
def progress(stream: TextIO | None, what: str, total: int) -> Iterator[Callable[[], None]]:
    """Give a function to be called after each of ``total`` steps; the bar goes when all is done."""
    if stream is None or not stream.isatty():
        yield lambda: None
        return
    # rich takes its time: it is imported where a bar may be shown.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(file=stream), transient=True)
    task = bar.add_task(what, total=total)
    begun = time.monotonic()

    def step() -> None:
        bar.advance(task)
        if not bar.live.is_started and time.monotonic() - begun >= _PATIENCE:
            bar.start()

    try:
        yield step
    finally:
        if bar.live.is_started:
            bar.stop()
