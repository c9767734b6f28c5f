"""The matrix of a study: which cells are done, which are missing, and what the missing ones will cost."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from operator import attrgetter
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from repro.files import read_object
from repro.spec.schema import Cell, Spec
from repro.study.estimate import Basis, Estimate, estimate
from repro.study.expand import ExpandedCell, expand_study
from repro.study.neighbours import FinishedRun, Neighbours
from repro.study.once import Once
from repro.study.plan_notes import (
    hours_notes,
    label_notes,
    oracle_notes,
    reference_notes,
    refill_notes,
    short_amount,
    short_count,
    start_notes,
)
from repro.study.points import Place
from repro.study.throughput import Throughput
from repro.words import plural

STATUS_WORDS = {
    "finished": "cached",
    "todo": "to do",
    "failed": "failed",
    "running": "running",
    "killed": "interrupted",
    "damaged": "damaged",
}

SHOWN = 5  # damaged runs whose messages the table has (`status` lists all), and assumed lengths
ENDED = ("finished", "damaged")
"""States of runs that are not trained now: they have a completion marker."""


SCREEN = 40
"""Lines of a plan's table at most."""


@dataclass(frozen=True)
class Row:
    """One training of a study: its cell and places, what the run directory says, and its estimated cost."""

    expanded: ExpandedCell
    status: str
    step: int
    """Steps that the run directory has on record."""
    cost: Estimate

    @property
    def place(self) -> Place:
        """The labels it was asked for first."""
        return self.expanded.places[0]

    @property
    def remaining(self) -> float:
        """Share of the run that is still to be trained."""
        if self.status in ENDED:
            return 0.0
        return 1.0 if not self.cost.steps else max(0.0, 1.0 - self.step / self.cost.steps)


