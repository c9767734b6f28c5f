"""A selection in which several methods choose a part of each batch and all of them learn from the whole of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from repro.selection import Observation, Run, Selection, Selector
from repro.selection.methods.adarft import Adarft
from repro.selection.methods.bots import Bots
from repro.selection.methods.cdas import Cdas
from repro.selection.methods.learnability import Learnability
from repro.selection.methods.mopps import Mopps
from repro.selection.methods.no_positive_resampling import NoPositiveResampling
from repro.selection.methods.oracle import Oracle

MEMBERS: tuple[Selection, ...] = (
    Mopps(method="mopps", candidates=4, warm_start="pass_rate", samples=2),
    Bots(method="bots", samples=2),
    Adarft(method="adarft", by="pass_rate", samples=2),
    Cdas(method="cdas"),
    Learnability(method="learnability"),
    NoPositiveResampling(method="no_positive_resampling", threshold=0.5),
    Oracle(method="oracle", share=0.25, samples=2, every=2),
)


class Chorus(Selection):
    """Every method that learns from earlier rewards."""

    def build(self, run: Run) -> Selector:
        return ChorusSelector([member.build(run) for member in MEMBERS])


class ChorusSelector(Selector):
    """Each member chooses as many questions as the others, none that another has chosen."""

    def __init__(self, members: Sequence[Selector]) -> None:
        self.members = members

    def choose(self, n: int) -> list[int]:
        taken: list[int] = []
        for place, member in enumerate(self.members, start=1):
            until = n * place // len(self.members)
            taken += [i for i in member.choose(until) if i not in taken][: until - len(taken)]
        return taken

    def observe(self, observations: Sequence[Observation]) -> None:
        for member in self.members:
            member.observe(observations)

    def metrics(self) -> dict[str, float]:
        return {
            f"{place}_{name}": value for place, one in enumerate(self.members) for name, value in one.metrics().items()
        }

    def state_dict(self) -> dict[str, Any]:
        return {str(place): member.state_dict() for place, member in enumerate(self.members)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for place, member in enumerate(self.members):
            member.load_state_dict(state[str(place)])
