"""Supervised start of the embedded policy with TRL's SFTTrainer, before any GRPO."""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from repro.canonical import digest
from repro.errors import UserError
from repro.files import dump_json, write_atomically
from repro.models.model_spec import TinyModel
from repro.models.quiet import quiet
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.problem import TaskData
from repro.tasks.prompts import PromptStyle
from repro.tasks.registry import lesson_content
from repro.tasks.task import Task

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Progress = Callable[[str, float], None]
"""`progress(message, done)` with done in 0..1."""

VERSION = 1  # part of the key: raise it when the same fields lead to other weights
COST_FILE = "warm_start.json"
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

    from repro.models.flops import FlopCounter
    from repro.models.tiny import build_tiny

    say = progress or (lambda message, done: None)
    say("warm start: examples", 0.0)
    rng = np.random.default_rng([tiny.warm_start.seed, 731_058])
    pairs = _pairs(tiny, dataset, data, rng)
    tokenizer = _tokenizer(tiny, dataset.procedural, pairs)
    rows = _rows(pairs, tiny, dataset, data, tokenizer, rng)
    positions = 2 * LONGEST_TEXT if dataset.procedural is None else dataset.procedural.positions
    model = build_tiny(tiny, tokenizer, positions)
    wall, cpu = time.perf_counter(), time.process_time()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _generators_restored():
            losses = _train(model, tokenizer, rows, tiny, say)
    finally:
        torch.set_num_threads(threads)
    lengths = [len(row["input_ids"]) for row in rows]
    cost = {
        "tokens": sum(lengths),
        "flops": 3 * FlopCounter.of(model).forward(lengths),
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
    }
    with quiet():
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
    record = {
        "key": warm_start_key(tiny, dataset),
        "model": tiny.start_fields(dataset.procedural),
        "dataset": dataset.label,
        "parameters": model.num_parameters(),
        "examples": len(rows),
        "loss": losses,
        "cost": cost,
        "torch": torch.__version__,
    }
    write_atomically(directory / COST_FILE, dump_json(record))
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
) -> list[dict[str, list[int]]]:
    """updates x batch_size examples as token ids and labels (-100 on the prompt), in the order of training."""
    size = tiny.warm_start.batch_size
    n = tiny.warm_start.updates * size
    suffix = data.answer_format.question_suffix
    prompts = PromptStyle().prompts([question for question, _ in pairs], tokenizer, suffix)
    heads = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    tails = tokenizer([completion for _, completion in pairs], add_special_tokens=False)["input_ids"]
    examples = []
    for head, tail in zip(heads, tails, strict=True):
        if len(head) + len(tail) < LONGEST_TEXT:
            labels = [-100] * len(head) + tail + [tokenizer.eos_token_id]
            examples.append({"input_ids": [*head, *tail, tokenizer.eos_token_id], "labels": labels})
    if not examples:
        raise UserError(
            f"dataset {dataset.label!r}: no training question has a solution within {LONGEST_TEXT} tokens, "
            f"so the embedded policy has nothing to imitate. Use a larger model.tiny.vocabulary or another model."
        )
    if dataset.procedural is None or len(examples) < n:
        passes = [rng.permutation(len(examples)) for _ in range(-(-n // len(examples)))]
        examples = [examples[i] for i in np.concatenate(passes)[:n]]
    # Batches of like length waste little on padding; sorting only within 16 batches and shuffling those keeps the
    # order of training close to random.
    ordered = []
    for start in range(0, n, 16 * size):
        block = sorted(examples[start : start + 16 * size], key=lambda row: len(row["input_ids"]))
        batches = [block[i : i + size] for i in range(0, len(block), size)]
        ordered += [row for b in rng.permutation(len(batches)) for row in batches[b]]
    return ordered


def _train(
    model: Any, tokenizer: PreTrainedTokenizerBase, rows: list[dict[str, list[int]]], tiny: TinyModel, say: Progress
) -> list[float]:
    """Runs SFTTrainer over the rows in their order; returns the mean loss of each tenth of the updates."""
    import torch
    from accelerate.state import AcceleratorState, PartialState
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    updates = tiny.warm_start.updates
    losses: list[float] = []

    class Report(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            if logs and "loss" in logs:
                losses.append(round(float(logs["loss"]), 4))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step % 10 == 0:
                say(f"warm start: update {state.global_step}/{updates}", state.global_step / updates)

    def collate(batch: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        width = max(len(row["input_ids"]) for row in batch)

        def right_padded(key: str, filler: int) -> torch.Tensor:  # (rows, width)
            return torch.tensor([row[key] + [filler] * (width - len(row[key])) for row in batch])

        ids = right_padded("input_ids", tokenizer.pad_token_id)
        lengths = torch.tensor([[len(row["input_ids"])] for row in batch])
        mask = (torch.arange(width) < lengths).long()
        return {"input_ids": ids, "attention_mask": mask, "labels": right_padded("labels", -100)}

    with tempfile.TemporaryDirectory(prefix="repro-warm-start-") as scratch:
        config = SFTConfig(
            output_dir=scratch,
            max_steps=updates,
            per_device_train_batch_size=tiny.warm_start.batch_size,
            gradient_accumulation_steps=1,
            learning_rate=tiny.warm_start.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=updates // 20,
            weight_decay=0.0,
            max_grad_norm=1.0,
            train_sampling_strategy="sequential",  # the rows are in their order already
            dataset_kwargs={"skip_prepare_dataset": True},  # and tokenized
            remove_unused_columns=False,
            use_cpu=True,
            bf16=False,
            activation_checkpointing=False,
            dataloader_num_workers=0,
            dataloader_pin_memory=False,
            logging_steps=max(1, updates // 10),
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=tiny.warm_start.seed,
        )
        trainer = SFTTrainer(
            model=model,
            args=config,
            train_dataset=Dataset.from_list(rows),
            processing_class=tokenizer,
            data_collator=collate,
            callbacks=[Report()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    # Accelerate remembers the CPU for the whole process; a GRPO trainer after us may want the GPU.
    AcceleratorState._reset_state(reset_partial_state=True)
    PartialState._reset_state()
    model.eval()
    return losses


@contextlib.contextmanager
def _generators_restored() -> Iterator[None]:
    """Transformers' trainers seed the process-wide generators; this puts them back as they were."""
    import torch

    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
