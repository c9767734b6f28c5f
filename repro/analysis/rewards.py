"""How a report speaks of rewards: pass rates where every run is rewarded by accuracy, else mean rewards."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from matplotlib.figure import Figure
from matplotlib.text import Text

from repro.analysis.measures import Measures
from repro.analysis.pictures import Picture
from repro.analysis.runs import Series
from repro.tasks.reward_spec import RewardTerm, describe_reward, rewards_accuracy


def terms_of(series: Series) -> list[RewardTerm]:
    """What an arm's runs were rewarded by, read without loading the reward's code."""
    written = series.cell.get("reward") or [{}]
    return [RewardTerm.model_construct(**fields) for fields in written]


def rewarded_by(panels: Sequence[Measures]) -> dict[str, list[str]]:
    """{what is rewarded: labels of the arms} over all panels, in their order."""
    found: dict[str, list[str]] = {}
    for measures in panels:
        for series in measures.panel.series:
            labels = found.setdefault(describe_reward(terms_of(series)), [])
            if series.label not in labels:
                labels.append(series.label)
    return found


def all_by_accuracy(panels: Sequence[Measures]) -> bool:
    """Whether every run was rewarded by accuracy alone."""
    return all(rewards_accuracy(terms_of(series)) for measures in panels for series in measures.panel.series)


def mean_reward(text: str) -> str:
    """The text with `mean reward` in place of `pass rate`, of whatever number and case, and spread for equality."""

    def replaced(found: re.Match[str]) -> str:
        first = "Mean" if found["first"][0].isupper() else "mean"
        return f"{first}{found['joint']}reward{found['plural']}"

    text = text.replace("rewards are all equal", "rewards are equal or differ by at most train.min_spread")
    return re.sub(r"\b(?P<first>(?:mean )?[Pp]ass|Mean pass)(?P<joint>[ -])rate(?P<plural>s?)\b", replaced, text)


def reworded(item: Any) -> Any:
    """Tables, pictures and sentences, and whatever holds them, with `mean reward` in place of `pass rate`."""
    if isinstance(item, str):
        return mean_reward(item)
    if isinstance(item, tuple | list):
        return type(item)(map(reworded, item))
    if isinstance(item, Picture):
        texts = {name: mean_reward(getattr(item, name)) for name in ("title", "caption", "alt")}
        return replace(item, **texts, notes=reworded(item.notes), draw=_drawn(item.draw))
    if is_dataclass(item) and not isinstance(item, type):
        changed = {field.name: getattr(item, field.name) for field in fields(item) if field.init}
        return replace(item, **{name: reworded(value) for name, value in changed.items()})
    return item


def _drawn(draw: Callable[[bool], Figure]) -> Callable[[bool], Figure]:
    def drawn(narrow: bool) -> Figure:
        figure = draw(narrow)
        for text in figure.findobj(Text):
            if text.get_text() != mean_reward(text.get_text()):
                text.set_text(mean_reward(text.get_text()))
        return figure

    return drawn
