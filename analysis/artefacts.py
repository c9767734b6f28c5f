"""Which of the papers' tables and figures can be made, by the name that a spec asks for them under."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from analysis.dots_rr import artefacts as dots_rr
from analysis.measures import Measures
from analysis.pictures import Picture
from analysis.tables import Table
from analysis.ufo_rl import artefacts as ufo_rl
from repro.errors import UserError
from repro.words import nearest

ARTEFACTS: dict[str, Callable[[Sequence[Measures]], list[Table | Picture]]] = {**dots_rr.ARTEFACTS, **ufo_rl.ARTEFACTS}

ANSWERS: dict[str, Callable[[Sequence[Measures]], tuple[str, ...]]] = {**dots_rr.ANSWERS, **ufo_rl.ANSWERS}
"""Artefacts whose sentences answer the question of the study, and so lead its report."""


def check_artefacts(names: Sequence[str], where: str) -> None:
    """Raise UserError for a name that is none of `ARTEFACTS`, with the nearest one that is."""
    for index, name in enumerate(names):
        if name not in ARTEFACTS:
            near = nearest(name, ARTEFACTS)
            hint = f"did you mean {near}?" if near else f"expected one of {', '.join(ARTEFACTS)}"
            raise UserError(f"{where}: report.artefacts.{index}: got {name!r}; {hint}")


def make_artefacts(names: Sequence[str], panels: Sequence[Measures]) -> list[Table | Picture]:
    """The artefacts in the order asked for. Names must have passed `check_artefacts`."""
    return [made for name in names for made in ARTEFACTS[name](panels)]


def answer_of(names: Sequence[str], panels: Sequence[Measures]) -> tuple[str, ...]:
    """What the artefacts asked for say to the study's question, the verdict first; () where none of them answers."""
    return tuple(text for name in names if name in ANSWERS for text in ANSWERS[name](panels))
