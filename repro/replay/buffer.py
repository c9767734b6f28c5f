"""Rollout replay: a FIFO buffer of whole groups with their tokens and behaviour log-probabilities."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import load_file, save_file

from repro.draws import gumbel_top_k
from repro.groups import has_spread
from repro.replay.replay_spec import ReplaySpec

VERSION = 2
READABLE = (1, 2)
"""Version 1 has no count of expired groups: nothing expired."""


def _own(values: Any, dtype: type) -> np.ndarray:
    """A read-only copy: what a buffer holds changes neither with the caller's array nor by accident."""
    array: np.ndarray = np.array(values, dtype=dtype, order="C")
    array.setflags(write=False)
    return array


@dataclass(eq=False)
class Group:
    """The G completions of one question from one rollout. Two groups may share a question; they stay two groups.

    Arrays are copied on construction and read-only: behaviour log-probabilities are stored once, at the sampling
    temperature, and never overwritten, and advantages travel with their group. `torch.tensor(array)` copies them.
    """

    question: int
    prompt_ids: np.ndarray  # (P,) int64, no padding
    completion_ids: list[np.ndarray]  # G x (T_g,) int64, no padding, the end-of-sequence token included
    rewards: np.ndarray  # (G,) float64
    advantages: np.ndarray  # (G,) float32
    behaviour_logps: list[np.ndarray]  # G x (T_g,) float32, of the policy that generated the tokens
    step: int  # the step that made the group
    uses: int = 0  # how often it was replayed
    reference_logps: list[np.ndarray] | None = None  # as behaviour_logps, of the KL term's reference; None without one

    def __post_init__(self) -> None:
        self.prompt_ids = _own(self.prompt_ids, np.int64)
        self.completion_ids = [_own(row, np.int64) for row in self.completion_ids]
        self.rewards = _own(self.rewards, np.float64)
        self.advantages = _own(self.advantages, np.float32)
        self.behaviour_logps = [_own(row, np.float32) for row in self.behaviour_logps]
        if self.reference_logps is not None:
            self.reference_logps = [_own(row, np.float32) for row in self.reference_logps]
        size = len(self.completion_ids)
        if self.rewards.shape != (size,) or self.advantages.shape != (size,) or len(self.behaviour_logps) != size:
            raise ValueError(
                f"group of question {self.question}: {size} completions, rewards {self.rewards.shape}, "
                f"advantages {self.advantages.shape}, {len(self.behaviour_logps)} rows of log-probs; expected equal"
            )
        for found in (self.behaviour_logps, self.reference_logps or self.behaviour_logps):
            for row, (tokens, logps) in enumerate(zip(self.completion_ids, found, strict=True)):
                if tokens.ndim != 1 or tokens.shape != logps.shape:
                    raise ValueError(
                        f"group of question {self.question}, completion {row}: tokens {tokens.shape}, "
                        f"log-probs {logps.shape}; expected one log-prob per token"
                    )

    @property
    def variance(self) -> float:
        """Population variance of the rewards, p(1-p) where they are 0 and 1 and a share p of them is 1."""
        return float(np.var(self.rewards))


