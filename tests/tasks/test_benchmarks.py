"""Further evaluation sets in a spec: short forms, mistakes, identity and cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from repro.spec.schema import Cell
from repro.study.estimate import benchmark_completions, evaluation_completions
from repro.study.identity import identity, result_fields
from tests.conftest import Load, Mistakes

SPEC = """\
name: x
model: {{hub: a/b}}
dataset: {{named: deepscaler, test_named: {test}}}
evaluate: {{{evaluate}}}
arms: {{full: {{}}}}
"""


def cell(benchmarks: list[Any], **dataset: Any) -> Cell:
    evaluate = {"sets": ["test"], "samples": 2, "every": 10, "benchmarks": benchmarks}
    return Cell.model_validate(
        {
            "spec": "s",
            "arm": "a",
            "model": {"tiny": {}},
            "dataset": {"named": "deepscaler", "test_named": "math500", **dataset},
            "train": {"steps": 20},
            "evaluate": evaluate,
            "selection": {"method": "uniform"},
            "replay": None,
            "budget": None,
            "seed": 0,
        }
    )


def test_a_name_is_short_for_a_benchmark(load: Load) -> None:
    spec = load(
        SPEC.format(test="math500", evaluate="benchmarks: [gsm8k, {named: aime24, samples: 32}, {path: d/own.jsonl}]")
    )
    short, long, own = spec.spec.evaluate.benchmarks
    assert [one.label for one in (short, long, own)] == ["gsm8k", "aime24", "own"]
    assert long.sampling(spec.spec.evaluate)["samples"] == 32
    assert short.sampling(spec.spec.evaluate) == {"questions": None, "samples": 4, "temperature": 1.0, "top_p": 1.0}


@pytest.mark.parametrize(
    ("evaluate", "said"),
    [
        ("benchmarks: [math50]", 'evaluate.benchmarks.0: got "math50", expected one of gsm8k, math, math500'),
        ("benchmarks: [math50]", "did you mean math500?"),
        ("benchmarks: [{named: deepscaler}]", 'evaluate.benchmarks.0.named: got "deepscaler", expected one of'),
        ("benchmarks: [{samples: 3}]", "got neither named nor path"),
        ("benchmarks: [aime24, aime24]", "two benchmarks labelled aime24, expected distinct ones: give one a name"),
        ("benchmarks: [{path: d/test.jsonl}]", "labelled test, which is another series: give it a name"),
        ("benchmarks: [{named: aime24, sample: 3}]", "did you mean samples?"),
        ("benchmarks: [{named: aime24, temperature: 0}]", "temperature: got 0, expected a number >= 0.001"),
    ],
)
def test_mistakes_in_benchmarks_are_named(mistakes: Mistakes, evaluate: str, said: str) -> None:
    found = mistakes(SPEC.format(test="math500", evaluate=evaluate))
    assert len(found) == 1 and said in found[0]


def test_an_evaluation_set_does_not_train_and_a_training_set_does_not_test(mistakes: Mistakes) -> None:
    text = "name: x\nmodel: {hub: a/b}\ndataset: math500\narms: {full: {}}\n"
    said = 'dataset.named: got "math500", an evaluation set, expected one to train on (gsm8k, math, deepscaler'
    assert said in mistakes(text)[0]
    assert (
        'dataset.test_named: got "orz", expected one of gsm8k, math, math500'
        in mistakes(SPEC.format(test="orz", evaluate=""))[0]
    )


def test_benchmarks_enter_an_identity_by_what_changes_results_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REPRO_DATA", raising=False)
    for name, answer in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"question": "Q", "answer": answer}))

    def found(*benchmarks: Any) -> str:
        return identity(cell(list(benchmarks)))

    def own(name: str, **fields: Any) -> dict[str, Any]:
        return {"path": str(tmp_path / f"{name}.jsonl"), **fields}

    assert "benchmarks" not in result_fields(cell([]))["evaluate"]
    plain = found("aime24")
    for same in ({"samples": 2, "temperature": 1.0}, {"name": "x"}):
        assert found({"named": "aime24", **same}) == plain
    others = [
        found(),
        plain,
        found("amc23"),
        found("aime24", "amc23"),
        found({"named": "aime24", "samples": 3}),
        found({"named": "aime24", "revision": "abc"}),
        found({"named": "aime24", "stand_in": True}),
        found(own("a")),
        found(own("c")),
    ]
    assert len(set(others)) == len(others)
    assert found(own("a")) == found(own("b") | {"name": "other"})


def test_completions_of_benchmarks_are_counted_and_the_test_set_only_once() -> None:
    four = cell(["gsm8k", "math500", "minerva", {"named": "aime24", "samples": 32}])
    assert benchmark_completions(four) == [2638, 0, 544, 960]
    without = evaluation_completions(cell([]), 20)
    assert without is not None
    assert evaluation_completions(four, 20) == without + 2 * (2638 + 544 + 960)
    assert benchmark_completions(cell([{"named": "math500", "temperature": 0.5}])) == [1000]
    assert benchmark_completions(cell(["math500"], limits={"test": 9})) == [1000]
    assert evaluation_completions(cell([{"path": "x.jsonl"}]), 20) is None
    assert evaluation_completions(cell([{"path": "x.jsonl", "questions": 3}]), 20) == without + 12
