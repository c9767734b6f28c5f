"""Loading: valid specs load, and every mistake of a file is told at once with place, value, expectation and name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from repro.errors import UserError
from repro.selection.bands import EndBand, RangeBand
from repro.selection.methods.confidence import Confidence
from repro.selection.methods.difficulty import Difficulty
from repro.selection.methods.pass_rate import PassRate
from repro.study.load import load_spec, parse_spec, resolved_yaml
from tests.conftest import Load, Mistakes

QUICKSTART = Path(__file__).parents[2] / "experiments" / "quickstart.yaml"


def test_the_shortest_spec_is_filled_with_defaults(load: Load) -> None:
    spec = load("arms: {full: }\n").spec
    assert spec.train.steps == 40
    assert spec.model[0].tiny is not None
    assert spec.dataset[0].label == "arithmetic"
    assert spec.arms["full"].selection.method == "uniform"
    assert spec.seeds == [0, 1, 2]


def test_numbers_of_yaml_1_2_reach_their_fields(load: Load) -> None:
    spec = load("train: {learning_rate: 2e-4}\nbudget: {tokens: 2_000_000}\narms: {a: {}}\n").spec
    assert spec.train.learning_rate == 2e-4
    assert spec.budget is not None
    assert spec.budget.tokens == 2_000_000


def test_several_models_and_datasets_may_be_listed(load: Load) -> None:
    spec = load("name: x\nmodel: [tiny, {tiny: {width: 48}}]\ndataset: [arithmetic, gsm8k]\narms: {full: {}}\n").spec
    assert [model.label for model in spec.model] == ["tiny-96x2", "tiny-48x2"]
    assert [dataset.label for dataset in spec.dataset] == ["arithmetic", "gsm8k"]


def test_the_resolved_spec_loads_to_the_same_spec(load: Load, tmp_path: Path) -> None:
    for text in (
        QUICKSTART.read_text(),
        "name: b\nmodel: tiny\ndataset: arithmetic\nbudget: {seconds: 60}\n"
        "arms:\n  a: {train: {loss: dapo}}\n"
        "  b: {extends: a, selection: {method: pass_rate, band: {low: 0.2, high: 0.8}}}\n"
        "axes: {train.learning_rate: [1e-4, 2e-4]}\nseeds: [3]\n"
        "sweep: {arm: a, space: {train.clip: {float: [0.1, 0.3], log: true}, train.loss: {choice: [grpo]}}}\n",
    ):
        spec = load(text).spec
        (tmp_path / "resolved.yaml").write_text(resolved_yaml(spec))
        assert load_spec(tmp_path / "resolved.yaml").spec == spec


def test_the_resolved_spec_is_also_plain_yaml_1_1() -> None:
    spec = load_spec(QUICKSTART).spec
    assert parse_spec(yaml.safe_load(resolved_yaml(spec))) == spec


def test_one_file_tells_all_its_mistakes_in_the_order_of_its_lines(mistakes: Mistakes) -> None:
    found = mistakes(
        "name: x y\n"  # 1
        "model: tyny\n"
        "dataset: [arithmetic, {arithmetic: {easy: 0.9, hard: 0.9}}]\n"
        "train: {stepz: 3, advantage_std: yes}\n"  # 4
        "arms:\n"
        "  a: {selection: {method: confidense}}\n"
        "  b: {extends: c}\n"
        "report: {baseline: d}\n"  # 8
        "sweep: {arm: a, space: {train.loss: {flt: 1}}}\n"
    )
    assert found == [
        "spec.yaml:1: name: got \"x y\", expected letters, digits, '_', '-' and '.', beginning with a letter or digit"
        " (at most 100 characters)",
        found[1],
        "spec.yaml:3: dataset.1.arithmetic: got easy + hard = 1.8, expected at most 1",
        'spec.yaml:4: train.advantage_std: got "yes", expected true or false',
        'spec.yaml:4: train.stepz: got "stepz", expected a field of train, did you mean steps?',
        'spec.yaml:6: arms.a.selection.method: got "confidense", expected a method, did you mean confidence?',
        'spec.yaml:7: arms.b.extends: got "c", expected an arm (a)',
        'spec.yaml:8: report.baseline: got "d", expected an arm (a, b)',
        'spec.yaml:9: sweep.space.train.loss: got {"flt": 1}, expected a mapping with one of float, int, choice',
    ]
    assert found[1].startswith('spec.yaml:2: model: got "tyny", expected ')
    assert found[1].endswith("did you mean tiny?")


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ("train: {steps: 1}", "train: {steps: 0}", "train.steps: got 0, expected a whole number >= 1"),
        (
            "train: {clip: 0.999}",
            "train: {clip: 1.0}",
            "train.clip: got 1.0, expected a number > 0 and < 1",
        ),
        ("train: {kl: 0}", "train: {kl: -0.1}", "train.kl: got -0.1, expected a number >= 0"),
        (
            "train: {learning_rate: 1e-9}",
            "train: {learning_rate: 0}",
            "train.learning_rate: got 0, expected a number >= 1e-12 and <= 1",
        ),
        (
            "train: {learning_rate: 1}",
            "train: {learning_rate: .inf}",
            "train.learning_rate: got Infinity, expected a number >= 1e-12 and <= 1",
        ),
        (
            "train: {steps: 5}",
            "train: {steps: 5.0}",
            "train.steps: got 5.0, expected a whole number >= 1 and <= 1,000,000, did you mean 5?",
        ),
        ("train: {steps: 5}", "train: {steps: '5'}", 'train.steps: got "5", expected a whole number >= 1'),
        ("train: {steps: 5}", "train: {steps: true}", "train.steps: got true, expected a whole number >= 1"),
        ("train: {advantage_std: true}", "train: {advantage_std: 1}", "got 1, expected true or false"),
        ("train: {advantage_std: false}", "train: {advantage_std: off}", 'got "off", expected true or false'),
        (
            "train: {loss: dapo}",
            "train: {loss: dapoo}",
            'train.loss: got "dapoo", expected one of grpo, bnpo, dr_grpo, dapo, did you mean dapo?',
        ),
        (
            "train: {minibatches: 256}",
            "train: {minibatches: 5}",
            "train: got questions_per_step x group_size = 256 rows, expected a multiple of minibatches (5)",
        ),
        (
            "train: {kl: 0.1, skip_zero_advantage: false}",
            "train: {kl: 0.1}",
            "train: got kl 0.1 with skip_zero_advantage, expected one of them off",
        ),
        ("train: {}", "train: 3", "train: got 3, expected a mapping with steps, questions_per_step"),
        (
            "seeds: [0]",
            "seeds: []",
            "seeds: got [], expected a list of at least 1 (a whole number >= 0 and <= 4,294,967,295)",
        ),
        ("seeds: [0]", "seeds: [-1]", "seeds.0: got -1, expected a whole number >= 0"),
        (
            "seeds: [0]",
            "seeds: 0",
            "seeds: got 0, expected a list of at least 1 (a whole number >= 0 and <= 4,294,967,295)",
        ),
        ("evaluate: {sets: [test]}", "evaluate: {sets: [tests]}", "did you mean test?"),
        ("evaluate: {base_temperatures: []}", "evaluate: {base_temperatures: [x]}", 'temperatures.0: got "x"'),
        ("budget: {tokens: 1}", "budget: {}", "budget: got none of them, expected exactly one of tokens, seconds"),
        ("budget: {seconds: 1}", "budget: {seconds: 1, tokens: 1}", "got tokens and seconds"),
        ("report: {target: 0.5}", "report: {target: 1}", "report.target: got 1, expected a number > 0 and < 1"),
    ],
)
def test_section_fields_are_checked_at_their_bounds(mistakes: Mistakes, good: str, bad: str, message: str) -> None:
    assert mistakes(f"{good}\narms: {{full: {{}}}}\n") == []
    (found,) = mistakes(f"{bad}\narms: {{full: {{}}}}\n")
    assert found.startswith("spec.yaml:4: ")
    assert message in found


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        (
            "{method: random, fraction: 1}",
            "{method: random, fraction: 1.1}",
            "fraction: got 1.1, expected a number > 0",
        ),
        ("{method: random}", "{method: random, target: 1}", 'selection.target: got "target", expected a field of'),
        ("{method: random}", "{fraction: 0.1}", "expected a mapping with method: adarft, bots"),
        ("{method: random}", "{method: }", "selection.method: got null, expected a method"),
        ("{method: random}", "random", 'selection: got "random", expected'),
        (
            "{method: confidence, band: {center: 0.5}}",
            "{method: confidence, band: {center: 1.5}}",
            "band.center: got 1.5, expected one of mean, median or a number >= 0 and <= 1",
        ),
        (
            "{method: confidence, band: {center: median}}",
            "{method: confidence, band: {center: medain}}",
            "did you mean median?",
        ),
        (
            "{method: confidence, band: {low: 0.2, high: 0.3}}",
            "{method: confidence, band: {low: 0.3, high: 0.3}}",
            "band: got low 0.3 and high 0.3, expected low < high",
        ),
        (
            "{method: confidence, band: {low: 0.2, high: 0.3}}",
            "{method: confidence, band: {low: 0.2}}",
            "band.high: got nothing, expected a number",
        ),
        (
            "{method: confidence, band: {low: 0.2, high: 0.3}}",
            "{method: confidence, band: {low: 0.2, high: 0.3}, fraction: 0.1}",
            "got fraction 0.1 with a band of low and high, expected one of them",
        ),
        (
            "{method: pass_rate, samples: 1}",
            "{method: pass_rate, samples: 0}",
            "samples: got 0, expected a whole number >= 1",
        ),
        (
            "{method: difficulty, references: 2}",
            "{method: difficulty, references: 1}",
            "references: got 1, expected a whole number >= 2",
        ),
        (
            "{method: pass_rate, band: highest}",
            "{method: pass_rate, band: higest}",
            'band: got "higest", expected one of highest, lowest or a mapping with center or',
        ),
        (
            "{method: confidence, band: {pass_rate: 0.5}}",
            "{method: confidence, band: {pass_rate: 0.5, questions: 7}}",
            "band.questions: got 7, expected a whole number >= 8",
        ),
        (
            "{method: hardest}",
            "{method: hardest, band: lowest}",
            "got a band with method hardest, expected none",
        ),
        ("{method: easiest}", "{method: easyest}", "expected a method, did you mean easiest?"),
        (
            "{method: confidence, prompt: paper}",
            "{method: confidence, prompt: papr}",
            'prompt: got "papr", expected paper or null, did you mean paper?',
        ),
        (
            "{method: curriculum, by: pass_rate}",
            "{method: curriculum}",
            "by: got nothing, expected one of confidence, pass_rate",
        ),
    ],
)
def test_selections_are_checked_within_their_method(mistakes: Mistakes, good: str, bad: str, message: str) -> None:
    assert mistakes(f"arms:\n  a: {{selection: {good}}}\n") == []
    (found,) = mistakes(f"arms:\n  a: {{selection: {bad}}}\n")
    assert found.startswith("spec.yaml:5: arms.a.selection")
    assert message in found


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        (
            "{tiny: {width: 12, heads: 3}}",
            "{tiny: {width: 9, heads: 3}}",
            "model.tiny: got width 9, expected a multiple",
        ),
        (
            "{hub: a/b}",
            "{hub: a/b, path: c}",
            "model: got hub and path, expected exactly one of tiny, named, hub, path",
        ),
        ("{hub: a/b}", "{}", "model: got none of them, expected exactly one of tiny, named, hub, path"),
        ("{hub: a/b, revision: r}", "{path: b, revision: r}", "model: got revision 'r' without hub"),
        ("{tiny: {}}", "{tinny: {}}", 'model.tinny: got "tinny", expected a field of model, did you mean tiny?'),
        ("{tiny: {layers: 1}}", "{tiny: {layers: 0}}", "model.tiny.layers: got 0, expected a whole number >= 1"),
        (
            "{tiny: }",
            "7",
            "model: got 7, expected one of tiny, smollm2, smollm2-360m and 1 more or a mapping with tiny, named",
        ),
        ("[tiny]", "[]", "model: got [], expected"),
    ],
)
def test_models_have_exactly_one_source(mistakes: Mistakes, good: str, bad: str, message: str) -> None:
    spec = "name: x\ndataset: arithmetic\narms: {{full: {{}}}}\nmodel: {}\n"
    assert mistakes(spec.format(good)) == []
    found = mistakes(spec.format(bad))
    assert found[0].startswith("spec.yaml:4: model")
    assert message in found[0]


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        (
            "{path: a.jsonl}",
            "{path: a.jsonl, hub: b}",
            "got hub and path, expected exactly one of arithmetic, shuffle, variables, words, task, named",
        ),
        ("{named: gsm8k, path: d}", "{named: gsm9k}", 'dataset.named: got "gsm9k", expected one of gsm8k, math, '),
        ("{named: math}", "{named: math50}", "did you mean math500?"),
        ("{named: math, filters: {level: [4, 5]}}", "{named: aime24}", "an evaluation set, expected one to train on"),
        ("{named: math, without: [aime24]}", "{named: math, without: [aime42]}", "did you mean aime24?"),
        ("{path: d, filters: {n: {min: 1}}}", "{path: d, filters: {n: {min: 2, max: 1}}}", "expected min <= max"),
        ("gsm8k", "gsm9k", "did you mean gsm8k?"),
        ("{hub: a/b}", "{}", "got none of them"),
        ("{arithmetic: {pool: 64}}", "{arithmetic: {pool: 7}}", "pool: got 7, expected a whole number >= 8"),
        (
            "{arithmetic: {easy: 0.5, hard: 0.5}}",
            "{arithmetic: {easy: 0.5, hard: 0.51}}",
            "got easy + hard = 1.01, expected at most 1",
        ),
    ],
)
def test_datasets_have_exactly_one_source(mistakes: Mistakes, good: str, bad: str, message: str) -> None:
    spec = "name: x\nmodel: tiny\narms: {{full: {{}}}}\ndataset: {}\n"
    assert mistakes(spec.format(good)) == []
    found = mistakes(spec.format(bad))
    assert found[0].startswith("spec.yaml:4: dataset")
    assert message in found[0]


def test_what_is_required_is_named_when_it_is_missing(mistakes: Mistakes) -> None:
    found = mistakes("train: {steps: 3}\nname: x\n")
    assert [line.split(":")[2].strip() for line in found] == ["model", "dataset", "arms"]
    assert all("got nothing, expected" in line for line in found)


def test_a_key_given_twice_is_told_beside_the_other_mistakes(mistakes: Mistakes) -> None:
    found = mistakes("train: {steps: 3}\narms: {full: {}}\ntrain: {steps: 0}\n")
    assert found == ["spec.yaml:4: train: got the key twice (again at spec.yaml:6), expected it once"]


def test_a_file_that_is_no_mapping_is_refused(mistakes: Mistakes, tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    for text in ("- a\n", "", "just words\n"):
        path.write_text(text)
        with pytest.raises(UserError, match=r"list\.yaml:1: "):
            load_spec(path)


def test_a_file_that_is_no_study_is_told_in_one_line(mistakes: Mistakes, tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    for text, found in (("version: 3\nservices: {}\n", "a mapping with version, services"), ("", "nothing")):
        path.write_text(text)
        with pytest.raises(UserError) as caught:
            load_spec(path)
        assert str(caught.value) == f"{path}:1: got {found}, expected a mapping with name, model, dataset, arms"


def test_names_are_listed_once_and_a_few_of_many(mistakes: Mistakes) -> None:
    found = mistakes("name: x\nartifact_location: a\ncreation_time: 3\nlast_update_time: 3\n")
    assert len(found) == 6 and all(len(line) < 250 for line in found)
    dataset = next(line for line in found if ": dataset: " in line)
    assert dataset.count("arithmetic") == 2, "as a word and as a field, and not again for a list of them"
    assert dataset.endswith(" or a list of them")
    unknown = [line for line in found if "expected a field of the spec" in line]
    assert [line.endswith(" more)") for line in unknown] == [True, False, False], "the fields are listed once"


def test_a_screen_of_mistakes_is_shown_and_the_rest_counted(mistakes: Mistakes) -> None:
    fields = "".join(f"  wrong_{index}: 1\n" for index in range(30))
    found = mistakes(f"train:\n{fields}arms: {{full: {{}}}}\n")
    assert len(found) == 21
    assert found[-1] == "… and 10 more"
    assert len(mistakes(f"train:\n{''.join(fields.splitlines(keepends=True)[:20])}arms: {{full: {{}}}}\n")) == 20


def test_one_mistake_does_not_hide_those_found_later(mistakes: Mistakes) -> None:
    found = mistakes("train: {minibatches: 5}\narms: {full: {wrong: 1}}\nseeds: [1, 1]\nreport: {baseline: ful}\n")
    assert [line.split(": ")[1] for line in found] == ["train", "arms.full.wrong", "seeds", "report.baseline"]


def test_a_mistake_does_not_bring_forth_mistakes_of_its_own(mistakes: Mistakes) -> None:
    # questions_per_step is unusable, so nothing can be said of the subset, of minibatches or of the replay.
    arms = "arms: {a: {selection: {method: random, fraction: 0.001}, replay: {fresh: 0.3}}}\n"
    (found,) = mistakes(f"train: {{questions_per_step: many, group_size: 7, minibatches: 7}}\n{arms}")
    assert "questions_per_step" in found


def test_selections_load_into_the_class_of_their_method(load: Load) -> None:
    spec = load(
        "arms:\n"
        "  a: {selection: {method: confidence, band: {low: 0.25, high: 0.75, scale: quantile}}}\n"
        "  b: {selection: {method: difficulty}}\n"
        "  c: {selection: {method: confidence}}\n"
    ).spec
    assert spec.arms["a"].selection == Confidence(
        method="confidence", band=RangeBand(low=0.25, high=0.75, scale="quantile")
    )
    assert spec.arms["b"].selection == Difficulty(method="difficulty")
    ends = load(
        "arms:\n"
        "  a: {selection: {method: easiest, samples: 4}}\n"
        "  b: {selection: {method: pass_rate, samples: 4, band: highest, fraction: 0.1}}\n"
        "  c: {selection: {method: low_confidence}}\n"
    ).spec
    easiest = PassRate(method="pass_rate", samples=4, band=EndBand(end="highest"), fraction=0.1)
    assert ends.arms["a"].selection == ends.arms["b"].selection == easiest
    assert ends.arms["c"].selection == Confidence(method="confidence", band=EndBand(end="lowest"), fraction=0.1)
    assert spec.arms["c"].selection.fraction == 0.1  # type: ignore[union-attr]


def test_the_lines_of_fields_are_kept(load: Load) -> None:
    loaded = load("train:\n  steps: 3\narms: {full: {}}\n", ["evaluate.every=1"])
    assert loaded.lines["train.steps"].endswith("spec.yaml:5")
    assert loaded.lines["evaluate.every"] == "-S evaluate.every=1"
