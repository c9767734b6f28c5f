"""Two processes train one policy: they choose alike, split nothing that belongs together, and make one gradient."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType
from safetensors.torch import load_file
from torch.nn.parallel import DistributedDataParallel

from repro import cli
from repro.cache import Cache
from repro.errors import UserError
from repro.launch.devices import default_jobs, gpus_of
from repro.launch.options import add_launch_options, where
from repro.launch.ranked import run_ranks, target_of
from repro.models.model_spec import ModelSpec, TinyModel, WarmStart
from repro.models.policy import SHIPPED, load_policy
from repro.models.tiny import build_tiny
from repro.models.tokenizers import character_tokenizer
from repro.replay.buffer import Group, ReplayBuffer
from repro.replay.replay_spec import ReplaySpec
from repro.scoring.parts import Parts
from repro.selection.base import Observation, Selector
from repro.selection.methods.difficulty import Difficulty
from repro.selection.methods.uniform import Uniform
from repro.spec.schema import Cell, EvaluateSpec, TrainSpec
from repro.study.identity import identity
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.made.arithmetic import Arithmetic
from repro.tasks.problem import Problem
from repro.tasks.prompts import PromptStyle
from repro.tracking.failure import reason_of
from repro.tracking.journal import Journal
from repro.training import merge
from repro.training.config import grpo_config
from repro.training.evaluation import Sampler
from repro.training.job import run_job
from repro.training.ledger import Ledger
from repro.training.prepare import cache_of, check_prepared
from repro.training.ranks import RankedCache, Ranks
from repro.training.ranks_main import read_request
from repro.training.record import StepRecord
from repro.training.resources import PolicyResources
from repro.training.skip import LOSSES, keep_informative, rank_factor
from repro.training.split import check_ranks
from repro.training.trainer import SelectiveGRPOTrainer

from .conftest import TRAIN, coin
from .two import on_two

CONFIGS = Path(__file__).parents[2] / "experiments" / "accelerate"
HALF = ReplaySpec(fresh=0.5, capacity=8)


def trainer_of(
    folder: Path,
    ranks: Ranks,
    train: TrainSpec,
    selector: Selector,
    verifier: Any = coin,
    replay: ReplaySpec | None = None,
    problems: Sequence[Problem] | None = None,
    start: Path | None = None,
) -> Any:
    """The trainer of `conftest.make_trainer` as one of several ranks; records of steps are in `.records`.

    `start`: where its policy is saved, from which the reference of a KL term is loaded.
    """
    tokenizer = character_tokenizer(Arithmetic.alphabet)
    problems = problems or Arithmetic(pool=32, test=8, validation=0).load().train
    records: list[StepRecord] = []
    model = build_tiny(TinyModel(width=24, layers=2, heads=3), tokenizer, 64)
    if start is not None:
        model.config._name_or_path = str(start)
    trainer = SelectiveGRPOTrainer(
        model=model,
        tokenizer=tokenizer,
        problems=problems,
        prompts=[problem.question for problem in problems],
        verifier=verifier,
        selector=selector,
        train=train,
        args=grpo_config(train, train.steps, 0, folder, save_every=1, processes=ranks.count),
        ledger=Ledger(),
        seed=0,
        on_step=records.append,
        buffer=ReplayBuffer.of(replay, 0) if replay else None,
        replay=replay,
        ranks=ranks,
    )
    trainer.records = records  # type: ignore[attr-defined]
    return trainer


# ---------------------------------------------------------------- choices and groups


class LeastSolved(Selector):
    """Chooses the questions that were solved least often so far, the first of them where several were."""

    def __init__(self) -> None:
        self.solved = dict.fromkeys(range(32), 0.5)
        self.seen: list[tuple[int, tuple[float, ...]]] = []

    def choose(self, n: int) -> list[int]:
        return sorted(self.solved, key=lambda index: (self.solved[index], index))[:n]

    def observe(self, observations: Sequence[Observation]) -> None:
        self.seen += [(each.index, each.rewards) for each in observations]
        self.solved |= {
            each.index: sum(each.rewards) / len(each.rewards) + 0.01 * len(self.seen) for each in observations
        }


def by_gold(completion: str, answer: str) -> bool:
    """Rewards that depend on the question alone, so that choices do not follow from the last bits of a draw."""
    return int(answer) % 3 == 0


def choices(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Trains, and tells what was chosen, observed and rolled out here."""
    trainer = trainer_of(folder, ranks, TRAIN.model_copy(update={"steps": 4}), LeastSolved(), by_gold)
    rolled_out: list[Counter[str]] = []
    generate = trainer._generate_single_turn

    def spy(prompt_ids: list[list[int]], *rest: Any) -> Any:
        rolled_out.append(Counter(map(str, prompt_ids)))
        return generate(prompt_ids, *rest)

    trainer._generate_single_turn = spy
    trainer.train()
    return {
        "fresh": [record.fresh for record in trainer.records],
        "seen": trainer.selector.seen,
        "rolled_out": rolled_out,
        "completions": trainer.ledger.cost("rollout").completions,
        "together": trainer.ledger.over(ranks).cost("rollout").completions,
        "weights": [p.detach().numpy() for p in trainer.model.parameters()],
    }


