"""Questions that a policy is not asked: too long, or examples of its own prompt."""

from __future__ import annotations

import re

import pytest
from transformers import Qwen2Config

from repro.errors import UserError
from repro.models.prompted import Prompted
from repro.models.tokenizers import character_tokenizer
from repro.spec.schema import EvaluateSpec, TrainSpec
from repro.study.fit import fit_to_policy
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.problem import AnswerFormat, Problem, TaskData
from repro.tasks.prompts import PromptStyle
from repro.tasks.verify import MathVerifier


def problems(name: str, *lengths: int) -> tuple[Problem, ...]:
    """Questions of so many characters, which are tokens here; the prompt has one more."""
    made = [f"{i}{name}".ljust(length, "x") for i, length in enumerate(lengths)]
    return tuple(Problem(f"{name}{i}", text, "1", place=f"{name}.jsonl:{i + 1}") for i, text in enumerate(made))


def data(train, test, extra=None) -> TaskData:
    return TaskData("d", train, (), test, MathVerifier(), AnswerFormat("#", "?"), extra=extra or {})


def asked(context: int, *examples: tuple[str, str], system: str | None = None) -> Prompted:
    style = PromptStyle(system, tuple(examples))
    return Prompted("bytes", style, character_tokenizer(), Qwen2Config(max_position_embeddings=context))


def fit(who, questions, benchmarks=None, evaluate=None, prompt=None, **dataset):
    spec = DatasetSpec(path="d.jsonl", **dataset)
    train = TrainSpec(max_completion_tokens=10, max_prompt_tokens=prompt)
    return fit_to_policy(who, spec, train, EvaluateSpec(**(evaluate or {})), questions, benchmarks or {})


def test_a_prompt_of_exactly_the_limit_fits_and_one_token_more_does_not():
    whole = data(problems("train", 20, 29), problems("test", 29))
    assert fit(asked(40), whole)[0] == whole
    with pytest.raises(UserError, match=r"1 of 2 train questions are too long; the first is 'train\.jsonl:2'"):
        fit(asked(40), data(problems("train", 29, 30), problems("test", 9)))


@pytest.mark.parametrize(
    ("context", "prompt", "lengths", "cures"),
    [
        (40, None, (20, 35), ["dataset.too_long: drop", "train.max_completion_tokens: 4 "]),
        (40, None, (20, 39), ["dataset.too_long: drop"]),  # no room for a completion
        (40, None, (39, 50), ["a model with a longer context"]),  # dropping would leave nothing
        (99, 25, (20, 35), ["dataset.too_long: drop", "train.max_prompt_tokens: 36 "]),
        (40, 25, (20, 35), ["dataset.too_long: drop"]),  # both limits would have to move
    ],
)
def test_every_cure_that_is_named_works_and_no_other_is_named(context, prompt, lengths, cures):
    whole = data(problems("train", *lengths), problems("test", 9))
    with pytest.raises(UserError) as error:
        fit(asked(context), whole, prompt=prompt)
    offered = str(error.value).rpartition("; ")[2].split(", or ")
    assert len(offered) == len(cures) or cures == ["a model with a longer context"]
    for cure in cures:
        assert cure in str(error.value)
        name, _, value = cure.partition(": ")
        if name == "dataset.too_long":
            assert len(fit(asked(context), whole, prompt=prompt, too_long="drop")[0].train) == 1
        elif name.startswith("train."):
            train = TrainSpec(**({"max_completion_tokens": 10, "max_prompt_tokens": prompt} | {name[6:]: int(value)}))
            fit_to_policy(asked(context), DatasetSpec(path="d.jsonl"), train, EvaluateSpec(), whole, {})


