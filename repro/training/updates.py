"""TRL's trainer with updates that leave out rows without advantage and count what they cost; the loss stays TRL's.

What it wraps:

- `_prepare_inputs`: rows without advantage are left out of a minibatch after TRL has split the batch, and the others
  are spread over the passes of the update.
- `_get_per_token_logps_and_entropies`: without dropout where no gradient is taken, and not at all where the log-probs
  of sampling are those of the policy that starts the updates: in float32, up to rounding. What prompts share is
  computed once where that saves much (`shared_prompts.py`).
- `_compute_loss`: the loss of a pass is scaled so that the gradient of an update is that of all rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer

from repro.models.flops import FlopCounter
from repro.models.modes import without_dropout
from repro.spec.schema import TrainSpec
from repro.training.ledger import Ledger
from repro.training.passes import split_minibatch, unsplit
from repro.training.ranks import Ranks
from repro.training.sampled_logps import SampledLogps
from repro.training.shared_prompts import can_share, completion_logps, shared_prompts
from repro.training.skip import keep_informative, rank_factor


class UpdateTrainer(GRPOTrainer):
    """GRPO whose updates are those of all rows of a batch, made from the rows with an advantage.

    `sampled`: the log-probs that sampling told of the step's fresh rows. `kept_rows`: of each pass of this step, how
    many rows it had.

    Args:
        reward: TRL's reward function.
        rows: of the dataset that drives TRL's loader; their content is never used.
    """

    def __init__(
        self,
        *,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        reward: Callable[..., list[float | None]],
        train: TrainSpec,
        args: GRPOConfig,
        ledger: Ledger,
        rows: int,
        callbacks: list[Any] | None,
        ranks: Ranks,
    ) -> None:
        self.train_spec, self.ledger, self.ranks = train, ledger, ranks
        self.flop_counter = FlopCounter.of(model)
        self.sampled = SampledLogps()
        self.kept_rows: list[int] = []
        self._parts: list[dict[str, Any]] = []  # what the passes of this step get
        super().__init__(
            model=model,
            reward_funcs=[reward],
            args=args,
            train_dataset=Dataset.from_dict({"prompt": [""] * rows}),
            processing_class=tokenizer,
            callbacks=callbacks,
        )
        self.policy, self.tokenizer = model, tokenizer
        if "ref" in getattr(model, "peft_config", {}):
            model.delete_adapter("ref")  # adapters switched off are the same reference, and cost nothing
        if self.accelerator.num_processes != ranks.count:
            raise ValueError(f"{self.accelerator.num_processes} processes, but ranks says {ranks.count}")

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        if not self.policy.training:
            return super()._prepare_inputs(generation_batch)
        args = cast(GRPOConfig, self.args)
        assert args.steps_per_generation is not None, "TRL works it out where it is not given"
        now = self._step % args.steps_per_generation
        if now == 0:
            with unsplit(args):
                super()._prepare_inputs(generation_batch)
            minibatches = cast(list[dict[str, Any]], self._buffered_inputs)
            self._parts = [part for minibatch in minibatches for part in self._spread(minibatch)]
        return self._parts[now]

    def _spread(self, minibatch: dict[str, Any]) -> list[dict[str, Any]]:
        """What the passes of one update get. Collective."""
        loss = self.train_spec.loss
        if self.train_spec.skip_zero_advantage:
            minibatch, factor = keep_informative(minibatch, loss, self.ranks)
        else:
            factor = rank_factor(minibatch, loss, self.ranks)
        return split_minibatch(minibatch, self.args.gradient_accumulation_steps, loss, factor)

    def _get_per_token_logps_and_entropies(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        if torch.is_grad_enabled():
            return self._shared_logps(model, *args, **kwargs)
        if self.sampled.replace_next_pass():
            return self.sampled.padded(args[2], self.accelerator.device), None, None
        with without_dropout(model):
            return self._shared_logps(model, *args, **kwargs)

    def _shared_logps(
        self, model: Any, ids: torch.Tensor, mask: torch.Tensor, width: int, batch_size: int | None = None, **more: Any
    ) -> Any:
        """TRL's log-probs and entropies, with what prompts share computed once where that saves much.

        ids, mask: (B, P + T) of prompts and completions; width: T.
        """
        dense = super()._get_per_token_logps_and_entropies
        core = self.accelerator.unwrap_model(model)
        core = core.get_base_model() if hasattr(core, "get_base_model") else core
        plain = not any(value is not None for name, value in more.items() if not name.startswith("compute_"))
        alone = self.ranks.count == 1 and not self._sharded and not more.get("compute_aux_loss")
        if not (plain and alone and can_share(core, torch.is_grad_enabled())):
            return dense(model, ids, mask, width, batch_size, **more)
        found = []
        for some_ids, some_mask in zip(
            ids.split(batch_size or len(ids)), mask.split(batch_size or len(ids)), strict=True
        ):
            shared = shared_prompts(some_ids[:, :-width], some_mask[:, :-width], some_mask[:, -width:])
            if shared is None:
                found.append(dense(model, some_ids, some_mask, width, **more)[:2])
                continue
            with self.accelerator.autocast():
                made = completion_logps(model, core, shared, some_ids[:, -width:], some_mask[:, -width:])
            found.append(made)
        logps, entropies = zip(*found, strict=True)
        return torch.cat(logps), torch.cat(entropies) if more.get("compute_entropy") else None, None

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        factor = inputs.get("loss_factor", 1.0)
        loss = super()._compute_loss(model, {key: value for key, value in inputs.items() if key != "loss_factor"})
        if model.training:
            lengths = (inputs["prompt_mask"].sum(dim=1) + inputs["completion_mask"].sum(dim=1)).tolist()
            self.ledger.add("train", trained_tokens=sum(lengths), flops=self.flop_counter.update(lengths))
            if factor:
                self.kept_rows.append(len(lengths))
        return loss * factor

    @torch.no_grad()
    def _logps(self, rows: dict[str, Any]) -> torch.Tensor:
        """Log-probs (R, T) of completions under the policy as it is now, temperature-scaled, full vocabulary."""
        ids = torch.cat([rows["prompt_ids"], rows["completion_ids"]], dim=1)  # (R, P + T)
        mask = torch.cat([rows["prompt_mask"], rows["completion_mask"]], dim=1)  # (R, P + T)
        logps, _, _ = self._get_per_token_logps_and_entropies(
            self.model, ids, mask, rows["completion_ids"].shape[1], self.args.per_device_train_batch_size
        )
        self._count_scored(rows)
        return logps

    def _count_scored(self, rows: dict[str, Any]) -> None:
        lengths = (rows["prompt_mask"].sum(dim=1) + rows["completion_mask"].sum(dim=1)).tolist()
        self.ledger.add("train", scored_tokens=sum(lengths), flops=self.flop_counter.forward(lengths))

    @property
    def _sharded(self) -> bool:
        return bool(self.is_fsdp_enabled or self.is_deepspeed_enabled)

    def gathered_weights(self) -> dict[str, Any] | None:
        """The weights of a policy that is sharded over ranks, whole on rank 0; None where every rank has them all."""
        return self.accelerator.get_state_dict(self.model_wrapped) if self._sharded else None
