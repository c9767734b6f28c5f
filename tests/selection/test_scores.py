"""A band of any number at hand: a table of scores, or a column of the dataset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repro.cache import Cache
from repro.cli import main
from repro.errors import UserError
from repro.selection.bands import CenterBand, EndBand, RangeBand
from repro.selection.methods.curriculum import Curriculum
from repro.selection.methods.scores import Scores
from repro.study.expand import expand
from repro.study.load import load_spec
from repro.study.scored import check_scored
from repro.testing import World


def table(path: Path, rows: dict[str, float], column: str = "s") -> Path:
    frame = pd.DataFrame({"id": list(rows), column: list(rows.values())})
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["scores.parquet", "scores.csv"])
def test_a_table_in_any_order_keeps_the_rows_of_its_band(tmp_path: Path, name: str) -> None:
    world = World(120)
    values = dict(zip(world.ids, np.arange(120) - 60.0, strict=True))  # no scale is asked for
    shuffled = {key: values[key] for key in reversed(world.ids)}
    path = str(table(tmp_path / name, {**shuffled, "of another pool": 7.0}))
    highest = Scores(method="scores", path=path, band=EndBand(end="highest"), fraction=0.1).build(world.run())
    assert highest.kept().tolist() == list(range(108, 120))
    around = Scores(method="scores", path=path, band=CenterBand(center=-20), fraction=0.025).build(world.run())
    assert around.kept().tolist() == [39, 40, 41]
    between = Scores(method="scores", path=path, band=RangeBand(low=-60, high=-50)).build(world.run())
    assert between.kept().tolist() == list(range(11))
    assert between.scores().tolist() == list(values.values())
    assert world.asked == []  # the policy is not needed


def test_a_column_of_the_dataset_is_banded_and_ordered() -> None:
    world = World(120)
    steps = [problem.metadata["steps"] for problem in world.problems]
    low = Scores(method="scores", column="steps", band=EndBand(end="lowest"), fraction=0.1).build(world.run())
    assert {steps[i] for i in low.kept()} == {0}
    ordered = Curriculum(method="curriculum", by="column", column="steps", order="hard_to_easy", stages=7)
    selector = ordered.build(world.run(steps=7))
    seen = [sorted({steps[i] for i in selector.choose(10)}) for _ in range(7)]
    assert seen[0] == [0] and seen[-1] == [6]  # low is hard


def test_a_question_without_a_row_is_named(tmp_path: Path) -> None:
    world = World(120)
    path = table(tmp_path / "scores.csv", dict.fromkeys(world.ids[:100], 0.5))
    with pytest.raises(UserError, match=r"no row for 20 of 120 questions, the first is 'q0100'"):
        Scores(method="scores", path=str(path), fraction=0.1).build(world.run()).choose(4)


SPEC = """
name: x
model: tiny
dataset: arithmetic
arms:
  a: {selection: {method: scores, path: PATH, column: COLUMN, band: highest, fraction: 0.2}}
"""


def test_a_missing_table_or_column_is_told_before_anything_runs(tmp_path: Path) -> None:
    spec = tmp_path / "exp.yaml"
    path = table(tmp_path / "scores.csv", {"a": 1.0}, column="confidence")
    for at, column, message in (
        (path.with_name("score.csv"), "confidence", r"exp\.yaml:6: arms\.a\.selection\.path: .*scores\.csv"),
        (path, "confidense", r"exp\.yaml:6: arms\.a\.selection\.path: .*did you mean confidence"),
    ):
        spec.write_text(SPEC.replace("PATH", str(at)).replace("COLUMN", column))
        with pytest.raises(UserError, match=message):
            load_spec(spec)


def test_the_content_of_the_table_is_part_of_the_identity_and_its_place_is_not(tmp_path: Path) -> None:
    one, same = (table(tmp_path / name, {"a": 1.0}) for name in ("one.csv", "same.csv"))
    other = table(tmp_path / "other.csv", {"a": 2.0})
    fields = [Scores(method="scores", path=str(path)).identity_fields(8) for path in (one, same, other)]
    assert fields[0] == fields[1] != fields[2]
    assert str(tmp_path) not in json.dumps(fields)


@pytest.mark.parametrize("command", ["plan", "validate", "run"])
def test_a_question_that_the_table_lacks_is_told_with_its_line_before_any_job(
    tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = table(tmp_path / "scores.csv", {"a": 1.0})
    Path("exp.yaml").write_text(SPEC.replace("PATH", path.name).replace("COLUMN", "s"))
    assert main([command, "exp.yaml"]) == 2
    told = capsys.readouterr().err
    assert "exp.yaml:6: arms.a.selection.path: scores.csv has no row for 1024 of 1024 questions" in told
    assert not [place for place in Path().rglob("v3-*") if list(place.iterdir())]


def test_a_row_without_the_column_is_told_before_any_job_and_questions_that_are_left_out_need_none(
    tmp_path: Path,
) -> None:
    rows = [{"id": f"q{i}", "question": f"What is {i} + 1?", "answer": i + 1, "level": i} for i in range(40)]
    del rows[7]["level"]
    spec = tmp_path / "exp.yaml"
    text = SPEC.replace("path: PATH, column: COLUMN", "column: level")
    spec.write_text(text.replace("dataset: arithmetic", f"dataset: {{path: {tmp_path}/q.jsonl, id: id, LIMIT}}"))
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))

    def check(limit: str) -> None:
        written = spec.with_name("one.yaml")
        written.write_text(spec.read_text().replace("LIMIT", limit))
        check_scored(expand(load_spec(written).spec), Cache(tmp_path))

    with pytest.raises(UserError, match=r"arms\.a\.selection\.column: 'level' is missing for 1 of .* 'q7'"):
        check("test_split: null")
    check("test_split: null, limits: {train: 5}")
