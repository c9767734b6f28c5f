"""Settings without effect are warned about, and those with effect are not."""

from __future__ import annotations

import pytest

from tests.conftest import Load

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
            "evaluate",
            "predictor_questions: 0",
            "predictor_questions: 8",
            "evaluate.predictor_questions: warning: has no effect: no arm predicts difficulty",
        ),
        (
            "model",
            "{tiny: {tokenizer: bpe, vocabulary: 500}}",
            "{tiny: {vocabulary: 500}}",
            "model.tiny.vocabulary: warning: has no effect",
        ),
        (
            "model",
            "{hub: a/b, revision: v1, system_prompt: x}",
            "{tiny: {}, system_prompt: x}",
            "model.system_prompt: warning",
        ),
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
            "train",
            "rollout: {engine: vllm, memory: 0.5}",
            "rollout: {memory: 0.5}",
            "train.rollout.memory: warning: has no effect: it belongs to engine: vllm",
        ),
        (
            "train",
            "rollout: {engine: vllm, context: 512}",
            "rollout: {engine: vllm, mode: server, server: 'http://a:8000', context: 512}",
            "train.rollout.context: warning: has no effect: the server has settings of its own",
        ),
        (
            "arms",
            "a: {}, b: {replay: {}}",
            "a: {}, b: {train: {steps: 40}}",
            "arms.b: warning: trains the same as arm a",
        ),
        (
            "arms",
            "a: {replay: {max_age: 38}}",
            "a: {replay: {max_age: 39}}",
            "arms.a.replay.max_age: warning: has no effect: no group grows older than that in 40 steps",
        ),
        (
            "arms",
            "a: {replay: {max_age: 3, fresh: 0.25}}",
            "a: {replay: {max_age: 2, fresh: 0.25}}",
            "arms.a.replay.max_age: warning: 2 steps make 16 groups, a step replays 24: fresh questions fill up",
        ),
        (
            "arms",
            "a: {replay: {max_age: 1, fresh: 0.5, short: wait}}",
            "a: {replay: {max_age: 1, fresh: 0.25, short: wait}}",
            "1 steps make 8 groups, a step replays 24: replay waits again and again",
        ),
        (
            "arms",
            "a: {selection: {method: curriculum, by: pass_rate, samples: 4}}",
            "a: {selection: {method: curriculum, by: confidence, samples: 4}}",
            "arms.a.selection.samples: warning: has no effect: it belongs to by: pass_rate",
        ),
        (
            "model",
            "{tiny: {warm_start: {teachers: {arithmetic: {habit: 0.1}}}}}",
            "{tiny: {warm_start: {teachers: {shuffle: {habit: 0.1}}}}}",
            "model.tiny.warm_start.teachers.shuffle: warning: has no effect: this teacher speaks shuffle only",
        ),
        (
            "model",
            "{tiny: {warm_start: {teachers: {arithmetic: {habit: 0.1}}}}}",
            "{tiny: {warm_start: {teachers: {variables: {habit: 0.1}}}}}",
            "model.tiny.warm_start.teachers.variables: warning: has no effect: this teacher speaks variables only",
        ),
    ],
)
def test_idle_settings_are_warned_about(load: Load, section: str, useful: str, useless: str, message: str) -> None:
    assert load(SPEC.format(**{**PLAIN, section: useful})).warnings == ()
    (warning,) = load(SPEC.format(**{**PLAIN, section: useless})).warnings
    assert message in warning


def test_a_teacher_of_arithmetic_is_idle_on_other_data(load: Load) -> None:
    text = SPEC.format(
        **{**PLAIN, "model": "{tiny: {warm_start: {teachers: {arithmetic: {habit: 0.1}}}}}", "dataset": "%s"}
    )
    assert load(text % "arithmetic").warnings == ()
    assert load(text % "[arithmetic, gsm8k]").warnings == ()
    (warning,) = load(text % "gsm8k").warnings
    assert "model.tiny.warm_start.teachers.arithmetic: warning" in warning


def test_clipping_matters_to_one_update_a_step_when_rollouts_are_replayed(load: Load) -> None:
    train = "clip: 0.1, minibatches: 1"
    assert load(SPEC.format(**{**PLAIN, "train": train, "arms": "a: {replay: {}}"})).warnings == ()


def test_an_age_limit_of_an_axis_is_warned_about_once_and_there(load: Load) -> None:
    text = SPEC.format(**{**PLAIN, "arms": "a: {replay: {short: shrink, fresh: 0.25}}"})
    (warning,) = load(text + "axes: {replay.max_age: [2, 3, 1]}\n").warnings
    assert "axes.replay.max_age: warning: 2 steps make 16 groups, a step replays 24: batches are smaller" in warning
    assert load(text + "axes: {replay.max_age: [3, 4]}\n").warnings == ()
    assert load(text.replace("fresh", "max_age: 100, fresh") + "budget: {tokens: 100}\n").warnings == ()


def test_a_budget_decides_how_many_steps_there_are(load: Load) -> None:
    assert load(SPEC.format(**{**PLAIN, "evaluate": "every: 100"}) + "budget: {tokens: 100}\n").warnings == ()
