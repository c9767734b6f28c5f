"""A task written in a folder outside the repository: validated, planned and trained on, under its own label."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TASK = """
from pydantic import Field

from repro.tasks import Problem, Task


class Reverse(Task):
    longest: int = Field(4, ge=3, le=8, description="letters of a word")

    def problems(self, split, generator):
        while True:
            word = "".join(generator.choice(list("abcdefgh"), generator.integers(2, self.longest + 1)))
            yield Problem.made(f"{word}?", answer=word[::-1])
"""
SPEC = """
name: outside
model: {tiny: {width: 32, layers: 1, heads: 2, warm_start: {updates: 4, batch_size: 8}}}
dataset: {task: "words_of_mine:Reverse", pool: 64, validation: 8, test: 16, longest: 5}
arms: {full: {}}
seeds: [0]
"""


def repro(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]), "MLFLOW_TRACKING_URI": ""}
    command = [sys.executable, "-m", "repro", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_a_task_from_outside_is_validated_planned_and_trained_on(tmp_path: Path) -> None:
    (tmp_path / "words_of_mine.py").write_text(TASK)
    (tmp_path / "exp.yaml").write_text(SPEC)
    assert repro(tmp_path, "validate", "exp.yaml").returncode == 0
    plan = repro(tmp_path, "plan", "exp.yaml")
    assert plan.returncode == 0 and "reverse" in plan.stdout, plan.stderr
    run = repro(tmp_path, "run", "exp.yaml", "--smoke", "--jobs", "1")
    assert run.returncode == 0, run.stdout + run.stderr
    (marker,) = tmp_path.glob("runs/v*/done.json")
    about = json.loads((marker.parent / "cell.json").read_text())
    dataset = about["cell"]["dataset"]
    assert dataset["task"] == "words_of_mine:Reverse" and dataset["longest"] == 5
    assert "reverse" in about["labels"].values()
    vocabulary = json.loads(next(marker.parent.glob("policy/tokenizer.json")).read_text())["model"]["vocab"]
    assert set("abcdefgh?#") <= set(vocabulary) and len(vocabulary) == len("abcdefgh?#") + 3


def test_mistakes_in_the_fields_of_a_task_are_told_with_their_line_and_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "words_of_mine.py").write_text(TASK)
    faulty = SPEC.replace("longest: 5", "longest: 9, longst: 4, limits: {tran: 3}")
    (tmp_path / "exp.yaml").write_text(
        faulty.replace("batch_size: 8}", "teachers: {'words_of_mine:Reverse': {slip: 1}}}")
    )
    shown = repro(tmp_path, "validate", "exp.yaml")
    assert shown.returncode == 2
    for line in (
        "exp.yaml:4: dataset.longest: got 9, expected a whole number >= 3 and <= 8",
        'exp.yaml:4: dataset.longst: got "longst", expected a field of dataset, did you mean longest?',
        'exp.yaml:4: dataset.limits.tran: got "tran", expected a field of limits (train, validation, test, sample), '
        "did you",
        "exp.yaml:3: model.tiny.warm_start.teachers.words_of_mine:Reverse.slip: got "
        '"slip", expected a field of words_of_mine:Reverse (slips, faultless), did you mean slips?',
    ):
        assert line in shown.stderr, shown.stderr
    (tmp_path / "exp.yaml").write_text(SPEC.replace(":Reverse", ":Revers"))
    shown = repro(tmp_path, "validate", "exp.yaml")
    assert shown.returncode == 2 and shown.stderr.count("exp.yaml:") == 1
    assert "dataset.task: got 'words_of_mine:Revers', but words_of_mine has no 'Revers', did you mean" in shown.stderr
