"""Methods that roll out until a batch is worth it, bandits and controls, on a real policy."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from repro.groups import advantages
from repro.models.engines import HuggingFaceEngine
from repro.models.model_spec import ModelSpec, WarmStart
from repro.models.sampling import Completions
from repro.models.texts import completion_texts
from repro.models.vllm_engine import row_seeds
from repro.replay.replay_spec import ReplaySpec
from repro.selection.base import Observation, Run, Selector
from repro.selection.method import Selection
from repro.selection.registry import selection_of
from repro.spec.schema import EvaluateSpec
from repro.tasks.reward_spec import RewardTerm
from repro.tracking.journal import Journal
from repro.training.job import run_job
from tests.training.test_job import TINY, cell, metrics_of

from .conftest import TRAIN, coin
from .test_resources import make, policy  # noqa: F401
from .test_reuse import Fixed, completions

TURNS: tuple[dict[str, Any], ...] = (
    {"method": "speed", "screening": 2},
    {"method": "sec", "category": "operations"},
    {"method": "dump", "category": "steps"},
    {"method": "prompt_replay", "rest": 0},
    {"method": "pools", "gate": True},
    {"method": "greso"},
    {"method": "e2h", "by": "column", "column": "steps", "high": "hard"},
    {"method": "identical"},
)


class Turns(Selection):
    """One method after another, a step each."""

    method: str = f"{__name__}:Turns"

    def build(self, run: Run) -> Selector:
        return TurnsSelector([selection_of(fields).build(run) for fields in TURNS])


class TurnsSelector(Selector):
    def __init__(self, selectors: Sequence[Selector]) -> None:
        self.selectors, self.step = selectors, -1

    @property
    def now(self) -> Selector:
        return self.selectors[self.step % len(self.selectors)]

    def choose(self, n: int) -> list[int]:
        self.step += 1
        return self.now.choose(n)

    def observe(self, observations: Sequence[Observation]) -> None:
        self.now.observe(observations)

    def reused(self) -> list[int]:
        return self.now.reused()

    def metrics(self) -> dict[str, float]:
        return self.now.metrics()

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step, "all": [selector.state_dict() for selector in self.selectors]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        for selector, saved in zip(self.selectors, state["all"], strict=True):
            selector.load_state_dict(saved)


def test_all_of_them_train_beside_replay_and_a_resumed_run_is_the_same(
    tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.chdir(tmp_path)
    count = len(TURNS)
    study = cell(
        selection=Turns(),
        model=ModelSpec(tiny=TINY.model_copy(update={"warm_start": WarmStart(updates=1, batch_size=4)})),
        reward=[RewardTerm.model_validate({"reward": "random"})],
        replay=ReplaySpec(fresh=0.5, capacity=8, per_question="latest"),
        train=cell().train.model_copy(update={"steps": 2 * count}),
        evaluate=EvaluateSpec(every=count, questions=4, samples=1, pool_samples=1, base_temperatures=()),
    )
    run_dir = tmp_path / "runs/turns"
    run_job(study, "turns", run_dir, tmp_path)
    journal = Journal(run_dir)
    steps, metrics = journal.read_jsonl("steps.jsonl"), metrics_of(run_dir)
    weights, ledger = (run_dir / "policy/model.safetensors").read_bytes(), journal.read_json("ledger.json")
    assert [len(set(row["fresh"])) == len(row["fresh"]) for row in steps] == 2 * ([True] * (count - 1) + [False])
    assert sum(len(row["replayed"]) for row in steps) > count, "random rewards: nearly every group has a gradient"
    told = [values for step, values in metrics if step and "train/reward" in values]
    assert told[0]["select/tried"] >= len(steps[0]["fresh"]), "SPEED"
    assert {"select/category_most", "select/waiting", "select/p_hard", "select/level", "select/kept"} <= set().union(
        *told
    )
    rolled = sum(len(row["fresh"]) for row in steps) * study.train.group_size
    assert 0 < ledger["rollout"]["completions"] < rolled, "probes of a step trained"

    # As after a kill in the second round: what came after the checkpoint is lost.
    (run_dir / "done.json").unlink()
    last = max((run_dir / "checkpoints").glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    shutil.rmtree(last)
    run_job(study, "turns", run_dir, tmp_path)
    assert metrics_of(run_dir) == metrics
    assert [row["fresh"] for row in journal.read_jsonl("steps.jsonl")] == [row["fresh"] for row in steps]
    assert (run_dir / "policy/model.safetensors").read_bytes() == weights


def test_probes_of_a_step_that_are_kept_add_up_to_a_group(make: Any) -> None:  # noqa: F811
    resources = make()
    first = resources.probe([3, 9], 2, keep=True)
    begun = {index: list(rows) for index, rows in resources.kept.items()}
    rest = resources.probe([9], 3, keep=True)
    assert len(resources.kept[3]) == 2 and len(resources.kept[9]) == 5
    assert resources.kept[9][:2] == begun[9]
    texts = completion_texts(resources.policy.tokenizer, resources.kept[9])
    asked = [resources.data.train[9]] * 5
    assert resources.sampler.reward.grade(resources.data.verifier, texts, asked).rewards == [*first[1], *rest[0]]
    resources.probe([9], 1)
    assert len(resources.kept[9]) == 5, "what is not kept is not added"
    resources.step = lambda: 1
    resources.probe([9], 2, keep=True)
    assert set(resources.kept) == {9} and len(resources.kept[9]) == 2, "a new step begins anew"


def test_the_calls_of_a_step_have_seeds_and_log_probs_of_their_own(make: Any) -> None:  # noqa: F811
    """What vLLM is given: a seed for each row of a call."""
    resources = make()
    asked: list[list[int]] = []

    class Telling(HuggingFaceEngine):
        def generate(self, prompts: Sequence[str], *, samples: int, seed: int, **options: Any) -> Completions:
            rows = len(prompts) * samples
            asked.append(row_seeds(seed, range(rows)))
            return Completions(["#1"] * rows, [[1, 2]] * rows, [3] * rows, [[-float(len(asked))] * 2] * rows)

    resources.sampler.engine = Telling(resources.policy.model, resources.policy.tokenizer)
    resources.probe([3, 9], 2, keep=True)
    resources.probe([9, 3], 2, keep=True)
    assert len({seed for rows in asked for seed in rows}) == 8, "no completion of a group is another's copy"
    assert resources.kept_logps == {index: [[-1.0, -1.0]] * 2 + [[-2.0, -2.0]] * 2 for index in (3, 9)}


@pytest.mark.parametrize("by_deviation", [True, False])
def test_advantages_of_rewards_are_those_that_the_run_trains_with(
    make_trainer: Any, data: Any, by_deviation: bool
) -> None:
    train = TRAIN.model_copy(update={"advantage_std": by_deviation})
    never = data.train[9].answer
    trainer = make_trainer(
        train=train,
        selector=Fixed([5, 9, 11, 3], []),
        verifier=lambda text, answer: answer != never and coin(text, answer),
    )
    trainer.model.train()
    output = trainer._generate_and_score_completions([{"prompt": ""}] * 16)
    groups = trainer.grades.groups(4)
    assert len({len(set(group)) for group in groups}) == 2, "groups with a gradient and without"
    expected = np.concatenate([advantages(group, by_deviation) for group in groups])
    torch.testing.assert_close(output["advantages"].double(), torch.from_numpy(expected), rtol=0, atol=1e-6)


class Same(Fixed):
    """The same question in every place."""


def test_groups_of_one_question_in_a_batch_are_rolled_out_apart(make_trainer: Any) -> None:
    replay = ReplaySpec(fresh=0.5, capacity=6)
    trainer = make_trainer(selector=Same([5, 5, 5, 5], []))
    trainer.model.train()
    made = completions(trainer._generate_and_score_completions([{"prompt": ""}] * 16))
    assert len({tuple(row) for row in made}) > 12, "each row has random numbers of its own"
    groups = trainer.grades.groups(4)
    for group in groups:
        assert len(group) == 4
    replaying = make_trainer(selector=Same([5, 5], []), replay=replay, folder="replay", placeholder_steps=9)
    replaying.selector.choose = lambda n: [5] * n
    replaying.train()
    assert all(set(record.fresh) == {5} for record in replaying.records)
    assert any(record.replayed for record in replaying.records)
    assert {group.question for group in replaying.buffer.groups} == {5}
