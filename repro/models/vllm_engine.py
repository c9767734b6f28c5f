"""vLLM behind rollouts, probes, labels and evaluations: TRL's connection to it, seeded per completion and verified.

TRL's `VLLMGeneration` starts vLLM in this process (`colocate`) or connects to a `vllm serve` (`server`) and carries the
weights over, whatever they are wrapped in. What is ours around it:

- It starts before the trainer, because the start policy is measured with it too.
- Every completion has a seed of its own, of (seed, row), so that a result does not depend on what else was in the
  batch (up to rounding: the last bits of logits vary with the batch's shape). TRL gives all requests one seed, and the
  completions of a group would be equal.
- On a CPU vLLM repacks weights after loading, and the loaders that TRL calls are gone; there all weights are reloaded.
- After a sync, a few fixed sequences are scored by both sides: a copy that is not the policy is an error.

The log-probs of the sampled tokens come from vLLM: at the sampling temperature, after the cut of top_p. The trainer
keeps its own beside them, and these are the denominator of every ratio: they are exact for the weights that are
trained, in the trainer's own arithmetic and over the full vocabulary, as everywhere else. How far the two are apart is
logged at every step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from repro.models.block_end import block_end
from repro.models.rollout_spec import RolloutSpec
from repro.models.sampling import Completions, end_tokens
from repro.models.texts import completion_texts
from repro.models.vllm_connection import check_installed, connect

TOLERANCE = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 5e-2}
"""Largest difference of a log-prob that is taken for rounding: of any token in float32, in the mean of the tokens in
the half formats, where single improbable tokens differ by much more."""

SERVER_REQUESTS = 64
"""Requests under way to a server at a time; it batches them itself."""


class VLLMEngine:
    """A copy of the policy in vLLM, renewed when the policy has changed.

    The probe of a sync costs a forward pass over `fixed` on both sides: its time is in the phase that synced, its
    tokens are in no ledger. A stale copy is noticed once its policy has moved by more than `TOLERANCE`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        spec: RolloutSpec,
        fixed: Sequence[Sequence[int]],
        *,
        revision: str | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        """`fixed`: sequences of token ids, two or more tokens each, that verify a sync. UserError without vLLM."""
        check_installed()
        self.model, self.tokenizer, self.spec = model, tokenizer, spec
        self.fixed = [list(ids) for ids in fixed]
        self.dtype: torch.dtype = model.dtype if spec.dtype == "policy" else getattr(torch, spec.dtype)
        self.stops = sorted(end_tokens(model, tokenizer))
        self.block = block_end(model, tokenizer)
        self.syncs = 0
        self._stale = True
        self._generation = connect(model, tokenizer, spec, self.dtype, revision, trust_remote_code)

    # ------------------------------------------------------------ completions

    def generate(
        self,
        prompts: Sequence[str],
        *,
        samples: int,
        temperature: float,
        top_p: float,
        max_new_tokens: int,
        seed: int,
        earlier: Sequence[str] = (),
    ) -> Completions:
        """All completions in one request; see `Engine.generate`. A row's seed is of (`seed`, its place in the call)."""
        if not prompts:
            return Completions([], [], [], [])
        encoded: list[list[int]] = self.tokenizer(list(prompts), add_special_tokens=False)["input_ids"]
        rows = [ids for ids in encoded for _ in range(samples)]
        first = len(earlier) * samples
        seeds = row_seeds(seed, range(first, first + len(rows)))
        tokens, logps = self.complete(rows, seeds, temperature=temperature, top_p=top_p, max_new_tokens=max_new_tokens)
        return Completions(completion_texts(self.tokenizer, tokens), tokens, [len(ids) for ids in rows], logps)

    def complete(
        self,
        prompt_ids: Sequence[Sequence[int]],
        seeds: Sequence[int],
        *,
        temperature: float,
        top_p: float,
        max_new_tokens: int,
    ) -> tuple[list[list[int]], list[list[float]]]:
        """One completion per row of token ids, its end included, and the log-probs of its tokens (NaN: not told)."""
        self.synchronize()
        if not prompt_ids:
            return [], []
        options = {
            "temperature": temperature,
            "top_p": top_p,
            "max_tokens": max_new_tokens,
            "logprobs": 0,  # of the sampled token alone
            "stop_token_ids": self.stops,
        }
        if self.spec.mode == "server":
            return self._cut(*self._complete_remotely(prompt_ids, seeds, options))
        from vllm import SamplingParams

        outputs = self._generation.llm.generate(
            [{"prompt_token_ids": list(ids)} for ids in prompt_ids],
            sampling_params=[SamplingParams(seed=seed, detokenize=False, **options) for seed in seeds],
            use_tqdm=False,
        )
        made = [output.outputs[0] for output in outputs]
        logps = [[at[token].logprob for token, at in zip(one.token_ids, one.logprobs, strict=True)] for one in made]
        return self._cut([list(one.token_ids) for one in made], logps)

    def _cut(self, tokens: list[list[int]], logps: list[list[float]]) -> tuple[list[list[int]], list[list[float]]]:
        """Completions up to where a blank line ends them, if one does: vLLM knows end tokens alone."""
        if self.block is None:
            return tokens, logps
        lengths = [self.block.length(row) for row in tokens]
        return (
            [row[:length] for row, length in zip(tokens, lengths, strict=True)],
            [row[:length] for row, length in zip(logps, lengths, strict=True)],
        )

    def _complete_remotely(
        self, prompt_ids: Sequence[Sequence[int]], seeds: Sequence[int], options: dict[str, Any]
    ) -> tuple[list[list[int]], list[list[float]]]:
        client = self._generation.vllm_client
        known = {name: value for name, value in options.items() if name != "stop_token_ids"}  # to TRL's client

        def request(row: int) -> dict[str, Any]:
            others = {"stop_token_ids": self.stops, "seed": seeds[row]}
            answer: dict[str, Any] = client.generate([list(prompt_ids[row])], generation_kwargs=others, **known)
            return answer

        with ThreadPoolExecutor(SERVER_REQUESTS) as pool:
            answers = list(pool.map(request, range(len(prompt_ids))))
        tokens = [list(answer["completion_ids"][0]) for answer in answers]
        logps = [[math.nan if at[0] is None else at[0] for at in answer["logprobs"][0]] for answer in answers]
        return tokens, logps

    # ------------------------------------------------------------ weights

    def follow(self, model: PreTrainedModel) -> None:
        """Copy this model from now on: a trainer may have wrapped the policy, for instance with adapters."""
        self.model = self._generation.model = model
        self._stale = True

    def policy_changed(self) -> None:
        """The copy is old: the next completion renews it."""
        self._stale = True

    def synchronize(self) -> None:
        """Copy the policy's weights to vLLM if they have changed, and verify the copy as often as the spec says.

        Raises RuntimeError where the copy scores otherwise than the policy.
        """
        if not self._stale:
            return
        self._copy_weights()
        self._stale = False
        self.syncs += 1
        every = self.spec.check_sync
        if every and (self.syncs - 1) % every == 0:
            self.verify()

    def _copy_weights(self) -> None:
        if self.spec.mode == "colocate" and self.model.device.type == "cpu":
            executor = self._generation.llm.llm_engine.model_executor
            executor.driver_worker.model_runner.reload_weights(weights_iterator=self._weights())
            self._generation.llm.reset_prefix_cache()
        else:
            self._generation.sync_weights()

    def _weights(self) -> Iterator[tuple[str, torch.Tensor]]:
        yield from self._generation._iter_named_params()
        if self.model.config.get_text_config().tie_word_embeddings:  # listed once, and vLLM's head would stay as it was
            yield "lm_head.weight", self.model.get_output_embeddings().weight.data

    def verify(self) -> float:
        """Largest difference (mean in half formats) of the log-probs of `fixed` between vLLM and policy, in nats.

        Raises RuntimeError where it is above `TOLERANCE`.
        """
        ours, theirs = self._policy_scores(), self.score(self.fixed)
        found = np.abs(np.concatenate(ours) - np.concatenate(theirs))
        exact = torch.float32 == self.dtype == self.model.dtype
        difference = float(found.max() if exact else found.mean())
        allowed = max(TOLERANCE[self.dtype], TOLERANCE[self.model.dtype])
        if not difference <= allowed:  # NaN fails too
            raise RuntimeError(
                f"vLLM's weights are not the policy's after sync {self.syncs}: the log-probs of {len(self.fixed)} fixed"
                f" sequences differ by {difference:.2g} nats ({'one token' if exact else 'on average'}), allowed are "
                f"{allowed:g}. Completions would come from another policy. train.rollout.check_sync: 0 turns this off."
            )
        return difference

    def score(self, sequences: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Log-probs, at temperature 1, of the tokens after the first of each sequence, by vLLM as it is."""
        if self.spec.mode == "server":
            client = self._generation.vllm_client
            body = {"model": client.model, "prompt": [list(ids) for ids in sequences], "max_tokens": 1}
            answer = client.session.post(f"{client.base_url}/v1/completions", json={**body, "prompt_logprobs": 0})
            answer.raise_for_status()
            scored = [choice["prompt_logprobs"][1:] for choice in answer.json()["choices"]]
            by_token = [[{int(k): v["logprob"] for k, v in at.items()} for at in row] for row in scored]
        else:
            from vllm import SamplingParams

            outputs = self._generation.llm.generate(
                [{"prompt_token_ids": list(ids)} for ids in sequences],
                sampling_params=SamplingParams(max_tokens=1, prompt_logprobs=0, detokenize=False),
                use_tqdm=False,
            )
            by_token = [[{k: v.logprob for k, v in at.items()} for at in one.prompt_logprobs[1:]] for one in outputs]
        return [
            np.array([at[token] for token, at in zip(ids[1:], row, strict=True)])
            for ids, row in zip(sequences, by_token, strict=True)
        ]

    @torch.no_grad()
    def _policy_scores(self) -> list[np.ndarray]:
        training = self.model.training
        self.model.eval()
        try:
            out = []
            for ids in self.fixed:
                row = torch.tensor([ids], device=self.model.device)  # (1, T)
                logps = self.model(input_ids=row).logits[0, :-1].float().log_softmax(-1)  # (T - 1, vocabulary)
                out.append(logps.gather(1, row[0, 1:, None])[:, 0].cpu().numpy())  # (T - 1,)
            return out
        finally:
            self.model.train(training)

    def close(self) -> None:
        """Give vLLM's memory back; the engine is of no use afterwards.

        Its executor ends, not its whole engine: that would end the process groups too, which others here use.
        """
        if self.spec.mode == "colocate":
            self._generation.llm.llm_engine.model_executor.shutdown()
        del self._generation


def row_seeds(seed: int, rows: Sequence[int]) -> list[int]:
    """A 63-bit seed per row, of (seed, row) alone: distinct within a group, the same in any batch."""
    return [int(np.random.SeedSequence((seed, row)).generate_state(1, np.uint64)[0] >> np.uint64(1)) for row in rows]


def mismatch(trainer: torch.Tensor, engine: torch.Tensor, mask: torch.Tensor) -> dict[str, float]:
    """How far the sampling policy is from the trainer's: all arguments (R, T); tokens that vLLM left out do not count.

    `logp_difference_mean`, `_max`: |log-prob difference|; `ratio_mean`, `_max`: trainer's probability over vLLM's.
    """
    found = (trainer - engine)[mask.bool()].float()
    found = found[~found.isnan()]  # (tokens,)
    if not len(found):
        return {}
    return {
        "logp_difference_mean": found.abs().mean().item(),
        "logp_difference_max": found.abs().max().item(),
        "ratio_mean": found.exp().mean().item(),
        "ratio_max": found.exp().max().item(),
    }