def test_what_is_too_long_is_dropped_from_every_set_with_a_count():
    whole = data(problems("train", 20, 30, 31), problems("test", 9, 30), {"pool_like": problems("extra", 30, 9)})
    with pytest.warns(UserWarning, match=r"2 dropped \(too long\): 2 of 3 train questions are too long; the first is "):
        kept, benchmarks = fit(asked(40), whole, {"b": problems("b", 9, 99)}, too_long="drop")
    assert [len(one) for one in (kept.train, kept.test, kept.extra["pool_like"], benchmarks["b"])] == [1, 1, 1, 1]
    counts = {one.set: (one.reason, one.count, one.ids) for one in kept.dropped}
    assert counts == {
        "train": ("too_long", 2, ("train1", "train2")),
        "test": ("too_long", 1, ("test1",)),
        "pool_like": ("too_long", 1, ("extra0",)),
        "b": ("too_long", 1, ("b1",)),
    }
    assert kept.left_out()["left_out"]["train"] == ["train1", "train2"] and whole.left_out() == {}


def test_the_limit_of_training_prompts_leaves_evaluation_sets_as_they_are():
    whole = data(problems("train", 9, 30), problems("test", 9, 30))
    with pytest.warns(UserWarning, match="train.max_prompt_tokens is 12"):
        kept, _ = fit(asked(99), whole, prompt=12, too_long="drop")
    assert (len(kept.train), len(kept.test)) == (1, 2)


def test_questions_that_nobody_evaluates_on_may_be_long():
    whole = data(problems("train", 9), problems("test", 9, 30))
    assert fit(asked(40), whole, evaluate={"questions": 1})[0] == whole
    with pytest.raises(UserError, match="1 of 2 test questions are too long"):
        fit(asked(40), whole)


def test_a_set_of_which_nothing_is_left_is_a_mistake():
    with pytest.raises(UserError, match="no question of test is left: 1 of 1 test questions are too long"):
        fit(asked(40), data(problems("train", 9), problems("test", 30)), too_long="drop")


def test_examples_count_as_part_of_the_prompt():
    whole = data(problems("train", 9, 20), problems("test", 9))
    with pytest.raises(UserError, match=re.escape("1 of 2 train questions are too long")):
        fit(asked(40, ("a", "bcdefgh")), whole)


def test_an_example_leaves_the_training_questions_and_may_not_be_evaluated_on():
    train, test = problems("train", 9, 12), problems("test", 9)
    shot = (f"  {train[1].question.upper()} ", "1")
    with pytest.warns(UserWarning, match=r"1 dropped \(examples\): 1 of 2 train questions are examples"):
        kept, _ = fit(asked(99, shot), data(train, test))
    assert kept.train == train[:1] and kept.dropped[0].ids == ("train1",)
    for sets in ((data(train, test), {}), (data(train, problems("other", 9)), {"b": test})):
        with pytest.raises(UserError, match=r"model\.examples: 1 of 1 (test|b) questions are .*'test\.jsonl:1'"):
            fit(asked(99, (test[0].question, "1")), *sets)


def test_a_question_of_which_the_tokenizer_knows_nothing_is_named():
    who = asked(99)
    who = Prompted(who.label, who.style, character_tokenizer("0123456789+"), who.config)
    strange = (Problem("a", "1+1", "2"), Problem("b", "\u2764", "2", place="train.jsonl:2"))
    with pytest.raises(UserError, match=r"'train\.jsonl:2': the question .* has no tokens"):
        fit(who, data(strange, problems("test", 9)))


def test_a_token_that_the_weights_do_not_know_is_named():
    tokenizer = character_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_end|>"]})
    config = Qwen2Config(max_position_embeddings=99, vocab_size=len(tokenizer) - 1)
    odd = (Problem("a", "1+1", "2"), Problem("b", "1+<|im_end|>", "2", place="train.jsonl:2"))
    with pytest.raises(UserError, match=r"'train\.jsonl:2': its prompt has the token '<\|im_end\|>', number \d+"):
        fit(Prompted("bytes", PromptStyle(), tokenizer, config), data(odd, problems("test", 9)))
