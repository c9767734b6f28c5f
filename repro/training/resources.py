"""What selection may ask for about questions: scores, pass rates and embeddings (cached by content), and probes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from repro.cache import Cache
from repro.difficulty.predictor import DifficultyPredictor
from repro.errors import UserError
from repro.models.policy import Policy
from repro.scoring.confidence import Scored, confidence_texts, score_confidence
from repro.scoring.embeddings import embed_questions
from repro.scoring.passes import PassCost
from repro.scoring.prompt_scores import score_prompts
from repro.scoring.targets import PromptKind, Target
from repro.spec.schema import Cell
from repro.tasks.datasets import dataset_digest
from repro.tasks.problem import TaskData
from repro.tasks.prompts import UFO_RL_SYSTEM_PROMPT, render_prompt
from repro.training.evaluation import Sampler
from repro.training.ledger import Cost, Ledger
from repro.training.predictors import build_predictor, check_apart, embed, find_embedder, share_labels
from repro.training.randomness import PASS_RATE, PROBE, derive_seed
from repro.training.ranks import RankedCache
from repro.words import unknown

Build = Callable[[], tuple[np.ndarray, Cost]]

VERSION = 1
"""Enters every cache key: raise it when the same fields would give other numbers."""


class PolicyResources:
    """Answers a selector's questions with the policy, and enters what they cost in the ledger.

    What depends on the start policy alone is cached by content. Its cost is charged in full from the cached record:
    an arm that selects has to pay for selecting, whoever ran first. With several ranks every call is collective: each
    scores or samples its part of the questions, and rank 0 pays what is charged from a record.
    """

    def __init__(
        self,
        cell: Cell,
        data: TaskData,
        policy: Policy,
        sampler: Sampler,
        ledger: Ledger,
        cache: Cache,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.cell, self.data, self.policy, self.sampler = cell, data, policy, sampler
        self.ledger, self.ranks = ledger, sampler.ranks
        self.cache = RankedCache(cache.root, self.ranks)
        self.ids = [problem.id for problem in data.train]
        self.step: Callable[[], int] = lambda: 0  # the trainer's step, once there is a trainer
        self._say = say or (lambda message: None)
        self.kept: dict[int, list[list[int]]] = {}
        self.kept_logps: dict[int, list[list[float]]] = {}
        self._probed_step, self._probes = -1, 0

    def confidences(self, target: Target, prompt: Literal["paper"] | None = None) -> np.ndarray:
        """(N,) s of UFO-RL under the start policy."""
        fields = self._confidence_key(target, prompt)

        def build() -> tuple[np.ndarray, Cost]:
            scored, cost = self._score(target, prompt)
            self._item("target_tokens", fields, lambda: (scored.tokens, Cost()))
            return scored.s, cost

        return self._cached("scores", fields, "score", build)

    def target_tokens(self, target: Target, prompt: Literal["paper"] | None = None) -> np.ndarray:
        """(N,) tokens of the targets behind `confidences`, which leaves them here; nobody selects by them."""

        def build() -> tuple[np.ndarray, Cost]:
            return self._score(target, prompt)[0].tokens, Cost()

        return self._cached("target_tokens", self._confidence_key(target, prompt), None, build)

    def prompt_scores(self, kind: PromptKind) -> np.ndarray:
        """(N,) in [0, 1] of the questions' own tokens in the prompts of rollouts; one pass serves both kinds."""

        def render(question: str) -> str:
            suffix = self.data.answer_format.question_suffix
            return render_prompt(question, self.policy.tokenizer, self.cell.model.system_prompt, suffix)

        def build() -> tuple[np.ndarray, Cost]:
            measured, own = Ledger(), self._share()
            questions, names = [self.data.train[i].question for i in own], [self.ids[i] for i in own]
            with measured.phase("score"):
                scored = score_prompts(self.policy.model, self.policy.tokenizer, questions, render, names=names)
            self._enter(measured, scored.cost)
            values = self._whole(np.stack([scored.perplexity, scored.entropy], axis=1))  # (N, 2)
            return values, measured.over(self.ranks).cost("score")

        return self._cached("prompt_scores", {}, "score", build)[:, 0 if kind == "perplexity" else 1]

    def column(self, name: str) -> np.ndarray:
        """(N,) a numeric column of the dataset. UserError where a question has none."""
        values = [problem.metadata.get(name) for problem in self.data.train]
        if not all(isinstance(value, int | float) for value in values):
            names = sorted({key for problem in self.data.train for key in problem.metadata})
            raise UserError(f"selection.column: {unknown(name, names, 'a numeric column of the dataset')}")
        return np.array(values, dtype=np.float64)

    def pass_rates(self, samples: int, indices: Sequence[int] | None = None) -> np.ndarray:
        """(N,) pass rates of the start policy over the training questions, or over those of `indices`."""
        fields = self._pass_rate_key(samples)
        if indices is None:
            return self._cached("pass_rates", fields, "probe", lambda: self._measure(samples))
        drawn = np.asarray(indices, dtype=np.int64)
        fields["indices"] = drawn.tolist()
        return self._cached("pass_rates", fields, "probe", lambda: self._measure(samples, drawn))

    def base_pass_rates(self, samples: int, most: int) -> dict[str, float]:
        """{id: pass rate} of at most `most` training questions, for the report's picture of the pool: nobody selects
        by it, so nobody pays. A larger pool is represented by questions drawn once, the same for every run."""
        if len(self.ids) <= most:
            rates = self._cached("pass_rates", self._pass_rate_key(samples), None, lambda: self._measure(samples))
            return dict(zip(self.ids, rates.tolist(), strict=True))
        drawn = np.sort(np.random.default_rng([PASS_RATE, most]).choice(len(self.ids), most, replace=False))
        fields = {**self._pass_rate_key(samples), "drawn": most}
        rates = self._cached("pass_rates", fields, None, lambda: self._measure(samples, drawn))
        return {self.ids[i]: float(rate) for i, rate in zip(drawn, rates, strict=True)}

    def embeddings(self) -> np.ndarray:
        """(N, width) mean-pooled last hidden states of the start policy over the question text."""

        def build() -> tuple[np.ndarray, Cost]:
            measured = Ledger()
            with measured.phase("score"):
                vectors, cost = embed_questions(
                    self.policy.model, self.policy.tokenizer, [self.data.train[i].question for i in self._share()]
                )
            self._enter(measured, cost)
            return self._whole(vectors), measured.over(self.ranks).cost("score")

        return self._cached("embeddings", {}, "score", build)

    def predictor(self) -> tuple[DifficultyPredictor, np.ndarray]:
        """The cell's trained predictor, and the training questions' embeddings that it reads.

        Embedding the questions is paid in `score`. What building the predictor took is entered in `predictor`, apart
        from every speedup: it is spent once for all policies and runs that use it.
        """
        spec, say = self.cell.predictor, self._say
        assert spec is not None, "a trained predictor without a `predictor` section"
        dataset, model = self.cell.dataset, self.cell.model
        with self.ledger.paused():
            check_apart(spec, model, dataset)
            cache, rollout = Cache(self.cache.root), self.cell.train.rollout  # of what one process builds
            share_labels(spec, dataset, cache, say, rollout, self.ranks)
            built = self.ranks.first(lambda: build_predictor(spec, dataset, cache, say, rollout=rollout))
        self._pay(f"predictor/{built.predictor.digest}", "predictor", built.cost)
        embedder = find_embedder(spec, built.predictor, dataset)

        def build() -> tuple[np.ndarray, Cost]:
            return embed(embedder, [p.question for p in self.data.train], dataset, cache, say)

        fields = {"embedder": built.predictor.embedder}
        return built.predictor, self._cached("embeddings", fields, "score", build)

    def probe(self, indices: Sequence[int], samples: int, *, keep: bool = False) -> list[tuple[float, ...]]:
        """Rewards of `samples` completions per question under the policy as it is now.

        With `keep` the completions lie in `kept` (index -> token ids of each) until the next step's first probe, their
        log-probs in `kept_logps` where the engine tells them.
        """
        train, step = self.cell.train, self.step()
        if step != self._probed_step:
            self._probed_step, self._probes = step, 0
            self.kept.clear()
            self.kept_logps.clear()
        key = (self.cell.seed, PROBE, step, self._probes) if self._probes else (self.cell.seed, PROBE, step)
        self._probes += 1
        problems = [self.data.train[i] for i in indices]
        out, rewards = self.sampler.completions(
            problems, samples, train.temperature, train.top_p, derive_seed(*key), "probe"
        )
        if keep:
            for position, index in enumerate(indices):
                rows = slice(position * samples, (position + 1) * samples)
                self.kept[int(index)] = out.token_ids[rows]
                if out.logps is not None:
                    self.kept_logps[int(index)] = out.logps[rows]
        return rewards

    def _share(self) -> list[int]:
        """The training questions that this rank scores."""
        return self.ranks.share(range(len(self.ids)))

    def _whole(self, part: np.ndarray) -> np.ndarray:
        """(N, ...) of all training questions from each rank's rows for its share."""
        return np.concatenate(self.ranks.gather(part))[: len(self.ids)]

    def _pay(self, key: str, phase: str, cost: Cost) -> None:
        if self.ranks.main:
            self.ledger.add_once(key, phase, **asdict(cost))

    def _enter(self, ledger: Ledger, cost: PassCost) -> None:
        """A teacher-forced pass in the ledger: every token that it computed, a head that all texts share once."""
        counter, texts = self.sampler.flop_counter, len(cost.lengths)
        flops = counter.forward(cost.lengths) - max(0, texts - 1) * counter.forward([cost.shared_tokens])
        ledger.add("score", scored_tokens=cost.computed_tokens, flops=flops)

    def _score(self, target: Target, prompt: Literal["paper"] | None) -> tuple[Scored, Cost]:
        measured, policy = Ledger(), self.policy

        def respond(prompts: Sequence[str]) -> list[str]:
            sampler = self.fresh_sampler(measured)
            if prompt == "paper":
                sampler.system_prompt = UFO_RL_SYSTEM_PROMPT  # so that it renders the prompts it is given
            return sampler.completions(self.data.train, 1, 0.0, 1.0, 0, "score")[0].texts

        contexts, targets = confidence_texts(
            target,
            prompt or "default",
            self.data.train,
            policy.tokenizer,
            self.cell.model.system_prompt,
            self.data.answer_format,
            respond=respond,
        )
        own = self._share()
        texts, names = ([contexts[i] for i in own], [targets[i] for i in own]), [self.ids[i] for i in own]
        with measured.phase("score"):
            scored = score_confidence(policy.model, policy.tokenizer, *texts, names=names)
        self._enter(measured, scored.cost)
        scored = scored._replace(s=self._whole(scored.s), tokens=self._whole(scored.tokens))
        return scored, measured.over(self.ranks).cost("score")

    def _confidence_key(self, target: Target, prompt: Literal["paper"] | None) -> dict[str, Any]:
        fields: dict[str, Any] = {"target": target}
        if prompt is not None:
            fields["prompt"] = prompt
        if target == "greedy_response":
            fields["max_completion_tokens"] = self.cell.train.max_completion_tokens
            fields |= self.cell.train.rollout.cache_fields()
        return fields

    def _measure(self, samples: int, indices: np.ndarray | None = None) -> tuple[np.ndarray, Cost]:
        measured, train = Ledger(), self.cell.train
        problems = self.data.train if indices is None else [self.data.train[i] for i in indices]
        _, rewards = self.fresh_sampler(measured).completions(
            problems, samples, train.temperature, train.top_p, derive_seed(PASS_RATE, samples), "probe"
        )
        return np.array([np.mean(group) for group in rewards]), measured.over(self.ranks).cost("probe")

    def _pass_rate_key(self, samples: int) -> dict[str, Any]:
        train = self.cell.train
        return {
            "samples": samples,
            "temperature": train.temperature,
            "top_p": train.top_p,
            "max_completion_tokens": train.max_completion_tokens,
            **train.rollout.cache_fields(),
        }

    def fresh_sampler(self, ledger: Ledger) -> Sampler:
        """A sampler like that of the run, with a ledger of its own."""
        return Sampler(
            self.policy.model,
            self.policy.tokenizer,
            self.data,
            self.cell.model.system_prompt,
            self.cell.train.max_completion_tokens,
            ledger,
            self.ranks,
            self.sampler.engine,
        )

    def _cached(self, kind: str, fields: dict[str, Any], phase: str | None, build: Build) -> np.ndarray:
        """What `build` gives, from the cache where it lies there; its cost is paid in `phase` (None: by nobody)."""
        with self.ledger.paused():  # its time comes from the card, whoever built it
            folder = self._item(kind, fields, build)
        card = json.loads((folder / "card.json").read_text())
        assert card["ids"] == self.ids, f"{folder}: rows belong to other questions"
        if phase is not None:
            self._pay(f"{kind}/{folder.name}", phase, Cost(**card["cost"]))
        return np.load(folder / "values.npy", allow_pickle=False)

    def _item(self, kind: str, fields: dict[str, Any], build: Build) -> Path:
        def write(folder: Path) -> None:
            values, cost = build()
            np.save(folder / "values.npy", values, allow_pickle=False)
            (folder / "card.json").write_text(json.dumps({"ids": self.ids, "cost": asdict(cost), "fields": fields}))

        what = {
            "version": VERSION,
            "policy": self.policy.identity,
            "dataset": dataset_digest(self.cell.dataset),
            **fields,
        }
        key = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:24]
        return self.cache.directory(kind, key, write)
