"""TRL's configuration for a run, and how a minibatch is spread over forward and backward passes."""

from __future__ import annotations

from pathlib import Path

import torch
from trl import GRPOConfig

from repro.spec.schema import TrainSpec


def passes_per_update(train: TrainSpec, processes: int = 1) -> int:
    """Forward and backward passes of an update: the fewest equal ones of at most `micro_batch` rows a process."""
    rows = train.questions_per_step * train.group_size // (train.minibatches * processes)
    most = min(train.micro_batch or rows, rows)
    return next(passes for passes in range(-(-rows // most), rows + 1) if rows % passes == 0)


def grpo_config(
    train: TrainSpec,
    steps: int,
    seed: int,
    output_dir: Path,
    save_every: int,
    processes: int = 1,
    remote_code: bool = False,
) -> GRPOConfig:
    """TRL's configuration for a run of `steps` generation batches, a checkpoint every `save_every` of them.

    TRL accumulates the gradient of an update over its passes; `global_step` goes on counting updates. The schedule is
    that of all `steps`, also where a run ends before. `remote_code`: the policy's own code is run, for the reference
    of the KL term too, which TRL loads from where the policy came from.
    """
    cuda, passes = torch.cuda.is_available(), passes_per_update(train, processes)
    rows = train.questions_per_step * train.group_size // (train.minibatches * processes)  # of an update
    return GRPOConfig(
        output_dir=str(output_dir),
        per_device_train_batch_size=rows // passes,
        steps_per_generation=train.minibatches * passes,
        gradient_accumulation_steps=passes,
        max_steps=steps * train.minibatches,
        num_generations=train.group_size,
        max_completion_length=train.max_completion_tokens,
        temperature=train.temperature,
        top_p=train.top_p,
        learning_rate=train.learning_rate,
        lr_scheduler_type="constant_with_warmup" if train.schedule == "constant" else train.schedule,
        warmup_steps=round(train.warmup * steps * train.minibatches),
        weight_decay=train.weight_decay,
        max_grad_norm=train.max_grad_norm,
        loss_type=train.loss,
        scale_rewards="group" if train.advantage_std else "none",
        epsilon=train.clip,
        beta=train.kl,
        use_bias_correction_kl=False,  # GRPO's own term; TRL would multiply it by the ratio, as DeepSeek-V3.2 does
        trust_remote_code=remote_code,
        seed=seed,
        save_strategy="steps",
        save_steps=save_every * train.minibatches,
        logging_steps=train.minibatches,
        logging_nan_inf_filter=False,  # a loss that is NaN is to be seen
        ignore_data_skip=True,
        use_cpu=not cuda,
        bf16=train.precision == "bfloat16",
        gradient_checkpointing=train.gradient_checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if train.gradient_checkpointing else None,
        remove_unused_columns=False,
        shuffle_dataset=False,
        report_to="none",
        disable_tqdm=True,
    )
