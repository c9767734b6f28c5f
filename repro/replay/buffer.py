"""Rollout replay: a FIFO buffer of groups, or of single completions, with tokens and behaviour log-probabilities."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from repro.draws import gumbel_top_k
from repro.groups import has_spread
from repro.replay.group import Group
from repro.replay.replay_spec import ReplaySpec
from repro.replay.stored import read_groups, write_groups


class ReplayBuffer:
    """The latest `capacity` groups; whole groups enter, leave and are drawn, oldest leaves first.

    With `unit="rollout"` each completion of a group enters, leaves and is drawn by itself, with the advantage that it
    has in its group, and what is said of groups here is said of completions.

    A group may be drawn in a step if it was made before it, is informative, is no older than `max_age` steps and, with
    `per_question="latest"`, is the newest held group of its question. `filter` says where uninformative groups are
    left out: at `insertion`; at the `draw`, so that they take up capacity and, being the newest, bar their question; or
    at `trimming` (the authors' code): before a step's groups enter, those that could not be drawn any more leave, then
    the oldest beyond `kept_before`, then all of the step's enter. Groups past `max_age` leave at the next draw.

    A group is informative where its rewards differ by more than `min_spread`, a completion where its advantage is not
    0. The newest completions of a question are all those of the latest step that has left some.

    `prioritised` draws without replacement in proportion to the variance of a group's rewards, p(1-p) for a pass rate
    p of rewards 0 and 1: the expected squared gradient of a group under advantages that are not divided by their
    standard deviation (DOTS, theorem 1, whose sum of (r - mean)^2 is G times the variance whatever the rewards are). It
    weighs the groups that may be drawn only. Completions are drawn in proportion to |advantage|. With `tau_age` each
    weight is multiplied by exp(-age / tau_age), age in steps. The loss does not correct for the draw: replayed rows
    count alike, so that a batch holds more of what weighs more, and its gradient is not that of a uniform draw.

    What could be got wrong: a group must not be replayed in the step that made it (`draw` takes only older ones), and
    a buffer short of groups returns fewer, so that the caller can top up with fresh questions and log it.
    """

    def __init__(
        self,
        capacity: int,
        seed: int,
        *,
        unit: Literal["group", "rollout"] = "group",
        draw: Literal["uniform", "prioritised"] = "uniform",
        tau_age: float | None = None,
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
        if unit == "rollout" and filter == "trimming":
            raise ValueError("filter is trimming with unit rollout, expected insertion or draw: trimming keeps groups")
        self.capacity, self.max_age, self.min_spread, self.unit = capacity, max_age, min_spread, unit
        self._singly = unit == "rollout"
        self._prioritised, self._tau_age = draw == "prioritised", tau_age
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
        options = replay.model_dump(include={"unit", "draw", "tau_age", "max_age", "filter", "per_question"})
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
        """Whether a group has a gradient: its rewards differ by more than `min_spread`. A completion: its advantage."""
        if self._singly:
            return group.priority > 0
        return has_spread(group.rewards.tolist(), self.min_spread)

    def add(self, groups: Iterable[Group]) -> int:
        """Keep the groups of a step that the filter lets in, in order; the oldest leave. Returns how many were kept."""
        if self._kept_before is not None:
            self._trim(self._kept_before)
        if self._singly:
            groups = [each for group in groups for each in group.rollouts()]
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
            newest = {group.question: group for group in groups}
            groups = [group for group in groups if self._made_with(group, newest[group.question])]
        return [group for group in groups if self.informative(group)]

    def _made_with(self, one: Group, other: Group) -> bool:
        return one is other or (self._singly and one.step == other.step)

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
        self._drawn = [eligible[i] for i in self._pick(eligible, size, step)] if size else []
        for group in self._drawn:
            group.uses += 1
        self._counts["reused"] += size
        return list(self._drawn)

    def _pick(self, eligible: list[Group], size: int, step: int) -> np.ndarray:
        if not self._prioritised:
            return self._generator.choice(len(eligible), size=size, replace=False)
        weights = np.array([group.priority if self._singly else group.variance for group in eligible])  # (E,)
        # Rewards that differ in the last bit only can have a variance of 0: such a group comes last.
        log_weights = np.log(np.maximum(weights, np.finfo(np.float64).tiny))
        if self._tau_age is not None:
            log_weights -= np.array([step - group.step for group in eligible]) / self._tau_age
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
        `reward` mean reward and `reward_variance` mean variance of rewards within a group, of completions in its place
        `advantage`, the mean |advantage| (absent if the latest draw was empty); `added`, `rejected`, `evicted`,
        `expired`, `reused_total` groups since the start.
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
            if self._singly:
                numbers["advantage"] = float(np.mean([group.priority for group in self._drawn]))
            else:
                numbers["reward_variance"] = float(np.mean([group.variance for group in self._drawn]))
        return numbers

    def save(self, directory: Path) -> None:
        """Write the buffer into `directory` (made if missing), as `stored.py` says; `load` is bit-exact."""
        generator = self._generator.bit_generator.state
        state = {"unit": self.unit, "capacity": self.capacity, "counts": self._counts, "generator": generator}
        write_groups(directory, list(self._groups), state)

    def load(self, directory: Path) -> None:
        """Replace everything by what `save` wrote. ValueError if it belongs to another capacity, unit or version.

        Files of earlier versions are read too.
        """
        groups, state = read_groups(directory)
        for name, own in (("capacity", self.capacity), ("unit", self.unit)):
            if state[name] != own:
                raise ValueError(f"{directory}: replay {name} is {state[name]}, expected {own}")
        self._groups = self._queue(groups)
        self._counts = state["counts"]
        self._generator.bit_generator.state = state["generator"]
        self._drawn = []
