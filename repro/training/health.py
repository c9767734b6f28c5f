"""Watches a training for signs that it went wrong, and says which field most likely did it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from repro.spec.schema import Cell
from repro.tracking import series
from repro.training.health_causes import ARITHMETIC, likely_cause
from repro.training.health_rules import Measured, fallen

IDLE_STEPS = 10
"""Steps in a row without an informative group that are a warning. A healthy small study has two or three."""
IDLE_RUN = 3
"""Steps from which a run without any informative group is a warning at its end."""
CLIPPED = 0.5
"""Share of the trained tokens outside the clip that is a warning. A healthy run stays below 0.1."""
RATIO = 10.0
"""Mean ratio of two policies' token probabilities that is a warning. It is 1 where they are the same."""
ENTROPY = 0.1
"""Share of the start's token entropy below which a policy that has not become better is a warning."""


@dataclass
class TrainingWarning:
    """One thing that went wrong. `kind`: nan, collapse, no_signal, ratio or entropy."""

    kind: str
    step: int
    what: str
    likely: str
    """The field that most likely did it, with its value."""
    over: int | None = None
    """The step at which the accuracy was back within the noise of the start; None while it is not."""

    @property
    def text(self) -> str:
        """The warning in one line."""
        back = "" if self.over is None else f"; it was back within the noise of the start at step {self.over}"
        return f"{self.what}{back}; most likely {self.likely}"


