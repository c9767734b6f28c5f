"""DOTS + RR, Table 3: questions with the references that their prediction leans on most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from repro.analysis.dots_rr.predictor import Checked, checked
from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.published import published_table
from repro.analysis.run import Run
from repro.analysis.tables import Table
from repro.analysis.text import number, score_value

SHOWN = 3
"""References named per example."""

LONGEST = 90
"""Characters of a question that are shown."""


def table_3(panels: Sequence[Measures]) -> list[Table | Picture]:
    """Questions with the references that their prediction leans on most, of the first seed's last evaluation."""
    header = ["model, data", "question", "reference", "weight", "its pass rate", "predicted", "measured"]
    rows: list[list[str]] = []
    data: list[dict[str, Any]] = []
    kinds = []
    for measures in panels:
        found = next(((one, examples) for one, run in _runs(measures) if (examples := _examples(run))), None)
        if found is None:
            continue
        kinds.append(found[0].kind)
        examples = found[1] if len(panels) == 1 else found[1][len(found[1]) // 2 :][:1]
        for example in examples:
            for position, reference in enumerate(example["references"][:SHOWN]):
                first = position == 0
                rows.append([measures.panel.title, _short(example["question"])] if first else ["", ""])
                rows[-1] += [_short(reference["question"]), score_value(reference["weight"])]
                rows[-1].append(number(reference["pass_rate"], 2))
                rows[-1] += [number(example[name], 2) if first else "" for name in ("predicted", "measured")]
                data.append({"model_data": measures.panel.title, "question": example["question"]})
                data[-1] |= {"predicted": example["predicted"], "measured": example["measured"]}
                data[-1] |= {f"reference_{key}": value for key, value in reference.items()}
    if not rows:
        return []
    caption = (
        f"The {SHOWN} references with the largest attention weights ({' or '.join(dict.fromkeys(kinds))}), first seed, "
        "last evaluation. Rates are pass rates, those of references as measured at the refresh. Weights over all K "
        f"references sum to 1: with many references alike, no single one weighs much. {_published_example()}"
    )
    title = "DOTS + RR, Table 3: references that a prediction attends to"
    note = (
        f"The {SHOWN} references with the largest attention weights, first seed, last evaluation; weights over all K "
        "references sum to 1. Rates are pass rates."
    )
    return [Table("dots_rr.table_3", title, header, rows, pd.DataFrame(data), caption, 3, paper=header[1:], note=note)]


def _published_example() -> str:
    found = published_table("dots_rr", "table_3")
    value = found.drop_duplicates("metric").set_index("metric")["value"]
    largest = " and ".join(number(weight, 3) for weight in found[found["metric"] == "attention"]["value"][:2])
    predicted, measured = (number(value[f"{kind}_difficulty"], 3) for kind in ("predicted", "measured"))
    return (
        f"The paper's example ({found['model'].iloc[0]} on {found['dataset'].iloc[0]}): difficulty {predicted} "
        f"predicted, {measured} measured; the largest two of 256 weights are {largest}, on references of difficulty 1."
    )


def _runs(measures: Measures) -> list[tuple[Checked, Run]]:
    """First seeds of the arms that attend to references, trained predictors first."""
    every = [one for _, one in checked([measures], ("trained", "untrained"))]
    return [(one, one.series.runs[0]) for one in sorted(every, key=lambda one: one.source)]


def _examples(run: Run) -> list[dict[str, Any]]:
    return list(run.json("attention.json").get("examples") or [])


def _short(text: str) -> str:
    """A question in one line and in code, cut where it is long."""
    line = " ".join(text.replace("`", "'").split())
    return f"`{line if len(line) <= LONGEST else line[: LONGEST - 1] + '…'}`"
