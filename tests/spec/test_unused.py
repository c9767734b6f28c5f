"""Settings without effect are warned about, and those with effect are not."""

from __future__ import annotations

import pytest

from tests.spec.conftest import Load

SPEC = "name: x\nmodel: {model}\ndataset: {dataset}\ntrain: {{{train}}}\nevaluate: {{{evaluate}}}\narms: {{{arms}}}\n"
PLAIN = {"model": "tiny", "dataset": "arithmetic", "train": "", "evaluate": "", "arms": "full: {}"}


@pytest.mark.parametrize(
    ("section", "useful", "useless", "message"),
    [
        (
            "evaluate",
            "every: 40",
            "every: 41",
            "evaluate.every: warning: has no effect: only start and end of 40 steps",
        ),
        (
            "evaluate",
            "questions: 256",
            "questions: 257",
            "evaluate.questions: warning: has no effect: the test set has",
        ),
        (
            "model",
            "{tiny: {tokenizer: bpe, vocabulary: 500}}",
            "{tiny: {vocabulary: 500}}",
            "model.tiny.vocabulary: warning: has no effect",
        ),
        ("model", "{hub: a/b, system_prompt: x}", "{tiny: {}, system_prompt: x}", "model.system_prompt: warning"),
        ("dataset", "{path: a.jsonl, question: q}", "{arithmetic: {}, question: q}", "dataset.question: warning"),
        ("dataset", "{hub: a/b, revision: q}", "{path: a.jsonl, revision: q}", "dataset.revision: warning"),
        (
            "dataset",
            "{arithmetic: {}, limits: {train: 1023}}",
            "{arithmetic: {}, limits: {train: 1024}}",
            "dataset.limits.train: warning: has no effect: there are 1024 questions",
        ),
        ("train", "clip: 0.1, minibatches: 2", "clip: 0.1, minibatches: 1", "train.clip: warning: has no effect"),
        (
            "arms",
            "a: {}, b: {replay: {}}",
            "a: {}, b: {train: {steps: 40}}",
            "arms.b: warning: trains the same as arm a",
        ),
        (
            "arms",
            "a: {selection: {method: curriculum, by: pass_rate, samples: 4}}",
            "a: {selection: {method: curriculum, by: confidence, samples: 4}}",
            "arms.a.selection.samples: warning: has no effect: it belongs to by: pass_rate",
        ),
        (
            "model",
            "{tiny: {warm_start: {teacher: {habit: 0.1}}}}",
            "{tiny: {warm_start: {shuffle: {habit: 0.1}}}}",
            "model.tiny.warm_start.shuffle: warning: has no effect: this teacher speaks shuffle only",
        ),
        (
            "model",
            "{tiny: {warm_start: {teacher: {habit: 0.1}}}}",
            "{tiny: {warm_start: {variables: {habit: 0.1}}}}",
            "model.tiny.warm_start.variables: warning: has no effect: this teacher speaks variables only",
        ),
    ],
)
def test_idle_settings_are_warned_about(load: Load, section: str, useful: str, useless: str, message: str) -> None:
    assert load(SPEC.format(**{**PLAIN, section: useful})).warnings == ()
    (warning,) = load(SPEC.format(**{**PLAIN, section: useless})).warnings
    assert message in warning


def test_a_teacher_of_arithmetic_is_idle_on_other_data(load: Load) -> None:
    text = SPEC.format(**{**PLAIN, "model": "{tiny: {warm_start: {teacher: {habit: 0.1}}}}", "dataset": "%s"})
    assert load(text % "arithmetic").warnings == ()
    assert load(text % "[arithmetic, gsm8k]").warnings == ()
    (warning,) = load(text % "gsm8k").warnings
    assert "model.tiny.warm_start.teacher: warning" in warning


def test_clipping_matters_to_one_update_a_step_when_rollouts_are_replayed(load: Load) -> None:
    train = "clip: 0.1, minibatches: 1"
    assert load(SPEC.format(**{**PLAIN, "train": train, "arms": "a: {replay: {}}"})).warnings == ()


def test_a_budget_decides_how_many_steps_there_are(load: Load) -> None:
    assert load(SPEC.format(**{**PLAIN, "evaluate": "every: 100"}) + "budget: {tokens: 100}\n").warnings == ()
