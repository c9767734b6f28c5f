"""A template of a word problem: its text, the steps to its answer, and how numbers and names are drawn for it."""

from __future__ import annotations

import operator
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from repro.tasks.problem import Problem

PEOPLE = (
    *(("Ana", "she"), ("Ben", "he"), ("Clara", "she"), ("David", "he"), ("Ella", "she"), ("Frank", "he")),
    *(("Grace", "she"), ("Hugo", "he"), ("Ines", "she"), ("Jack", "he"), ("Kate", "she"), ("Leo", "he")),
    *(("Maria", "she"), ("Noah", "he"), ("Olga", "she"), ("Paul", "he"), ("Rosa", "she"), ("Sam", "he")),
    *(("Tina", "she"), ("Victor", "he"), ("Wendy", "she"), ("Yusuf", "he"), ("Zoe", "she"), ("Omar", "he")),
)
"""Names with their pronouns."""
FORMS = {"she": {"he": "she", "him": "her", "his": "her"}, "he": {"he": "he", "him": "him", "his": "his"}}
"""What a template's {he}, {him} and {his} become."""
THINGS = (
    *("apple", "pear", "plum", "orange", "cookie", "muffin", "egg", "nut", "shell", "stamp", "coin", "marble"),
    *("sticker", "button", "bead", "balloon", "pencil", "crayon", "card", "flower", "candle", "ribbon"),
)
"""Things that are counted; all take an s."""
PRODUCTS = ("button", "bead", "candle", "ribbon", "pencil", "crayon", "card", "balloon", "toy", "brick")
"""Things that machines make."""
WARES = ("pen", "notebook", "ball", "hat", "kite", "lamp", "cup", "book", "mug", "puzzle", "plant", "toy car")
"""Things that are bought; all follow `a` and take an s."""

GIVEN = "abcde"
"""Letters of the numbers that a question states."""
RESULTS = "rstu"
"""Letters of the results of its steps, in their order."""
MOST = 999
"""Largest result of a step."""
DRAWN, TRIES = 8, 4000
"""Sets of numbers that are drawn at once, and how often, until one suits the steps."""

OPERATIONS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.floordiv}
HEADER = re.compile(r"(?P<name>\w+) \((?P<kind>\w+)\): (?P<steps>[^;]+)(?:; (?P<ranges>.+))?")
RANGE = re.compile(r"([a-e]) (\d+) to (\d+)(?: by (\d+))?")

Step = tuple[str, str, str]
"""Left operand, operation, right operand: letters, or a number as text."""


@dataclass(frozen=True)
class Size:
    """How large the numbers of a question are: `many` is the largest one that is added or taken away, `few` the
    largest one that multiplies or divides."""

    many: int
    few: int


