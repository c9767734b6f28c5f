"""What a run cost: tokens, completions, FLOPs and seconds, per phase."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from repro.tracking import series
from repro.tracking.series import PHASES, SPEND

if TYPE_CHECKING:
    from repro.training.ranks import Ranks


@dataclass
class Cost:
    """Amounts of one phase. Tokens are counted at the call that processes them, never from the configuration."""

    prompt_tokens: int = 0
    generated_tokens: int = 0
    scored_tokens: int = 0
    trained_tokens: int = 0
    completions: int = 0
    flops: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def add(self, other: Cost) -> None:
        """Add another cost in place."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


def subtract(left: Mapping[str, Mapping[str, float]], right: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Per-phase difference of two `Ledger.as_dict` results, phases without change left out."""
    out = {}
    for phase, amounts in left.items():
        before = right.get(phase, {})
        changed = {key: value - before.get(key, 0) for key, value in amounts.items()}
        if any(changed.values()):
            out[phase] = changed
    return out


class Ledger:
    """Adds up costs per phase; the time of a phase opened inside another counts for the inner one only."""

    def __init__(self) -> None:
        self._costs = {phase: Cost() for phase in PHASES}
        self._open: list[tuple[str, float, float]] = []
        self._paid: set[str] = set()

    def add(self, phase: str, **amounts: float) -> None:
        """Add amounts (fields of `Cost`) to a phase. Raises KeyError for an unknown phase."""
        self._costs[phase].add(Cost(**amounts))  # type: ignore[arg-type]

    def add_once(self, key: str, phase: str, **amounts: float) -> None:
        """Add amounts unless this run has paid for `key` before: a resumed run must not pay twice."""
        if key not in self._paid:
            self._paid.add(key)
            self.add(phase, **amounts)

    def enter(self, phase: str) -> None:
        """Start the clocks of a phase, pausing those of the phase around it."""
        wall, cpu = time.perf_counter(), time.process_time()
        if self._open:
            self._charge(wall, cpu)
        self._open.append((phase, wall, cpu))

    def leave(self) -> None:
        """Stop the clocks of the innermost phase and resume those of the one around it."""
        wall, cpu = time.perf_counter(), time.process_time()
        self._charge(wall, cpu)
        self._open.pop()
        if self._open:
            self._open[-1] = (self._open[-1][0], wall, cpu)

    @contextmanager
    def phase(self, phase: str) -> Iterator[None]:
        """Measure the time of a block."""
        self.enter(phase)
        try:
            yield
        finally:
            self.leave()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop all clocks during a block whose time is accounted for elsewhere."""
        wall, cpu = time.perf_counter(), time.process_time()
        if self._open:
            self._charge(wall, cpu)
        try:
            yield
        finally:
            if self._open:
                self._open[-1] = (self._open[-1][0], time.perf_counter(), time.process_time())

    def _charge(self, wall: float, cpu: float) -> None:
        phase, wall_start, cpu_start = self._open[-1]
        self.add(phase, seconds=wall - wall_start, cpu_seconds=cpu - cpu_start)

    def cost(self, phase: str) -> Cost:
        """What a phase cost so far."""
        return self._costs[phase]

    def total(self, field: str, phases: Sequence[str] = PHASES) -> float:
        """Sum of one field of `Cost` over phases."""
        return sum(getattr(self._costs[phase], field) for phase in phases)

    def over(self, ranks: Ranks) -> Ledger:
        """What all ranks spent together, the same on each: wall seconds are rank 0's, all else adds up. Collective."""
        if ranks.count == 1:
            return self
        states = ranks.gather(self.state_dict())
        total = Ledger()
        total.load_state_dict(states[0])
        for state in states[1:]:
            for phase, amounts in state["costs"].items():
                total.add(phase, **{**amounts, "seconds": 0.0})
        return total

    def as_dict(self) -> dict[str, dict[str, float]]:
        """{phase: {field: amount}}, JSON-able."""
        return {phase: asdict(cost) for phase, cost in self._costs.items()}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps; JSON-able."""
        return {"costs": self.as_dict(), "paid": sorted(self._paid)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        self._costs = {phase: Cost(**state["costs"].get(phase, {})) for phase in PHASES}
        self._paid = set(state["paid"])

    def metrics(self) -> dict[str, float]:
        """The `cost/...` series: what selection and training have spent so far (evaluation and warm start apart)."""
        tokens = ("prompt_tokens", "generated_tokens", "scored_tokens", "trained_tokens")
        spent = {field.name: self.total(field.name, SPEND) for field in fields(Cost)}
        return {
            series.GENERATED_TOKENS: spent["generated_tokens"],
            series.TOTAL_TOKENS: sum(spent[name] for name in tokens),
            series.COMPLETIONS: spent["completions"],
            series.FLOPS: spent["flops"],
            series.SECONDS: spent["seconds"],
            series.CPU_SECONDS: spent["cpu_seconds"],
        }
