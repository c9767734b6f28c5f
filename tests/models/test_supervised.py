"""A supervised start takes the steps of a plain AdamW loop: its schedule, its loss on the completion, its clipping."""

from __future__ import annotations

import math

import torch

from repro.models.supervised import imitate
from repro.models.tokenizers import character_tokenizer
from tests.models.test_decode import llama

UPDATES, RATE, BATCH = 40, 1e-2, 2


class Settings:
    updates, batch_size, learning_rate, seed = UPDATES, BATCH, RATE, 0


def rate(update: int) -> float:
    """A twentieth of the updates of warm-up, then half a cosine to zero."""
    warm_up = UPDATES // 20
    if update < warm_up:
        return RATE * update / warm_up
    return RATE * (1 + math.cos(math.pi * (update - warm_up) / (UPDATES - warm_up))) / 2


def test_its_updates_are_those_of_a_plain_loop() -> None:
    draws = torch.Generator().manual_seed(0)
    rows = []
    for row in range(UPDATES * BATCH):
        ids = torch.randint(5, 30, (4 + row % 3,), generator=draws).tolist()
        rows.append({"input_ids": ids, "labels": [-100, -100, *ids[2:]]})
    trained, plain = llama(), llama()
    imitate(trained, character_tokenizer("0123456789+"), rows, Settings(), lambda message, done: None)
    plain.train()
    optimizer = torch.optim.AdamW(plain.parameters(), betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    for update in range(UPDATES):
        losses = []
        for row in rows[update * BATCH : (update + 1) * BATCH]:
            logp = plain(input_ids=torch.tensor([row["input_ids"]])).logits[0].log_softmax(-1)
            losses += [-logp[place - 1, row["input_ids"][place]] for place in range(2, len(row["input_ids"]))]
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate(update)
        optimizer.step()
    moved = 0.0
    for ours, theirs, start in zip(trained.parameters(), plain.parameters(), llama().parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=2e-5), (ours - theirs).abs().max()
        moved = max(moved, float((ours - start).detach().abs().max()))
    assert moved > 0.01