class ReplayBuffer:
    """The latest `capacity` groups; whole groups enter, leave and are drawn, oldest leaves first.

    A group may be drawn in a step if it was made before it, is informative, is no older than `max_age` steps and, with
    `per_question="latest"`, is the newest held group of its question. `filter` says where uninformative groups are
    left out: at `insertion`; at the `draw`, so that they take up capacity and, being the newest, bar their question; or
    at `trimming` (the authors' code): before a step's groups enter, those that could not be drawn any more leave, then
    the oldest beyond `kept_before`, then all of the step's enter. Groups past `max_age` leave at the next draw.

    A group is informative where its rewards differ by more than `min_spread`.

    `prioritised` draws without replacement in proportion to the variance of a group's rewards, p(1-p) for a pass rate
    p of rewards 0 and 1: the expected squared gradient of a group under advantages that are not divided by their
    standard deviation (DOTS, theorem 1, whose sum of (r - mean)^2 is G times the variance whatever the rewards are). It
    weighs the groups that may be drawn only; age enters through `max_age` alone.

    What could be got wrong: a group must not be replayed in the step that made it (`draw` takes only older ones), and
    a buffer short of groups returns fewer, so that the caller can top up with fresh questions and log it.
    """

    def __init__(
        self,
        capacity: int,
        seed: int,
        *,
        draw: Literal["uniform", "prioritised"] = "uniform",
        max_age: int | None = None,
        filter: Literal["insertion", "draw", "trimming"] = "insertion",
        kept_before: int | None = None,
        per_question: Literal["all", "latest"] = "all",
        min_spread: float = 0.0,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}, expected at least 1")
        if max_age is not None and max_age < 1:
            raise ValueError(f"max_age is {max_age}, expected at least 1: a group is one step old when first drawn")
        self.capacity, self.max_age, self.min_spread = capacity, max_age, min_spread
        self._prioritised = draw == "prioritised"
        if (filter == "trimming") != (kept_before is not None) or (kept_before is not None and kept_before < 0):
            raise ValueError(f"kept_before is {kept_before} with filter {filter}, expected a count with trimming only")
        self._keeps_all = filter != "insertion"
        self._kept_before = kept_before
        self._latest = per_question == "latest"
        self._groups = self._queue()
        self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 11])))
        self._counts = {"added": 0, "rejected": 0, "evicted": 0, "expired": 0, "reused": 0}
        self._drawn: list[Group] = []

    @classmethod
    def of(cls, replay: ReplaySpec, seed: int, min_spread: float = 0.0, *, questions: int = 0) -> ReplayBuffer:
        """The empty buffer that a spec asks for; `min_spread` is that of training, `questions` its groups a step, which
        `trimming` needs."""
        options = replay.model_dump(include={"draw", "max_age", "filter", "per_question"})
        if replay.filter == "trimming":
            if questions < 1:
                raise ValueError(f"questions is {questions}, expected the groups of a step: trimming leaves them room")
            options["kept_before"] = max(0, replay.capacity - round(replay.fresh * questions))
        return cls(replay.capacity, seed, **options, min_spread=min_spread)

    def _queue(self, groups: Iterable[Group] = ()) -> deque[Group]:
        return deque(groups, maxlen=self.capacity if self._kept_before is None else None)

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The held groups, oldest first."""
        return tuple(self._groups)

    def informative(self, group: Group) -> bool:
        """Whether a group has a gradient: its rewards differ by more than `min_spread`."""
        return has_spread(group.rewards.tolist(), self.min_spread)

    def add(self, groups: Iterable[Group]) -> int:
        """Keep the groups of a step that the filter lets in, in order; the oldest leave. Returns how many were kept."""
        if self._kept_before is not None:
            self._trim(self._kept_before)
        kept = 0
        for group in groups:
            if not (self._keeps_all or self.informative(group)):
                self._counts["rejected"] += 1
                continue
            self._counts["evicted"] += len(self._groups) == self._groups.maxlen
            self._groups.append(group)
            kept += 1
        self._counts["added"] += kept
        return kept

    def eligible(self, step: int) -> list[Group]:
        """The groups that may be drawn in `step`, oldest first."""
        made = [group for group in self._groups if group.step < step]
        if self.max_age is not None:
            made = [group for group in made if step - group.step <= self.max_age]
        return self._drawable(made)

    def _drawable(self, groups: list[Group]) -> list[Group]:
        """Those of some groups, oldest first, that are informative and, where asked, the newest of their question."""
        if self._latest:
            newest = {group.question: id(group) for group in groups}
            groups = [group for group in groups if newest[group.question] == id(group)]
        return [group for group in groups if self.informative(group)]

    def _trim(self, most: int) -> None:
        held = self._drawable(list(self._groups))
        uninformative = sum(not self.informative(group) for group in self._groups)
        kept = held[max(0, len(held) - most) :]
        self._counts["rejected"] += uninformative
        self._counts["evicted"] += len(self._groups) - uninformative - len(kept)
        self._groups = self._queue(kept)

    def draw(self, n: int, step: int) -> list[Group]:
        """Up to `n` distinct groups of `eligible(step)`, without replacement; their `uses` go up by one.

        Fewer than `n` where the buffer is short. They are the held objects, not copies.
        """
        if n < 0:
            raise ValueError(f"n is {n}, expected at least 0")
        self._expire(step)
        eligible = self.eligible(step)
        size = min(n, len(eligible))
        self._drawn = [eligible[i] for i in self._pick(eligible, size)] if size else []
        for group in self._drawn:
            group.uses += 1
        self._counts["reused"] += size
        return list(self._drawn)

    def _pick(self, eligible: list[Group], size: int) -> np.ndarray:
        if not self._prioritised:
            return self._generator.choice(len(eligible), size=size, replace=False)
        variances = np.array([group.variance for group in eligible])  # (E,)
        # Rewards that differ in the last bit only can have a variance of 0: such a group comes last.
        log_weights = np.log(np.maximum(variances, np.finfo(np.float64).tiny))
        return gumbel_top_k(log_weights, size, self._generator)

    def _expire(self, step: int) -> None:
        if self.max_age is None:
            return
        young = [group for group in self._groups if step - group.step <= self.max_age]
        self._counts["expired"] += len(self._groups) - len(young)
        self._groups = self._queue(young)

    def statistics(self, step: int) -> dict[str, float]:
        """Finite numbers, which the trainer logs as `replay/name`.

        `size` groups held; `filled` their share of the capacity (above 1 in a warm-up with `trimming`); `informative`
        those with a gradient; `questions` distinct ones among the held; `unused` share of held informative groups never
        replayed; `reused` groups of the latest draw; `age_mean`, `age_max` of those in steps, `uses_mean`, `uses_max`,
        `reward` mean reward and `reward_variance` mean variance of rewards within a group (absent if the latest draw
        was empty); `added`, `rejected`, `evicted`, `expired`, `reused_total` groups since the start.
        """
        held = list(self._groups)
        informative = [group for group in held if self.informative(group)]
        numbers = {
            "size": float(len(held)),
            "filled": len(held) / self.capacity,
            "informative": float(len(informative)),
            "questions": float(len({group.question for group in held})),
            "reused": float(len(self._drawn)),
            "unused": float(np.mean([group.uses == 0 for group in informative])) if informative else 0.0,
            "added": float(self._counts["added"]),
            "rejected": float(self._counts["rejected"]),
            "evicted": float(self._counts["evicted"]),
            "expired": float(self._counts["expired"]),
            "reused_total": float(self._counts["reused"]),
        }
        if self._drawn:
            ages, uses = ([step - group.step for group in self._drawn], [group.uses for group in self._drawn])
            numbers |= {"age_mean": float(np.mean(ages)), "age_max": float(max(ages))}
            numbers |= {"uses_mean": float(np.mean(uses)), "uses_max": float(max(uses))}
            numbers["reward"] = float(np.mean([group.rewards.mean() for group in self._drawn]))
            numbers["reward_variance"] = float(np.mean([group.variance for group in self._drawn]))
        return numbers

    def save(self, directory: Path) -> None:
        """Write `replay.safetensors` and `replay.json` into `directory` (made if missing); `load` is bit-exact.

        Not atomic: a kill leaves half of them, so the caller marks what is whole, as a checkpoint does.
        """
        directory.mkdir(parents=True, exist_ok=True)
        held = list(self._groups)
        completions = [row for group in held for row in group.completion_ids]
        logps = [row for group in held for row in group.behaviour_logps]
        empty_ids, empty_logps = np.zeros(0, np.int64), np.zeros(0, np.float32)
        arrays = {
            "prompt_ids": np.concatenate([empty_ids, *(group.prompt_ids for group in held)]),
            "prompt_lengths": np.array([len(group.prompt_ids) for group in held], np.int64),
            "completion_ids": np.concatenate([empty_ids, *completions]),
            "completion_lengths": np.array([len(row) for row in completions], np.int64),
            "behaviour_logps": np.concatenate([empty_logps, *logps]),
            "rewards": np.concatenate([np.zeros(0), *(group.rewards for group in held)]),
            "advantages": np.concatenate([empty_logps, *(group.advantages for group in held)]),
            "group_sizes": np.array([len(group.completion_ids) for group in held], np.int64),
            "fields": np.array([[g.question, g.step, g.uses] for g in held], np.int64).reshape(-1, 3),
        }
        reference = [row for group in held for row in group.reference_logps or ()]
        if reference:  # of all groups or of none: the KL term of a run is on or off
            arrays["reference_logps"] = np.concatenate([empty_logps, *reference])
        save_file(arrays, directory / "replay.safetensors")
        state = {
            "version": VERSION,
            "capacity": self.capacity,
            "groups": len(held),
            "counts": self._counts,
            "generator": self._generator.bit_generator.state,
        }
        (directory / "replay.json").write_text(json.dumps(state))

    def load(self, directory: Path) -> None:
        """Replace everything by what `save` wrote. ValueError if it belongs to another capacity or version.

        Files of version 1 are read too.
        """
        state = json.loads((directory / "replay.json").read_text())
        arrays = load_file(directory / "replay.safetensors")
        if state["version"] not in READABLE:
            raise ValueError(f"{directory}: replay version is {state['version']}, expected one of {READABLE}")
        if state["capacity"] != self.capacity:
            raise ValueError(f"{directory}: replay capacity is {state['capacity']}, expected {self.capacity}")
        if state["groups"] != len(arrays["fields"]):
            raise ValueError(f"{directory}: {len(arrays['fields'])} groups on disk, replay.json says {state['groups']}")
        prompts = _split(arrays["prompt_ids"], arrays["prompt_lengths"])
        completions = _split(arrays["completion_ids"], arrays["completion_lengths"])
        logps = _split(arrays["behaviour_logps"], arrays["completion_lengths"])
        rewards = _split(arrays["rewards"], arrays["group_sizes"])
        advantages = _split(arrays["advantages"], arrays["group_sizes"])
        reference = None
        if "reference_logps" in arrays:
            reference = _split(arrays["reference_logps"], arrays["completion_lengths"])
        self._groups.clear()
        first = 0
        for row, (question, step, uses) in enumerate(arrays["fields"].tolist()):
            last = first + int(arrays["group_sizes"][row])
            tokens, behaviour = completions[first:last], logps[first:last]
            again = None if reference is None else reference[first:last]
            self._groups.append(
                Group(question, prompts[row], tokens, rewards[row], advantages[row], behaviour, step, uses, again)
            )
            first = last
        self._counts = {"expired": 0, **state["counts"]}
        self._generator.bit_generator.state = state["generator"]
        self._drawn = []


def _split(flat: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Cut a concatenation back into its rows."""
    return np.split(flat, np.cumsum(lengths)[:-1]) if len(lengths) else []
