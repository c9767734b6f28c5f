"""Supervised start of any pretrained model on a dataset's own solutions, before any GRPO."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from repro.canonical import digest
from repro.errors import UserError
from repro.models.adapters import attach_adapter
from repro.models.examples import shared
from repro.models.model_spec import ModelSpec, SolutionStart
from repro.models.supervised import Progress, Row, batched, encode, imitate, repeated, save_start
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import dataset_digest, load_dataset
from repro.tasks.problem import Problem, TaskData
from repro.tasks.prompts import PromptStyle

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

VERSION = 2
"""Raise it when the same fields lead to other weights."""

LONGEST = 2048
"""Tokens of a solution with its end at most; longer ones are left out, because a cut one has no answer."""


def before_start(model: ModelSpec) -> ModelSpec:
    """The model that a supervised start trains: in float32, since small updates vanish in half precision; beside
    adapters, whose weights are float32 anyway, in its own type."""
    return model.model_copy(
        update={"warm_start": None, "lora": None, "dtype": "float32" if model.lora is None else model.dtype}
    )


def start_key(base: str, model: ModelSpec, dataset: DatasetSpec) -> str:
    """Digest of all that changes the weights. `base`: the digest of `before_start(model)`, prompts included."""
    fields = model.model_dump(mode="json", include={"warm_start", "lora", "dtype"})
    return digest({"version": VERSION, "base": base, "start": fields, "data": dataset_digest(dataset)})


def solved(problems: Sequence[Problem], label: str) -> list[Problem]:
    """The questions that have a worked solution. UserError where none has."""
    found = [problem for problem in problems if problem.solution.strip()]
    if not found:
        raise UserError(
            f"model.warm_start: the training questions of dataset {label!r} have answers and no solutions to imitate; "
            "expected dataset.solution: the field that holds them, a dataset that has some, or no warm_start"
        )
    return found


def build_start(
    directory: Path,
    spec: ModelSpec,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    style: PromptStyle,
    dataset: DatasetSpec,
    progress: Progress | None = None,
) -> None:
    """Runs the supervised start of `spec` and saves its result as an ordinary directory, in the type of `spec`.

    Prompts are those that the policy is asked, and the loss is on the completion with its end token alone. Where `spec`
    trains adapters, the start trains such ones too and merges them into the weights. Validation and test questions are
    not looked at. UserError where there is nothing to imitate.

    Args:
        model: `before_start(spec)`, loaded; it is changed.
        style: how it is asked.
    """
    import torch

    start = spec.warm_start
    assert start is not None
    say = progress or (lambda message, done: None)
    say("warm start: examples", 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # whoever loads the dataset for the run is told
        data = load_dataset(dataset)
    rows = _rows(data, dataset, model, tokenizer, style, start)
    trained: Any = model if spec.lora is None else attach_adapter(model, spec.lora, str(directory), None)
    cached = getattr(model.config, "use_cache", None)  # a trainer turns it off, and the config is saved
    learned = imitate(trained, tokenizer, rows, start, say, gpu=torch.cuda.is_available())
    if cached is not None:
        model.config.use_cache = cached
    whole = model if spec.lora is None else trained.merge_and_unload()
    record = {
        "start": start.model_dump(mode="json"),
        "lora": None if spec.lora is None else spec.lora.model_dump(mode="json"),
        "dataset": dataset.label,
        "parameters": whole.num_parameters(),
        "examples": len(rows),
        **learned,
        "torch": torch.__version__,
    }
    save_start(directory, whole.to(getattr(torch, spec.dtype)), tokenizer, record)
    say("warm start: done", 1.0)


def _rows(
    data: TaskData,
    dataset: DatasetSpec,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    style: PromptStyle,
    start: SolutionStart,
) -> list[Row]:
    """updates x batch_size rows in the order of training."""
    rng = np.random.default_rng([start.seed, 402_781])
    shown = {problem.id for problem in shared(style.examples, data.train)}
    problems = solved([problem for problem in data.train if problem.id not in shown], dataset.label)
    order = rng.permutation(len(problems))[: start.examples]
    chosen = [problems[i] for i in order]
    prompts = style.prompts([problem.question for problem in chosen], tokenizer, data.answer_format.question_suffix)
    rows = encode(prompts, [data.answer_format.completion(problem) for problem in chosen], tokenizer)
    room = getattr(model.config.get_text_config(), "max_position_embeddings", None) or LONGEST
    fitting = [row for row in rows if len(row["input_ids"]) <= room and _written(row) <= LONGEST]
    if not fitting:
        raise UserError(
            f"model.warm_start: no solution of dataset {dataset.label!r} fits: expected one of at most {LONGEST:,} "
            f"tokens, and of {room:,} with its prompt, the model's context"
        )
    return batched(repeated(fitting, start.updates * start.batch_size, rng), start.batch_size, rng)


def _written(row: Row) -> int:
    """Tokens of the completion, its end included."""
    return sum(label != -100 for label in row["labels"])
