"""Supervised training on given completions with TRL's SFTTrainer: what every warm start is made of."""

from __future__ import annotations

import contextlib
import gc
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from repro.files import dump_json, write_atomically
from repro.models.continuations import continuation_ids
from repro.models.quiet import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Progress = Callable[[str, float], None]
"""`progress(message, done)` with done in 0..1."""

Row = dict[str, list[int]]
"""`input_ids` of prompt, completion and end, and `labels`: the same, with -100 on the prompt."""

COST_FILE = "warm_start.json"
"""Record beside the weights; `cost` holds tokens without padding, FLOPs, wall and CPU seconds."""


class Settings(Protocol):
    """How a warm start trains."""

    @property
    def updates(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def seed(self) -> int: ...


def encode(prompts: Sequence[str], completions: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> list[Row]:
    """Prompts with the completions to imitate and the end token after them, as token ids."""
    heads = tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
    tails = continuation_ids(tokenizer, completions)
    end = tokenizer.eos_token_id
    return [
        {"input_ids": [*head, *tail, end], "labels": [-100] * len(head) + [*tail, end]}
        for head, tail in zip(heads, tails, strict=True)
    ]


def repeated(rows: list[Row], n: int, rng: np.random.Generator) -> list[Row]:
    """`n` of the rows: pass after pass, each in an order of its own."""
    passes = [rng.permutation(len(rows)) for _ in range(-(-n // len(rows)))]
    return [rows[i] for i in np.concatenate(passes)[:n]]


def batched(rows: list[Row], size: int, rng: np.random.Generator) -> list[Row]:
    """The rows in the order of training. Batches of like length waste little on padding; sorting only within 16 batches
    and shuffling those keeps the order close to random."""
    ordered: list[Row] = []
    for start in range(0, len(rows), 16 * size):
        block = sorted(rows[start : start + 16 * size], key=lambda row: len(row["input_ids"]))
        batches = [block[i : i + size] for i in range(0, len(block), size)]
        ordered += [row for b in rng.permutation(len(batches)) for row in batches[b]]
    return ordered


def imitate(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    rows: list[Row],
    settings: Settings,
    say: Progress,
    gpu: bool = False,
) -> dict[str, Any]:
    """Trains the model on the rows in their order, and leaves it in evaluation mode.

    The process's random generators are left as they were. Returns `loss`, the mean of each tenth of the updates, and
    `cost`.

    Args:
        gpu: use one where there is one.
    """
    from repro.models.flops import FlopCounter

    wall, cpu = time.perf_counter(), time.process_time()
    lengths = [len(row["input_ids"]) for row in rows]
    flops = FlopCounter.of(model).update(lengths)
    with _generators_restored():
        losses = _train(model, tokenizer, rows, settings, say, gpu)
    cost = {
        "tokens": sum(lengths),
        "flops": flops,
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
    }
    return {"loss": losses, "cost": cost}


def release_memory() -> None:
    """Gives back what a trainer that is done has left on a GPU: vLLM takes what is free there."""
    import torch

    if torch.cuda.is_available():
        gc.collect()  # a trainer is a circle
        torch.cuda.empty_cache()


def save_start(directory: Path, model: Any, tokenizer: PreTrainedTokenizerBase, record: dict[str, Any]) -> None:
    """Saves model, tokenizer and the record of how the model was made as an ordinary Hugging Face directory."""
    with quiet():
        model.save_pretrained(directory)
        tokenizer.save_pretrained(directory)
    write_atomically(directory / COST_FILE, dump_json(record))


def _train(
    model: Any, tokenizer: PreTrainedTokenizerBase, rows: list[Row], settings: Settings, say: Progress, gpu: bool
) -> list[float]:
    """Runs SFTTrainer over the rows in their order; returns the mean loss of each tenth of the updates."""
    import torch
    from accelerate.state import AcceleratorState, PartialState
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    updates = settings.updates
    losses: list[float] = []

    class Report(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
            if logs and "loss" in logs:
                losses.append(round(float(logs["loss"]), 4))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step % 10 == 0:
                say(f"warm start: update {state.global_step}/{updates}", state.global_step / updates)

    def collate(batch: list[Row]) -> dict[str, torch.Tensor]:
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
            per_device_train_batch_size=settings.batch_size,
            gradient_accumulation_steps=1,
            learning_rate=settings.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=updates // 20,
            weight_decay=0.0,
            max_grad_norm=1.0,
            train_sampling_strategy="sequential",  # the rows are in their order already
            dataset_kwargs={"skip_prepare_dataset": True},  # and tokenized
            remove_unused_columns=False,
            use_cpu=not gpu,
            bf16=False,
            activation_checkpointing=False,
            dataloader_num_workers=0,
            dataloader_pin_memory=False,
            logging_steps=max(1, updates // 10),
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            seed=settings.seed,
        )
        if config.n_gpu > 1:  # by default it would share each batch out to all that this process sees
            config._n_gpu = 1
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
