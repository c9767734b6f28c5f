"""GRPO on TRL with chosen questions, replayed groups, updates without idle rows, and every cost counted.

`SelectiveGRPOTrainer` wraps TRL's `GRPOTrainer` at seven seams and copies none of its code; the loss stays TRL's:

- `_generate_and_score_completions`: the questions of the step are chosen here, not in the loader, which reads one
  generation batch ahead; replayed groups are joined to what TRL returns.
- `_tokenize_prompts`: prompts are rendered text already.
- `_generate_single_turn`: rows that have ended leave the batch; completions and tokens are counted where they are
  made; those that a probe of this step has made already are not made again.
- `_prepare_inputs`: rows without advantage are left out of a minibatch after TRL has split the batch, and the others
  are spread over the passes of the update.
- `_get_per_token_logps_and_entropies`: without dropout where no gradient is taken, and not at all where the log-probs
  of sampling are those of the policy that starts the updates: in float32, up to rounding.
- `_compute_loss`: the loss of a pass is scaled so that the gradient of an update is that of all rows.
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
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import GRPOConfig, GRPOTrainer

from repro.checksums import Checksums
from repro.groups import has_spread
from repro.models.decode import complete
from repro.models.flops import FlopCounter
from repro.models.modes import without_dropout
from repro.models.sampling import decoding_of
from repro.models.texts import completion_texts
from repro.models.vllm_engine import VLLMEngine, mismatch, row_seeds
from repro.replay.batch import Batch, compose
from repro.replay.buffer import Group, ReplayBuffer
from repro.replay.corrections import CORRECTIONS
from repro.replay.replay_spec import ReplaySpec
from repro.selection.base import Observation, Selector
from repro.spec.schema import TrainSpec
from repro.tasks.grading import Grader, Grades
from repro.tasks.problem import Problem, Verifier
from repro.tasks.replies import Reply
from repro.tasks.reward_spec import RewardTerm
from repro.tasks.verify import undecided
from repro.tracking import series
from repro.training import merge
from repro.training.checkpoint import restore_state, save_state
from repro.training.ledger import Ledger
from repro.training.passes import split_minibatch, unsplit
from repro.training.randomness import ROLLOUT, derive_seed
from repro.training.ranks import Ranks
from repro.training.record import StepRecord, replay_metrics
from repro.training.skip import keep_informative, rank_factor


class SelectiveGRPOTrainer(GRPOTrainer):
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
        self.problems, self.prompts, self.verifier = problems, prompts, verifier
        self.selector, self.buffer, self.replay = selector, buffer, replay
        self.train_spec, self.ledger, self.run_seed = train, ledger, seed
        self.on_step, self.on_generated = on_step, on_generated
        self.ranks, self.marks = ranks or Ranks(), marks
        self.flop_counter = FlopCounter.of(model)
        self._record: StepRecord | None = None
        self.grader = Grader(reward, reply)
        self._grades = Grades([], {}, [])
        self._undecided: int | None = None
        self._kept: list[int] = []
        self._probed: Mapping[int, Sequence[Sequence[int]]] = {} if kept is None else kept
        self._probed_logps: Mapping[int, Sequence[Sequence[float]]] = {} if kept_logps is None else kept_logps
        self.engine = engine
        self._given_logps: list[Sequence[float]] = []  # of the rows of `_given` that are given, in order
        self._sampled: list[Sequence[float]] | None = None  # log-probs of the fresh rows, where none need be computed
        self._awaits_old = False
        self._parts: list[dict[str, Any]] = []  # what the passes of this step get
        self._given: list[Sequence[int] | None] = []  # per row of the batch: a completion that need not be generated
        rows = placeholder_rows or train.questions_per_step * (args.max_steps // train.minibatches)
        super().__init__(
            model=model,
            reward_funcs=[self._reward],
            args=args,
            train_dataset=Dataset.from_dict({"prompt": [""] * rows}),
            processing_class=tokenizer,
            callbacks=callbacks,
        )
        self.policy, self.tokenizer = model, tokenizer
        if engine is not None:
            engine.follow(cast(PreTrainedModel, self.model))
        if "ref" in getattr(model, "peft_config", {}):
            model.delete_adapter("ref")  # adapters switched off are the same reference, and cost nothing
        if self.accelerator.num_processes != self.ranks.count:
            raise ValueError(f"{self.accelerator.num_processes} processes, but ranks says {self.ranks.count}")

    @property
    def step(self) -> int:
        """The step under way, counted from 1; after its last update, the number of steps done."""
        return -(-self.state.global_step // self.train_spec.minibatches)

    # ------------------------------------------------------------ the generation batch

    def _reward(self, completion_ids: list[list[int]], question: list[int], **_: Any) -> list[float | None]:
        texts = completion_texts(self.tokenizer, completion_ids)
        counts = undecided(self.verifier)
        before = 0 if counts is None else counts.total()
        self._grades = self.grader.grade(self.verifier, texts, [self.problems[i] for i in question], verdicts=True)
        self._undecided = None if counts is None else counts.total() - before
        return list(self._grades.rewards)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        if not self.policy.training:
            return super()._generate_and_score_completions(inputs)
        spec = self.train_spec
        step = self.state.global_step // spec.minibatches + 1
        batch, replayed = self._draw_replayed(step)
        chosen, reused = self._choose(self.ranks.count * batch.fresh)
        predicted = self.selector.predictions()
        fresh = self.ranks.share(chosen)  # whole groups; the counts divide
        self._given = [row for index in fresh for row in self._completions_at_hand(index, index in reused)]
        self._given_logps = [row for index in fresh if index in reused for row in self._probed_logps.get(index, ())]
        # TRL draws from torch's global generator: how it shuffles a step depends on (seed, step, rank) alone.
        torch.manual_seed(derive_seed(*self.ranks.seed(self.run_seed, ROLLOUT, step)))
        rows: list[dict[str, Any]] = [
            {"prompt": self.prompts[index], "question": index} for index in fresh for _ in range(spec.group_size)
        ]
        output = super()._generate_and_score_completions(rows)
        graded = self._grades.rewards
        own = [tuple(graded[i : i + spec.group_size]) for i in range(0, len(rows), spec.group_size)]
        informative = torch.tensor([has_spread(group, spec.min_spread) for group in own])  # (groups,)
        # Rewards that are equal can leave a rounding error in reward - mean; no advantage means none.
        output["advantages"] *= informative.repeat_interleave(spec.group_size).to(output["advantages"])
        rewards = self.ranks.join(own, len(chosen))  # in the order of `chosen`
        self.selector.observe([Observation(i, group) for i, group in zip(chosen, rewards, strict=True)])
        self._record = self._new_record(step, batch, chosen, replayed, rewards, predicted, output)
        if "old_per_token_logps" in output and self._sampled is None:
            self._count_scored(output)
        sampled = output.pop("sampling_per_token_logps", None)  # the ratio's denominator is the trainer's own
        if sampled is not None and "old_per_token_logps" in output:
            apart = mismatch(output["old_per_token_logps"], sampled, output["completion_mask"])
            self._record.metrics |= {series.ROLLOUT + name: value for name, value in apart.items()}
        if self.buffer is not None:
            output = self._with_replay(output, replayed, fresh, own, step)
        self._sampled = None
        self.on_generated(self._record)
        return output

    def _choose(self, n: int) -> tuple[list[int], set[int]]:
        """`n` questions, and those of them that train with their probes.

        The selectors of all ranks see the same observations and probes; rank 0's choice is the one that counts.
        """
        return self.ranks.shared((self.selector.choose(n), set(self.selector.reused())))

    def _completions_at_hand(self, index: int, reused: bool) -> Sequence[Sequence[int] | None]:
        """The probe's completions of a question that is to train with them, else one None for each to generate."""
        size = self.train_spec.group_size
        if not reused:
            return [None] * size
        found = self._probed[index]
        assert len(found) == size, f"question {index} was probed {len(found)} times, a group has {size} completions"
        return found

    def _draw_replayed(self, step: int) -> tuple[Batch, list[Group]]:
        """One rank's batch, equally large on all: what the rank with the fewest groups to replay can make."""
        spec, questions = self.train_spec, self.train_spec.questions_per_step // self.ranks.count
        if self.buffer is None or self.replay is None:
            return Batch(questions, 0), []
        eligible = min(self.ranks.gather(len(self.buffer.eligible(step))))
        batch = compose(self.replay, questions, spec.group_size, spec.minibatches, step, eligible)
        return batch, self.buffer.draw(batch.replayed, step)

    def _new_record(
        self,
        step: int,
        batch: Batch,
        fresh: list[int],
        replayed: list[Group],
        rewards: list[tuple[float, ...]],
        predicted: np.ndarray | None,
        output: dict[str, Any],
    ) -> StepRecord:
        trains = [has_spread(group, self.train_spec.min_spread) for group in rewards]
        zero = 1.0 - float(np.mean(trains))
        tokens = output["completion_mask"].sum(dim=1).float().mean().item()
        metrics = {
            series.REWARD: float(np.mean(rewards)),
            series.ZERO_VARIANCE: zero,
            series.EFFECTIVE: 1.0 - zero,
            series.COMPLETION_TOKENS: float(np.mean(self.ranks.gather(tokens))),
            **{series.SELECT + name: value for name, value in self.selector.metrics().items()},
        }
        if not self.grader.is_accuracy:
            metrics |= self._graded_metrics()
        if self._undecided is not None:
            metrics[series.UNDECIDED] = float(self._undecided)
        if self.buffer is not None:
            counts = {"fresh": batch.fresh, "warm_up": batch.warm_up, "topped_up": batch.topped_up}
            counts["shrunk"] = batch.shrunk
            metrics |= {series.REPLAY + name: float(count * self.ranks.count) for name, count in counts.items()}
        return StepRecord(
            step=step,
            fresh=list(fresh),
            replayed=[index for part in self.ranks.gather([g.question for g in replayed]) for index in part],
            rewards=rewards,
            trains=trains,
            predicted=None if predicted is None else [float(predicted[i]) for i in fresh],
            metrics=metrics,
        )

    def _graded_metrics(self) -> dict[str, float]:
        """What the mean reward alone does not tell: the accuracy of the fresh rollouts, and each reward by itself."""
        graded = {series.TRAIN_ACCURACY: self._grades.verdicts}
        graded |= {series.reward_part(label): values for label, values in self._grades.parts.items()}
        gathered = self.ranks.gather({name: float(np.mean(values)) for name, values in graded.items()})
        return {name: float(np.mean([each[name] for each in gathered])) for name in graded}

    def _tokenize_prompts(self, prompts: list[str]) -> Any:
        # Prompts are rendered already; special tokens would come twice where the template has written them.
        return self.tokenizer(text=prompts, add_special_tokens=False)["input_ids"], None, {}

    def _generate_single_turn(self, prompt_ids: list[list[int]], *args: Any, **kwargs: Any) -> Any:
        """Generates the rows that have no completion at hand; counts what it generates."""
        if not self.policy.training:
            return super()._generate_single_turn(prompt_ids, *args, **kwargs)
        missing = [row for row, given in enumerate(self._given) if given is None]
        # A sharded policy generates on all ranks or on none: one that lacks nothing makes a completion for nobody.
        asked = [prompt_ids[row] for row in missing or ([0] if self._sharded else [])]
        made: list[list[int]] = []
        made_logps: list[list[float]] = []
        if asked:
            with self.ledger.phase("rollout"):
                if self.engine is not None:
                    made, made_logps = self._ask_engine(self.engine, asked, missing or [0])
                elif self._sharded:
                    with without_dropout(self.policy), self.accelerator.autocast():
                        made, _ = super()._generate_single_turn(asked, *args, **kwargs)
                else:
                    made, made_logps = self._decode(asked)
        self.ledger.add(
            "rollout",
            prompt_tokens=sum(map(len, asked)),
            generated_tokens=sum(map(len, made)),
            completions=len(made),
            flops=self.flop_counter.forward([len(p) + len(c) for p, c in zip(asked, made, strict=True)]),
        )
        new = iter(made)
        completions = [list(given) if given is not None else next(new) for given in self._given]
        logps = self._joined_logps(made_logps)
        if self.engine is not None:
            return completions, logps
        exact = self.train_spec.precision == "float32" and self.policy.dtype == torch.float32
        self._sampled = logps if exact else None
        # What TRL asks for first, and only then, are the log-probs before the updates; the reference's come after.
        self._awaits_old = self.train_spec.minibatches > 1
        return completions, None

    def _joined_logps(self, made: Sequence[Sequence[float]]) -> list[Sequence[float]] | None:
        """Log-probs of the tokens of all rows, those at hand included; None where they are not told."""
        given = sum(row is not None for row in self._given)
        if len(self._given_logps) < given or len(made) < len(self._given) - given:
            return None
        new, old = iter(made), iter(self._given_logps)
        return [list(next(new if row is None else old)) for row in self._given]

    def _decode(self, prompt_ids: list[list[int]]) -> tuple[list[list[int]], list[list[float]]]:
        """Completions of rows of the batch and their log-probs.

        They depend on (run seed, step, prompt, sample) and the weights alone: neither the other questions of a step nor
        the number of ranks changes them.
        """
        spec, step = self.train_spec, self.state.global_step // self.train_spec.minibatches + 1
        how = decoding_of(self.policy, self.tokenizer, spec.temperature, spec.top_p, spec.max_completion_tokens)
        with without_dropout(self.policy), self.accelerator.autocast():
            return complete(self.policy, prompt_ids, derive_seed(self.run_seed, ROLLOUT, step), how)

    def _ask_engine(
        self, engine: VLLMEngine, prompt_ids: list[list[int]], rows: list[int]
    ) -> tuple[list[list[int]], list[list[float]]]:
        """Completions of rows of the batch and their log-probs; a row's seed depends on (run seed, step, rank, row)."""
        step = self.state.global_step // self.train_spec.minibatches + 1
        return engine.complete(
            prompt_ids,
            row_seeds(derive_seed(*self.ranks.seed(self.run_seed, ROLLOUT, step)), rows),
            temperature=self.train_spec.temperature,
            top_p=self.train_spec.top_p,
            max_new_tokens=self.train_spec.max_completion_tokens,
        )

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
            old = self._logps(output) if self._sampled is None else self._sampled_logps(self._sampled, width)
            output = {**output, "old_per_token_logps": old}
        new = merge.fresh_groups(output, fresh, rewards, step)
        if replayed:
            pad_id = self.tokenizer.pad_token_id
            rows = merge.group_tensors(
                replayed, pad_id, output["prompt_ids"].shape[1], output["completion_ids"].shape[1]
            )
            rows = {key: value.to(self.accelerator.device) for key, value in rows.items()}
            output = merge.widen(output, pad_id, rows["prompt_ids"].shape[1], rows["completion_ids"].shape[1])
            old = self._logps(rows)  # the ratio pi_old / pi_behaviour is logged under every correction
            ratios = merge.ratio_statistics(rows, old, self.train_spec.clip)
            self._record.metrics |= replay_metrics(ratios, self.ranks)
            logps, advantages = CORRECTIONS[self.replay.correction].apply(rows, old)
            output = merge.join(output, {**rows, "old_per_token_logps": logps, "advantages": advantages})
            tokens = output["num_items_in_batch"]  # TRL divides by those of all ranks
            output["num_items_in_batch"] = tokens.new_tensor(sum(self.ranks.gather(tokens.item())))
        self.buffer.add(new)
        self._record.metrics |= replay_metrics(self.buffer.statistics(step), self.ranks)
        assert len(output["completion_ids"]) % self.train_spec.minibatches == 0, "rows must divide by minibatches"
        return output

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

    def _sampled_logps(self, rows: Sequence[Sequence[float]], width: int) -> torch.Tensor:
        """(R, width), zeros after the end of a completion."""
        found = merge.pad_right([np.asarray(row) for row in rows], width, 0.0, torch.float32)
        return found.to(self.accelerator.device)

    def _count_scored(self, rows: dict[str, Any]) -> None:
        lengths = (rows["prompt_mask"].sum(dim=1) + rows["completion_mask"].sum(dim=1)).tolist()
        self.ledger.add("train", scored_tokens=sum(lengths), flops=self.flop_counter.forward(lengths))

    # ------------------------------------------------------------ the updates

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
            return super()._get_per_token_logps_and_entropies(model, *args, **kwargs)
        if self._sampled is not None and self._awaits_old:
            self._awaits_old = False
            return self._sampled_logps(self._sampled, args[2]), None, None
        with without_dropout(model):
            return super()._get_per_token_logps_and_entropies(model, *args, **kwargs)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        factor = inputs.get("loss_factor", 1.0)
        loss = super()._compute_loss(model, {key: value for key, value in inputs.items() if key != "loss_factor"})
        if model.training:
            lengths = (inputs["prompt_mask"].sum(dim=1) + inputs["completion_mask"].sum(dim=1)).tolist()
            self.ledger.add("train", trained_tokens=sum(lengths), flops=self.flop_counter.update(lengths))
            if factor:
                self._kept.append(len(lengths))
        return loss * factor

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
        names["clip_ratio/region_mean"] = series.KEPT_CLIP_RATIO
        record.metrics |= {ours: float(logs[theirs]) for theirs, ours in names.items() if logs.get(theirs) is not None}
        record.metrics[series.KEPT_ROWS] = float(sum(self._kept) * self.ranks.count)
        self._kept.clear()
        self.on_step(record)

    # ------------------------------------------------------------ checkpoints

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

    @property
    def _sharded(self) -> bool:
        return bool(self.is_fsdp_enabled or self.is_deepspeed_enabled)

    def gathered_weights(self) -> dict[str, Any] | None:
        """The weights of a policy that is sharded over ranks, whole on rank 0; None where every rank has them all."""
        return self.accelerator.get_state_dict(self.model_wrapped) if self._sharded else None