@dataclass(frozen=True)
class Template:
    """One way to pose a question.

    Attributes:
        name: unique among all templates.
        kind: what the question is about: things, sharing, shop, money, ages, distance, rate or bare.
        text: the question. {a} to {e} are its numbers, {name} and {other} two people, {he}, {him}, {his} and {He} the
            first of them, {things} what is counted, {products} what machines make; {ware}, {wares}, {second} and
            {seconds} are two goods.
        steps: each an operation on two letters or numbers: `a + b`, `r * 60`. The last result is the answer.
        ranges: letter -> (lowest, highest, distance) of its number, in place of those of the question's size.
    """

    name: str
    kind: str
    text: str
    steps: tuple[str, ...]
    ranges: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)

    @cached_property
    def parsed(self) -> tuple[Step, ...]:
        """The steps as operands and operations."""
        found = []
        for step in self.steps:
            left, operation, right = step.split(" ")
            found.append((left, operation, right))
        return tuple(found)

    @cached_property
    def letters(self) -> str:
        """The letters of the numbers that the question states."""
        return "".join(letter for letter in GIVEN if f"{{{letter}}}" in self.text)

    def problem(self, generator: np.random.Generator, size: Size) -> Problem:
        """A question with its worked solution; `metadata` says how it was made.

        `operations` and `expression` are the steps to the answer, `expression` as Python reads it.
        """
        values = self._numbers(generator, size)
        written: dict[str, str] = {letter: str(values[letter]) for letter in self.letters}
        lines = []
        for letter, (left, operation, right) in zip(RESULTS, self.parsed, strict=False):
            operands = [str(values[side]) if side in values else side for side in (left, right)]
            lines.append(f"{operands[0]} {operation} {operands[1]} = {values[letter]}.")
            written[letter] = f"({written.get(left, left)} {operation} {written.get(right, right)})"
        last = RESULTS[len(self.steps) - 1]
        return Problem.made(
            self.text.format(**{letter: values[letter] for letter in self.letters}, **_words(generator)),
            str(values[last]),
            " ".join(lines),
            steps=len(self.steps),
            operations="".join(operation for _, operation, _ in self.parsed),
            expression=written[last][1:-1],
            kind=self.kind,
            template=self.name,
        )

    def _numbers(self, generator: np.random.Generator, size: Size) -> dict[str, int]:
        """Numbers whose every step has a whole result of 1 to `MOST`, with these results."""
        few = {side for left, operation, right in self.parsed if operation in "*/" for side in (left, right)}
        few -= {left for left, operation, _ in self.parsed if operation == "/"}
        usual = {letter: (2, size.few if letter in few else size.many, 1) for letter in self.letters}
        ranges = {**usual, **self.ranges}
        choices = [(high - low) // distance + 1 for low, high, distance in ranges.values()]
        for _ in range(TRIES):
            for row in generator.integers(choices, size=(DRAWN, len(choices))).tolist():
                drawn = zip(ranges.items(), row, strict=True)
                values = {letter: low + distance * nth for (letter, (low, _, distance)), nth in drawn}
                if self._work_out(values):
                    return values
        raise ValueError(f"template {self.name}: no numbers up to {size} suit its steps")

    def _work_out(self, values: dict[str, int]) -> bool:
        """Adds the results of the steps; False where one is no whole number of 1 to `MOST`."""
        for letter, (left, operation, right) in zip(RESULTS, self.parsed, strict=False):
            one, two = (values[side] if side in values else int(side) for side in (left, right))
            if operation == "/" and one % two:
                return False
            values[letter] = OPERATIONS[operation](one, two)
            if not 1 <= values[letter] <= MOST:
                return False
        return True


def read_templates(text: str) -> list[Template]:
    """Templates as text: `name (kind): a + b, r * c; a 5 to 40, c 20 to 200 by 10`, with its question indented below.

    Raises ValueError for a line that is neither.
    """
    found: list[tuple[re.Match[str], list[str]]] = []
    for line in filter(None, text.splitlines()):
        header = HEADER.fullmatch(line)
        if header is not None:
            found.append((header, []))
        elif line.startswith("    ") and found:
            found[-1][1].append(line.strip())
        else:
            raise ValueError(f"{line!r}: expected `name (kind): steps; ranges`, or its question indented below")
    return [
        Template(
            header["name"],
            header["kind"],
            " ".join(lines),
            tuple(header["steps"].split(", ")),
            {
                letter: (int(low), int(high), int(distance or 1))
                for letter, low, high, distance in RANGE.findall(header["ranges"] or "")
            },
        )
        for header, lines in found
    ]


def by_steps(templates: Iterable[Template]) -> dict[int, tuple[Template, ...]]:
    """Number of steps -> the templates with so many."""
    found: defaultdict[int, list[Template]] = defaultdict(list)
    for template in templates:
        found[len(template.steps)].append(template)
    return {steps: tuple(found[steps]) for steps in sorted(found)}


def _words(generator: np.random.Generator) -> dict[str, str]:
    """The words of a question: two people, a kind of thing, a product, two goods."""
    lists = (PEOPLE, PEOPLE[1:], THINGS, PRODUCTS, WARES, WARES[1:])
    drawn = generator.integers([len(words) for words in lists]).tolist()
    first, other, ware, second = drawn[0], drawn[0] + 1 + drawn[1], drawn[4], drawn[4] + 1 + drawn[5]  # two different
    (name, pronoun), (other_name, _) = PEOPLE[first], PEOPLE[other % len(PEOPLE)]
    goods, more = WARES[ware], WARES[second % len(WARES)]
    forms = FORMS[pronoun]
    return {
        "name": name,
        "other": other_name,
        **forms,
        "He": forms["he"].capitalize(),
        "things": f"{THINGS[drawn[2]]}s",
        "products": f"{PRODUCTS[drawn[3]]}s",
        "ware": goods,
        "wares": f"{goods}s",
        "second": more,
        "seconds": f"{more}s",
    }
