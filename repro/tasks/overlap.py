"""Decontamination: training questions that are, or nearly are, questions of an evaluation set."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from repro.tasks.problem import Problem

N = 13
"""Words of a run, the length that GPT-3's decontamination made usual (arXiv 2005.14165, appendix C)."""
SHARE = 0.5
"""Share of an evaluation question's runs that one training question must hold to be nearly the same question. One
shared run alone is often a stock phrase of competitions."""
WORD = re.compile(r"[^\W_]+|[-+*/^=<>%!|]")
"""Letters and digits in a row, or a sign that changes what is asked; LaTeX's other signs only set the type."""


@dataclass(frozen=True)
class Match:
    """A training question and the evaluation question it resembles most; `share` of that one's runs are in it."""

    train: str
    question: str
    evaluation: str
    share: float


@dataclass(frozen=True)
class Overlap:
    """What train shares with one evaluation set of `questions` questions, in the order of train."""

    set: str
    questions: int
    exact: tuple[Match, ...]
    near: tuple[Match, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form for the run's record: counts, the ids of the training questions, the first of each kind."""
        return {
            "set": self.set,
            "questions": self.questions,
            "exact": len(self.exact),
            "near": len(self.near),
            "ids": [match.train for match in (*self.exact, *self.near)],
            "first": [asdict(found[0]) for found in (self.exact, self.near) if found],
        }

    def text(self) -> str:
        """One line with counts and the first example, for a warning."""
        first = (*self.exact, *self.near)[0]
        counts = f"{len(self.exact)} training questions are the same and {len(self.near)} nearly the same"
        example = f"the first is {first.question[:60]!r}, there {first.evaluation[:60]!r}"
        return f"{counts} as one of the {self.questions} questions of {self.set}; {example}"


def words(question: str) -> tuple[str, ...]:
    """The words of a question as they are compared: lower case, without accents' encodings, spaces and brackets."""
    return tuple(WORD.findall(unicodedata.normalize("NFKC", question).lower()))


def find_overlaps(train: Sequence[Problem], sets: Mapping[str, Sequence[Problem]]) -> list[Overlap]:
    """The overlap of training questions with each set, for the sets that have one.

    Exact: the same words in the same order. Near: at least SHARE of an evaluation question's distinct runs of N words
    stand in one training question; a question of fewer words has no runs. Time grows with the words of all questions:
    40,000 against 2,000 take some seconds.
    """
    if not sets:
        return []
    whole: dict[str, dict[tuple[str, ...], int]] = {name: {} for name in sets}
    holders: dict[tuple[str, ...], list[tuple[str, int]]] = {}  # run of words -> evaluation questions that hold it
    sizes: dict[tuple[str, int], int] = {}
    for name, problems in sets.items():
        for index, problem in enumerate(problems):
            question_words = words(problem.question)
            whole[name].setdefault(question_words, index)
            runs = set(_runs(question_words))
            sizes[name, index] = len(runs)
            for run in runs:
                holders.setdefault(run, []).append((name, index))
    exact: dict[str, list[Match]] = {name: [] for name in sets}
    near: dict[str, list[Match]] = {name: [] for name in sets}
    for problem in train:
        question_words = words(problem.question)
        shared = Counter(holder for run in set(_runs(question_words)) for holder in holders.get(run, ()))
        for name, problems in sets.items():
            if question_words in whole[name]:
                same = problems[whole[name][question_words]]
                exact[name].append(Match(problem.id, problem.question, same.question, 1.0))
                continue
            shares = [(count / sizes[key], -key[1]) for key, count in shared.items() if key[0] == name]
            share, index = max(shares, default=(0.0, 0))
            if share >= SHARE:
                near[name].append(Match(problem.id, problem.question, problems[-index].question, share))
    found = [Overlap(name, len(sets[name]), tuple(exact[name]), tuple(near[name])) for name in sets]
    return [overlap for overlap in found if overlap.exact or overlap.near]


def _runs(question_words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    return (question_words[start : start + N] for start in range(len(question_words) - N + 1))
