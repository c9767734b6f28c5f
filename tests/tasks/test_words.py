"""The task in English: right answers, true steps, apart splits and templates, natural text, forgiving grades."""

from __future__ import annotations

import ast
import re
from collections import Counter
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from pydantic import ValidationError

from repro.errors import UserError
from repro.models.model_spec import TinyModel
from repro.models.warm_start import _tokenizer
from repro.scoring.confidence import confidence_texts
from repro.tasks import unseen_templates, word_templates
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.made.words import Words
from repro.tasks.problem import Problem, TaskData, same_question
from repro.tasks.prompts import PromptStyle
from repro.tasks.registry import built_in
from repro.tasks.template import GIVEN, MOST, Size, Template, read_templates

OPERATORS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
SEEN = [t for room in (word_templates.STORIES, word_templates.SUMS) for templates in room.values() for t in templates]
UNSEEN = [t for room in (unseen_templates.STORIES, unseen_templates.SUMS) for ts in room.values() for t in ts]


@cache
def data() -> TaskData:
    return Words(pool=2000, validation=100, test=600).load()


def everything() -> list[Problem]:
    return [*data().train, *data().validation, *data().test]


def value(node: ast.expr, operations: Counter[str]) -> Fraction:
    """An independent account of an expression, exact and with its operations counted."""
    if isinstance(node, ast.Constant):
        return Fraction(node.value)
    assert isinstance(node, ast.BinOp)
    left, right, sign = value(node.left, operations), value(node.right, operations), OPERATORS[type(node.op)]
    operations[sign] += 1
    if sign == "/":
        return left / right
    return {"+": left + right, "-": left - right, "*": left * right}[sign]


def numbers(text: str) -> list[int]:
    return sorted(map(int, re.findall(r"\d+", text)))


# ---------------------------------------------------------------- answers and steps


def test_every_answer_is_what_its_operations_give_by_exact_arithmetic() -> None:
    for problem in everything():
        operations: Counter[str] = Counter()
        result = value(ast.parse(problem.metadata["expression"], mode="eval").body, operations)
        assert result == int(problem.answer) > 0, problem.question
        if problem.metadata["template"] == "ages_of_three":  # a result counts twice, and with it its own operation
            operations -= Counter("+")
        assert operations == Counter(problem.metadata["operations"]), problem
        assert problem.metadata["steps"] == len(problem.metadata["operations"])


def test_the_operations_use_the_numbers_of_the_question_and_no_others() -> None:
    for problem in everything():
        stated, used = set(numbers(problem.question)), set(numbers(problem.metadata["expression"]))
        both_ways = {2} if problem.metadata["template"] == "way_to_school" else set()
        assert stated | both_ways == used, problem


def test_a_bare_sum_is_what_python_makes_of_the_question_itself() -> None:
    bare = [problem for problem in everything() if problem.metadata["kind"] == "bare"]
    assert len(bare) > 400
    for problem in bare:
        sum_ = re.sub(r"[A-Za-z?]|\.$", "", problem.question)
        assert value(ast.parse(sum_.strip(), mode="eval").body, Counter()) == int(problem.answer)


def test_every_line_of_a_solution_is_true_and_the_last_one_gives_the_answer() -> None:
    for problem in everything():
        lines = re.findall(r"(\d+) ([-+*/]) (\d+) = (\d+)\.", problem.solution)
        assert " ".join(f"{a} {sign} {b} = {c}." for a, sign, b, c in lines) == problem.solution
        assert "".join(sign for _, sign, _, _ in lines) == problem.metadata["operations"]
        for left, sign, right, result in lines:
            assert value(ast.parse(f"{left} {sign} {right}", mode="eval").body, Counter()) == int(result) <= MOST
        assert lines[-1][-1] == problem.answer
        known = set(numbers(problem.question)) | {2}
        for left, _, right, result in lines:
            assert {int(left), int(right)} <= known  # a step uses what the question says or an earlier step gave
            known.add(int(result))


def test_the_documented_example_is_written_as_documented() -> None:
    problem = Problem.made("?", "19", "12 + 7 = 19.")
    assert Words.answer_format.completion(problem) == "12 + 7 = 19. The answer is 19."


# ---------------------------------------------------------------- splits, templates, mixture


def test_no_question_is_in_two_splits() -> None:
    questions = [same_question(problem.question) for problem in everything()]
    assert len(set(questions)) == len(questions)


def test_the_templates_that_the_test_set_alone_has_are_marked_and_in_no_other_split() -> None:
    names, unseen = {template.name for template in SEEN}, {template.name for template in UNSEEN}
    assert not names & unseen
    assert len(names) == len(SEEN)
    assert len(unseen) == len(UNSEEN)
    assert {p.metadata["template"] for p in (*data().train, *data().validation)} <= names
    shown = {p.metadata["template"] for p in data().test if p.metadata["unseen"]}
    assert shown <= unseen
    assert len(shown) > 20
    assert {p.metadata["template"] for p in data().test if not p.metadata["unseen"]} <= names
    assert not any(p.metadata["unseen"] for p in (*data().train, *data().validation))
    assert abs(sum(p.metadata["unseen"] for p in data().test) - 300) < 4 * np.sqrt(600 / 4)


def test_lessons_show_no_template_that_the_test_set_alone_has() -> None:
    rows = Words().lessons(Words.teacher(), 1000, np.random.default_rng(0))
    openings = ("A library", "A cinema", "A hotel", "A trip", "A rope", "Each table", "Find the value")
    assert not [question for question, _ in rows if question.startswith(openings)]
    assert all(re.fullmatch(r"(\d+ [-+*/] \d+ = \d+\. )+The answer is \d+\.", completion) for _, completion in rows)


