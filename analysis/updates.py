"""How a report says whether groups without an advantage were trained on: FLOPs and seconds depend on it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from analysis.captions import captioned
from analysis.measures import Measures
from analysis.runs import Series
from analysis.text import names

_COST = re.compile(
    r"\bFLOPs\b|\bseconds\b|\btime per step\b|\b(by|in|of|less|more|total|training) time\b", re.IGNORECASE
)
"""What an update that leaves rows out takes less of."""

FIELD = "`train.skip_zero_advantage`"


def skips(series: Series) -> bool:
    """Whether an arm left groups without an advantage out of its updates."""
    return bool((series.cell.get("train") or {}).get("skip_zero_advantage", True))


def updates_said(panels: Sequence[Measures]) -> str:
    """Whether updates were dense, in one sentence; of which arms, where they differ."""
    kinds: dict[bool, list[str]] = {True: [], False: []}
    for series in (series for measures in panels for series in measures.panel.series):
        if series.label not in kinds[skips(series)]:
            kinds[skips(series)].append(series.label)
    if not kinds[False]:
        return f"Updates leave out groups without an advantage ({FIELD}): less work than dense ones, the same gradient."
    if not kinds[True]:
        return f"Updates are dense: groups without an advantage are trained on too ({FIELD}: false)."
    return (
        f"Updates are dense in {names(kinds[False])}; the other arms leave out groups without an advantage ({FIELD})."
    )


def with_updates(item: Any, panels: Sequence[Measures]) -> Any:
    """Tables, pictures and whatever holds them: captions of those that show FLOPs or time say how updates were made."""
    sentence = updates_said(panels)
    return captioned(item, lambda words, _: sentence if any(map(_COST.search, words)) else "")
