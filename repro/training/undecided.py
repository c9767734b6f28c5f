"""Tells of completions whose comparison with the gold answer did not end."""

from __future__ import annotations

import warnings

from repro.tasks.problem import TaskData
from repro.tasks.verify import undecided


def tell_undecided(data: TaskData) -> None:
    """Warn, once, of completions whose rewards say nothing about them."""
    counts = undecided(data.verifier)
    if counts:
        reasons = ", ".join(f"{number} ({reason})" for reason, number in sorted(counts.items()))
        warnings.warn(
            f"{counts.total()} completions since the start of this process were judged wrong because their comparison "
            f"with the gold answer did not end: {reasons}; time is that of the CPU, wall and killed are the machine's",
            UserWarning,
            stacklevel=2,
        )
