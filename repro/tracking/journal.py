"""The run directory of one cell: everything a job records, on disk and readable after any kind of end.

    runs/<identity>/
      cell.json          {"identity", "labels", "cell", "started", "params"}
      environment.json   {"python", "platform", "cpus", "packages", "commit", "processes", "command", "threads",
                          "cpu_capability"}
      metrics.jsonl      {"step", "metrics": {name: float}, "time"}
      steps.jsonl        {"step", "chosen", "fresh", "replayed", "predicted", "pass_rate", "steps_true", "time"}
      evaluations.jsonl  {"step", "set", "temperature", "samples", "passes", "greedy", "entropy", "mean_tokens", "time"}
      predictions.jsonl  {"step", "ids", "predicted", "measured", "samples", "time"}
      completions.jsonl  {"step", "completions": [{"question", "completion", "reward", "advantage"}], "time"}
      spent.jsonl        {"step", "phase", <amounts>, "time"}: everything paid for, work redone after a kill included
      system.jsonl       {"step", "metrics": {name: float}, "time"}: what the machine was busy with; of no result
      progress.json      {"phase", "step", "steps", "message", "accuracy", "time"}: what the live table reads
      health.json        {"warnings", "stopped"}: what went wrong in training; absent where nothing did
      repairs.jsonl      {"text", "time"}: damage that an attempt found, and what it did about it
      error.txt          traceback of the last failure
      done.json          {"summary", "time", "files"}: the completion marker, written last, with checksums of the rest
      (and what the job itself adds by `write_json`: ledger.json, data.json, selection.json, base.json, attention.json)

Numbers that JSON lacks are the strings "NaN", "Infinity" and "-Infinity" on disk, and a backslash stands before such
texts; the readers turn both back.
A file ends in half a line when its writer was killed inside a write: readers skip it, the next writer cuts it off.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from repro import arithmetic
from repro.checksums import Checksums, sealed
from repro.files import (
    cut_torn_line,
    dump_json,
    force_all_to_disk,
    force_to_disk,
    plain_types,
    read_json,
    read_jsonl,
    read_object,
    write_atomically,
)
from repro.masking import mask, mask_values
from repro.tracking import rows, series
from repro.tracking.command import command_line
from repro.tracking.completions import RECORDED
from repro.tracking.damage import CHANGING, DONE, run_checksums
from repro.tracking.environment import describe_environment
from repro.tracking.labels import Labels

log = logging.getLogger(__name__)


class Journal:
    """Writes one run directory. One process at a time writes (see `run_lock`); any number may read.

    Every line is handed to the operating system before the call returns, so it survives the death of the process.
    Only `sync`, `marks`, `truncate`, `fail` and `finish` wait for the disk: a checkpoint is marked complete with
    `marks`, otherwise a power cut may leave a checkpoint that is newer than the rows it stands for.
    """

    def __init__(self, run_dir: Path | str) -> None:
        self.run_dir = Path(run_dir)
        self._whole: set[str] = set()  # JSONL files that end in a whole line
        self._accuracy: float | None = None

    # ------------------------------------------------------------ life of a run

    def start(
        self,
        cell: Any,
        identity: str,
        labels: Labels | None = None,
        processes: int = 1,
        params: Mapping[str, str] | None = None,
    ) -> None:
        """Begin an attempt: write the identity of the run and remove the last failure. Rows of earlier attempts stay.

        Temporary files of attempts that were killed are removed: the caller holds the run's lock.

        Call `truncate` next: with the step of the checkpoint, or with -1 where the cell starts from nothing.

        Args:
            cell: the resolved cell (`repro.spec.schema.Cell`).
            identity: the run identity, also the name of the directory.
            labels: what the study calls this run (default: what the cell says).
            processes: how many train together.
            params: of the cell, those that a store lists (default: all).
        """
        self.run_dir.mkdir(parents=True, exist_ok=True)
        rows.remove_leftovers(self.run_dir)
        before = read_object(self.run_dir / "cell.json").get("started")
        started = before if isinstance(before, float) else time.time()  # of the first attempt
        names = (labels or Labels.of(cell)).as_dict()
        about = {"identity": identity, "labels": names, "cell": mask_values(plain_types(cell)), "started": started}
        self.write_json("cell.json", about if params is None else {**about, "params": mask_values(params)})
        place = {"processes": processes, "command": command_line(), "threads": arithmetic.threads()}
        place["cpu_capability"] = arithmetic.cpu_capability()
        self.write_json("environment.json", {**describe_environment(), **place})
        (self.run_dir / "error.txt").unlink(missing_ok=True)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Mark the run complete. Everything else is on the disk before the marker is, which has its checksums."""
        (self.run_dir / "error.txt").unlink(missing_ok=True)
        self.sync()
        data = {"summary": summary, "time": time.time(), "files": run_checksums(self.run_dir)}
        write_atomically(self.run_dir / DONE, dump_json(sealed(data)))
        force_to_disk(self.run_dir.parent)

    def fail(self, traceback_text: str) -> None:
        """Record why this attempt ended; the next attempt's `start` removes it."""
        self.run_dir.mkdir(parents=True, exist_ok=True)
        write_atomically(self.run_dir / "error.txt", mask(traceback_text).encode(errors="replace"))

    def repaired(self, text: str) -> None:
        """Record damage that was found and what was done about it, and log it as a warning."""
        log.warning("%s: %s", self.run_dir, text)
        self._append("repairs.jsonl", {"text": text})

    @property
    def finished(self) -> bool:
        """The completion marker exists: this cell is never trained again."""
        return (self.run_dir / DONE).exists()

    @property
    def failed(self) -> bool:
        """The last attempt ended in an error and none has begun since."""
        return not self.finished and (self.run_dir / "error.txt").exists()

    # ------------------------------------------------------------ rows

    def log(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Append metrics of a step. Several calls for one step add up; a name logged twice keeps its last value.

        Raises:
            ValueError: a metric is not one number; the message names it.
        """
        values: dict[str, float] = {}
        for name, value in metrics.items():
            try:
                values[name] = float(value)
            except (TypeError, ValueError) as error:
                raise ValueError(f"metric {name!r} at step {step} is not a number: {value!r}") from error
        self._accuracy = _accuracy(values, self._accuracy)
        self._append("metrics.jsonl", {"step": int(step), "metrics": values})

    def record_step(
        self,
        step: int,
        *,
        chosen: Sequence[str],
        fresh: Sequence[str],
        replayed: Sequence[str] = (),
        predicted: Any = None,
        pass_rate: Any = (),
        steps_true: Any = None,
        trains: Sequence[bool] | None = None,
    ) -> None:
        """Append which questions (by id) a step used.

        Args:
            chosen: what the selector chose.
            fresh: rolled out anew, in the order of `pass_rate` and `steps_true`.
            replayed: taken from the replay buffer.
            predicted: predicted mean reward of each chosen question in 0..1, or None.
            pass_rate: measured mean reward of each fresh question in 0..1.
            steps_true: true difficulty of each fresh question, where the task knows it.
            trains: whether the group of each fresh question has a gradient; None where its pass rate tells (rewards
                are 0 and 1).
        """
        row = {"chosen": chosen, "fresh": fresh, "replayed": replayed, "predicted": predicted, "pass_rate": pass_rate}
        if trains is not None:
            row["trains"] = [bool(one) for one in trains]
        self._append("steps.jsonl", {"step": int(step), **row, "steps_true": steps_true})

    def record_evaluation(
        self,
        step: int,
        set: str,
        *,
        temperature: float,
        samples: int,
        passes: Mapping[str, int],
        greedy: Mapping[str, bool] | None = None,
        entropy: float | None = None,
        mean_tokens: float | None = None,
    ) -> None:
        """Append one evaluation, problem by problem.

        Args:
            set: "test", "validation" or the name of a further set.
            passes: problem id -> correct completions, 0..samples.
            greedy: problem id -> whether the greedy completion is correct.
            entropy: mean token entropy in nats.
            mean_tokens: mean completion length in tokens.
        """
        row = {"set": set, "temperature": temperature, "samples": samples, "passes": passes, "greedy": greedy}
        self._append("evaluations.jsonl", {"step": int(step), **row, "entropy": entropy, "mean_tokens": mean_tokens})

    def record_predictions(
        self, step: int, *, ids: Sequence[str], predicted: Any, measured: Any, samples: int, variance: Any = None
    ) -> None:
        """Append predicted and measured mean rewards, both in 0..1 and in the order of `ids`, over `samples` each.

        `variance`: population variance of the rewards behind each measured one; None where that follows from the mean
        (rewards are 0 and 1).
        """
        row = {"ids": ids, "predicted": predicted, "measured": measured, "samples": samples}
        if variance is not None:
            row["variance"] = variance
        self._append("predictions.jsonl", {"step": int(step), **row})

    def record_completions(self, step: int, completions: Sequence[Any]) -> None:
        """Append completions of a few fixed questions of the main set (see `repro.tracking.completions`)."""
        self._append(RECORDED, {"step": int(step), "completions": plain_types(completions)})

    def spent(self, step: int, phase: str, amounts: Mapping[str, float]) -> None:
        """Append what a phase has just spent (tokens, FLOPs, seconds). Never cut back: redone work counts."""
        self._append("spent.jsonl", {"step": int(step), "phase": phase, **amounts})

    def record_system(self, step: int, metrics: Mapping[str, float]) -> None:
        """Append what the machine was busy with after a step. Never cut back: work that is redone was work too."""
        self._append("system.jsonl", {"step": int(step), "metrics": metrics})

    # ------------------------------------------------------------ whole files

    def progress(self, phase: str, step: int = 0, steps: int = 0, message: str = "") -> None:
        """Write which phase and step the job has reached; `steps` is the length of the phase (0: unknown)."""
        if self._accuracy is None:
            self._accuracy = math.nan
            for row in rows.readable(self.run_dir / "metrics.jsonl"):
                self._accuracy = _accuracy(row.get("metrics", {}), self._accuracy)
        accuracy = None if self._accuracy is None or math.isnan(self._accuracy) else self._accuracy
        place = {"phase": phase, "step": int(step), "steps": int(steps), "message": message, "accuracy": accuracy}
        self.write_json("progress.json", {**place, "time": time.time()})

    def write_json(self, name: str, value: Any) -> None:
        """Write a whole JSON file atomically. It is on the disk after the next `sync`, not before: progress and costs
        are written at each step."""
        self.run_dir.mkdir(parents=True, exist_ok=True)
        write_atomically(self.run_dir / name, dump_json(value), sync=False)

    def read_json(self, name: str) -> Any:
        """A JSON file of this run, or None."""
        return read_json(self.run_dir / name)

    def read_jsonl(self, name: str) -> list[dict[str, Any]]:
        """The whole rows of a JSONL file of this run."""
        return read_jsonl(self.run_dir / name)

    # ------------------------------------------------------------ resume

    def marks(self) -> dict[str, dict[str, Any]]:
        """Checksums of what a checkpoint that is taken now goes on from, once it is on the disk."""
        self.sync()
        return rows.marks(self.run_dir)

    def lost(self, marker: Mapping[str, Any]) -> list[str]:
        """What this run no longer has of the rows that the checkpoint with this marker goes on from."""
        return rows.lost(self.run_dir, marker)

    def steps_recorded(self) -> int:
        """How many steps `steps.jsonl` has readable rows of."""
        return sum(1 for _ in rows.readable(self.run_dir / "steps.jsonl"))

    def truncate(self, step: int, marks: Checksums | None = None) -> None:
        """Drop the rows of steps after `step` (the checkpoint's; -1: all), each file in one atomic replacement.

        What follows a damaged line is dropped too. `spent.jsonl` keeps every row that can be read: work that has to be
        redone was still paid for.

        Args:
            marks: of the checkpoint: files are cut to the sizes they had then.
        """
        rows.cut(self.run_dir, step, marks)
        lines = rows.mend_spent(self.run_dir)
        self._whole.clear()
        self._accuracy = None
        if lines:
            self.repaired(f"spent.jsonl had {lines} damaged lines: what they say was spent is lost")

    def sync(self) -> None:
        """Wait until every row written so far is on the disk."""
        files = [path for path in self.run_dir.glob("*.json*") if path.name not in CHANGING and path.name[0] != "."]
        force_all_to_disk([*files, self.run_dir])

    # ------------------------------------------------------------ internals

    def _append(self, name: str, row: Mapping[str, Any]) -> None:
        if name not in self._whole:
            self.run_dir.mkdir(parents=True, exist_ok=True)
            cut_torn_line(self.run_dir / name)  # appending to a torn line would spoil the next row as well
            self._whole.add(name)
        rows.append(self.run_dir / name, {**row, "time": time.time()})


def _accuracy(metrics: Mapping[str, float], before: float | None) -> float | None:
    """What the live table shows: test accuracy, or that on validation questions where a run has no other (a sweep)."""
    return metrics.get(series.ACCURACY, metrics.get(series.VALIDATION, before))
