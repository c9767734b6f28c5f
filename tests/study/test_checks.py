"""Contradictions between sections: each just inside and just outside what is possible."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Load, Mistakes
from tests.study.arms import ARMS

POOL = "name: x\nmodel: tiny\ndataset: {arithmetic: {pool: 100}}\n"


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        # a subset must hold a batch of different questions
        (
            "train: {questions_per_step: 10}\narms: {a: {selection: {method: random, fraction: 0.1}}}",
            "train: {questions_per_step: 12}\narms: {a: {selection: {method: random, fraction: 0.1}}}",
            "spec.yaml:5: arms.a.selection.fraction: got 0.1, which keeps 10 of 100 questions, expected at least 12"
            " (0.12 of the pool): a step draws questions_per_step different ones",
        ),
        (
            "train: {questions_per_step: 20}\narms: {a: {selection: {method: pass_rate, fraction: 0.2}}}",
            "train: {questions_per_step: 20}\narms: {a: {selection: {method: pass_rate, fraction: 0.199}}}",
            "keeps 19 of 100 questions, expected at least 20",
        ),
        (
            "train: {questions_per_step: 20}\n"
            "arms: {a: {selection: {method: confidence, band: {low: 0.4, high: 0.6, scale: quantile}}}}",
            "train: {questions_per_step: 20}\n"
            "arms: {a: {selection: {method: confidence, band: {low: 0.4, high: 0.59, scale: quantile}}}}",
            "arms.a.selection.band: got",
        ),
        (
            "train: {questions_per_step: 100}\narms: {a: {}}",
            "train: {questions_per_step: 101, minibatches: 8}\narms: {a: {}}",
            "train.questions_per_step: got 101, expected at most 100, the questions of arithmetic",
        ),
        (
            "arms: {a: {train: {questions_per_step: 100}}}",
            "arms: {a: {train: {questions_per_step: 104}}}",
            "arms.a.train.questions_per_step: got 104, expected at most 100",
        ),
        (
            "evaluate: {gradient_questions: 100}\narms: {a: {}}",
            "evaluate: {gradient_questions: 101}\narms: {a: {}}",
            "evaluate.gradient_questions: got 101, expected at most 100, the questions of arithmetic",
        ),
        (
            "evaluate: {predictor_questions: 90}\narms: {a: {selection: {method: difficulty, references: 10}}}",
            "evaluate: {predictor_questions: 91}\narms: {a: {selection: {method: difficulty, references: 10}}}",
            "evaluate.predictor_questions: got 91, expected at most 90, the pool's questions that are no references",
        ),
        (
            "arms: {a: {selection: {method: difficulty, references: 100}}}",
            "arms: {a: {selection: {method: difficulty, references: 101}}}",
            "arms.a.selection.references: got 101, expected at most 100, the questions of arithmetic",
        ),
        # replay takes whole groups
        (
            "arms: {a: {replay: {fresh: 0.03125}}}",
            "arms: {a: {replay: {fresh: 0.03}}}",
            "arms.a.replay.fresh: got 0.03, which is 0.96 of 32 questions_per_step, expected a whole number of them,"
            " did you mean 0.03125?",
        ),
        (
            "arms: {a: {replay: {fresh: 0.75}}}",
            "arms: {a: {replay: {fresh: 0.7}}}",
            "which is 22.4 of 32 questions_per_step, expected a whole number of them, did you mean 0.6875?",
        ),
        (
            "arms: {a: {replay: {fresh: 0.5, capacity: 16}}}",
            "arms: {a: {replay: {fresh: 0.5, capacity: 15}}}",
            "arms.a.replay.capacity: got 15, expected at least 16, the groups replayed a step",
        ),
        (
            "train: {group_size: 2, minibatches: 8}\narms: {a: {replay: {fresh: 0.125, short: shrink}}}",
            "train: {group_size: 2, minibatches: 16}\narms: {a: {replay: {fresh: 0.125, short: shrink}}}",
            'spec.yaml:5: arms.a.replay.short: got "shrink" with fresh 0.125, which leaves 8 rows where nothing can be'
            " replayed, expected a multiple of minibatches (16) or another way",
        ),
        (
            "train: {group_size: 2, minibatches: 16}\narms: {a: {replay: {fresh: 0.125, short: wait}}}",
            "train: {group_size: 2, minibatches: 16}\narms: {a: {replay: {fresh: 0.125, short: waits}}}",
            'arms.a.replay.short: got "waits", expected',
        ),
        (
            "train: {steps: 5}\narms: {a: {replay: {warm_up: 4}}}",
            "train: {steps: 5}\narms: {a: {replay: {warm_up: 5}}}",
            "arms.a.replay.warm_up: got 5, expected less than train.steps (5): nothing would be replayed",
        ),
        (
            "budget: {tokens: 9}\narms: {a: {replay: {warm_up: 500, max_age: 1}}}",
            "budget: {tokens: 9}\narms: {a: {replay: {warm_up: 500, max_age: 0}}}",
            "arms.a.replay.max_age: got 0, expected",
        ),
        (
            "axes: {replay.warm_up: [0, 39]}\narms: {a: {replay: {}}}",
            "axes: {replay.warm_up: [0, 40]}\narms: {a: {replay: {}}}",
            "axes.replay.warm_up: got 40, expected less than train.steps (40)",
        ),
        # an arm's own train fields are part of the section they change
        (
            "arms: {a: {train: {minibatches: 8}}}",
            "arms: {a: {train: {minibatches: 7}}}",
            "arms.a.train: got questions_per_step x group_size = 256 rows, expected a multiple of minibatches (7)",
        ),
        (
            "arms: {a: {train: {steps: 1}}}",
            "arms: {a: {train: {steps: 0}}}",
            "arms.a.train.steps: got 0, expected a whole number >= 1",
        ),
        (
            "arms: {a: {train: {loss: dapo}}}",
            "arms: {a: {train: {lost: dapo}}}",
            'arms.a.train.lost: got "lost", expected a field of train, did you mean loss?',
        ),
        # a budget stands in place of steps
        (
            "budget: {tokens: 1000}\narms: {a: {}}",
            "budget: {tokens: 1000}\ntrain: {steps: 4}\narms: {a: {}}",
            "spec.yaml:5: train.steps: got steps beside a budget, expected only one of them",
        ),
        (
            "budget: {seconds: 1}\narms: {a: {train: {clip: 0.1}}}",
            "budget: {seconds: 1}\narms: {a: {train: {steps: 3}}}",
            "arms.a.train.steps: got steps beside a budget",
        ),
        (
            "arms: {a: {train: {clip: 0.1}, budget: {epochs: 1}}}",
            "arms: {a: {train: {steps: 3}, budget: {epochs: 1}}}",
            "arms.a.train.steps: got steps beside the arm's budget",
        ),
        (
            "budget: {epochs: 1}\narms: {a: {selection: {method: curriculum, by: pass_rate}}}",
            "budget: {tokens: 9}\narms: {a: {selection: {method: curriculum, by: pass_rate}}}",
            'arms.a.selection.method: got "curriculum" with a budget, expected train.steps or budget.epochs',
        ),
        # a column of the dataset
        (
            "arms: {a: {selection: {method: curriculum, by: column, column: steps, high: hard}}}",
            "arms: {a: {selection: {method: curriculum, by: column, column: step, high: hard}}}",
            'arms.a.selection.column: got "step", expected a numeric column of the dataset (steps), did you mean',
        ),
        (
            "arms: {a: {selection: {method: scores, column: steps, fraction: 0.5}}}",
            "arms: {a: {selection: {method: scores, column: operations, fraction: 0.5}}}",
            'arms.a.selection.column: got "operations", expected a numeric column of the dataset (steps)',
        ),
        # names
        (
            "arms: {a: {models: [tiny-96x2], datasets: [arithmetic]}}",
            "arms: {a: {datasets: [aritmetic]}}",
            'arms.a.datasets.0: got "aritmetic", expected the label of one of the datasets (arithmetic), did you mean',
        ),
        # the main series of a report is evaluated at every evaluation
        (
            "evaluate: {benchmarks: [gsm8k]}\narms: {a: {}}\nreport: {main: benchmarks}",
            "arms: {a: {}}\nreport: {main: benchmarks}",
            "report.main: got benchmarks, the mean over evaluate.benchmarks, which is empty: list them, e.g. [gsm8k",
        ),
        (
            "evaluate: {benchmarks: [gsm8k, {named: math500, name: math}]}\narms: {a: {}}\nreport: {main: math}",
            "evaluate: {benchmarks: [gsm8k, {named: math500, name: math}]}\narms: {a: {}}\nreport: {main: maths}",
            'report.main: got "maths", expected a set that is evaluated at every evaluation (test, benchmarks, gsm8k,'
            " math), did you mean math?",
        ),
        (
            "evaluate: {sets: [validation]}\narms: {a: {}}\nreport: {main: validation}",
            "evaluate: {sets: [validation]}\narms: {a: {}}\nreport: {main: test}",
            "report.main: got test, which is not evaluated: add it to evaluate.sets",
        ),
        (
            "arms: {a: {}}\nreport: {main: test}",
            "arms: {a: {}}\nreport: {main: extra}",
            'report.main: got "extra", expected a set that is evaluated at every evaluation (test)',
        ),
        (
            "arms: {a: {}}\nreport: {baseline: a}",
            "arms: {a: {}}\nreport: {baseline: A}",
            'report.baseline: got "A", expected an arm (a), did you mean a?',
        ),
        ("arms: {a-1_B: {}}", "arms: {a.b: {}}", 'got the name "a.b", expected letters, digits'),
        ("arms: {a: {}}\nseeds: [1, 2]", "arms: {a: {}}\nseeds: [1, 2, 1]", "seeds: got 1 more than once"),
        (
            "arms: {a: {seeds: [2]}}\nseeds: [1, 2]",
            "arms: {a: {seeds: [3, 2]}}\nseeds: [1, 2]",
            "arms.a.seeds: got 3, expected some of the study's seeds (1, 2)",
        ),
        (
            "arms: {a: {seeds: [2]}}\nseeds: [1, 2]",
            "arms: {a: {seeds: [2, 2]}}\nseeds: [1, 2]",
            "arms.a.seeds: got 2 more than once",
        ),
    ],
)
def test_fields_that_contradict_each_other(mistakes: Mistakes, good: str, bad: str, message: str) -> None:
    assert mistakes(f"{POOL}{good}\n") == []
    (found,) = mistakes(f"{POOL}{bad}\n")
    assert message in found


def test_models_and_datasets_need_distinct_labels(mistakes: Mistakes) -> None:
    spec = "name: x\ndataset: arithmetic\narms: {{a: {{}}}}\nmodel: [{{path: a/m}}, {{path: b/m{}}}]\n"
    assert mistakes(spec.format(", name: other")) == []
    (found,) = mistakes(spec.format(""))
    assert 'model.1: got the label "m" a second time, expected distinct ones: give this one a name' in found
    spec = "name: x\nmodel: tiny\narms: {{a: {{}}}}\ndataset: [arithmetic, {{arithmetic: {{seed: 1}}{}}}]\n"
    assert mistakes(spec.format(", name: other")) == []
    assert "dataset.1: got the label" in mistakes(spec.format(""))[0]


@pytest.mark.parametrize(
    ("good", "bad", "place", "message"),
    [
        ("selection.fraction: [0.4]", "selection.fractoin: [0.4]", "selection.fractoin", "mean selection.fraction?"),
        ("replay.fresh: [0.25]", "replay.fresh: [0.3]", "replay.fresh", "which is 9.6 of 32"),
        ("selection.fraction: [1]", "selection.fraction: [2]", "selection.fraction", "got 2, expected a number > 0"),
        ("selection.fraction: [0.32]", "selection.fraction: [0.31]", "selection.fraction", "keeps 31 of 100 questions"),
        ("train.minibatches: [4, 8]", "train.minibatches: [4, 7]", "train.minibatches", "multiple of minibatches (7)"),
        ("train.steps: [4]", "train.steps: [4, 4]", "train.steps", "got 4 more than once, expected distinct"),
        ("train.steps: [4]", "train.steps: []", "train.steps", "got [], expected a list of at least 1"),
        ("train.steps: [4]", "train.stepz: [4]", "train.stepz", "did you mean train.steps?"),
        (
            "model.tiny.width: [48]",
            "model.tiny.width: [49]",
            "model.tiny.width",
            "expected a multiple of 2 x heads (6)",
        ),
        ("model.tiny.width: [48]", "model.hub.width: [48]", "model.hub.width", "expected a path that an arm has"),
        ("dataset.arithmetic.pool: [64]", "dataset.arithmetic.pool: [16]", "dataset.arithmetic.pool", "at most 16"),
        ("evaluate.samples: [1]", "evaluate.samples: ['1']", "evaluate.samples", 'got "1", expected a whole number'),
        ("train.loss: [grpo]", "seeds: [0]", "seeds", "expected a path that an arm has"),
    ],
)
def test_axes_are_checked_where_they_lead(mistakes: Mistakes, good: str, bad: str, place: str, message: str) -> None:
    spec = POOL + "train: {questions_per_step: 32}\n" + ARMS.replace("0.2", "0.5")
    assert mistakes(f"{spec}axes: {{{good}}}\n") == []
    found = mistakes(f"{spec}axes: {{{bad}}}\n")
    assert any(message in line for line in found)
    for line in found:  # a pool that is too small is also told where the batch is asked for
        assert line.startswith("spec.yaml:9: ") or "questions_per_step" in line


def test_a_budget_excludes_an_axis_over_steps(mistakes: Mistakes) -> None:
    assert mistakes(ARMS + "axes: {train.steps: [1, 2]}\n") == []
    (found,) = mistakes(ARMS + "axes: {train.steps: [1, 2]}\nbudget: {tokens: 10}\n")
    assert "axes.train.steps: got steps beside a budget" in found


def test_sizes_of_datasets_that_must_be_read_first_are_left_to_the_job(load: Load) -> None:
    spec = "name: x\nmodel: tiny\ndataset: {path: a.jsonl}\narms: {a: {selection: {method: random, fraction: 1e-6}}}\n"
    assert load(spec).spec.dataset[0].label == "a"


def test_a_misspelt_artefact_is_refused_with_its_line_and_the_nearest_name(mistakes: Mistakes) -> None:
    text = POOL + "arms: {a: {}}\nreport:\n  artefacts: [dots_rr.auc, dots_rr.tabel_1]\n"
    (line,) = mistakes(text)
    assert 'spec.yaml:6: report.artefacts.1: got "dots_rr.tabel_1"' in line
    assert line.endswith("did you mean dots_rr.table_1?")


def test_a_figure_of_ones_own_must_be_a_function_that_can_be_imported(
    load: Load, mistakes: Mistakes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "figures_of_mine.py").write_text("def curve(panels):\n    return []\nnumber = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    text = POOL + "arms: {a: {}}\nreport: {artefacts: ['figures_of_mine:WHICH']}\n"
    assert load(text.replace("WHICH", "curve")).spec.report.artefacts == ["figures_of_mine:curve"]
    assert "has no 'curv', did you mean curve?" in mistakes(text.replace("WHICH", "curv"))[0]
    assert "expected a function" in mistakes(text.replace("WHICH", "number"))[0]


def test_a_column_is_looked_for_in_the_rows_of_a_file_that_the_filters_keep(mistakes: Mistakes, tmp_path: Path) -> None:
    rows = [{"level": 1, "rate": "0.5"}, {"level": 2, "rate": 0.5}, {"level": 2, "rate": 0.25}]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"question": f"{i}?", "answer": "1", **r}) + "\n" for i, r in enumerate(rows)))

    def said(column: str, more: str = "", source: str = f"path: {path}") -> list[str]:
        arm = f"{{selection: {{method: curriculum, by: column, column: {column}, stages: 2}}}}"
        return mistakes(f"name: x\nmodel: tiny\ndataset: {{{source}{more}}}\narms: {{a: {arm}}}\n")

    assert said("level") == [] and said("rate", ", filters: {level: 2}") == []
    (found,) = said("rate")
    assert 'arms.a.selection.column: got "rate", expected a numeric column of the dataset (level)' in found
    assert said("anything", source="hub: some/data") == [], "only a download could tell"
