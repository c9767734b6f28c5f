"""A run that was killed and resumed is the uninterrupted run, bit for bit."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from repro.replay.buffer import ReplayBuffer
from repro.replay.replay_spec import ReplaySpec
from repro.selection.methods.difficulty import Difficulty
from repro.training.checkpoint import COMPLETE, last_checkpoint
from tests.selection.worlds import build_selector

from .conftest import TRAIN

SIX = TRAIN.model_copy(update={"steps": 6, "learning_rate": 1e-3})


class Killed(Exception):
    """Stands for a kill: raised where no handler of the trainer is."""


class Probe:
    """Rewards of references that depend on the trainer's policy through its seed only; embeddings are fixed."""

    def __init__(self, ids: list[str]) -> None:
        self.ids = ids

    def embeddings(self) -> Any:
        return torch.randn(len(self.ids), 8, generator=torch.Generator().manual_seed(0)).numpy()

    def probe(self, indices: list[int], samples: int, *, keep: bool = False) -> list[tuple[float, ...]]:
        return [tuple(float((i * 7 + s) % 3 == 0) for s in range(samples)) for i in indices]


def selector_for(kind: str, data: Any) -> Any:
    ids = [problem.id for problem in data.train]
    if kind == "uniform":
        return None
    selection = Difficulty(method="difficulty", references=6, every=2)
    return build_selector(selection, ids, 0, Probe(ids), 4)  # type: ignore[arg-type]


def state_of(trainer: Any) -> dict[str, Any]:
    state = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    for index, slots in trainer.optimizer.state_dict()["state"].items():
        state |= {f"optimizer.{index}.{name}": torch.as_tensor(value).clone() for name, value in slots.items()}
    return state


def exact(ledger: Any) -> dict[str, Any]:
    return {
        phase: {name: value for name, value in cost.items() if "seconds" not in name}
        for phase, cost in ledger.as_dict().items()
    }


PROXIMAL = ReplaySpec(fresh=0.5, capacity=6, correction="proximal")
YOUNG = ReplaySpec(capacity=6, draw="prioritised", max_age=2, short="wait", warm_up=1)
LATE = ReplaySpec(capacity=6, filter="draw", per_question="latest", short="shrink", draw="prioritised")
SINGLY = ReplaySpec(
    unit="rollout",
    capacity=20,
    draw="prioritised",
    tau_age=2,
    max_age=3,
    correction="second_moment",
    second_moment=1e-4,
)
PLACES = {"between steps": 4, "inside a step": 5, "in the second epoch": 9}
"""Where a run is killed -> after how many updates."""


@pytest.mark.parametrize(
    ("kind", "replay", "places"),
    [
        ("uniform", None, PLACES),
        ("difficulty", PROXIMAL, PLACES),
        ("uniform", YOUNG, ["inside a step"]),
        ("uniform", LATE, ["inside a step"]),
        ("uniform", SINGLY, ["inside a step"]),
    ],
)
def test_resumed_equals_uninterrupted(make_trainer: Any, data: Any, kind: str, replay: Any, places: Any) -> None:
    whole = make_trainer(train=SIX, replay=replay, folder="whole", selector=selector_for(kind, data))
    whole.train()
    for where in places:
        killed = make_trainer(train=SIX, replay=replay, folder=where, selector=selector_for(kind, data))
        kill(killed, PLACES[where])
        resumed = make_trainer(train=SIX, replay=replay, folder=where, selector=selector_for(kind, data))
        checkpoint = last_checkpoint(Path(resumed.args.output_dir))
        assert checkpoint is not None and checkpoint.name == f"checkpoint-{PLACES[where] // 2 * 2}", where
        resumed.restore(checkpoint)
        resumed.train(resume_from_checkpoint=str(checkpoint))
        assert_same(resumed, whole, PLACES[where] // 2, where)
        if replay is SINGLY:
            assert 0 < max(r.metrics["replay/masked"] for r in resumed.records) < 1


def kill(trainer: Any, updates: int) -> None:
    """Trains until that many updates have been made."""
    training_step = trainer.training_step

    def step_or_die(*arguments: Any) -> Any:
        if trainer.state.global_step == updates:
            raise Killed
        return training_step(*arguments)

    trainer.training_step = step_or_die
    with pytest.raises(Killed):
        trainer.train()


def assert_same(resumed: Any, whole: Any, done: int, where: str) -> None:
    """The resumed run ended as the whole one; `done` steps were in its checkpoint."""
    assert resumed.state.global_step == whole.state.global_step == 12, where
    for name, value in state_of(whole).items():
        assert torch.equal(value, state_of(resumed)[name]), (where, name)
    assert [r.metrics for r in resumed.records] == [r.metrics for r in whole.records[done:]], where
    assert [r.fresh for r in resumed.records] == [r.fresh for r in whole.records[done:]], where
    assert exact(resumed.ledger) == exact(whole.ledger), where
    assert resumed.selector.state_dict() == whole.selector.state_dict(), where
    if whole.buffer is not None:
        assert_same_buffer(*copy.deepcopy((resumed.buffer, whole.buffer)))
        assert sum(len(r.replayed) for r in resumed.records) > 0, where


def assert_same_buffer(one: ReplayBuffer, other: ReplayBuffer) -> None:
    assert one.statistics(7) == other.statistics(7)
    for a, b in zip(one.groups, other.groups, strict=True):
        assert (a.question, a.step, a.uses) == (b.question, b.step, b.uses)
        for x, y in zip(a.behaviour_logps, b.behaviour_logps, strict=True):
            assert (x == y).all()
    assert [g.question for g in one.draw(3, 9)] == [g.question for g in other.draw(3, 9)]


def test_a_checkpoint_without_its_marker_is_not_resumed_from(make_trainer: Any) -> None:
    trainer = make_trainer()
    trainer.train()
    root = Path(trainer.args.output_dir)
    assert {folder.name for folder in root.glob("checkpoint-*")} == {"checkpoint-4", "checkpoint-6"}
    assert json.loads((root / "checkpoint-6" / COMPLETE).read_text())["step"] == 3
    torn = root / "checkpoint-8"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"half")
    assert last_checkpoint(root) == root / "checkpoint-6"
    assert not torn.exists()
    for folder in root.iterdir():
        (folder / COMPLETE).unlink()
    assert last_checkpoint(root) is None


def test_a_larger_run_seed_changes_the_rollouts_and_the_same_seed_repeats_them(make_trainer: Any) -> None:
    first, second, third = (make_trainer(folder=name, seed=seed) for name, seed in zip("abc", (0, 0, 1), strict=True))
    for trainer in (first, second, third):
        trainer.train()
    assert [r.rewards for r in first.records] == [r.rewards for r in second.records]
    assert [r.rewards for r in first.records] != [r.rewards for r in third.records]
