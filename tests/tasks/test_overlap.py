"""Decontamination against a brute-force reading, and what a dataset does about what it finds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.overlap import SHARE, N, find_overlaps, words
from repro.tasks.problem import Problem

LONG = "A farmer has {} cows and {} sheep in a field by the river, and every morning he sells {} of them at the market"


def problems(*questions: str) -> list[Problem]:
    return [Problem(f"q{number}", question, "1") for number, question in enumerate(questions)]


def test_setting_type_does_not_make_another_question_but_signs_do() -> None:
    assert words("Find $x$ if  \\(X + 2 = 5\\).") == words("find x if x+2 = 5") == ("find", "x", "if", *"x+2=5")
    assert words("What is 3 + 4?") != words("What is 3 - 4?")
    assert words("ﬁnd") == ("find",)


def test_exact_and_near_questions_are_told_apart_with_their_examples() -> None:
    held_out = problems(LONG.format(3, 4, 5), "What is 1 + 1?")
    train = problems(
        "What is 2 + 2?",
        LONG.format(3, 4, 5).upper() + ".",
        LONG.format(3, 4, 5) + " for ten coins each, and how many are left at noon?",
        "what is $1+1$",
    )
    (found,) = find_overlaps(train, {"math500": held_out, "aime24": problems("Nothing alike")})
    assert (found.set, found.questions) == ("math500", 2)
    assert [(m.train, m.evaluation) for m in found.exact] == [
        ("q1", held_out[0].question),
        ("q3", held_out[1].question),
    ]
    assert [(m.train, m.share) for m in found.near] == [("q2", 1.0)]
    record = found.as_dict()
    assert (record["exact"], record["near"], record["ids"]) == (2, 1, ["q1", "q3", "q2"])
    assert json.loads(json.dumps(record)) == record
    assert found.text().startswith(
        "2 training questions are the same and 1 nearly the same as one of the 2 questions of math500; the first is"
    )


def test_overlaps_are_those_of_a_brute_force_search() -> None:
    generator = np.random.default_rng(0)
    vocabulary = [f"w{number}" for number in range(3)]  # few words, so that runs meet by chance
    texts = [" ".join(generator.choice(vocabulary, generator.integers(10, 30))) for _ in range(60)]
    held_out = problems(*texts[:20])
    spliced = [f"{texts[i]} {texts[i + 20]}" if i % 2 else texts[i][: len(texts[i]) // 2] for i in range(20)]
    train = problems(*texts[20:], *spliced, *texts[:3])
    (found,) = find_overlaps(train, {"set": held_out})

    def runs(text: str) -> set[str]:
        split = text.split()
        return {" ".join(split[start : start + N]) for start in range(len(split) - N + 1)}

    near, exact = [], []
    for problem in train:
        if problem.question in texts[:20]:
            exact.append(problem.id)
            continue
        shares = [len(runs(q) & runs(problem.question)) / len(runs(q)) for q in texts[:20] if runs(q)]
        if max(shares) >= SHARE:
            near.append((problem.id, max(shares)))
    assert [match.train for match in found.exact] == exact
    assert [(match.train, match.share) for match in found.near] == near
    assert len(exact) == 3 and len(near) >= 5


@pytest.mark.parametrize(("what", "left"), [("warn", 21), ("drop", 20), ("off", 21)])
def test_what_is_nearly_a_test_question_is_told_or_dropped(tmp_path: Path, what: str, left: int) -> None:
    near = LONG.format(7, 8, 9)
    train = [{"question": f"What is {n} + {n}?", "answer": "1"} for n in range(20)]
    train.append({"question": f"{near} in Lyon. How many?", "answer": "2"})
    for name, rows in (("train", train), ("test", [{"question": f"{near}. How many?", "answer": "2"}])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    fields = {"path": str(tmp_path), "validation_fraction": 0, "decontaminate": what}
    spec = DatasetSpec.model_validate(fields)
    if what == "off":
        found = load_dataset(spec)
        assert found.overlaps == ()
    else:
        dropped = "1 dropped" if what == "drop" else "0 dropped; to drop them: dataset.decontaminate: drop"
        with pytest.warns(UserWarning, match=f"0 training questions are the same and 1 nearly the same .*; {dropped}$"):
            found = load_dataset(spec)
        assert found.overlaps[0].near[0].evaluation.startswith("A farmer has 7 cows")
    assert len(found.train) == left
