"""Writes the record of one run whose numbers are known, as a job would."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from repro.tracking.journal import Journal
from tests.analysis.behaviour import GROUP, POOL, QUESTIONS_PER_STEP, SECONDS, TOKENS, Behaviour


class Writer:
    """Writes steps, evaluations and costs of a run by the behaviour of its arm."""

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
