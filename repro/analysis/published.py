"""What the papers report: tables with their standing, and curves digitised from their figures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parent / "published"


@cache
def _tables() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "published_tables.csv", keep_default_na=False, na_values={"value": "", "std": ""})


@cache
def _curves() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "published_curves.csv")


def published_table(paper: str, item: str) -> pd.DataFrame:
    """Rows of one table: model, dataset, arm, metric, value, std, note.

    Raises KeyError where nothing is published under that name.
    """
    found = _tables().query("paper == @paper and item == @item").reset_index(drop=True)
    if found.empty:
        raise KeyError(f"nothing published for {paper} {item}")
    return found


def published_curves(paper: str, figure: str) -> pd.DataFrame:
    """Points of one figure: model, dataset, arm, x_name, x, y_name, y. Raises KeyError as `published_table`."""
    found = _curves().query("paper == @paper and figure == @figure").reset_index(drop=True)
    if found.empty:
        raise KeyError(f"no curves published for {paper} {figure}")
    return found


def published_number(paper: str, item: str, metric: str, model: str | None = None) -> float:
    """The one value of that metric, of that model where one is named. Raises KeyError unless there is exactly one."""
    found = published_table(paper, item).query("metric == @metric")
    found = found if model is None else found.query("model == @model")
    if len(found) != 1:
        raise KeyError(f"{len(found)} values published for {paper} {item} {metric} {model or ''}")
    return float(found["value"].iloc[0])
