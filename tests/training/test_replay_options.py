"""Replay options in a real run: what each step is made of, what is counted, logged and never changed."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from repro.replay.replay_spec import ReplaySpec

from .conftest import TRAIN, coin

DENSE = TRAIN.model_copy(update={"steps": 5, "skip_zero_advantage": False, "learning_rate": 5e-3})


def run(make_trainer: Any, train: Any = DENSE, silent: int = 0, **options: Any) -> tuple[Any, list[int]]:
    """A finished run, and the completions that the ledger counted in each step.

    In the first `silent` steps no answer is right, so that they leave nothing to replay; then every second one is, so
    that every group has a gradient.
    """
    trainer = make_trainer(train=train, replay=ReplaySpec(**{"fresh": 0.5, "capacity": 8, **options}))
    judged = itertools.count()
    trainer.grades.verifier = lambda text, gold: trainer.state.global_step >= 2 * silent and next(judged) % 2 == 0
    counted: list[int] = []

    def on_step(record: Any) -> None:
        trainer.records.append(record)
        counted.append(trainer.ledger.cost("rollout").completions - sum(counted))

    trainer.on_step = on_step
    trainer.train()
    return trainer, counted


CASES = {
    "top_up": ({}, 2, [4, 4, 4, 2, 2], [0, 0, 0, 2, 2]),
    "wait": ({"short": "wait"}, 2, [4, 4, 4, 2, 2], [0, 0, 0, 2, 2]),
    "shrink": ({"short": "shrink"}, 2, [2, 2, 2, 2, 2], [0, 0, 0, 2, 2]),
    "warm_up": ({"warm_up": 3}, 0, [4, 4, 4, 2, 2], [0, 0, 0, 2, 2]),
    "code": (
        {"short": "shrink", "warm_up": 2, "filter": "draw", "per_question": "latest", "correction": "proximal"},
        2,
        [4, 4, 2, 2, 2],
        [0, 0, 0, 2, 2],
    ),
    "prioritised": ({"draw": "prioritised", "max_age": 1, "short": "wait"}, 0, [4, 2, 2, 2, 2], [0, 2, 2, 2, 2]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_step_is_made_of_what_the_option_says_and_pays_for_its_fresh_rows_only(make_trainer: Any, name: str) -> None:
    options, silent, fresh, replayed = CASES[name]
    trainer, counted = run(make_trainer, silent=silent, **options)
    assert [len(record.fresh) for record in trainer.records] == fresh
    assert [len(record.replayed) for record in trainer.records] == replayed
    assert counted == [4 * n for n in fresh], "completions are counted where they are generated"
    for record, new, old in zip(trainer.records, fresh, replayed, strict=True):
        found = {key.removeprefix("replay/"): value for key, value in record.metrics.items() if "replay/" in key}
        assert (found["fresh"], found["reused"]) == (new, old)
        assert new == 2 + found["warm_up"] + found["topped_up"]
        assert new + old == 4 - found["shrunk"]
        assert record.metrics["train/kept_rows"] == 4 * (new + old), "every row of the batch trains, none is dropped"


def test_the_rows_of_a_shrunk_batch_divide_by_the_minibatches(make_trainer: Any) -> None:
    """One group may be replayed beside two fresh ones of three: nine rows for two updates, so it is not."""
    train = DENSE.model_copy(update={"group_size": 3, "steps": 3})
    right = iter([1.0, 0.0, 0.0, 0.0, 0.0, 0.0])  # in step 1 one group of two is informative
    trainer = make_trainer(train=train, replay=ReplaySpec(capacity=8, short="shrink"))
    trainer.grades.verifier = lambda text, gold: next(right, None) if trainer.step == 0 else coin(text, gold)
    trainer.train()
    assert trainer.records[0].rewards == [(1.0, 0.0, 0.0), (0.0, 0.0, 0.0)]
    assert [(len(r.fresh), len(r.replayed)) for r in trainer.records[:2]] == [(2, 0), (2, 0)]
    assert trainer.records[1].metrics["replay/size"] >= 1
    assert trainer.records[1].metrics["replay/shrunk"] == 2
    assert trainer.records[1].metrics["train/kept_rows"] == 6


ROLLOUTS = {"unit": "rollout", "draw": "prioritised", "capacity": 32}


@pytest.mark.parametrize(
    ("short", "fresh", "replayed"), [("top_up", [4, 3, 2, 2], [0, 4, 8, 8]), ("shrink", [2, 2, 2, 2], [0, 4, 8, 8])]
)
def test_single_completions_join_the_fresh_rows_with_the_advantage_of_their_group(
    make_trainer: Any, short: str, fresh: list[int], replayed: list[int]
) -> None:
    """Step 1 leaves six completions with an advantage under `top_up`, five under `shrink`; step 2 asks for eight."""
    train = DENSE.model_copy(update={"steps": 4, "minibatches": 2})
    trainer = make_trainer(train=train, replay=ReplaySpec(fresh=0.5, short=short, **ROLLOUTS))
    rewards = {"top_up": [1, 0.5, 0, 0.5] * 3 + [1] * 4, "shrink": [1, 0.5, 0, 0.5, 1, 0.5, 0.25, 0.25]}
    start = iter(rewards[short])
    judged = itertools.count()
    trainer.grades.verifier = lambda text, gold: next(start, next(judged) % 2)
    joined: list[dict[str, Any]] = []
    original = trainer._with_replay

    def spy(output: dict[str, Any], drawn: Any, *rest: Any) -> dict[str, Any]:
        output = original(output, drawn, *rest)
        joined.append({**output, "drawn": drawn})
        return output

    trainer._with_replay = spy
    trainer.train()
    assert [len(record.fresh) for record in trainer.records] == fresh
    assert [len(record.replayed) for record in trainer.records] == replayed
    for record, output, new, old in zip(trainer.records, joined, fresh, replayed, strict=True):
        assert len(output["completion_ids"]) == record.metrics["train/kept_rows"] == 4 * new + old
        for row, one in enumerate(output["drawn"], start=4 * new):
            assert one.advantages.tolist() == [output["advantages"][row].item()] != [0.0]
            mask = output["completion_mask"][row].bool()
            assert output["completion_ids"][row][mask].tolist() == one.completion_ids[0].tolist()
            assert output["old_per_token_logps"][row][mask].tolist() == one.behaviour_logps[0].tolist()
    last = trainer.records[-1].metrics
    assert last["replay/advantage"] > 0 and "replay/reward_variance" not in last


def test_every_statistic_is_logged_and_finite(make_trainer: Any) -> None:
    trainer, _ = run(make_trainer, correction="none")
    found = {
        key.removeprefix("replay/"): value for key, value in trainer.records[-1].metrics.items() if "replay/" in key
    }
    assert set(found) == {
        *("fresh", "warm_up", "topped_up", "shrunk"),
        *("size", "filled", "informative", "questions", "unused"),
        *("reused", "age_mean", "age_max", "uses_mean", "uses_max", "reward", "reward_variance"),
        *("added", "rejected", "evicted", "expired", "reused_total"),
        *("ratio_mean", "ratio_max", "ratio_outside"),
    }
    assert all(isinstance(value, float) and math.isfinite(value) for value in found.values())
    assert found["filled"] == found["size"] / 8
    assert 0 < found["ratio_outside"] < 1
    assert found["ratio_max"] > max(1.2, found["ratio_mean"])


def test_what_a_policy_said_of_its_tokens_never_changes(make_trainer: Any) -> None:
    trainer = make_trainer(train=DENSE, replay=ReplaySpec(capacity=8, correction="proximal"))
    add, entered = trainer.buffer.add, {}

    def watched(groups: Any) -> int:
        entered.update({id(group): (group, [row.tobytes() for row in group.behaviour_logps]) for group in groups})
        return add(groups)

    trainer.buffer.add = watched
    trainer.train()
    assert max(group.uses for group, _ in entered.values()) > 1
    for group, bits in entered.values():
        assert [row.tobytes() for row in group.behaviour_logps] == bits