def test_a_pool_of_twelve_thousand_has_the_mixture_that_was_asked_for() -> None:
    pool = Words(pool=12_000, validation=0, test=1).load().train
    assert len({problem.question for problem in pool}) == 12_000
    task = Words()
    steps, bare = Counter(p.metadata["steps"] for p in pool), sum(p.metadata["kind"] == "bare" for p in pool)
    shares = {1: task.one_step, 2: task.two_steps, 3: task.three_steps}
    for number, share in shares.items():
        assert abs(steps[number] / 12_000 - share) < 0.03, steps
    assert abs(bare / 12_000 - task.bare) < 0.03


def test_a_pool_of_one_kind_has_that_kind_alone() -> None:
    train = Words(pool=64, validation=0, test=1, one_step=0, two_steps=0, three_steps=1, bare=1, small=1).load().train
    assert {(p.metadata["steps"], p.metadata["kind"]) for p in train} == {(3, "bare")}
    assert max(number for p in train for number in numbers(p.question)) <= 12


def test_shares_beyond_the_whole_and_more_questions_than_exist_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"one_step \+ two_steps \+ three_steps = 1.1, expected at most 1"):
        Words(one_step=0.5, two_steps=0.3, three_steps=0.3)
    with pytest.raises(UserError, match=r"dataset\.words: 5000 questions were asked for the train split"):
        Words(pool=5000, test=1, validation=0, one_step=1, two_steps=0, three_steps=0, bare=1, small=1).load()


# ---------------------------------------------------------------- wording


@pytest.mark.parametrize("template", [*SEEN, *UNSEEN], ids=lambda template: template.name)
def test_a_template_reads_as_english(template: Template) -> None:
    generator = np.random.default_rng(0)
    for size in (Size(12, 5), Size(40, 9), Size(400, 9)):
        problem = template.problem(generator, size)
        text = problem.question
        assert not re.search(r"[{}]|  |\b[01] [a-z]", text), text  # a plural follows every number
        assert text[0].isupper() or text[0].isdigit()
        assert text.endswith(("?", "."))
        assert all(sentence[0].isupper() or sentence[0].isdigit() for sentence in re.split(r"(?<=[.?]) ", text)), text
        assert template.kind in ("things", "sharing", "shop", "money", "ages", "distance", "rate", "bare")
    letters = re.findall(r"\{([a-e])\}", template.text)
    assert sorted(letters) == list(GIVEN[: len(letters)])  # each number is stated once
    used = {side for left, _, right in template.parsed for side in (left, right)}
    assert set(letters) <= used


def test_every_number_of_steps_has_several_templates_of_several_kinds() -> None:
    for steps in (1, 2, 3, 4):
        stories = word_templates.STORIES[steps]
        assert len(stories) >= 9
        assert len({template.kind for template in stories}) >= 6
        assert len(unseen_templates.STORIES[steps]) >= 3


@pytest.mark.parametrize("text", ["    no header", "name kind: a + b\n    {a}", "name (kind) a + b"])
def test_a_template_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected `name"):
        read_templates(text)


# ---------------------------------------------------------------- grades


@pytest.mark.parametrize(
    "completion",
    [
        "12 + 1222 = 1234. The answer is 1234.",
        "The answer is 1234",
        "The answer is 1,234.",
        "The answer is $1,234.",
        "the answer is: **1234**.",
        "The answer is **1,234**",
        r"The answer is \boxed{1234}.",
        r"So it is \boxed{1234}",
        "The answer is 7. No, that is wrong. The answer is 1234.",
        "The answer is 1234 apples.",
        "The answer is 1234.00.",
        "The answer is\n1234",
    ],
)
def test_the_number_after_the_last_phrase_is_graded_however_it_is_dressed(completion: str) -> None:
    assert data().verifier(completion, "1234") == 1


@pytest.mark.parametrize(
    "completion",
    [
        "",
        "12 + 1222 = 1234.",
        "1234",
        "The answer is",
        "The answer is 123.",
        "The answer is 12345.",
        "The answer is -1234.",
        "The answer is 1234.5.",
        "The answer is 1234. Then it is 7 more. The answer is 1241.",
        r"The answer is 1234. \boxed{7}",
        "The answer is 1234 or 1235.",
    ],
)
def test_another_number_no_phrase_and_two_numbers_are_wrong(completion: str) -> None:
    assert data().verifier(completion, "1234") == 0


# ---------------------------------------------------------------- where it is used


def test_a_spec_names_it_and_confidence_scores_the_bare_number() -> None:
    assert "words" in built_in()
    loaded = load_dataset(DatasetSpec.model_validate({"words": {"pool": 16, "test": 4}, "limits": {"train": 8}}))
    assert (loaded.name, len(loaded.train), len(loaded.test)) == ("words", 8, 4)
    tokenizer = _tokenizer(TinyModel(), None, [])
    contexts, targets = confidence_texts(
        "final_answer", "default", loaded.train, tokenizer, PromptStyle(), loaded.answer_format
    )
    for problem, context, target in zip(loaded.train, contexts, targets, strict=True):
        assert context == f"{problem.question}\nThe answer is "
        assert target == problem.answer


def test_the_embedded_policy_can_write_questions_and_lessons_with_their_spaces() -> None:
    task = Words(pool=32, test=8, validation=8)
    pairs = task.lessons(task.teacher(), 32, np.random.default_rng(0))
    for kind in ("characters", "bpe"):
        tokenizer = _tokenizer(TinyModel(tokenizer=kind), task, pairs)
        for question, completion in pairs:
            tokens = tokenizer(f"{question}\n{completion}", add_special_tokens=False)["input_ids"]
            assert tokenizer.decode(tokens) == f"{question}\n{completion}"
            assert len(tokens) < task.positions
