"""Examples that a spec shows a model before each question: written in it, or the rows of a file."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag, field_validator

from repro.errors import UserError, setting
from repro.fields import PathText, Strict
from repro.tasks.files import check_extension, find_path, read_rows
from repro.tasks.overlap import words
from repro.tasks.problem import Problem
from repro.tasks.prompts import APART
from repro.tasks.replies import BLANK_LINE
from repro.words import show, unknown, unwritable

Turns = tuple[tuple[str, str], ...]
"""(question, answer) of each example."""

MOST = 1000
"""Examples at most."""


class Example(Strict):
    """A question with the whole answer to it, as the model is to write it."""

    question: str = Field(description="as the questions of the dataset are")
    answer: str = Field(description="the whole reply, with its reasoning and its final answer")

    @field_validator("question", "answer")
    @classmethod
    def _usable(cls, value: str) -> str:
        if problem := text_problem(value):
            raise ValueError(f"got {show(value)}, expected {problem}")
        return value.strip()


class ExampleFile(Strict):
    """Examples in a file: the fields `question` and `answer` of its first rows."""

    file: PathText = Field(description="a .jsonl, .json, .parquet or .csv file")
    count: int | None = Field(None, ge=1, le=MOST, description="only the first rows (default: all)")


def _kind(value: Any) -> str:
    return "<file>" if isinstance(value, dict | ExampleFile) else "<list>"


Examples = Annotated[
    Annotated[list[Example], Field(max_length=MOST), Tag("<list>")] | Annotated[ExampleFile, Tag("<file>")],
    Discriminator(_kind),
]
"""The examples of a model, as a spec gives them."""


def example_file(given: list[Example] | ExampleFile) -> Path | None:
    """The file that holds the examples, None where the spec does. UserError where it is not there."""
    if not isinstance(given, ExampleFile):
        return None
    field = setting("model.examples.file")
    return check_extension(find_path(given.file, field), field)


def turns_of(given: list[Example] | ExampleFile) -> Turns:
    """The examples, read. UserError naming file, row and field for what is none."""
    path = example_file(given)
    if path is None:
        return tuple((one.question, one.answer) for one in given if isinstance(one, Example))
    count = given.count if isinstance(given, ExampleFile) else None
    found = tuple(_of_row(where, row) for where, row in islice(read_rows(path), count or MOST + 1))
    if len(found) > MOST:
        field = setting("model.examples.file")
        raise UserError(f"{field}: {path} has more than {MOST} rows, expected count: how many to show")
    if count is not None and len(found) < count:
        raise UserError(f"model.examples.count: got {count}, expected at most {len(found)}, the rows of {path}")
    return found


def text_problem(value: Any) -> str | None:
    """What is expected in place of a text that cannot stand in a prompt, None where it can."""
    if not isinstance(value, str):
        return "text"
    if unwritable(value):
        return "text without NUL and half characters"
    if not value.strip():
        return "text that is not empty"
    return None


def check_plain(turns: Turns, tokenizer: Any) -> None:
    """UserError where examples cannot be told apart in a prompt of plain text, as a tokenizer without a chat template
    gets it."""
    field = setting("model.examples")
    for _, answer in turns:
        if BLANK_LINE.search(answer):
            raise UserError(
                f"{field}: the answer {show(answer)} has a blank line, expected none: the model has no chat template, "
                "so a blank line ends an answer"
            )
    apart, together = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (f"1{APART}1", "1 1"))
    if turns and (apart == together or len(apart) < 3):
        raise UserError(
            f"{field}: the tokenizer of the model drops line breaks and there is no chat template, so examples would "
            "run into each other; expected a model.chat_template, or no examples"
        )


def shared(turns: Turns, problems: Iterable[Problem]) -> list[Problem]:
    """The questions that are also an example, word for word."""
    shown = {words(question) for question, _ in turns}
    return [problem for problem in problems if words(problem.question) in shown] if shown else []


def _of_row(where: str, row: dict[str, Any]) -> tuple[str, str]:
    texts, field = [], setting("model.examples.file")
    for name in ("question", "answer"):
        if name not in row:
            raise UserError(f"{field}: {where}: {unknown(name, list(row), 'a field of the row')}")
        if problem := text_problem(row[name]):
            raise UserError(f"{field}: {where}: {name} holds {show(row[name])}, expected {problem}")
        texts.append(row[name].strip())
    return texts[0], texts[1]
