"""Plans: status from the run directories, costs from closed forms and finished neighbours."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from repro.cli import main
from repro.spec.schema import Cell
from repro.study.estimate import estimate
from repro.study.expand import expand, expand_study
from repro.study.load import load_spec, parse_spec
from repro.study.neighbours import Neighbours
from repro.study.plan import finished_runs, plan
from repro.study.status import status_rows, status_table
from repro.study.throughput import Throughput
from repro.study.why import why
from repro.tracking.journal import Journal
from repro.tracking.run_status import run_lock
from tests.conftest import Load

QUICKSTART = Path(__file__).parents[2] / "experiments" / "quickstart.yaml"
BASE = {"name": "x", "model": "tiny", "dataset": "arithmetic", "seeds": [0]}

NONE = Neighbours([])


def finish(runs: Path, cell: Cell, identity: str, rollout: dict[str, float] | None = None) -> None:
    """A finished run as a job leaves it, through the journal that jobs use."""
    journal = Journal(runs / identity)
    journal.start(cell, identity)
    journal.write_json("ledger.json", {"rollout": rollout or {}})
    journal.progress("finished", cell.train.steps, cell.train.steps)
    journal.finish({"steps": cell.train.steps})


def only(**fields: Any) -> Cell:
    (cell,) = expand(parse_spec({**BASE, **fields}))
    return cell


def arm(selection: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"arms": {"a": {**({"selection": selection} if selection else {}), **fields}}}


TRAIN = {"train": {"steps": 10, "questions_per_step": 16, "group_size": 4, "max_completion_tokens": 100}}


@pytest.mark.parametrize(
    ("fields", "rollouts", "probes", "selection"),
    [
        (arm(), 10 * 64, 0, 0),
        (arm({"method": "random", "fraction": 0.5}), 10 * 64, 0, 0),
        (arm({"method": "confidence"}), 10 * 64, 0, 0),
        (arm({"method": "curriculum", "by": "pass_rate", "samples": 2}), 10 * 64, 0, 2 * 1024),
        (arm({"method": "curriculum", "by": "confidence"}), 10 * 64, 0, 0),
        (arm({"method": "confidence", "band": {"pass_rate": 0.5}}), 10 * 64, 0, 64 * 8),
        (arm({"method": "hardest", "samples": 4}), 10 * 64, 0, 4 * 1024),
        (arm(budget={"epochs": 0.5}), 32 * 64, 0, 0),
        (arm({"method": "random", "fraction": 0.1}, budget={"epochs": 1}), 7 * 64, 0, 0),
        (arm({"method": "confidence", "target": "greedy_response"}), 10 * 64, 0, 1024),
        (arm({"method": "pass_rate", "samples": 3}), 10 * 64, 0, 3 * 1024),
        (arm({"method": "mopps"}), 10 * 64, 0, 0),
        (arm({"method": "bots", "samples": 2}), 10 * 64, 0, 2 * 1024),
        (arm({"method": "adarft", "by": "pass_rate"}), 10 * 64, 0, 8 * 1024),
        (arm({"method": "difficulty", "references": 8, "every": 3}), 10 * 64, 4 * 8 * 4, 0),
        (arm({"method": "difficulty", "references": 8, "every": 20, "samples": 2}), 10 * 64, 8 * 2, 0),
        # 16 groups a step, 4 of them fresh once the buffer is full enough; 4 completions a group
        (arm(replay={"fresh": 0.25}), 64 + 9 * 16, 0, 0),
        (arm(replay={"fresh": 0.25, "warm_up": 1}), 64 + 9 * 16, 0, 0),
        (arm(replay={"fresh": 0.25, "warm_up": 3}), 3 * 64 + 7 * 16, 0, 0),
        (arm(replay={"fresh": 0.25, "short": "wait"}), 64 + 9 * 16, 0, 0),
        (arm(replay={"fresh": 0.25, "short": "wait", "max_age": 2}), 4 * 64 + 6 * 16, 0, 0),
        (arm(replay={"fresh": 0.25, "max_age": 1}), 64 + 4 * (16 + 48) + 16, 0, 0),
        (arm(replay={"fresh": 0.25, "unit": "rollout", "capacity": 48}), 64 + 9 * 16, 0, 0),
        (arm(replay={"fresh": 0.25, "unit": "rollout", "capacity": 48, "max_age": 1}), 64 + 4 * (16 + 48) + 16, 0, 0),
        (arm(replay={"fresh": 0.25, "short": "shrink"}), 10 * 16, 0, 0),
        (arm(replay={"fresh": 0.25, "short": "shrink", "warm_up": 2}), 2 * 64 + 8 * 16, 0, 0),
    ],
)
def test_completions_are_counted_in_closed_form(
    fields: dict[str, Any], rollouts: int, probes: int, selection: int
) -> None:
    cost = estimate(only(**TRAIN, **fields), NONE)
    assert (cost.rollouts, cost.probes, cost.selection) == (rollouts, probes, selection)
    assert cost.tokens == (rollouts + probes + selection) * 50
    assert not cost.measured
    assert cost.seconds is None


def test_arms_that_roll_out_until_a_batch_is_full_are_told_with_their_most(tmp_path: Path) -> None:
    def notes(**selection: Any) -> str:
        return " ".join(plan(parse_spec({**BASE, **TRAIN, **arm(selection)}), tmp_path).notes())

    group = parse_spec({**BASE, **TRAIN, **arm()}).train.group_size
    assert "4 times as many a step" in notes(method="dynamic")
    assert "3 times as many a step" in notes(method="pools", gate=True, most=3)
    # three further batches of two completions a question
    assert f"{1 + 3 * 2 / group:.3g} times as many a step" in notes(method="speed", screening=2)
    assert "batch is full" not in notes(method="pools") + notes(method="uniform") + notes(method="greso", most=1)


def test_what_an_oracle_probes_takes_time_and_is_in_no_tokens_and_no_budget(tmp_path: Path) -> None:
    oracle = arm({"method": "oracle", "every": 3, "samples": 2, "share": 0.5})
    cost = estimate(only(**TRAIN, **oracle), NONE)
    assert (cost.rollouts, cost.probes) == (640, 4 * 512 * 2)  # at steps 1, 4, 7 and 10 half of 1,024 questions
    assert cost.tokens == 640 * 50
    train = {"train": {key: value for key, value in TRAIN["train"].items() if key != "steps"}}
    assert estimate(only(**train, **oracle, budget={"tokens": 64_000}), NONE).steps == 20  # as without a selection
    finish(tmp_path, only(**TRAIN, **arm()), "f" * 16, {"completions": 640, "generated_tokens": 6400, "seconds": 64.0})
    pace = Neighbours(finished_runs(tmp_path))
    known, plain = (estimate(only(**TRAIN, **fields), pace).seconds for fields in (oracle, arm()))
    assert known is not None and plain is not None and known - plain == pytest.approx(4 * 512 * 2 * 0.1)
    said = "Probes of a are in no tokens and no budget: not paid for, so a bound and no method."
    assert said in plan(parse_spec({**BASE, **TRAIN, **oracle}), tmp_path).notes()
    assert said not in plan(parse_spec({**BASE, **TRAIN, **arm()}), tmp_path).notes()


def test_evaluation_is_counted_apart() -> None:
    fields = {**TRAIN, **arm(), "dataset": {"arithmetic": {"test": 100, "validation": 30}}}
    evaluate = {"every": 4, "samples": 3}
    # at steps 4, 8 and 10 three samples of each test question; greedily and on the pool-like set once, at the end
    assert estimate(only(**fields, evaluate=evaluate), NONE).evaluation == 3 * 3 * 100 + 100 + 256
    assert estimate(only(**fields, evaluate={**evaluate, "questions": 7}), NONE).evaluation == 3 * 3 * 7 + 7 + 7
    assert estimate(only(**fields, evaluate={**evaluate, "sets": ["validation"]}), NONE).evaluation == 3 * 3 * 30 + 30
    unknown = {**fields, "dataset": {"path": "a.jsonl"}}
    assert estimate(only(**unknown, evaluate=evaluate), NONE).evaluation is None


def test_files_of_this_machine_are_counted_for_pool_and_evaluation(tmp_path: Path) -> None:
    for name, rows in (("train", 40), ("test", 12), ("bench", 7)):
        lines = [
            json.dumps({"question": f"{name}: {row} + {row * row}?", "answer": row + row**2}) for row in range(rows)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    data = {"path": str(tmp_path / "train.jsonl"), "test_path": str(tmp_path / "test.jsonl")}
    fields = {**TRAIN, "dataset": {**data, "validation_fraction": 0.25}, **arm({"method": "hardest", "samples": 4})}
    evaluate = {"every": 5, "sets": ["test", "validation"], "samples": 2}
    cost = estimate(only(**fields, evaluate=evaluate), NONE)
    assert cost.selection == 4 * 30
    assert cost.evaluation == (12 + 10) * (2 * 2 + 1)
    bench = {"path": str(tmp_path / "bench.jsonl"), "samples": 3}
    beside = estimate(only(**fields, evaluate={**evaluate, "benchmarks": [bench]}), NONE)
    assert beside.evaluation == cost.evaluation + 7 * 3 * 2
    (tmp_path / "bench.jsonl").write_text(json.dumps({"question": "1?", "answer": 1}))
    again = estimate(only(**fields, evaluate={**evaluate, "benchmarks": [bench]}), NONE)
    assert again.evaluation == cost.evaluation + 1 * 3 * 2
    (tmp_path / "bench.jsonl").unlink()
    assert estimate(only(**fields, evaluate={**evaluate, "benchmarks": [bench]}), NONE).evaluation is None


def test_the_published_size_of_a_named_dataset_is_planned_with() -> None:
    fields = {**TRAIN, **arm({"method": "random", "fraction": 0.1}, budget={"epochs": 1})}
    cost = estimate(only(**fields, dataset={"named": "gsm8k", "validation_fraction": 0}), NONE)
    assert cost.steps == math.ceil(747 / 16)
    assert cost.rollouts == 47 * 64
    fewer = only(**fields, dataset={"named": "gsm8k", "validation_fraction": 0.5, "limits": {"train": 1600}})
    assert estimate(fewer, NONE).steps == 10
    greedy = only(**TRAIN, **arm({"method": "pass_rate"}), dataset={"named": "gsm8k", "validation_fraction": 0})
    assert estimate(greedy, NONE).selection == 8 * 7473
    whole = {"named": "deepscaler", "validation_fraction": 0}
    sampled = arm({"method": "pass_rate", "samples": 1})
    assert estimate(only(**TRAIN, **sampled, dataset={**whole, "test_named": "math500"}), NONE).selection == 40315
    assert estimate(only(**TRAIN, **sampled, dataset={**whole, "test_named": None}), NONE).selection == 40315 - 4032
    other = only(**fields, dataset={"hub": "a/b", "test_named": "gsm8k"}, evaluate={"samples": 1, "sets": ["test"]})
    assert estimate(other, NONE).steps is None


def test_what_is_not_known_before_the_data_are_read_is_not_guessed() -> None:
    cost = estimate(only(**TRAIN, **arm({"method": "pass_rate"}), dataset={"path": "a.jsonl"}), NONE)
    assert cost.selection is None
    assert cost.tokens is None
    assert cost.rollouts == 640


def test_a_budget_of_tokens_is_the_estimate_and_gives_the_steps() -> None:
    train = {"train": {key: value for key, value in TRAIN["train"].items() if key != "steps"}}
    cost = estimate(only(**train, **arm(), budget={"tokens": 64_000}), NONE)
    assert (cost.tokens, cost.steps, cost.rollouts) == (64_000, 20, 20 * 64)
    cost = estimate(only(**train, **arm({"method": "pass_rate", "samples": 1}), budget={"tokens": 64_000}), NONE)
    assert (cost.selection, cost.steps) == (1024, 4)  # 51,200 tokens are gone before the first step
    cost = estimate(only(**train, **arm(), budget={"seconds": 30}), NONE)
    assert (cost.tokens, cost.steps, cost.rollouts, cost.seconds) == (None, None, None, 30)


def test_finished_runs_of_the_dataset_give_the_length_and_those_of_the_policy_the_pace(tmp_path: Path) -> None:
    done = only(**TRAIN, **arm())
    finish(tmp_path, done, "v1-0", {"generated_tokens": 2000, "completions": 100, "seconds": 5.0})
    assert [run.identity for run in finished_runs(tmp_path)] == ["v1-0"]
    found = Neighbours(finished_runs(tmp_path))
    cost = estimate(only(**TRAIN, **arm({"method": "random"})), found)
    assert (cost.mean_tokens, cost.measured, cost.tokens) == (20.0, True, 640 * 20)
    assert cost.evaluation is not None
    assert cost.seconds == pytest.approx((640 + cost.evaluation) * 0.05)
    cut = {"train": {**TRAIN["train"], "max_completion_tokens": 10}}
    assert estimate(only(**cut, **arm()), found).mean_tokens == 10.0, "no completion is longer"
    other_policy = estimate(only(**TRAIN, **arm(), model={"tiny": {"layers": 1}}), found)
    assert (other_policy.mean_tokens, other_policy.seconds) == (20.0, None)
    other_data = estimate(only(**TRAIN, **arm(), dataset={"arithmetic": {"seed": 1}}), found)
    assert (other_data.mean_tokens, other_data.measured) == (50.0, False)


def test_the_status_of_a_cell_is_what_its_run_directory_says(tmp_path: Path) -> None:
    spec = load_spec(QUICKSTART).spec
    cells = expand_study(spec)
    assert plan(spec, tmp_path).count("todo") == 15
    finish(tmp_path, cells[0].cell, cells[0].identity)
    failed = Journal(tmp_path / cells[1].identity)
    failed.start(cells[1].cell, cells[1].identity)
    failed.fail("Traceback\nValueError: no")
    killed = Journal(tmp_path / cells[2].identity)
    killed.start(cells[2].cell, cells[2].identity)
    killed.progress("training", 10, 40)
    running = Journal(tmp_path / cells[3].identity)
    running.start(cells[3].cell, cells[3].identity)
    with run_lock(tmp_path / cells[3].identity):
        made = plan(spec, tmp_path)
        assert [row.status for row in made.rows[:5]] == ["finished", "failed", "killed", "running", "todo"]
        assert [row.expanded.identity for row in made.missing[:2]] == [cells[1].identity, cells[2].identity]
    assert made.rows[2].remaining == 0.75
    assert len(made.missing) == 13
    assert made.remaining(lambda cost: 4.0) == 4 * (1 + 0.75 + 1 + 11)


def test_the_plan_reads_the_same_for_people_and_machines(tmp_path: Path) -> None:
    spec = load_spec(QUICKSTART).spec
    cells = expand_study(spec)
    finish(tmp_path, cells[0].cell, cells[0].identity)
    made = plan(spec, tmp_path)
    data = json.loads(json.dumps(made.as_dict()))
    assert [row["identity"] for row in data["cells"]] == [cell.identity for cell in cells]
    assert data["counts"] == {"finished": 1, "todo": 14, "failed": 0, "running": 0, "killed": 0, "damaged": 0}
    assert data["missing"]["rollouts"] == sum(row["estimate"]["rollouts"] for row in data["cells"][1:])
    table = made.table()
    assert "0 cached; 1,2 to do" in table
    assert "quickstart: 15 cells (1 cached, 14 to do); missing:" in table
    assert "half of max_completion_tokens" in table


def test_a_finished_study_has_nothing_missing(tmp_path: Path) -> None:
    spec = load_spec(QUICKSTART, ["seeds=[0]"]).spec
    for cell in expand_study(spec):
        finish(tmp_path, cell.cell, cell.identity)
    made = plan(spec, tmp_path)
    assert made.missing == ()
    assert made.summary() == "quickstart: 5 cells (5 cached)"


def test_places_that_share_a_training_are_planned_once(tmp_path: Path) -> None:
    spec = parse_spec({**BASE, "arms": {"a": {}, "b": {"train": {"steps": 40}}}})
    made = plan(spec, tmp_path)
    assert len(made.rows) == 1 and made.summary().startswith("x: 1 cell (1 to do); missing:")
    assert "1 more places of the matrix are the same training" in made.table()


@pytest.mark.parametrize("command", ["plan", "validate"])
def test_a_dataset_that_is_there_and_cannot_be_read_is_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    data, spec = tmp_path / "data.parquet", tmp_path / "spec.yaml"
    data.write_text("no parquet")
    dataset = f"dataset: {{path: {data}, question: q, answer: a}}"
    spec.write_text(f"name: x\nmodel: tiny\n{dataset}\ntrain: {{steps: 2}}\narms: {{full: {{}}}}\n")
    assert main([command, str(spec)]) == 2
    assert f"{data}: not a readable parquet file" in capsys.readouterr().err


def test_the_plan_says_what_the_labels_of_a_predictor_take_once_per_dataset(load: Load, tmp_path: Path) -> None:
    arms = """\
