"""Numbers that docs/methods.md states in its rules are those of a spec that says nothing."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from repro.replay.replay_spec import ReplaySpec
from repro.selection.methods import bots, greso, mopps
from repro.selection.methods.adarft import Adarft
from repro.selection.methods.bots import Bots
from repro.selection.methods.cdas import Cdas
from repro.selection.methods.difficulty import Difficulty
from repro.selection.methods.dump import Dump
from repro.selection.methods.dynamic import Dynamic
from repro.selection.methods.e2h import E2H
from repro.selection.methods.greso import Greso
from repro.selection.methods.identical import Identical
from repro.selection.methods.learnability import Learnability
from repro.selection.methods.mopps import Mopps
from repro.selection.methods.no_positive_resampling import NoPositiveResampling
from repro.selection.methods.oracle import Oracle
from repro.selection.methods.pools import Pools
from repro.selection.methods.prompt_replay import PromptReplay
from repro.selection.methods.sec import Sec
from repro.tasks.random_reward import RandomReward

STATED: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (Mopps, {"candidates": 16, "decay": 1, "low": 0.3, "high": 0.7, "weight": 3}),
    (Bots, {"weak": None, "strong": None, "strong_rate": 1}),
    (Adarft, {"start": 0, "repeats": True}),
    (Cdas, {"start_counts": True}),
    (Learnability, {"prior": 0.5, "prior_weight": 1}),
    (NoPositiveResampling, {"threshold": 0.9, "over": "history"}),
    (Oracle, {"target": 0.5, "share": 1}),
    (Sec, {"temperature": 1, "unseen": "kept"}),
    (Dump, {"window": 300}),
    (PromptReplay, {"low": 0.25, "high": 0.75}),
    (Pools, {"hard_to": 0.25, "normal_to": 0.75, "hard": 0.2, "normal": 1, "easy": 0.2, "unseen": 1, "gate": False}),
    (Dynamic, {"low": 0, "high": 1}),
    (Greso, {"target": 0.25, "p": 0.5}),
    (E2H, {"exponent": 0.5, "width": 0.5, "floor": True}),
    (Identical, {"questions": 1}),
    (Difficulty, {"reuse_within": 0.25, "temperature": 0.001, "target": 0.5}),
    (ReplaySpec, {"second_moment": 0.04}),
    (RandomReward, {"chance": 0.5}),
]


@pytest.mark.parametrize(("fields", "stated"), STATED, ids=lambda one: getattr(one, "__name__", ""))
def test_the_numbers_that_the_documents_state_are_those_of_a_spec_that_says_nothing(
    fields: type[BaseModel], stated: dict[str, Any]
) -> None:
    assert {name: fields.model_fields[name].default for name in stated} == stated


def test_so_are_those_that_no_field_changes() -> None:
    assert (mopps.PRIOR, bots.PRIOR, bots.SMOOTHING) == (1, 1, 0.9)
    assert (greso.LEAST_KEPT, greso.CHANGE, greso.SPARE, greso.EASY_SHARE) == (0.01, 0.01, 1.25, 1 / 3)
    assert pytest.approx(1 / 6) == greso.LEAST_AGAIN
