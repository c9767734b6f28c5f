"""Faults put into the suite on purpose, to see that the soak finds them: each is a mistake that was made before."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

VARIABLE = "FAULTS_BROKEN"
"""Environment variable of the soak's workers with the name of a fault."""


def bare_writes() -> None:
    """Files are written in place: a kill leaves half of one."""

    def write(path: Path, data: bytes, *, sync: bool = False) -> None:
        path.write_bytes(data)

    for name, module in list(sys.modules.items()):
        if name.startswith("repro.") and hasattr(module, "write_atomically"):
            module.write_atomically = write  # type: ignore[attr-defined]


def no_truncation() -> None:
    """Rows of steps after the checkpoint stay when a run is resumed."""
    from repro.tracking.journal import Journal

    Journal.truncate = lambda self, *rest: None  # type: ignore[method-assign]


def no_selector_state() -> None:
    """A resumed run draws its questions from the beginning."""
    from repro.selection.base import Selector

    for kind in [Selector, *_below(Selector)]:
        kind.load_state_dict = lambda self, state: None  # type: ignore[method-assign]


def _below(kind: type) -> list[type]:
    return [found for sub in kind.__subclasses__() for found in (sub, *_below(sub))]


FAULTS: dict[str, Callable[[], None]] = {
    "bare-writes": bare_writes,
    "no-truncation": no_truncation,
    "no-selector-state": no_selector_state,
}
"""By name."""