def test_ranks_choose_as_one_process_does_from_the_same_observations_and_split_no_group(tmp_path: Path) -> None:
    alone = choices(Ranks(), tmp_path / "alone")
    first, second = on_two(choices, tmp_path / "two")
    assert first["fresh"] == second["fresh"] == alone["fresh"]
    assert len({tuple(step) for step in alone["fresh"]}) > 1
    assert first["seen"] == second["seen"] == alone["seen"], "the whole batch, in the order of the choice"
    for step, whole in enumerate(alone["rolled_out"]):
        parts = [rank["rolled_out"][step] for rank in (first, second)]
        assert parts[0] + parts[1] == whole
        assert [set(part.values()) for part in parts] == [{4}, {4}], "four completions of each question, on one rank"
    assert [first["completions"], second["completions"]] == [4 * 2 * 4] * 2
    assert first["together"] == second["together"] == alone["completions"] == 4 * 4 * 4
    assert all((a == b).all() for a, b in zip(first["weights"], second["weights"], strict=True))


# ---------------------------------------------------------------- gradients

ONE_UPDATE = TRAIN.model_copy(update={"minibatches": 1})
CASES = [(loss, skip, replayed) for loss in LOSSES for skip in (False, True) for replayed in (False, True)]


def gradients(ranks: Ranks, folder: Path, recorded: dict[str, Any], groups: list[Group]) -> list[list[Any]]:
    """The gradient of each case from this rank's half of recorded rows, averaged over ranks as in training."""
    found = []
    for loss, skip, replayed in CASES:
        train = ONE_UPDATE.model_copy(update={"loss": loss, "skip_zero_advantage": skip})
        trainer = trainer_of(folder, ranks, train, LeastSolved(), replay=HALF)
        trainer.model.train()
        trainer.current_gradient_accumulation_steps = 1
        trainer._record = StepRecord(2, [], [], [], [], None)
        rows = len(recorded["advantages"]) // ranks.count
        own = slice(ranks.index * rows, (ranks.index + 1) * rows)
        inputs = {k: v[own] if v.dim() else v for k, v in recorded.items()}
        if replayed:
            rewards = [(0.0, 1.0, 0.0, 1.0)] * (rows // 4)
            inputs = trainer._with_replay(inputs, ranks.share(groups), ranks.share([0, 1, 2, 3]), rewards, 2)
        factor = rank_factor(inputs, loss, ranks)
        if skip:
            inputs, factor = keep_informative(inputs, loss, ranks)
            counts = ranks.gather(len(inputs["advantages"]))
            assert len(set(counts)) == 1 and counts[0] < rows * (1 + replayed)
        model = trainer.model if ranks.count == 1 else DistributedDataParallel(trainer.model)
        trainer._compute_loss(model, {**inputs, "loss_factor": factor}).backward()
        found.append([parameter.grad.numpy().copy() for parameter in trainer.model.parameters()])
    return found


def test_the_gradient_of_recorded_rollouts_is_that_of_one_process(tmp_path: Path) -> None:
    """Whatever the loss, with and without idle rows, with and without replayed groups; one rank has only idle rows."""
    maker = trainer_of(tmp_path, Ranks(), TRAIN, LeastSolved())
    maker.model.train()
    recorded = maker._generate_and_score_completions([{"prompt": ""}] * 16)
    groups = merge.fresh_groups(recorded, [0, 1, 2, 3], [(0.0, 1.0, 0.0, 1.0)] * 4, step=1)
    torch.manual_seed(3)
    old = recorded["old_per_token_logps"]
    recorded["old_per_token_logps"] = old + 0.3 * torch.randn_like(old)
    recorded["advantages"] = torch.randn(16)
    recorded["advantages"][:8] = 0.0  # rank 0 has idle rows only and fills up with them
    recorded["advantages"][13:15] = 0.0
    for position, group in enumerate(groups):
        group.advantages = torch.randn(4).numpy() * (position != 1)
    expected = gradients(Ranks(), tmp_path, recorded, groups)
    for found in on_two(gradients, tmp_path, recorded, groups):
        for case, ours, theirs in zip(CASES, found, expected, strict=True):
            assert max(abs(g).max() for g in theirs) > 1e-3, case
            assert max(abs(a - b).max() for a, b in zip(ours, theirs, strict=True)) < 1e-6, case


# ---------------------------------------------------------------- whole jobs


def cell(**changes: Any) -> Cell:
    fields: dict[str, Any] = {
        "spec": "test",
        "arm": "arm",
        "model": ModelSpec(tiny=TinyModel()),  # the shipped one, whose groups have unlike rewards
        "dataset": DatasetSpec(arithmetic=Arithmetic(pool=64, test=9, validation=8, easy=0.0, hard=0.0, max_steps=3)),
        "train": TrainSpec(steps=6, questions_per_step=4, group_size=4, minibatches=2, max_completion_tokens=32),
        "evaluate": EvaluateSpec(every=2, samples=2, pool_samples=2, base_temperatures=()),
        "selection": Difficulty(method="difficulty", references=5, every=2),
        "replay": HALF,
        "budget": None,
        "seed": 0,
    }
    return Cell(**(fields | changes))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where what is measured of the start policy is cached for all tests of this file."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setenv("PYTHONPATH", str(CONFIGS.parents[1]))  # a fork server started from another folder imports this
    monkeypatch.chdir(tmp_path)


def train_cell(ranks: Ranks, run_dir: Path, shared: Path, killed_after: int | None = None) -> None:
    """Trains the cell; rank 1 kills itself once that many steps are in the journal."""
    if killed_after is not None and not ranks.main:
        progress = Journal.progress

        def watch(self: Journal, phase: str, step: int = 0, *rest: Any) -> None:
            if (phase, step) == ("training", killed_after):
                os.kill(os.getpid(), signal.SIGKILL)
            progress(self, phase, step, *rest)

        Journal.progress = watch  # type: ignore[method-assign]
    run_job(cell(), run_dir.name, run_dir, shared, ranks)


def without_time(run_dir: Path, name: str) -> list[dict[str, Any]]:
    return [
        {k: v for k, v in row.items() if k != "time"}
        | {"metrics": {k: v for k, v in row.get("metrics", {}).items() if "seconds" not in k}}
        for row in Journal(run_dir).read_jsonl(name)
    ]


def test_a_run_of_two_processes_killed_and_resumed_ends_with_the_bits_of_an_uninterrupted_one(
    tmp_path: Path, shared: Path
) -> None:
    whole, killed = tmp_path / "runs/whole", tmp_path / "runs/killed"
    on_two(train_cell, whole, shared)
    assert on_two(train_cell, killed, shared, 5)[1] is None
    assert not Journal(killed).finished and (killed / "checkpoints/checkpoint-8/buffer-1-of-2").is_dir()
    with pytest.raises(UserError, match="--processes: got 1, expected 2"):
        run_job(cell(), "killed", killed, shared)
    on_two(train_cell, killed, shared)
    assert Journal(killed).finished
    for name in ("metrics.jsonl", "steps.jsonl", "evaluations.jsonl"):
        assert without_time(killed, name) == without_time(whole, name)
    start, *weights = [
        load_file(folder / "model.safetensors") for folder in (SHIPPED, whole / "policy", killed / "policy")
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not all(torch.equal(weights[0][name], start[name]) for name in start), "it learns"

    journal = Journal(whole)
    steps = journal.read_jsonl("steps.jsonl")
    assert len(steps[0]["fresh"]) == 4
    assert all(len(row["fresh"]) + len(row["replayed"]) == 4 for row in steps)
    assert sum(len(row["replayed"]) for row in steps) > 0
    ledger = journal.read_json("ledger.json")
    assert ledger["rollout"]["completions"] == 4 * sum(len(row["fresh"]) for row in steps)
    assert ledger["probe"]["completions"] % (2 * 4) == 0, "five references are six on two ranks, three on each"
    spent = [row for row in journal.read_jsonl("spent.jsonl") if row["phase"] == "rollout"]
    assert sum(row["generated_tokens"] for row in spent) == ledger["rollout"]["generated_tokens"]
    final = journal.read_jsonl("evaluations.jsonl")[-2]
    assert len(final["passes"]) == 9 and set(final["greedy"]) == set(final["passes"])
    assert journal.read_json("environment.json")["processes"] == 2


SPEC = """
name: two
model: {tiny: {width: 24, layers: 1, heads: 3, warm_start: {updates: 40, batch_size: 32}}}
dataset: {arithmetic: {pool: 64, test: 8, validation: 8}}
train: {steps: 2, questions_per_step: 4, group_size: 4, minibatches: 2, max_completion_tokens: 16}
evaluate: {every: 2, samples: 2, pool_samples: 2, base_temperatures: []}
arms: {full: {}}
seeds: [0]
"""


@pytest.mark.slow
def test_a_study_runs_with_two_processes_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(SPEC)
    options = ["--processes", "2", "--accelerate", str(CONFIGS / "cpu.yaml"), "--jobs", "1", "--runs", "runs"]
    assert cli.main(["run", "two.yaml", *options]) == 0
    (run_dir,) = (tmp_path / "runs").glob("v*-*")
    journal = Journal(run_dir)
    assert journal.finished and journal.read_json("environment.json")["processes"] == 2
    assert journal.read_json("ledger.json")["rollout"]["completions"] == 4 * 4 * 2
    assert cli.main(["run", "two.yaml", *options]) == 0, "nothing is left to do"


TROUBLE = """
import os
if os.environ.get("RANK") == "1":
    import repro.training.split
    from repro.errors import UserError
    def check_ranks(cell, processes):
        raise UserError("model.path: rank 1 finds no such directory")
    repro.training.split.check_ranks = check_ranks
"""


def test_an_error_on_one_rank_ends_the_run_with_its_message(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(TROUBLE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    run_dir = tmp_path / "runs/one"
    run_dir.mkdir(parents=True)
    with pytest.raises(RuntimeError, match="rank 1 of 2 failed") as caught:
        run_ranks(cell(), "one", run_dir, shared, processes=2)
    assert reason_of(str(caught.value)) == "model.path: rank 1 finds no such directory"
    assert not Journal(run_dir).finished


# ---------------------------------------------------------------- what selection asks for


def measured(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Everything that a selector may ask of the start policy, for a pool that two ranks cannot halve."""
    odd = cell(dataset=DatasetSpec(arithmetic=Arithmetic(pool=65, test=8, validation=0, hard=0.0, max_steps=3)))
    data, cache, ledger = load_dataset(odd.dataset), Cache(folder / "cache"), Ledger()
    policy = load_policy(odd.model, odd.dataset, data, cache)
    sampler = Sampler(policy.model, policy.tokenizer, data, PromptStyle(), 32, ledger, ranks)
    resources = PolicyResources(odd, data, policy, sampler, ledger, cache)
    found = {
        "confidences": resources.confidences("final_answer"),
        "tokens": resources.target_tokens("final_answer"),
        "entropy": resources.prompt_scores("entropy"),
        "embeddings": resources.embeddings(),
        "pass_rates": resources.pass_rates(2),
        "probe": np.array(resources.probe([3, 1, 2], 2, keep=True)),
    }
    assert set(resources.kept) == {3, 1, 2}
    return {**found, "spent": ledger.over(ranks).as_dict()}


def test_scores_and_samples_of_two_ranks_are_those_of_one_process(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    alone = measured(Ranks(), tmp_path / "one")
    first, second = on_two(measured, tmp_path / "two")
    for name, values in alone.items():
        if name == "spent":
            continue
        assert first[name].shape == values.shape and (first[name] == second[name]).all(), name
        np.testing.assert_array_equal(first[name], values, err_msg=name)
    assert 0 < first["pass_rates"].mean() < 1
    assert alone["spent"]["probe"]["completions"] == 2 * (65 + 3)
    assert first["spent"]["probe"]["completions"] == 2 * (66 + 4), "the last question of an odd number is done twice"
    for amount in ("scored_tokens", "flops", "completions"):
        assert first["spent"]["score"][amount] == alone["spent"]["score"][amount]
    assert first["spent"] == second["spent"]


def confidences(ranks: Ranks, folder: Path) -> np.ndarray:
    """(65,) s, scored in many batches; ends with a RuntimeError after 3 of them where `folder` says so."""
    odd = cell(dataset=DatasetSpec(arithmetic=Arithmetic(pool=65, test=8, validation=0, hard=0.0, max_steps=3)))
    data, cache, ledger = load_dataset(odd.dataset), Cache(folder / "cache"), Ledger()
    policy = load_policy(odd.model, odd.dataset, data, cache)
    sampler = Sampler(policy.model, policy.tokenizer, data, PromptStyle(), 32, ledger, ranks)
    resources = PolicyResources(odd, data, policy, sampler, ledger, cache)
    resources.scorer.batch_tokens = 40
    if (folder / "stop").exists():
        add, added = Parts.add, []

        def add_or_stop(parts: Parts, *batch: Any) -> None:
            if len(added) == 3:
                raise RuntimeError("stopped")
            added.append(batch)
            add(parts, *batch)

        Parts.add = add_or_stop  # type: ignore[method-assign]
    return resources.confidences("final_answer")


def test_scores_that_two_ranks_began_one_process_ends_to_the_same_bits(tmp_path: Path) -> None:
    for name in ("whole", "begun"):
        (tmp_path / name).mkdir()
    (tmp_path / "begun" / "stop").touch()
    whole = confidences(Ranks(), tmp_path / "whole")
    with pytest.raises(RuntimeError, match="stopped"):
        on_two(confidences, tmp_path / "begun")
    parts = list((tmp_path / "begun/cache/scores/.parts").glob("*/*/part-*.npz"))
    assert {path.stem[-2:] for path in parts} == {"-0", "-1"}, "each rank has kept what it scored"
    (tmp_path / "begun" / "stop").unlink()
    np.testing.assert_array_equal(confidences(Ranks(), tmp_path / "begun"), whole)
    (card,) = (tmp_path / "begun/cache/scores").glob("*/card.json")
    assert 0 < json.loads(card.read_text())["taken_over"] < 65


# ---------------------------------------------------------------- small parts


def every_method(ranks: Ranks, folder: Path) -> dict[str, Any]:
    built: list[int] = []
    cache = RankedCache(Cache(folder), ranks)

    def build(place: Path) -> None:
        built.append(1)
        (place / "values.json").write_text(json.dumps(ranks.gather(ranks.index)))

    places = [cache.directory("kind", "key", build) for _ in range(2)]
    return {
        "gather": ranks.gather(ranks.index),
        "shared": ranks.shared(f"from {ranks.index}"),
        "first": ranks.first(lambda: (folder / "made").exists() or (folder / "made").write_text("x")),
        "share": [ranks.share(range(n)) for n in (0, 1, 4, 5)],
        "joined": [ranks.join([item * 10 for item in ranks.share(range(n))], n) for n in (0, 1, 4, 5)],
        "built": len(built),
        "values": [json.loads((place / "values.json").read_text()) for place in places],
        "name": places[0].name,
    }


def test_what_ranks_share_gather_split_and_build_together(tmp_path: Path) -> None:
    first, second = on_two(every_method, tmp_path)
    for each in (first, second):
        assert each["gather"] == [0, 1] and each["shared"] == "from 0"
        assert each["joined"] == [[], [0], [0, 10, 20, 30], [0, 10, 20, 30, 40]]
        assert each["built"] == 1 and each["values"] == [[0, 1]] * 2
        assert each["name"] == "key-2-ranks", "what two ranks sampled is not what one would have"
    assert (first["first"], second["first"]) == (1, True), "rank 0 made it, rank 1 found it"
    assert first["share"] == [[], [0], [0, 1], [0, 1, 2]]
    assert second["share"] == [[], [0], [2, 3], [3, 4, 4]]


@pytest.mark.parametrize(
    ("changes", "processes", "message"),
    [
        ({}, 3, r"train.questions_per_step: got 4 with --processes 3, expected a multiple of it \(3 or 6\)"),
        ({"replay": None}, 8, r"questions_per_step: got 4 with --processes 8, expected a multiple of it \(8\)"),
        ({}, 4, r"replay.fresh: got 2 with --processes 4"),
        ({"replay": ReplaySpec(fresh=0.5, capacity=9)}, 2, r"replay.capacity: got 9 with --processes 2.*\(8 or 10\)"),
        (
            {"replay": None, "train": TrainSpec(questions_per_step=4, group_size=2, minibatches=8)},
            2,
            r"train.minibatches: got 8 with --processes 2, which leaves 4 rows",
        ),
    ],
)
def test_what_does_not_divide_by_the_processes_is_told_with_both_numbers(
    changes: dict[str, Any], processes: int, message: str
) -> None:
    check_ranks(cell(**changes), 1)
    with pytest.raises(UserError, match=message):
        check_ranks(cell(**changes), processes)
    check_ranks(cell(selection=Uniform(), replay=None), 4)


def test_ranks_start_with_every_warm_start_built(tmp_path: Path) -> None:
    own = ModelSpec(tiny=TinyModel(warm_start=WarmStart(updates=1)))
    check_prepared(cell(), cache_of(cell(), tmp_path))
    with pytest.raises(UserError, match=r"model: the warm start of .* is not in .*run --processes N` builds it"):
        check_prepared(cell(model=own), cache_of(cell(), tmp_path))


def _parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int)
    add_launch_options(parser, detach=True)
    return parser.parse_args(words)


def test_a_rank_reads_its_cell_from_a_spec_or_from_a_request(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(SPEC)
    of_spec = read_request(["two.yaml:full:0", "--runs", "kept", "-S", "train.steps=3"])
    assert (of_spec.cell.arm, of_spec.cell.train.steps, of_spec.locked) == ("full", 3, False)
    assert of_spec.run_dir == tmp_path / "kept" / identity(of_spec.cell)
    for wrong in ("two.yaml:full:1", "two.yaml:other:0", "two.yaml", "full"):
        with pytest.raises(UserError, match="names 0 cells, expected one as SPEC"):
            read_request([wrong])
    what = {"cell": cell().model_dump(mode="json"), "identity": "one", "runs_dir": "kept"}
    (tmp_path / "ranks.json").write_text(json.dumps(what))
    asked = read_request([str(tmp_path / "ranks.json")])
    assert (asked.cell, asked.identity, asked.run_dir, asked.locked) == (cell(), "one", tmp_path, True)


def test_options_that_do_not_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"--accelerate: got cpu\.yaml with one process"):
        where(_parsed("--accelerate", "cpu.yaml"))
    with pytest.raises(UserError, match=r"missing\.yaml is no configuration of accelerate"):
        target_of(2, tmp_path / "missing.yaml")
    (tmp_path / "wide.yaml").write_text("distributed_type: MULTI_GPU\nnum_machines: 2\nnum_processes: 16\n")
    with pytest.raises(UserError, match="is for 2 machines"):
        target_of(2, tmp_path / "wide.yaml")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    with pytest.raises(UserError, match="--processes: got 4, expected at most 3, the GPUs of this machine"):
        where(_parsed("--processes", "4"))
    assert where(_parsed("--processes", "3")).local_jobs == 1
    on_ray = where(_parsed("--processes", "4", "--launcher", "ray"))
    assert (on_ray.processes, on_ray.cpus_per_job) == (4, 4.0)


def test_each_process_of_a_job_gets_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    assert (default_jobs(1), default_jobs(2), default_jobs(3), default_jobs(8)) == (4, 2, 1, 1)
    assert [gpus_of(slot, 2) for slot in range(3)] == [[0, 1], [2, 3], [0, 1]]
    assert gpus_of(1) == [1]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus_of(0, 2) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cpu", DistributedType.MULTI_GPU),
        ("ddp", DistributedType.MULTI_GPU),
        ("fsdp", DistributedType.FSDP),
        ("deepspeed_zero2", DistributedType.DEEPSPEED),
        ("deepspeed_zero3", DistributedType.DEEPSPEED),
    ],
)
def test_accelerate_reads_every_configuration_that_is_shipped(name: str, kind: DistributedType) -> None:
    assert {path.stem for path in CONFIGS.iterdir()} == {"cpu", "ddp", "fsdp", "deepspeed_zero2", "deepspeed_zero3"}
    config = load_config_from_file(str(CONFIGS / f"{name}.yaml"))
    assert config.distributed_type == kind and config.num_machines == 1 and config.mixed_precision == "no"
    assert config.use_cpu == (name == "cpu")
