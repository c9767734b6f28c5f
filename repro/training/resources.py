"""What selection may ask for about questions: scores and embeddings (from the store), pass rates, columns, probes.

Pass rates are means of the reward that the run trains on; of accuracy, where nothing else is rewarded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from repro.cache import Cache
from repro.canonical import digest
from repro.difficulty.predictor import DifficultyPredictor
from repro.difficulty.shipped import shipped_predictor
from repro.models.policy import Policy, commit_of
from repro.scoring import keys
from repro.scoring.keys import Asked
from repro.scoring.progress import in_lines
from repro.scoring.scorer import Opened, Scorer
from repro.scoring.targets import PromptKind, Target
from repro.spec.schema import Cell
from repro.tasks.columns import categories_of, column_of
from repro.tasks.datasets import dataset_digest
from repro.tasks.problem import TaskData
from repro.tasks.reward_spec import reward_key
from repro.tracking.series import ORACLE
from repro.training.evaluation import Sampler
from repro.training.ledger import Cost, Ledger
from repro.training.pass_rates import measure
from repro.training.predictor_labels import share_labels
from repro.training.predictor_models import check_apart, find_embedder, open_embedder
from repro.training.predictors import build_predictor, built_key
from repro.training.randomness import PASS_RATE, PROBE, derive_seed
from repro.training.ranks import RankedCache

VERSION = 5
"""Enters the keys of pass rates and of what is measured of the start policy: raise it when the same fields would give
other numbers."""


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
        self.alone, self.cache = cache, RankedCache(cache, self.ranks)  # of what one process builds, and what all do
        self.ids = [problem.id for problem in data.train]
        self.step: Callable[[], int] = lambda: 0  # the trainer's step, once there is a trainer
        self._say = say or (lambda message: None)
        shared = RankedCache(cache, self.ranks, apart=False)  # scores do not depend on the number of ranks
        self.scorer = Scorer(shared, self.ranks, say=self._say, showing=in_lines(self._say))
        self.kept: dict[int, list[list[int]]] = {}
        self.kept_logps: dict[int, list[list[float]]] = {}
        self._probed_step, self._probes = -1, 0

    def confidences(self, target: Target, prompt: Literal["paper"] | None = None) -> np.ndarray:
        """(N,) s of UFO-RL under the start policy."""
        return np.exp(self._scored(self._asked(target, prompt), "score")["confidence"])

    def target_tokens(self, target: Target, prompt: Literal["paper"] | None = None) -> np.ndarray:
        """(N,) tokens of the targets behind `confidences`; nobody selects by them, so nobody pays for them."""
        return self._scored(self._asked(target, prompt), None)["target_tokens"]

    def prompt_scores(self, kind: PromptKind) -> np.ndarray:
        """(N,) in [0, 1] of the questions' own tokens in the prompts of rollouts; one pass serves both kinds."""
        data, policy = self.data, self.policy
        asked = keys.prompt_scores(policy.identity, data.train, data.answer_format, self.policy.style)
        return self._scored(asked, "score")[kind]

    def column(self, name: str) -> np.ndarray:
        """(N,) float64 of a numeric column of the dataset: a field of its rows (dotted where it is nested), or what a
        made-up task knows of its questions, such as `steps`. UserError where there is none, or not for each question.
        """
        return column_of(self.data.train, name, stand_in=self.cell.dataset.stand_in)

    def categories(self, name: str) -> list[str]:
        """(N,) what a column of the dataset holds, text or number, as text. UserError as for `column`."""
        return categories_of(self.data.train, name, stand_in=self.cell.dataset.stand_in)

    def pass_rates(self, samples: int, indices: Sequence[int] | None = None) -> np.ndarray:
        """(N,) mean rewards in [0, 1] of the start policy over the training questions, or over those of `indices`."""
        if indices is None:
            return self._pass_rates(samples, "probe")
        drawn = np.asarray(indices, dtype=np.int64)
        return self._pass_rates(samples, "probe", drawn, {"indices": drawn.tolist()})

    def base_pass_rates(self, samples: int, most: int) -> dict[str, float]:
        """{id: pass rate} of at most `most` training questions, for the report's picture of the pool: nobody selects
        by it, so nobody pays. A larger pool is represented by questions drawn once, the same for every run."""
        if len(self.ids) <= most:
            return dict(zip(self.ids, self._pass_rates(samples, None).tolist(), strict=True))
        drawn = np.sort(np.random.default_rng([PASS_RATE, most]).choice(len(self.ids), most, replace=False))
        rates = self._pass_rates(samples, None, drawn, {"drawn": most})
        return {self.ids[i]: float(rate) for i, rate in zip(drawn, rates, strict=True)}

    def embeddings(self) -> np.ndarray:
        """(N, width) mean-pooled last hidden states of the start policy over the question text."""
        asked = keys.embeddings(self.policy.identity, self.data.train, self.data.answer_format)
        return self._scored(asked, "score")["embedding"]

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
            cache, rollout = self.alone, self.cell.train.rollout
            reward = self.cell.reward
            if spec.path is None and shipped_predictor(built_key(spec, dataset, None, rollout, reward)) is None:
                share_labels(spec, dataset, cache, say, rollout, self.ranks, reward)
            built = self.ranks.first(lambda: build_predictor(spec, dataset, cache, say, rollout=rollout, reward=reward))
        self._pay(f"predictor/{built.predictor.digest}", "predictor", built.cost)
        embedder = find_embedder(spec, built.predictor, dataset)

        asked = keys.embeddings(built.predictor.embedder, self.data.train, self.data.answer_format)
        vectors = self._scored(asked, "score", lambda: open_embedder(embedder, dataset, cache, say))["embedding"]
        return built.predictor, vectors

    def probe(
        self, indices: Sequence[int], samples: int, *, keep: bool = False, paid: bool = True
    ) -> list[tuple[float, ...]]:
        """Rewards of `samples` completions per question under the policy as it is now.

        With `keep` the completions lie in `kept` (index -> token ids of each) until the next step's first probe, their
        log-probs in `kept_logps` where the engine tells them. A further call for a question adds to what lies there:
        each call of a step has random numbers of its own, so that no completion is made twice. What is not
        `paid` is entered in the phase `oracle`, apart from budgets and speedups.
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
            problems, samples, train.temperature, train.top_p, derive_seed(*key), "probe" if paid else ORACLE
        )
        if keep:
            for position, index in enumerate(indices):
                rows = slice(position * samples, (position + 1) * samples)
                self.kept.setdefault(int(index), []).extend(out.token_ids[rows])
                if out.logps is not None:
                    self.kept_logps.setdefault(int(index), []).extend(out.logps[rows])
        return rewards

    def _pay(self, key: str, phase: str, cost: Cost) -> None:
        if self.ranks.main:
            self.ledger.add_once(key, phase, **asdict(cost))

    def _asked(self, target: Target, prompt: Literal["paper"] | None) -> Asked:
        train, data = self.cell.train, self.data
        return keys.confidences(
            self.policy.identity,
            data.train,
            data.answer_format,
            self.policy.style,
            target,
            prompt or "default",
            train.max_completion_tokens,
            train.rollout.cache_fields(),
            self.policy.precision,
        )

    def _scored(
        self, asked: Asked, phase: str | None, opened: Callable[[], Opened] | None = None
    ) -> Mapping[str, np.ndarray]:
        """The columns of what is asked, from the store; their cost is paid in `phase` (None: by nobody)."""
        with self.ledger.paused():  # its time comes from the card, whoever measured it
            stored = self.scorer.stored(asked, opened or self._opened)
        if phase is not None:
            self._pay(f"{asked.kind}/{asked.key}", phase, Cost(**stored.card["cost"]))
        return stored.columns

    def _opened(self) -> Opened:
        return Opened(self.policy.model, self.policy.tokenizer, self.sampler.engine, commit_of(self.policy))

    def _pass_rates(
        self,
        samples: int,
        phase: str | None,
        indices: np.ndarray | None = None,
        which: Mapping[str, Any] | None = None,
    ) -> np.ndarray:
        """(n,) pass rates of all training questions or of `indices` (n,), which `which` names in the cache's key.

        Their cost is paid in `phase` (None: by nobody).
        """
        train = self.cell.train
        what = {
            "version": VERSION,
            "policy": self.policy.sampling_identity,
            "dataset": dataset_digest(self.cell.dataset),
            **self.data.left_out(),
            "samples": samples,
            "temperature": train.temperature,
            "top_p": train.top_p,
            "max_completion_tokens": train.max_completion_tokens,
            **train.rollout.cache_fields(),
            **reward_key(self.cell.reward),
            **(which or {}),
        }

        def build(folder: Path) -> None:
            problems = self.data.train if indices is None else [self.data.train[i] for i in indices]
            rates, cost = measure(problems, samples, train, self.fresh_sampler, self.cache, what, self._say)
            np.save(folder / "values.npy", rates, allow_pickle=False)
            (folder / "card.json").write_text(json.dumps({"ids": self.ids, "cost": asdict(cost), "fields": what}))

        with self.ledger.paused():  # its time comes from the card, whoever built it
            folder = self.cache.directory("pass_rates", digest(what), build)
        card = json.loads((folder / "card.json").read_text())
        assert card["ids"] == self.ids, f"{folder}: rows belong to other questions"
        if phase is not None:
            self._pay(f"pass_rates/{folder.name}", phase, Cost(**card["cost"]))
        return np.load(folder / "values.npy", allow_pickle=False)

    def fresh_sampler(self, ledger: Ledger) -> Sampler:
        """A sampler like that of the run, with a ledger of its own."""
        return Sampler(
            self.policy.model,
            self.policy.tokenizer,
            self.data,
            self.policy.style,
            self.cell.train.max_completion_tokens,
            ledger,
            self.ranks,
            self.sampler.engine,
            self.cell.reward,
        )