dataset: [arithmetic, shuffle]
name: labelled
model: tiny
predictor:
  questions: 100
  samples: 4
  policies:
    - {name: a, tiny: {width: 64, heads: 2}}
    - {name: b, tiny: {warm_start: {seed: 5}}}
arms:
  grpo: {}
  dots: {selection: {method: difficulty, predictor: trained}}
  plain: {extends: dots, predictor: {towers: {calibration: none}}}
"""
    notes = plan(load(arms).spec, tmp_path).notes()
    assert any("at most 1,600 completions by 4 pairs of policy and dataset" in note for note in notes)
    without = arms.replace("predictor: trained", "predictor: untrained")
    assert not any("predictor" in note for note in plan(load(without).spec, tmp_path).notes())


def test_the_plan_says_what_supervised_starts_train_once_per_policy_and_dataset(load: Load, tmp_path: Path) -> None:
    spec = load(
        """
name: started
model:
  - {name: a, named: smollm2, warm_start: {updates: 50, batch_size: 8}}
  - {name: b, named: smollm2, warm_start: {updates: 10, batch_size: 8}}
  - {name: c, named: smollm2}
dataset: {words: {pool: 64}}
train: {steps: 2, questions_per_step: 2, group_size: 2, max_completion_tokens: 64}
arms: {full: {}, random: {selection: {method: random, fraction: 0.5}}}
seeds: [0, 1]
"""
    ).spec
    told = "Supervised starts, trained once for all runs: 2 pairs of policy and dataset, about 111k tokens"
    assert [note for note in plan(spec, tmp_path).notes() if note.startswith(told)]
    rate = Throughput(100, 10, 30, None, "cpu", "hf", gpu=False, source="measured")
    assert [note for note in plan(spec, tmp_path, [rate]).notes() if "about 3.1 job-hours; not in" in note]
    plain = spec.model_copy(update={"model": spec.model[2:]})
    assert not [note for note in plan(plain, tmp_path).notes() if "Supervised" in note]


def test_a_damaged_run_is_neither_cached_nor_to_be_trained_and_its_cure_is_told(tmp_path: Path) -> None:
    spec = parse_spec({**BASE, "seeds": [0, 1, 2], **arm()})
    first, second, third = expand_study(spec)
    for one in (first, second, third):
        finish(tmp_path, one.cell, one.identity)
    (tmp_path / first.identity / "ledger.json").unlink()
    (tmp_path / second.identity / "done.json").write_bytes(b'{"summ')
    made = plan(spec, tmp_path)
    assert [made.count(status) for status in ("finished", "damaged", "todo")] == [1, 2, 0]
    assert made.missing == () and made.as_dict()["counts"]["damaged"] == 2
    text = made.table()
    assert f"{tmp_path / first.identity}: this run is damaged: ledger.json is missing" in text
    assert f"remove {tmp_path / second.identity / 'done.json'} and run the study again" in text
    assert [run.identity for run in finished_runs(tmp_path)] == [third.identity]

    rows = {row["identity"]: row for row in status_rows(tmp_path)}
    assert rows[first.identity]["message"] == "ledger.json is missing"
    assert "remove its done.json" in status_table(list(rows.values()))
    told = why(first.identity, tmp_path)
    assert "damaged" in told and "ledger.json is missing" in told and third.identity in told


@pytest.mark.parametrize("name", ["cell.json", "ledger.json", "environment.json", "progress.json"])
@pytest.mark.parametrize("content", [b"[1, 2]", b"{", b"null", b'"text"'])
def test_no_content_of_a_run_s_files_ends_plan_or_status_with_a_traceback(
    tmp_path: Path, name: str, content: bytes
) -> None:
    spec = parse_spec({**BASE, "seeds": [0, 1], **arm()})
    for one, ended in zip(expand_study(spec), (True, False), strict=True):
        finish(tmp_path, one.cell, one.identity)
        if not ended:
            (tmp_path / one.identity / "done.json").unlink()
        (tmp_path / one.identity / name).write_bytes(content)
    assert plan(spec, tmp_path).table()
    assert status_table(status_rows(tmp_path))
