"""Rollout replay: a FIFO buffer of whole informative groups with their tokens and behaviour log-probabilities."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

VERSION = 1


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

    def __post_init__(self) -> None:
        self.prompt_ids = _own(self.prompt_ids, np.int64)
        self.completion_ids = [_own(row, np.int64) for row in self.completion_ids]
        self.rewards = _own(self.rewards, np.float64)
        self.advantages = _own(self.advantages, np.float32)
        self.behaviour_logps = [_own(row, np.float32) for row in self.behaviour_logps]
        size = len(self.completion_ids)
        if self.rewards.shape != (size,) or self.advantages.shape != (size,) or len(self.behaviour_logps) != size:
            raise ValueError(
                f"group of question {self.question}: {size} completions, rewards {self.rewards.shape}, "
                f"advantages {self.advantages.shape}, {len(self.behaviour_logps)} rows of log-probs; expected equal"
            )
        for row, (tokens, logps) in enumerate(zip(self.completion_ids, self.behaviour_logps, strict=True)):
            if tokens.ndim != 1 or tokens.shape != logps.shape:
                raise ValueError(
                    f"group of question {self.question}, completion {row}: tokens {tokens.shape}, "
                    f"log-probs {logps.shape}; expected one log-prob per token"
                )

    @property
    def informative(self) -> bool:
        """Whether two rewards differ, compared exactly: a float mean or deviation would lie."""
        return bool(len(self.rewards)) and bool((self.rewards != self.rewards[0]).any())


class ReplayBuffer:
    """The latest `capacity` informative groups; whole groups enter, leave and are drawn, oldest leaves first.

    What could be got wrong: a group must not be replayed in the step that made it (`draw` takes only older ones), and
    a buffer short of groups returns fewer, so that the caller can top up with fresh questions and log it.
    """

    def __init__(self, capacity: int, seed: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity is {capacity}, expected at least 1")
        self.capacity = capacity
        self._groups: deque[Group] = deque(maxlen=capacity)
        self._generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 11])))
        self._counts = {"added": 0, "rejected": 0, "evicted": 0, "reused": 0}
        self._drawn: list[Group] = []

    def __len__(self) -> int:
        return len(self._groups)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The held groups, oldest first."""
        return tuple(self._groups)

    def add(self, groups: Iterable[Group]) -> int:
        """Keep the informative ones, in order; the oldest whole groups leave. Returns how many were kept."""
        kept = 0
        for group in groups:
            if not group.informative:
                self._counts["rejected"] += 1
                continue
            self._counts["evicted"] += len(self._groups) == self.capacity
            self._groups.append(group)
            kept += 1
        self._counts["added"] += kept
        return kept

    def draw(self, n: int, step: int) -> list[Group]:
        """Up to `n` distinct groups made before `step`, uniformly without replacement; their `uses` go up by one.

        Fewer than `n` where the buffer is short. They are the held objects, not copies.
        """
        if n < 0:
            raise ValueError(f"n is {n}, expected at least 0")
        eligible = [group for group in self._groups if group.step < step]
        size = min(n, len(eligible))
        self._drawn = []
        if size:
            self._drawn = [eligible[i] for i in self._generator.choice(len(eligible), size=size, replace=False)]
        for group in self._drawn:
            group.uses += 1
        self._counts["reused"] += size
        return list(self._drawn)

    def statistics(self, step: int) -> dict[str, float]:
        """Finite numbers, which the trainer logs as `replay/name`.

        `size` groups held; `questions` distinct ones among them; `reused` groups of the latest draw; `age_mean`,
        `age_max` of those in steps and `uses_mean` of them (absent if the latest draw was empty); `unused` share of
        held groups never replayed; `added`, `rejected`, `evicted`, `reused_total` groups since the start.
        """
        held = list(self._groups)
        numbers = {
            "size": float(len(held)),
            "questions": float(len({group.question for group in held})),
            "reused": float(len(self._drawn)),
            "unused": float(np.mean([group.uses == 0 for group in held])) if held else 0.0,
            "added": float(self._counts["added"]),
            "rejected": float(self._counts["rejected"]),
            "evicted": float(self._counts["evicted"]),
            "reused_total": float(self._counts["reused"]),
        }
        if self._drawn:
            ages = [step - group.step for group in self._drawn]
            numbers |= {"age_mean": float(np.mean(ages)), "age_max": float(max(ages))}
            numbers["uses_mean"] = float(np.mean([group.uses for group in self._drawn]))
        return numbers

    def save(self, directory: Path) -> None:
        """Write `replay.safetensors` and `replay.json` into `directory` (made if missing); `load` is bit-exact."""
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
        """Replace everything by what `save` wrote. ValueError if it belongs to another capacity or version."""
        state = json.loads((directory / "replay.json").read_text())
        arrays = load_file(directory / "replay.safetensors")
        for name, expected in (("version", VERSION), ("capacity", self.capacity)):
            if state[name] != expected:
                raise ValueError(f"{directory}: replay {name} is {state[name]}, expected {expected}")
        if state["groups"] != len(arrays["fields"]):
            raise ValueError(f"{directory}: {len(arrays['fields'])} groups on disk, replay.json says {state['groups']}")
        prompts = _split(arrays["prompt_ids"], arrays["prompt_lengths"])
        completions = _split(arrays["completion_ids"], arrays["completion_lengths"])
        logps = _split(arrays["behaviour_logps"], arrays["completion_lengths"])
        rewards = _split(arrays["rewards"], arrays["group_sizes"])
        advantages = _split(arrays["advantages"], arrays["group_sizes"])
        self._groups.clear()
        first = 0
        for row, (question, step, uses) in enumerate(arrays["fields"].tolist()):
            last = first + int(arrays["group_sizes"][row])
            tokens, behaviour = completions[first:last], logps[first:last]
            self._groups.append(
                Group(question, prompts[row], tokens, rewards[row], advantages[row], behaviour, step, uses)
            )
            first = last
        self._counts = dict(state["counts"])
        self._generator.bit_generator.state = state["generator"]
        self._drawn = []


def _split(flat: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
    """Cut a concatenation back into its rows."""
    return np.split(flat, np.cumsum(lengths)[:-1]) if len(lengths) else []
