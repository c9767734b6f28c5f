"""Chosen questions as other trainers read them: rows for TRL, verl and open-r1, in a .jsonl or .parquet file.

What each reads, from its code: TRL's `GRPOTrainer` takes `prompt` (turns or text) and hands every other column to the
rewards; verl's `RLHFDataset` takes `prompt` (turns), `data_source`, `ability`, `reward_model` and `extra_info`;
open-r1's `grpo.py` makes the turns itself from the column that `dataset_prompt_column` names.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.errors import UserError
from repro.files import write_alone
from repro.tasks.chat_text import has_template
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.problem import Problem
from repro.tasks.prompts import PromptStyle

FORMATS: Mapping[str, tuple[str, ...]] = {
    "trl": (".jsonl", ".parquet"),
    "verl": (".parquet",),
    "open-r1": (".jsonl", ".parquet"),
}
"""Trainer -> the endings of files that it reads."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "trl": ("prompt", "solution", "answer", "question", "id"),
    "verl": ("data_source", "prompt", "ability", "reward_model", "extra_info"),
    "open-r1": ("problem", "solution", "answer", "id"),
}
"""Trainer -> the columns that every export for it has."""

MEASURES = ("s", "score", "pass_rate", "selected")
"""What may stand beside them; for verl inside `extra_info`, since its trainer makes columns of its own."""

VERL_SOURCES = {
    "gsm8k": "openai/gsm8k",
    "math": "DigitalLearningGmbH/MATH-lighteval",
    "math500": "HuggingFaceH4/MATH-500",
}
"""Named datasets that verl has a reward for -> the `data_source` by which it finds that reward."""

KEY = b"repro.export"
"""In the metadata of a parquet file of ours: its trainer."""


@dataclass(frozen=True)
class Asking:
    """How questions become prompts: a style, and the tokenizer and suffix that `PromptStyle.prompts` takes.

    `tokenizer` is None for a policy without a chat template.
    """

    style: PromptStyle
    tokenizer: Any
    suffix: str

    @property
    def conversational(self) -> bool:
        """Whether prompts are turns."""
        return self.tokenizer is not None and has_template(self.tokenizer)


def data_source(dataset: DatasetSpec) -> str:
    """What verl finds its reward by: its own name of the dataset where it has one, else the id or the label."""
    return VERL_SOURCES.get(dataset.named or "") or dataset.hub or dataset.label


def graded_by_verl(source: str) -> bool:
    """Whether verl has a reward for a `data_source` of ours."""
    return source in VERL_SOURCES.values()


def export_rows(
    trainer: str,
    problems: Sequence[Problem],
    indices: Sequence[int],
    measures: Mapping[str, Sequence[Any]],
    asking: Asking,
    source: str,
) -> list[dict[str, Any]]:
    """One row for each of `indices`, positions in `problems` (N), in their order.

    measures: name of `MEASURES` -> N numbers or truth values. The gold answer stands in a box in `solution`, where
    Math-Verify, the reward of TRL and open-r1, reads every kind of answer, and bare in verl's `ground_truth`.
    """
    return [
        _ROWS[trainer](problems[i], int(i), {name: values[i] for name, values in measures.items()}, asking, source)
        for i in indices
    ]


def _trl(problem: Problem, index: int, measured: dict[str, Any], asking: Asking, source: str) -> dict[str, Any]:
    prompt: Any = asking.style.plain_text(problem.question, asking.suffix)
    if asking.conversational:
        prompt = asking.style.messages(problem.question, asking.tokenizer)
    return {"prompt": prompt, "solution": _boxed(problem), **_known(problem), "id": problem.id, **measured}


def _open_r1(problem: Problem, index: int, measured: dict[str, Any], asking: Asking, source: str) -> dict[str, Any]:
    known = {"problem": problem.question, "solution": _boxed(problem), "answer": problem.answer}
    return {**known, "id": problem.id, **measured}


def _verl(problem: Problem, index: int, measured: dict[str, Any], asking: Asking, source: str) -> dict[str, Any]:
    style = asking.style
    turns = (
        style.messages(problem.question, asking.tokenizer) if asking.conversational else style.turns(problem.question)
    )
    return {
        "data_source": source,
        "prompt": turns,
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": problem.answer},
        "extra_info": {"split": "train", "index": index, "id": problem.id, **_known(problem), **measured},
    }


_ROWS = {"trl": _trl, "verl": _verl, "open-r1": _open_r1}


def _boxed(problem: Problem) -> str:
    return f"\\boxed{{{problem.answer}}}"


def _known(problem: Problem) -> dict[str, str]:
    return {"answer": problem.answer, "question": problem.question}


def write_export(path: Path, trainer: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as .jsonl or .parquet, by the ending of `path`, in one step."""
    if path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.Table.from_pylist(list(rows)).replace_schema_metadata({KEY: trainer.encode()})
        sink = io.BytesIO()
        pyarrow.parquet.write_table(table, sink)
        data = sink.getvalue()
    else:
        data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    write_alone(path, data)


def check_replaceable(path: Path) -> None:
    """UserError where something lies at `path` that is no export, which nobody may lose."""
    if path.is_dir():
        raise UserError(f"--export: {path} is a directory, expected a file such as {path / 'train.parquet'}")
    if path.exists() and not (path.is_file() and _is_export(path)):
        raise UserError(f"--export: {path} exists and is no export of `repro`; expected another name, or remove it")


def _is_export(path: Path) -> bool:
    if path.suffix == ".parquet":
        import pyarrow
        import pyarrow.parquet

        try:
            return KEY in (pyarrow.parquet.read_schema(path).metadata or {})
        except (pyarrow.ArrowException, OSError):
            return False
    with path.open("rb") as file:
        try:
            row = json.loads(file.readline())
        except (ValueError, RecursionError):
            return False
    names = set(row) - set(MEASURES) if isinstance(row, dict) else set()
    return any(names == set(columns) for columns in COLUMNS.values())
