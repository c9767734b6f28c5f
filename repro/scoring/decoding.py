"""The policy's greedy responses, decoded in chunks that a kill leaves whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from repro.errors import UserError
from repro.models.engines import Engine, HuggingFaceEngine
from repro.scoring.parts import Parts, Response
from repro.scoring.progress import Showing

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CHUNK = {"cpu": 128, "cuda": 256}
"""Prompts decoded together by Hugging Face generate, by device."""
CHUNK_OF_SERVERS = 1024
"""The same for an engine that batches by itself."""


def decode(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    engine: Engine,
    prompts: Sequence[str],
    names: Sequence[str],
    max_new_tokens: int,
    parts: Parts,
    showing: Showing,
) -> list[str]:
    """The greedy response to each prompt: those in `parts`, and the missing ones, which are added to it. Collective.

    Always the same chunks of prompts of like length, so that a resumed call decodes what an uninterrupted one would.
    UserError naming the question (by `names`) whose prompt leaves no room in the model's context.
    """
    lengths = np.array([len(ids) for ids in tokenizer(list(prompts), add_special_tokens=False)["input_ids"]])  # (N,)
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if isinstance(limit, int) and lengths.max() >= limit:
        i = int(lengths.argmax())
        raise UserError(
            f"question {names[i]!r}: its prompt has {lengths[i]} tokens, which leaves none for a response in the "
            f"model's context of {limit}; leave such questions out or take a model with a longer one"
        )
    size = CHUNK[model.device.type] if isinstance(engine, HuggingFaceEngine) else CHUNK_OF_SERVERS
    order = np.argsort(-lengths, kind="stable")
    chunks = [order[start : start + size] for start in range(0, len(order), size)]
    missing = [chunk for chunk in chunks if not all(int(i) in parts.state.responses for i in chunk)]
    processes = parts.processes
    own = missing[processes.index :: processes.count]
    own += missing[-1:] * (math.ceil(len(missing) / processes.count) - len(own))  # equally many on every process
    todo = sum(len(chunk) for chunk in own)
    parts.start()
    with showing("decoding", todo + len(parts.state.responses), len(parts.state.responses), todo) as shown:
        for chunk in own:
            room = limit - int(lengths[chunk].max()) if isinstance(limit, int) else max_new_tokens
            made = engine.generate(
                [prompts[i] for i in chunk],
                samples=1,
                temperature=0.0,
                top_p=1.0,
                max_new_tokens=min(max_new_tokens, room),
                seed=0,
            )
            rows = zip(made.texts, made.prompt_counts, made.token_counts, strict=True)
            parts.add_responses({int(i): Response(*row) for i, row in zip(chunk, rows, strict=True)})
            shown(len(chunk), made.generated_tokens, len(chunk))
    parts.join()
    return [parts.state.responses[i].text for i in range(len(prompts))]
