"""Studies with known numbers, written by the journal and delivered to a real MLflow store."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from analysis.study import Study, build_study, load_study
from repro.files import read_jsonl
from repro.study.expand import expand_study
from repro.study.load import LoadedSpec, load_spec
from repro.tracking.aggregate import aggregate
from repro.tracking.histories import Series
from repro.tracking.journal import Journal
from repro.tracking.labels import Labels
from repro.tracking.run_record import RunRecord
from repro.tracking.run_status import run_status
from repro.tracking.store import deliver

POOL, GROUP, QUESTIONS_PER_STEP = 64, 4, 8
TOKENS, SECONDS = 10, 0.5  # per completion; per step without selection


@dataclass(frozen=True)
class Behaviour:
    """What the runs of one arm do. Accuracies and shares in 0..1.

    `curve` gives the accuracy at each evaluation, plus `jitter[seed]`; `zero` the zero-variance share of every step.
    """

    curve: tuple[float, ...]
    jitter: tuple[float, ...] = (0.0, 0.0, 0.0)
    zero: float = 0.5
    zero_jitter: tuple[float, ...] = (0.0, 0.0, 0.0)
    probe_tokens: int = 0  # selection sampling before each step
    predicts: bool = False
    replays: float = 0.0
    outside: float = 0.01  # share of replayed tokens outside the clip, times the step
    warm_up: int = 0  # first steps without replayed groups
    topped_up: Mapping[int, int] | None = None  # step -> fresh groups in place of replayed ones
    pearson: float | None = None  # of predictions on uniform questions, at each evaluation
    reused: int = 0  # references that train with their own rollouts, at each refresh
    update_seconds: float = SECONDS / 2
    kept: float = 1.0
    difficulty: tuple[float, float] = (3.0, 3.0)  # mean true steps of what is chosen, at the first and last step
    status: str = "finished"
    truth: bool = True  # whether the task knows the true difficulty
    shifts: Mapping[str, float] | None = None  # label of a model or dataset -> added to its final accuracies
    agreement: float = 1.0  # how far the confidence follows the pass rate: 1 exactly, 0 not at all
    sampling_seconds: float = 3.0  # what K samples of the whole pool cost
    benchmarks: Mapping[str, tuple[int, tuple[float, ...]]] | None = None  # name -> questions, accuracy from step 0 on
    absent: tuple[str, ...] = ()  # labels of models, datasets or `seed 2` where the arm has not run
    fails: tuple[str, ...] = ()  # such labels where its runs have failed


@dataclass(frozen=True)
class Store:
    """Where a synthetic study lives; without `uri` in its run directories only."""

    loaded: LoadedSpec
    runs_dir: Path
    uri: str | None

    def read(self) -> Study:
        """The study as the analysis sees it."""
        if self.uri is not None:
            return load_study(self.loaded.spec, self.uri)
        planned = [(cell.identity, place) for cell in expand_study(self.loaded.spec) for place in cell.places]
        records = [_record(path) for path in sorted(self.runs_dir.iterdir())]
        return build_study(self.loaded.spec, planned, records)


def edit(path: Path, text: str) -> None:
    """Give a file of a finished run another content, and write the marker that vouches for it anew."""
    path.write_text(text)
    marker = path.parent / "done.json"
    if marker.exists():
        Journal(path.parent).finish(json.loads(marker.read_text())["summary"])


def _record(run_dir: Path) -> RunRecord:
    """What `read_runs` would make of a delivered run, straight from its directory: MLflow takes seconds."""
    about = json.loads((run_dir / "cell.json").read_text())
    labels, metrics = about["labels"], {}
    for row in read_jsonl(run_dir / "metrics.jsonl"):
        for name, value in row["metrics"].items():
            steps, values = metrics.setdefault(name, Series([], []))
            steps.append(row["step"])
            values.append(value)
    names = {key: labels[key] for key in ("arm", "model", "dataset", "seed")}
    return RunRecord(
        about["identity"], **names, axis_point=labels["axis"], status=run_status(run_dir), params={}, metrics=metrics,
        artifacts=run_dir, run_id="", parent_id=None, started=0.0, ended=None,
    )  # fmt: skip


def make_study(
    folder: Path,
    uri: str | None,
    arms: Mapping[str, tuple[dict[str, Any], Behaviour]],
    *,
    name: str = "study",
    seeds: int = 3,
    steps: int = 8,
    every: int = 2,
    questions: int = 20,
    samples: int = 4,
    base: float = 0.3,
    exact: bool = True,
    wiggle: bool = False,
    fields: Mapping[str, Any] | None = None,
) -> Store:
    """Write a spec and all its runs, and deliver them where there is a store.

    With `wiggle` the three seeds of an arm differ by a few samples, thousandths and ten-thousandths in what would else
    be the same for all: their means stay, and differences of arms have a spread.

    With `exact` an accuracy a means that the first a * questions problems are always solved and the others never;
    otherwise problems have pass rates of their own and passes are drawn from them (for pictures).
    """
    spec = {
        "name": name,
        "model": "tiny",
        "dataset": {"arithmetic": {"pool": POOL, "test": questions}},
        "train": {"steps": steps, "questions_per_step": QUESTIONS_PER_STEP, "group_size": GROUP, "minibatches": 2},
        "evaluate": {"every": every, "samples": samples},
        "arms": {arm: config for arm, (config, _) in arms.items()},
        "seeds": list(range(seeds)),
        **(fields or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(spec, sort_keys=False))
    loaded = load_spec(path)
    runs_dir = folder / "runs"
    for cell in expand_study(loaded.spec):
        behaviour = arms[cell.cell.arm][1]
        labels = {cell.cell.model.label, cell.cell.dataset.label, f"seed {cell.cell.seed}"}
        if behaviour.status == "todo" or labels & set(behaviour.absent):
            continue
        behaviour = replace(behaviour, status="failed") if labels & set(behaviour.fails) else behaviour
        off = _off(list(arms).index(cell.cell.arm), cell.cell.seed) if wiggle else 0
        journal = Journal(runs_dir / cell.identity)
        writer = _Writer(journal, behaviour, cell.cell, questions, samples, base, exact, off)
        writer.write(cell.identity)
        for place in cell.places if uri else ():
            labels = Labels(name, place.arm, place.model, place.dataset, place.seed, place.axis_point)
            assert deliver(runs_dir / cell.identity, labels, uri, final=True)
    assert uri is None or aggregate(name, uri)
    return Store(loaded, runs_dir, uri)


def _off(arm: int, seed: int) -> int:
    """By how much the run of a seed is off its arm's mean: another order and size for each arm, of mean 0."""
    return (1 + arm // 6) * list(permutations((-1, 0, 1)))[arm % 6][seed % 3]


class _Writer:
    def __init__(self, journal: Journal, behaviour: Behaviour, cell: Any, questions: int, samples: int, base: float,
                 exact: bool, off: int) -> None:  # fmt: skip
        self.off = off
        self.journal, self.behaviour, self.cell = journal, behaviour, cell
        self.questions, self.samples, self.base, self.exact = questions, samples, base, exact
        self.generator = np.random.default_rng([cell.seed, sum(map(ord, cell.arm))])
        world = np.random.default_rng(0)
        self.ids = [f"train-{i}" for i in range(POOL)]
        self.true = np.clip(world.integers(1, 11, POOL), 1, 10)
        self.easiness = world.normal(0, 1.3, questions)
        self.pool_rates = np.round(1 / (1 + np.exp(self.true - 4 + world.normal(0, 1, POOL))) * 8) / 8

    def write(self, identity: str) -> None:
        journal, behaviour, cell = self.journal, self.behaviour, self.cell
        journal.start(cell, identity)
        journal.truncate(-1)
        if behaviour.status == "failed":
            journal.fail("Traceback (most recent call last):\nRuntimeError: out of memory\n")
            return
        self._base()
        self._selection()
        self.ledger = {
            p: _amounts() for p in ("warm_start", "score", "probe", "oracle", "rollout", "train", "evaluate")
        }
        if cell.selection.method == "confidence":
            self.ledger["score"] |= {
                "scored_tokens": POOL * 12,
                "flops": POOL * 12e6,
                "seconds": 0.3,
                "cpu_seconds": 0.3,
            }
        if cell.selection.method == "pass_rate":
            tokens = POOL * cell.selection.samples * TOKENS
            clocks = dict.fromkeys(("seconds", "cpu_seconds"), behaviour.sampling_seconds)
            self.ledger["probe"] |= {"generated_tokens": tokens, "flops": 1e9, **clocks}
        self._evaluate(0, self.base)
        for step in range(1, self._steps() + 1):
            self._step(step)
            if step % cell.evaluate.every == 0:
                index = step // cell.evaluate.every - 1
                shifts = behaviour.shifts or {}
                shift = sum(shifts.get(label, 0.0) for label in (cell.model.label, cell.dataset.label))
                self._evaluate(step, behaviour.curve[index] + behaviour.jitter[cell.seed] + shift)
        journal.write_json("ledger.json", self.ledger)
        if behaviour.status == "finished":
            journal.finish({"steps": cell.train.steps})

    def _steps(self) -> int:
        """Steps of the run: those of the spec, or what its budget of epochs allows as far as its curve goes."""
        budget = self.cell.budget
        if budget is None or budget.epochs is None:
            return int(self.cell.train.steps)
        allowed = max(1, round(budget.epochs * self.behaviour.kept * POOL / QUESTIONS_PER_STEP))
        return min(allowed, len(self.behaviour.curve) * self.cell.evaluate.every)

    def _base(self) -> None:
        greedy = {f"test-{i}": i < round((self.base + 0.15) * self.questions) for i in range(self.questions)}
        rates = dict(zip(self.ids, map(float, self.pool_rates), strict=True))
        self.journal.write_json(
            "base.json",
            {
                "accuracy": {"test": self.base},
                "greedy": sum(greedy.values()) / self.questions,
                "entropy": 0.4,
                "temperatures": {"0.3": self.base + 0.12, "0.6": self.base + 0.08},
                "pool": {"samples": 8, "pass_rates": rates},
                "warm_start": {"updates": 1500},
            },
        )

    def _selection(self) -> None:
        ids = (
            [self.ids[i] for i in self.generator.permutation(POOL)]
            if self.cell.selection.method == "random"
            else self.ids
        )
        kept = ids[: max(QUESTIONS_PER_STEP, round(self.behaviour.kept * POOL))]
        steps_true = dict(zip(self.ids, map(int, self.true), strict=True))
        noise = np.random.default_rng(1).normal(0, 0.4, POOL)
        scores = self.behaviour.agreement * self.pool_rates + (1 - self.behaviour.agreement) * noise
        confident = self.cell.selection.method == "confidence"
        self.journal.write_json(
            "selection.json",
            {
                "method": self.cell.selection.method,
                "pool": POOL,
                "kept": kept,
                "scores": dict(zip(self.ids, map(float, scores), strict=True)) if confident else None,
                "steps_true": steps_true if self.behaviour.truth else {},
            },
        )

    def _step(self, step: int) -> None:
        behaviour, cell, generator = self.behaviour, self.cell, self.generator
        wanted = round(QUESTIONS_PER_STEP * (1 - behaviour.replays))
        fresh = QUESTIONS_PER_STEP if step <= behaviour.warm_up else wanted + (behaviour.topped_up or {}).get(step, 0)
        low, high = behaviour.difficulty
        centre = low + (high - low) * (step - 1) / max(1, cell.train.steps - 1)
        weight = np.exp(-0.5 * ((self.true - centre) / 1.5) ** 2)
        chosen = generator.choice(POOL, fresh, replace=False, p=weight / weight.sum())
        zero = behaviour.zero + behaviour.zero_jitter[cell.seed % len(behaviour.zero_jitter)]
        zero += 0.001 * self.off
        if not self.exact:
            zero = float(np.clip(zero + generator.normal(0, 0.06), 0, 1))
        rates = np.where(generator.random(fresh) < zero, generator.integers(0, 2, fresh), 0.5)
        predicted = np.clip(rates + generator.normal(0, 0.15, fresh), 0, 1) if behaviour.predicts else None
        self.journal.record_step(
            step,
            chosen=[self.ids[i] for i in chosen],
            fresh=[self.ids[i] for i in chosen],
            replayed=self.ids[: QUESTIONS_PER_STEP - fresh],
            predicted=predicted,
            pass_rate=rates,
            steps_true=[int(self.true[i]) for i in chosen] if behaviour.truth else None,
        )
        refresh = cell.selection.method == "difficulty" and (step - 1) % cell.selection.every == 0
        reused = behaviour.reused if refresh else 0
        rollouts = (fresh - reused) * GROUP
        half, tokens = SECONDS / 2, rollouts * TOKENS
        self._spend(step, "rollout", generated_tokens=tokens, prompt_tokens=rollouts * 6, completions=rollouts,
                    flops=rollouts * 1e7, seconds=half * fresh / QUESTIONS_PER_STEP)  # fmt: skip
        self._spend(step, "train", trained_tokens=QUESTIONS_PER_STEP * GROUP * TOKENS, flops=3e8,
                    seconds=behaviour.update_seconds)  # fmt: skip
        if behaviour.probe_tokens:
            self._spend(step, "probe", generated_tokens=behaviour.probe_tokens, flops=1e7, seconds=0.05)
        if cell.selection.method == "oracle":
            self._spend(step, "oracle", completions=POOL * GROUP, generated_tokens=POOL * GROUP * TOKENS, seconds=0.1)
        if refresh:
            measured = POOL if cell.selection.predictor == "oracle" else cell.selection.references
            self._spend(step, "probe", completions=measured * GROUP)
        metrics = {"train/zero_variance": zero, "train/effective": 1 - zero, "train/reward": float(rates.mean())}
        if getattr(cell.selection, "reuse_references", False):
            metrics["select/reused"] = reused
        if cell.replay is not None:
            planned = step <= cell.replay.warm_up
            metrics |= {
                "replay/fresh": fresh,
                **({"replay/ratio_outside": behaviour.outside * step} if fresh < QUESTIONS_PER_STEP else {}),
                "replay/warm_up": (fresh - wanted) * planned,
                "replay/topped_up": (fresh - wanted) * (not planned),
            }
        if behaviour.predicts:
            noise = 0.0 if self.exact else float(generator.normal(0, 0.05))
            metrics |= {"select/predictor_pearson": 0.6 + 0.005 * step + noise, "select/predictor_mae": 0.2}
        self.journal.log(step, metrics | self._cost())

    def _spend(self, step: int, phase: str, **amounts: float) -> None:
        amounts["seconds"] = amounts.get("seconds", 0.0) * math.exp(1e-4 * self.off)
        amounts["cpu_seconds"] = amounts["seconds"]
        for name, value in amounts.items():
            self.ledger[phase][name] += value
        self.journal.spent(step, phase, amounts)

    def _cost(self) -> dict[str, float]:
        phases = ("score", "probe", "rollout", "train")

        def total(name: str) -> float:
            return sum(self.ledger[phase][name] for phase in phases)

        names = ("generated_tokens", "completions", "flops", "seconds", "cpu_seconds")
        return {f"cost/{name}": total(name) for name in names}

    def _evaluate(self, step: int, accuracy: float) -> None:
        n, k = self.questions, self.samples
        if self.exact:
            solved = round(accuracy * n)
            passes = [k if i < solved else 0 for i in range(n)]
            passes[solved if self.off > 0 else solved - 1] += self.off * (step > 0)
        else:
            generator = np.random.default_rng([0, 0]) if step == 0 else self.generator
            logits = math.log(accuracy / (1 - accuracy)) * 1.3 + self.easiness
            passes = [int(value) for value in generator.binomial(k, 1 / (1 + np.exp(-logits)))]
        greedy_accuracy = min(1.0, accuracy + 0.15)
        self.journal.record_evaluation(
            step,
            "test",
            temperature=1.0,
            samples=k,
            passes={f"test-{i}": value for i, value in enumerate(passes)},
            greedy={f"test-{i}": i < round(greedy_accuracy * n) for i in range(n)},
            entropy=0.4 * (1 - accuracy),
            mean_tokens=18.0,
        )
        for name, (count, curve) in (self.behaviour.benchmarks or {}).items():
            jitter = self.behaviour.jitter[self.cell.seed] * (step > 0)  # the start policy is one
            solved = round((curve[step // self.cell.evaluate.every] + jitter) * count)
            self.journal.record_evaluation(
                step,
                name,
                temperature=1.0,
                samples=k,
                passes={f"{i}": k * (i < solved) for i in range(count)},
                entropy=0.3,
                mean_tokens=12.0,
            )
        metrics = {"eval/accuracy": sum(passes) / (k * n), "eval/greedy": greedy_accuracy}
        if self.behaviour.pearson is not None:
            metrics["eval/predictor_pearson"] = (
                self.behaviour.pearson + self.behaviour.jitter[self.cell.seed] + 0.001 * self.off
            )
        self.journal.log(step, metrics | (self._cost() if step == 0 else {}))


def _amounts() -> dict[str, float]:
    names = ("prompt_tokens", "generated_tokens", "scored_tokens", "trained_tokens", "completions", "flops", "seconds",
             "cpu_seconds")  # fmt: skip
    return dict.fromkeys(names, 0.0)


def learning(final: float, base: float = 0.3, points: int = 4, speed: float = 2.0) -> tuple[float, ...]:
    """A saturating curve from `base` that ends at `final`."""
    top = 1 - math.exp(-speed)
    return tuple(base + (final - base) * (1 - math.exp(-speed * (i + 1) / points)) / top for i in range(points))


QUICKSTART: dict[str, tuple[dict[str, Any], Behaviour]] = {
    "full": ({}, Behaviour(learning(0.62, points=8), (-0.015, 0.01, 0.005), 0.52, (-0.02, 0.0, 0.02))),
    "random": (
        {"selection": {"method": "random", "fraction": 0.25}},
        Behaviour(learning(0.55, points=8), (0.01, -0.02, 0.01), 0.55, (0.01, -0.01, 0.0), kept=0.25),
    ),
    "ufo": (
        {"selection": {"method": "confidence", "fraction": 0.25}},
        Behaviour(learning(0.61, points=8), (0.0, 0.02, -0.02), 0.44, (0.0, 0.02, -0.02), kept=0.25, difficulty=(4, 4)),
    ),
    "dots": (
        {"selection": {"method": "difficulty", "references": 4, "every": 2}},
        Behaviour(learning(0.68, points=8, speed=3.5), (-0.01, 0.012, 0.0), 0.3, (-0.01, 0.01, 0.0), 64, True,
                  difficulty=(3.5, 5.5)),
    ),
    "dots_rr": (
        {"extends": "dots", "replay": {"fresh": 0.5, "capacity": 8}},
        Behaviour(learning(0.66, points=8, speed=3.2), (0.01, -0.012, 0.004), 0.31, (0.0, 0.01, -0.01), 64, True, 0.5,
                  difficulty=(3.5, 5.5)),
    ),
}  # fmt: skip
"""Arms like the quickstart's, for pictures."""
