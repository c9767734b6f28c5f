"""Measures a policy on its questions for `repro diagnose`, or takes from the cache what has been measured."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache as once

import torch

from repro.arithmetic import thread_suffix, use_threads
from repro.cache import Cache
from repro.commands.diagnose.asked import Pair
from repro.commands.score.policy import load_on, memory
from repro.diagnose.measured import Limits, Measured, Tools, measure
from repro.models.engines import HuggingFaceEngine
from repro.models.policy import Policy, commit_of
from repro.models.vllm_start import running_engine
from repro.scoring import keys
from repro.scoring.keys import Asked
from repro.scoring.progress import in_lines
from repro.scoring.scorer import Opened, Scorer, machine
from repro.scoring.targets import Target
from repro.tasks.datasets import load_dataset
from repro.training.evaluation import Sampler
from repro.training.ledger import Ledger
from repro.training.ranks import Ranks


def measured_of(pair: Pair, options: argparse.Namespace, say: Callable[[str], None]) -> Measured:
    """Everything that is measured of a pair, within `options.minutes`. UserError for what does not load."""
    train, data = pair.design.train, pair.data
    threads = options.threads or train.threads
    use_threads(threads)
    cache = Cache(options.runs / "cache", suffix=thread_suffix(threads), check=pair.inputs.check)
    with ExitStack() as stack:
        stack.enter_context(memory())

        @once
        def policy() -> Policy:
            say(f"loading {pair.model.label}")
            whole = load_dataset(pair.dataset) if pair.model.tiny is not None else data  # what a warm start looks at
            return load_on(options.device, pair.model, pair.dataset, whole, train.precision, cache, say)

        @once
        def sampler() -> Sampler:
            loaded = policy()
            engine = stack.enter_context(running_engine(pair.engine, pair.model, data, loaded))
            return Sampler(
                loaded.model,
                loaded.tokenizer,
                data,
                loaded.style,
                train.max_completion_tokens,
                Ledger(),
                engine=engine,
                reward=pair.reward,
            )

        def opened() -> Opened:
            loaded = policy()
            engine = HuggingFaceEngine(loaded.model, loaded.tokenizer)
            return Opened(loaded.model, loaded.tokenizer, engine, commit_of(loaded))

        tools = Tools(
            scorer=Scorer(cache, Ranks(), say=say, showing=in_lines(say), batch_tokens=options.batch_tokens),
            asked=lambda indices, target: _confidences(pair, indices, target),
            embedded=lambda indices: keys.embeddings(pair.policy, [data.train[i] for i in indices], data.answer_format),
            opened=opened,
            sampler=sampler,
            say=say,
        )
        device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
        said = {
            "model": pair.model.label,
            "dataset": pair.dataset.label,
            "policy": pair.policy,
            "seed": options.seed,
            "minutes": options.minutes,
            "machine": machine(torch.device(device)),
        }
        limits = Limits(60 * options.minutes, options.questions, options.samples)
        return measure(pair.design, data.train, tools, pair.fields(options.seed), limits, options.seed, said)


def _confidences(pair: Pair, indices: Sequence[int], target: Target) -> Asked:
    """What `repro score` and a study's jobs ask for of these questions, so that they share the scores."""
    from repro.models.chat import prompt_style

    train, design = pair.design.train, pair.design
    return keys.confidences(
        pair.policy,
        [pair.data.train[i] for i in indices],
        pair.data.answer_format,
        prompt_style(pair.model),
        target,
        design.prompt,
        train.max_completion_tokens,
        pair.engine.cache_fields(),
        train.precision,
    )
