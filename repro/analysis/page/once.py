"""What the arms of an answer cost once for all runs, which stands in none of its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis.measures import Measures
from repro.analysis.primary import Judged
from repro.analysis.text import between, names


def once(panels: Sequence[Measures], judged: Sequence[Judged]) -> str:
    """Labels for difficulty predictors, in generated tokens; empty where no arm of a claim has any."""
    found: dict[str, list[float]] = {}
    for label in dict.fromkeys(label for one in judged for label in (one.question.against, one.question.arm)):
        costs = [measures.cost(label, "predictor", "generated_tokens") for measures in panels]
        if any(costs):
            found[label] = [cost for cost in costs if cost]
    if not found:
        return ""
    size = between(cost for costs in found.values() for cost in costs)
    return (
        f"The difficulty predictor of {names(list(found))} took {size} generated tokens, once for all runs: they are "
        "in no number here."
    )