@dataclass(frozen=True)
class Plan:
    """All trainings of a study, each once, in the order they are asked for."""

    name: str
    rows: tuple[Row, ...]
    rates: tuple[Throughput, ...] = ()
    """Throughputs that rows without finished neighbours were estimated with."""
    damages: tuple[str, ...] = ()
    """What is wrong with each finished run that is damaged, and what to do."""

    @cached_property
    def missing(self) -> tuple[Row, ...]:
        """Rows that a run has to train: everything without a completion marker that no process is training now."""
        return tuple(row for row in self.rows if row.status not in (*ENDED, "running"))

    def count(self, status: str) -> int:
        """How many rows have a status: one of `STATUS_WORDS`."""
        return sum(row.status == status for row in self.rows)

    def remaining(self, amount: Callable[[Estimate], float | None]) -> float | None:
        """An estimate summed over what is missing; None where one row does not know it."""
        values = [(amount(cost), share) for cost, share in self._left]
        known = [value * share for value, share in values if value is not None]
        return sum(known) if len(known) == len(values) else None

    @cached_property
    def _left(self) -> list[tuple[Estimate, float]]:
        """The estimate of every row that has not ended, and the share of it that is still to be trained."""
        return [(row.cost, row.remaining) for row in self.rows if row.status not in ENDED]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form, for `plan --json`."""
        rows = [
            {
                "identity": row.expanded.identity,
                "status": row.status,
                "step": row.step,
                "places": [asdict(place) for place in row.expanded.places],
                "estimate": asdict(row.cost),
                "hours": _hours(row.cost),
            }
            for row in self.rows
        ]
        counts = {status: self.count(status) for status in STATUS_WORDS}
        totals = {
            "rollouts": self.remaining(lambda cost: cost.rollouts),
            "tokens": self.remaining(lambda cost: cost.tokens),
            "seconds": self.remaining(lambda cost: cost.seconds),
            "hours": self.remaining(_hours),
        }
        return {
            "name": self.name,
            "cells": rows,
            "counts": counts,
            "missing": totals,
            "hours_of": self.hours_of,
            "damages": list(self.damages),
        }

    @property
    def hours_of(self) -> str:
        """What the hours are hours of: of a GPU as soon as one row rests on a GPU's throughput."""
        return "GPU-hours" if any(basis.gpu for basis in self._bases()) else "job-hours"

    @cached_property
    def _unlike(self) -> list[Row]:
        """One row of each arm and estimate: seeds differ in nothing that the notes tell."""
        found: dict[tuple[str, int], Row] = {}
        for row in self.rows:
            found.setdefault((row.expanded.cell.arm, id(row.cost)), row)
        return list(found.values())

    def _bases(self) -> list[Basis]:
        return [row.cost.basis for row in self._unlike if row.cost.basis is not None]

    def summary(self, jobs: int = 1) -> str:
        """One line: how many cells are done and what the others cost, on `jobs` processes."""
        counts = [f"{self.count(status)} {word}" for status, word in STATUS_WORDS.items() if self.count(status)]
        text = f"{self.name}: {plural(len(self.rows), 'cell')} ({', '.join(counts)})"
        if not self.missing:
            return text
        rollouts = self.remaining(lambda cost: cost.rollouts)
        tokens = self.remaining(lambda cost: cost.tokens)
        seconds = self.remaining(lambda cost: cost.seconds)
        parts = [
            f"{rollouts:,.0f} rollouts" if rollouts is not None else "rollouts unknown",
            f"about {short_count(tokens)} generated tokens" if tokens is not None else "tokens unknown",
        ]
        if seconds is not None and any(basis.throughput for basis in self._bases()):
            parts.append(f"about {short_amount(seconds / 3600)} {self.hours_of}")
        elif seconds is not None:  # as fast as the jobs that ran here
            parts.append(f"about {_duration(seconds / max(1, min(jobs, len(self.missing))))} on {jobs} jobs")
        return f"{text}; missing: {', '.join(parts)}"

    def table(self, jobs: int = 1) -> str:
        """The matrix for a terminal: at most `SCREEN` lines of an arm and axis point with its seeds, then totals
        and assumptions."""
        header = ("model", "dataset", "arm", "axes", "seeds", "rollouts", "probes", "selection", "evaluation", "tokens")
        groups = self._groups()
        lines = [(*header, self.hours_of), *(self._line(rows) for rows in groups[:SCREEN])]
        if not self._bases():
            lines = [line[:-1] for line in lines]
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        numeric = range(5, len(lines[0]))
        text = [
            "  ".join(
                cell.rjust(width) if column in numeric else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        if len(groups) > SCREEN:
            text.append(f"… and {len(groups) - SCREEN:,} more lines; --json lists every cell")
        return "\n".join([*text, "", self.summary(jobs), *self.damages[:SHOWN], *self.notes()])

    def notes(self) -> list[str]:
        """What the estimates rest on."""
        notes = ["Completions and generated tokens are per run; evaluation is not part of the tokens."]
        notes += _length_notes({(round(row.cost.mean_tokens, 1), row.cost.measured) for row in self._unlike})
        costs = [(row.expanded.cell, row.cost) for row in self._unlike]
        if any(cell.replay is not None for cell, _ in costs):
            notes.append("Replay is counted as if every group were informative; a buffer that runs short changes that.")
        notes += hours_notes([cost for _, cost in costs], self.hours_of)
        notes += start_notes(costs, self.rates, self.hours_of)
        notes += label_notes(costs, self.rates, self.hours_of)
        notes += reference_notes([cell for cell, _ in costs])
        notes += oracle_notes([cell for cell, _ in costs])
        notes += refill_notes([cell for cell, _ in costs])
        shared = sum(len(row.expanded.places) - 1 for row in self.rows)
        if shared:
            notes.append(f"{shared} more places of the matrix are the same training as one listed and share its run.")
        return notes

    def _groups(self) -> list[list[Row]]:
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in self.rows:
            place = row.place
            key = (place.model, place.dataset, place.arm, tuple(place.axis_point.items()))
            groups.setdefault(key, []).append(row)
        return list(groups.values())

    def _line(self, rows: Sequence[Row]) -> tuple[str, ...]:
        place, cost = rows[0].place, rows[0].cost
        axes = " ".join(f"{path}={value}" for path, value in place.axis_point.items()) or "-"
        seeds: dict[str, list[str]] = {}
        for row in rows:
            word = STATUS_WORDS[row.status]
            if row.status in ("running", "killed") and row.cost.steps:
                word += f" at {row.step}/{row.cost.steps}"
            seeds.setdefault(word, []).append(str(row.place.seed))
        status = "; ".join(f"{','.join(numbers)} {word}" for word, numbers in seeds.items())
        amounts = (cost.rollouts, cost.probes, cost.selection, cost.evaluation)
        counts = ["?" if amount is None else f"{amount:,}" for amount in amounts]
        tokens = "?" if cost.tokens is None else short_count(cost.tokens)
        known = [spent for row in rows if (spent := _hours(row.cost)) is not None]
        hours = short_amount(sum(known)) if len(known) == len(rows) else "?"
        if cost.basis is not None and cost.basis.extrapolated:
            hours += "*"
        return (place.model, place.dataset, place.arm, axes, status, *counts, tokens, hours)


def plan(spec: Spec, runs_dir: Path, rates: Sequence[Throughput] = ()) -> Plan:
    """The plan of a study against what `runs_dir` holds. Raises UserError when a local model or dataset is missing.

    `rates`: throughputs for the cells without finished runs of their policy and dataset.
    """
    from repro.tracking.damage import damaged_run, run_damage
    from repro.tracking.run_status import run_status

    finished, begun, once = Neighbours(finished_runs(runs_dir)), _folders(runs_dir), Once()
    rows, damages = [], []
    for expanded in expand_study(spec):
        cell, status, step = expanded.cell, "todo", 0
        if expanded.identity in begun:
            folder = runs_dir / expanded.identity
            status, step = run_status(folder), recorded_step(folder)
            if status == "damaged":
                damages.append(str(damaged_run(folder, run_damage(folder))))
        # Seeds cost the same.
        cost = once.of("cost", partial(estimate, cell, finished, rates), *COSTING(cell))
        rows.append(Row(expanded, status, step, cost))
    return Plan(spec.name, tuple(rows), tuple(rates), tuple(damages))


COSTING = attrgetter(*(name for name in Cell.model_fields if name not in ("spec", "arm", "axis_point", "seed")))
"""The sections of a cell that an estimate depends on."""


def _folders(runs_dir: Path) -> set[str]:
    """Names of the runs that have a folder."""
    return {entry.name for entry in os.scandir(runs_dir)} if runs_dir.is_dir() else set()


def recorded_step(folder: Path) -> int:
    """The last step on record in a run directory; 0 where there is none."""
    step = read_object(folder / "progress.json").get("step")
    return step if isinstance(step, int) else 0


def finished_runs(runs_dir: Path) -> list[FinishedRun]:
    """Every finished run of a directory that is whole and whose cell the present schema still understands."""
    from repro.tracking.damage import run_damage

    found = []
    for marker in sorted(runs_dir.glob("*/done.json")):
        if run_damage(marker.parent, contents=("cell.json", "ledger.json", "environment.json")):
            continue
        try:
            cell = Cell.model_validate(read_object(marker.parent / "cell.json").get("cell"))
        except ValidationError:
            continue
        ledger = read_object(marker.parent / "ledger.json")
        steps = int(read_object(marker)["summary"].get("steps", cell.train.steps))
        machine = read_object(marker.parent / "environment.json")
        found.append(FinishedRun(marker.parent.name, cell, ledger, steps, machine.get("accelerator")))
    return found


def _length_notes(lengths: Collection[tuple[float, bool]]) -> list[str]:
    """What lengths of completions are assumed; `lengths`: each with whether it was measured."""
    told = {True: "as in finished runs of the dataset", False: "half of max_completion_tokens, none finished"}
    if len(lengths) <= SHOWN:
        return [f"Tokens assume {length:g} a completion ({told[measured]})." for length, measured in sorted(lengths)]
    notes = []
    for measured, how in told.items():
        if some := [length for length, known in lengths if known == measured]:
            notes.append(f"Tokens assume {min(some):g} to {max(some):g} a completion ({how}).")
    return notes


def _hours(cost: Estimate) -> float | None:
    return None if cost.seconds is None else cost.seconds / 3600


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
