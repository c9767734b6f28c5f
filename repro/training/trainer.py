"""GRPO on TRL with chosen questions, replayed groups, and every cost counted.

`SelectiveGRPOTrainer` and the class below it (`updates.py`) wrap TRL's `GRPOTrainer` at eight seams and copy none of
its code; the loss stays TRL's. The seams of this file:

- `_generate_and_score_completions`: the questions of the step are chosen here, not in the loader, which reads one
  generation batch ahead; replayed groups are joined to what TRL returns.
- `_tokenize_prompts`: prompts are rendered text already.
- `_generate_single_turn`: `rollouts.py` makes the completions, or takes those that a probe of this step has made.
- `log`: the record of a step is completed once its updates are done.
- `_save_checkpoint`: selector, buffer and ledger go into the checkpoint, the marker last.

A *step* is one generation batch and makes `minibatches` optimizer *updates*; TRL's `global_step` counts updates. An
update is one or several forward and backward passes, which TRL's `_step` counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig

from repro.checksums import Checksums
from repro.groups import has_spread
from repro.models.modes import without_dropout
from repro.models.texts import completion_texts
from repro.models.vllm_engine import VLLMEngine, mismatch
from repro.replay.buffer import ReplayBuffer
from repro.replay.group import Group
from repro.replay.replay_spec import ReplaySpec
from repro.selection.base import Observation, Selector
from repro.spec.schema import TrainSpec
from repro.tasks.grading import Grader
from repro.tasks.problem import Problem, Verifier
from repro.tasks.replies import Reply
from repro.tasks.reward_spec import RewardTerm
from repro.tracking import series
from repro.training import merge
from repro.training.checkpoint import restore_state, save_state
from repro.training.ledger import Ledger
from repro.training.randomness import ROLLOUT, derive_seed
from repro.training.ranks import Ranks
from repro.training.record import StepRecord, over_ranks, step_record
from repro.training.replaying import draw_groups, join_groups
from repro.training.rollouts import Rollouts
from repro.training.step_grades import StepGrades
from repro.training.updates import UpdateTrainer


class SelectiveGRPOTrainer(UpdateTrainer):
    """GRPO over questions that a selector chooses.

    Args:
        problems, prompts: the training questions and their rendered prompts, index by index.
        verifier: judges answers; its verdict is the reward where `reward` names no other.
        reward: terms whose weighted mean is the reward (default: accuracy).
        reply: how completions of these prompts are read (default: as they are).
        selector: chooses question indices and observes the rewards of fresh groups.
        buffer, replay: rollout replay, both or neither.
        kept: completions (token ids) of this step's probes by question, for the questions that `selector.reused` names.
        kept_logps: the log-probs of their tokens where the engine that made them tells them.
        engine: vLLM, where it makes the rollouts in place of TRL's generate.
        on_step: called with the record of a step once its updates are done, before a checkpoint is written.
        on_generated: called with the same record before the updates, when it holds what is known of the groups.
        placeholder_rows: rows of the dataset that drives TRL's loader; their content is never used.
        marks: puts the rows of the run on the disk and returns their checksums; called for each checkpoint.
        ranks: the processes of the run. Each rolls out, replays and trains on whole groups of its own.
    """

    def __init__(
        self,
        *,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        problems: Sequence[Problem],
        prompts: Sequence[str],
        verifier: Verifier,
        selector: Selector,
        train: TrainSpec,
        args: GRPOConfig,
        ledger: Ledger,
        seed: int,
        on_step: Callable[[StepRecord], None],
        on_generated: Callable[[StepRecord], None] = lambda record: None,
        reward: Sequence[RewardTerm] | None = None,
        reply: Reply | None = None,
        kept: Mapping[int, Sequence[Sequence[int]]] | None = None,
        kept_logps: Mapping[int, Sequence[Sequence[float]]] | None = None,
        engine: VLLMEngine | None = None,
        buffer: ReplayBuffer | None = None,
        replay: ReplaySpec | None = None,
        placeholder_rows: int | None = None,
        callbacks: list[Any] | None = None,
        marks: Callable[[], Checksums] = dict,
        ranks: Ranks | None = None,
    ) -> None:
        assert (buffer is None) == (replay is None), "buffer and replay go together"
        self.prompts, self.selector, self.buffer, self.replay = prompts, selector, buffer, replay
        self.run_seed, self.marks = seed, marks
        self.on_step, self.on_generated = on_step, on_generated
        self._record: StepRecord | None = None
        self.grades = StepGrades(Grader(reward, reply), verifier, problems)
        self.engine = engine
        rows = placeholder_rows or train.questions_per_step * (args.max_steps // train.minibatches)
        super().__init__(
            model=model,
            tokenizer=tokenizer,
            reward=self._reward,
            train=train,
            args=args,
            ledger=ledger,
            rows=rows,
            callbacks=callbacks,
            ranks=ranks or Ranks(),
        )
        self.rollouts = Rollouts(
            model,
            tokenizer,
            prompts,
            train,
            seed,
            ledger,
            self.ranks,
            kept={} if kept is None else kept,
            kept_logps={} if kept_logps is None else kept_logps,
            engine=engine,
            arithmetic=self.accelerator.autocast,
        )
        if engine is not None:
            engine.follow(cast(PreTrainedModel, self.model))

    @property
    def step(self) -> int:
        """The step under way, counted from 1; after its last update, the number of steps done."""
        return -(-self.state.global_step // self.train_spec.minibatches)

    # ------------------------------------------------------------ the generation batch

    def _reward(self, completion_ids: list[list[int]], question: list[int], **_: Any) -> list[float | None]:
        return list(self.grades.grade(completion_texts(self.tokenizer, completion_ids), question))

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        if not self.policy.training:
            return super()._generate_and_score_completions(inputs)
        spec = self.train_spec
        step = self.state.global_step // spec.minibatches + 1
        batch, replayed = draw_groups(self.buffer, self.replay, spec, self.ranks, step)
        chosen, reused = self._choose(self.ranks.count * batch.fresh)
        predicted = self.selector.predictions()
        fresh = self.rollouts.begin(step, chosen, reused)  # whole groups
        # TRL draws from torch's global generator: how it shuffles a step depends on (seed, step, rank) alone.
        torch.manual_seed(derive_seed(*self.ranks.seed(self.run_seed, ROLLOUT, step)))
        rows: list[dict[str, Any]] = [
            {"prompt": self.prompts[index], "question": index} for index in fresh for _ in range(spec.group_size)
        ]
        output = super()._generate_and_score_completions(rows)
        own = self.grades.groups(spec.group_size)
        informative = torch.tensor([has_spread(group, spec.min_spread) for group in own])  # (groups,)
        # Rewards that are equal can leave a rounding error in reward - mean; no advantage means none.
        output["advantages"] *= informative.repeat_interleave(spec.group_size).to(output["advantages"])
        rewards = self.ranks.join(own, len(chosen))  # in the order of `chosen`
        self.selector.observe([Observation(i, group) for i, group in zip(chosen, rewards, strict=True)])
        self._record = step_record(step, chosen, replayed, rewards, predicted, spec.min_spread, self.ranks)
        tokens = output["completion_mask"].sum(dim=1).float().mean().item()
        self._record.metrics |= {
            series.COMPLETION_TOKENS: float(np.mean(self.ranks.gather(tokens))),
            **{series.SELECT + name: value for name, value in self.selector.metrics().items()},
            **self.grades.metrics(self.ranks),
        }
        if "old_per_token_logps" in output and not self.sampled.known:
            self._count_scored(output)
        if "ref_per_token_logps" in output:
            self._count_scored(output)  # the reference of the KL term has passed them too
            output["ref_per_token_logps"] = merge.without_padding(output)
        sampled = output.pop("sampling_per_token_logps", None)  # the ratio's denominator is the trainer's own
        if sampled is not None and "old_per_token_logps" in output:
            apart = mismatch(output["old_per_token_logps"], sampled, output["completion_mask"])
            self._record.metrics |= over_ranks(series.ROLLOUT, apart, self.ranks)
        if self.buffer is not None:
            counts = {"fresh": batch.fresh, "warm_up": batch.warm_up, "topped_up": batch.topped_up}
            counts["shrunk"] = batch.shrunk
            self._record.metrics |= {
                series.REPLAY + name: float(count * self.ranks.count) for name, count in counts.items()
            }
            output = self._with_replay(output, replayed, fresh, own, step)
        self.sampled.forget()
        self.on_generated(self._record)
        return output

    def _choose(self, n: int) -> tuple[list[int], set[int]]:
        """`n` questions, and those of them that train with their probes.

        The selectors of all ranks see the same observations and probes; rank 0's choice is the one that counts.
        """
        return self.ranks.shared((self.selector.choose(n), set(self.selector.reused())))

    def _tokenize_prompts(self, prompts: list[str]) -> Any:
        # Prompts are rendered already; special tokens would come twice where the template has written them.
        return self.tokenizer(text=prompts, add_special_tokens=False)["input_ids"], None, {}

    def _generate_single_turn(self, prompt_ids: list[list[int]], *args: Any, **kwargs: Any) -> Any:
        """Generates the rows that have no completion at hand; counts what it generates."""
        if not self.policy.training:
            return super()._generate_single_turn(prompt_ids, *args, **kwargs)
        trls = super()._generate_single_turn

        def sharded(asked: list[list[int]]) -> list[list[int]]:
            with without_dropout(self.policy), self.accelerator.autocast():
                made: list[list[int]] = trls(asked, *args, **kwargs)[0]
                return made

        completions, logps = self.rollouts.make(prompt_ids, sharded if self._sharded else None)
        if self.engine is not None:
            return completions, logps
        exact = self.train_spec.precision == "float32" and self.policy.dtype == torch.float32
        # What TRL asks for first, and only then, are the log-probs before the updates; the reference's come after.
        self.sampled.keep(logps if exact else None, awaited=self.train_spec.minibatches > 1)
        return completions, None

    # ------------------------------------------------------------ replay

    def _with_replay(
        self,
        output: dict[str, Any],
        replayed: list[Group],
        fresh: list[int],
        rewards: list[tuple[float, ...]],
        step: int,
    ) -> dict[str, Any]:
        assert self.buffer is not None and self.replay is not None and self._record is not None
        if "old_per_token_logps" not in output:  # TRL leaves them out where one update uses the whole batch
            width = output["completion_ids"].shape[1]
            sampled = self.sampled
            old = sampled.padded(width, self.accelerator.device) if sampled.known else self._logps(output)
            output = {**output, "old_per_token_logps": old}
        new = merge.fresh_groups(output, fresh, rewards, step)
        ranks, pad_id = self.ranks, self.tokenizer.pad_token_id
        if replayed:
            clip = self.train_spec.clip
            output, ratios = join_groups(output, replayed, self._logps, pad_id, self.replay, clip, ranks)
            self._record.metrics |= over_ranks(series.REPLAY, ratios, ranks)
        self.buffer.add(new)
        self._record.metrics |= over_ranks(series.REPLAY, self.buffer.statistics(step), ranks)
        assert len(output["completion_ids"]) % self.train_spec.minibatches == 0, "rows must divide by minibatches"
        return output

    # ------------------------------------------------------------ records and checkpoints

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Complete the record of the step with TRL's metrics of its updates, and hand it on.

        TRL sees the kept rows only: entropy and clip ratio are those of rows with an advantage.
        """
        super().log(logs, start_time)
        self.state.log_history.clear()  # it would grow with every step, and each checkpoint would write it whole
        record, self._record = self._record, None
        if record is None or self.state.global_step % self.train_spec.minibatches:
            return
        names = {"loss": series.LOSS, "grad_norm": series.GRAD_NORM, "entropy": series.KEPT_ENTROPY}
        names |= {"clip_ratio/region_mean": series.KEPT_CLIP_RATIO, "kl": series.KL}
        record.metrics |= {ours: float(logs[theirs]) for theirs, ours in names.items() if logs.get(theirs) is not None}
        record.metrics[series.KEPT_ROWS] = float(sum(self.kept_rows) * self.ranks.count)
        self.kept_rows.clear()
        self.on_step(record)

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """No card: a checkpoint is not a release, and TRL would ask the hub for a trainer's name."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        assert self.state.global_step % self.train_spec.minibatches == 0, "a checkpoint inside a step cannot resume"
        super()._save_checkpoint(model, trial)
        folder = Path(str(self.args.output_dir)) / f"checkpoint-{self.state.global_step}"
        save_state(folder, self.step, self.selector, self.ledger, self.buffer, self.ranks, self.marks)

    def restore(self, folder: Path) -> None:
        """Restore what TRL does not: selector, ledger, buffer. Call before `train(resume_from_checkpoint=folder)`."""
        restore_state(folder, self.selector, self.ledger, self.buffer, self.ranks)
