"""Supervised start of the embedded policy, before any GRPO: on the lessons of a task, or on a dataset's solutions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from repro.canonical import digest
from repro.errors import UserError
from repro.models.model_spec import TinyModel
from repro.models.supervised import Progress, Row, batched, encode, imitate, repeated, save_start
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.problem import TaskData
from repro.tasks.prompts import PromptStyle
from repro.tasks.registry import lesson_content
from repro.tasks.task import Task

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

VERSION = 1  # part of the key: raise it when the same fields lead to other weights
LONGEST_TEXT = 512  # tokens; longer worked solutions are left out, because a cut one has no answer


def warm_start_key(tiny: TinyModel, dataset: DatasetSpec) -> str:
    """Digest of everything that changes the weights, and of nothing else.

    For a built-in task that is the model and the task's teacher: the lessons avoid every held-out question by
    construction, so the key is the same for every pool, size and seed of the questions. For another task it is the
    model, the teacher, the task's fields and its source; for other data the model and the data.
    """
    fields = tiny.start_fields(dataset.procedural)
    if dataset.procedural is not None:
        data = lesson_content(dataset.procedural)
    else:
        from repro.tasks.datasets import dataset_digest

        data = dataset_digest(dataset)
    if tiny.tokenizer == "characters":
        del fields["vocabulary"]
    return digest({"version": VERSION, "model": fields, "data": data})


def build_warm_start(
    directory: Path, tiny: TinyModel, dataset: DatasetSpec, data: TaskData, progress: Progress | None = None
) -> dict[str, Any]:
    """Trains the policy and saves it into `directory` as an ordinary Hugging Face directory; returns its cost.

    The cost (also in `warm_start.json`): tokens without padding, FLOPs of forward and backward, wall and CPU seconds.
    One CPU thread, so that the same fields give the same weights bit for bit on one machine and torch version. The
    process's random generators are left as they were. Raises UserError where the tokenizer does not suit the data.
    """
    import torch

    from repro.models.tiny import build_tiny

    say = progress or (lambda message, done: None)
    say("warm start: examples", 0.0)
    rng = np.random.default_rng([tiny.warm_start.seed, 731_058])
    pairs = _pairs(tiny, dataset, data, rng)
    tokenizer = _tokenizer(tiny, dataset.procedural, pairs)
    rows = _rows(pairs, tiny, dataset, data, tokenizer, rng)
    positions = 2 * LONGEST_TEXT if dataset.procedural is None else dataset.procedural.positions
    model = build_tiny(tiny, tokenizer, positions)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        learned = imitate(model, tokenizer, rows, tiny.warm_start, say)
    finally:
        torch.set_num_threads(threads)
    record = {
        "key": warm_start_key(tiny, dataset),
        "model": tiny.start_fields(dataset.procedural),
        "dataset": dataset.label,
        "parameters": model.num_parameters(),
        "examples": len(rows),
        **learned,
        "torch": torch.__version__,
    }
    save_start(directory, model, tokenizer, record)
    say("warm start: done", 1.0)
    return record


def _pairs(tiny: TinyModel, dataset: DatasetSpec, data: TaskData, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Questions with the completions to imitate. Of made-up tasks, nothing of `data` is used: no key names it."""
    task = dataset.procedural
    if task is not None:
        n = tiny.warm_start.updates * tiny.warm_start.batch_size
        return task.lessons(tiny.warm_start.teacher(task), n, rng)
    return [(p.question, data.answer_format.completion(p)) for p in data.train]


def _tokenizer(tiny: TinyModel, task: Task | None, pairs: list[tuple[str, str]]) -> PreTrainedTokenizerBase:
    from repro.models.tokenizers import bpe_tokenizer, character_tokenizer

    if tiny.tokenizer == "characters":
        return character_tokenizer(None if task is None else task.alphabet or _alphabet(task, pairs))
    try:
        return bpe_tokenizer((text for pair in pairs for text in pair), tiny.vocabulary)
    except ValueError as error:
        raise UserError(f"model.tiny.vocabulary: {error}") from error


def _alphabet(task: Task, pairs: list[tuple[str, str]]) -> str | None:
    """The characters of a task's lessons and questions; None where a tokenizer needs bytes to write them."""
    data = task.load()
    problems = [*data.train, *data.validation, *data.test, *(p for extra in data.extra.values() for p in extra)]
    texts = [text for pair in pairs for text in pair]
    texts += [problem.question + data.answer_format.completion(problem) for problem in problems]
    found = "".join(sorted(set().union(*texts)))
    return found if all("!" <= character <= "~" for character in found) else None


def _rows(
    pairs: list[tuple[str, str]],
    tiny: TinyModel,
    dataset: DatasetSpec,
    data: TaskData,
    tokenizer: PreTrainedTokenizerBase,
    rng: np.random.Generator,
) -> list[Row]:
    """updates x batch_size examples as token ids and labels (-100 on the prompt), in the order of training."""
    size = tiny.warm_start.batch_size
    n = tiny.warm_start.updates * size
    suffix = data.answer_format.question_suffix
    prompts = PromptStyle().prompts([question for question, _ in pairs], tokenizer, suffix)
    rows = encode(prompts, [completion for _, completion in pairs], tokenizer)
    examples = [row for row in rows if len(row["input_ids"]) <= LONGEST_TEXT]
    if not examples:
        raise UserError(
            f"dataset {dataset.label!r}: no training question has a solution within {LONGEST_TEXT} tokens, "
            f"so the embedded policy has nothing to imitate. Use a larger model.tiny.vocabulary or another model."
        )
    if dataset.procedural is None or len(examples) < n:
        examples = repeated(examples, n, rng)
    return batched(examples[:n], size, rng)