class Health:
    """Collects the warnings of one run, step by step: `generated`, `evaluated`, `updated`, in this order.

    `replayed_from` gives the state of an uninterrupted run from the rows that it has written down.
    """

    def __init__(self, cell: Cell, main_set: str) -> None:
        self.cell, self.main_set = cell, main_set
        self.warnings: list[TrainingWarning] = []
        self.stopped: TrainingWarning | None = None
        self._start: Measured | None = None
        self._last: Measured | None = None
        self._steps = 0
        self._idle_steps = 0  # the latest steps, as long as none of them had a signal
        self._idle: list[Mapping[str, float]] = []  # their metrics, of the last few
        self._clipped = False

    # ------------------------------------------------------------ what a run tells

    def generated(self, step: int, metrics: Mapping[str, float]) -> None:
        """A step's groups are there. `metrics`: the `train/` and `replay/` series that are known by then."""
        self._steps = step
        signal = metrics[series.EFFECTIVE] > 0 or metrics.get(series.REPLAY + "reused", 0) > 0
        self._idle_steps = 0 if signal else self._idle_steps + 1
        self._idle = [] if signal else [*self._idle[1 - IDLE_STEPS :], metrics]
        if self._idle_steps >= IDLE_STEPS:
            self._warn("no_signal", step, f"no group had a gradient in {IDLE_STEPS} steps in a row, up to step {step}")
        for name, who in ((series.REPLAY, "replayed rows"), (series.ROLLOUT, "rollouts of the engine")):
            ratio = metrics.get(f"{name}ratio_mean", 1.0)
            if not ratio < RATIO:
                text = f"the mean ratio of token probabilities on {who} is {ratio:.3g} at step {step}"
                self._warn("ratio", step, text, name)

    def updated(self, step: int, metrics: Mapping[str, float]) -> None:
        """A step's updates are made. `metrics`: all its `train/` series."""
        for name, what in ((series.LOSS, "loss"), (series.GRAD_NORM, "norm of the gradient")):
            value = metrics.get(name, 0.0)
            if not math.isfinite(value):
                self._warn("nan", step, f"the {what} is {_word(value)} at step {step}")
        clipped = metrics.get(series.KEPT_CLIP_RATIO, 0.0)
        if clipped >= CLIPPED:
            self._clipped = True
            text = f"the ratio was outside the clip on {clipped:.0%} of the trained tokens of step {step}"
            self._warn("ratio", step, text)

    def evaluated(self, measured: Measured) -> None:
        """The main set has been evaluated; the first time is the start policy."""
        start, self._last = self._start, measured
        if not math.isfinite(measured.entropy):
            text = f"the policy's token probabilities are {_word(measured.entropy)} at step {measured.step}"
            self._warn("nan", measured.step, text)
        if start is None:
            self._start = measured
            return
        if fallen(start, measured, errors=3, share=0.25):
            self._collapse(start, measured)
        else:
            for warning in self.warnings:
                if warning.kind == "collapse" and warning.over is None:
                    warning.over = measured.step
        if measured.entropy < ENTROPY * start.entropy and measured.accuracy <= start.accuracy:
            fall = f"from {start.entropy:.3g} to {measured.entropy:.3g} nats at step {measured.step}"
            self._warn("entropy", measured.step, f"token entropy fell {fall} without a gain")

    def sampling_failed(self, step: int, weights_finite: bool) -> TrainingWarning:
        """Completions cannot be sampled because probabilities are no numbers, whether or not the weights are."""
        what = f"the policy's token probabilities are NaN or infinite after step {step}"
        if weights_finite:
            self._warn("nan", step, f"{what}, though all its weights are finite", ARITHMETIC)
        else:
            self._warn("nan", step, what)
        assert self.stopped is not None
        return self.stopped

    def ended(self) -> None:
        """The run is over: warn of what only the whole of it shows. Nothing is left to stop."""
        stopped = self.stopped
        start, last = self._start, self._last
        if start is not None and last is not None and fallen(start, last, errors=2, share=0.5):
            self._collapse(start, last)
        if self._idle_steps == self._steps >= IDLE_RUN:
            self._warn("no_signal", self._steps, f"no group had a gradient in any of the {self._steps} steps")
        self.stopped = stopped

    # ------------------------------------------------------------ what it knows

    @property
    def latest(self) -> str:
        """The latest warning that still holds, for a progress line; empty where there is none."""
        holds = [warning for warning in self.warnings if warning.over is None]
        return f"warning: {holds[-1].text}" if holds else ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form, as `health.json` has it."""
        stopped = None if self.stopped is None else {"kind": self.stopped.kind, "step": self.stopped.step}
        return {"warnings": [{**asdict(one), "text": one.text} for one in self.warnings], "stopped": stopped}

    def replayed_from(self, metrics: Iterable[Mapping[str, Any]], evaluations: Iterable[Mapping[str, Any]]) -> None:
        """Take in the rows of `metrics.jsonl` and `evaluations.jsonl`, so that a resumed run goes on as it was."""
        by_step: dict[int, dict[str, float]] = {}
        for row in metrics:
            by_step.setdefault(row["step"], {}).update(row["metrics"])
        results = {row["step"]: row for row in evaluations if row["set"] == self.main_set}
        for step in sorted(by_step):
            trained = series.REWARD in by_step[step]
            if trained:
                self.generated(step, by_step[step])
            if step in results:
                row = results[step]
                self.evaluated(Measured(step, row["passes"], row["samples"], row["entropy"]))
            if trained:
                self.updated(step, by_step[step])

    # ------------------------------------------------------------ internals

    def _collapse(self, start: Measured, now: Measured) -> None:
        text = f"accuracy fell from {start.accuracy:.3f} at the start to {now.accuracy:.3f} at step {now.step}"
        for warning in self.warnings:
            if warning.kind == "collapse":
                first = warning.what.partition(";")[0]
                warning.what, warning.over = first, None
                if now.step > warning.step:
                    warning.what = f"{first}; it is {now.accuracy:.3f} at step {now.step}"
                return
        self._warn("collapse", now.step, text)

    def _warn(self, kind: str, step: int, what: str, about: str = "") -> None:
        if any(warning.kind == kind for warning in self.warnings):
            return  # each kind once: the first tells when it began
        cause = likely_cause(kind, self.cell, about, self._idle, self._clipped)
        warning = TrainingWarning(kind, step, what, cause)
        self.warnings.append(warning)
        if self.stopped is None and kind in self.cell.train.stop_on:
            self.stopped = warning


def _word(value: float) -> str:
    return "NaN" if math.isnan(value) else "infinite"
