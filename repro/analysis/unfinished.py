"""What became of the arms that have no finished run: failed and of what kind, still running, or not run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from repro.analysis.run import DamagedRun, Run
from repro.analysis.text import joined
from repro.tracking.failure import kind_of

NOT_RUN, LEFT_OUT, FAILED = "not run", "left out", "failed"
"""Of a cell without a run, of one whose run cannot be read, and of one whose run ended in an error."""

_ORDER = (FAILED, LEFT_OUT, "damaged", "killed", "running", NOT_RUN)
"""Of several runs of an arm the first of these that one has is told."""


def failure(run: Run) -> str:
    """The kind of failure of a run that failed, e.g. `NaN` or `RuntimeError`; empty where nothing readable says."""
    try:
        with run.reading("error.txt"):
            error = run.record.content("error.txt") or b""
            return kind_of(error.decode(errors="replace"), run.json("health.json"))
    except DamagedRun:
        return ""


def state_of(statuses: Iterable[str], kinds: Iterable[str]) -> str:
    """What is said of an arm: `failed (NaN)`, `running`, `not run`; empty where one of its runs has finished.

    Args:
        statuses: of every cell of the arm, "finished" among them.
        kinds: of its failures.
    """
    found = set(statuses)
    if "finished" in found:
        return ""
    state = next((word for word in _ORDER if word in found), NOT_RUN)
    told = joined(list(dict.fromkeys(filter(None, kinds))))
    return f"{FAILED} ({told})" if state == FAILED and told else state


def together(states: Iterable[str]) -> str:
    """What is said of several states of one arm, or of several arms: `failed (NaN and RuntimeError)`, `running`."""
    parts = [state.partition(" (") for state in states]
    return state_of([status for status, *_ in parts], [kind.removesuffix(")") for *_, kind in parts])


def unfinished(cells: Sequence[tuple[str, str, str]]) -> Mapping[str, str]:
    """{label: state} of every label without a finished run.

    Args:
        cells: (label of the series or arm, status, kind of failure) of each cell.
    """
    found: dict[str, str] = {}
    for label in dict.fromkeys(label for label, _, _ in cells):
        own = [(status, kind) for other, status, kind in cells if other == label]
        if state := state_of([status for status, _ in own], [kind for _, kind in own]):
            found[label] = state
    return found
