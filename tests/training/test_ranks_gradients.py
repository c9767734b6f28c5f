"""Two processes choose questions alike, split no group, and make the gradient of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel

from repro.replay.group import Group
from repro.selection.base import Observation, Selector
from repro.training import merge
from repro.training.ranks import Ranks
from repro.training.record import StepRecord
from repro.training.skip import LOSSES, keep_informative, rank_factor
from tests.training.ranked import HALF, trainer_of

from .conftest import TRAIN
from .two import on_two


class LeastSolved(Selector):
    """Chooses the questions that were solved least often so far, the first of them where several were."""

    def __init__(self) -> None:
        self.solved = dict.fromkeys(range(32), 0.5)
        self.seen: list[tuple[int, tuple[float, ...]]] = []

    def choose(self, n: int) -> list[int]:
        return sorted(self.solved, key=lambda index: (self.solved[index], index))[:n]

    def observe(self, observations: Sequence[Observation]) -> None:
        self.seen += [(each.index, each.rewards) for each in observations]
        self.solved |= {
            each.index: sum(each.rewards) / len(each.rewards) + 0.01 * len(self.seen) for each in observations
        }


def by_gold(completion: str, answer: str) -> bool:
    """Rewards that depend on the question alone, so that choices do not follow from the last bits of a draw."""
    return int(answer) % 3 == 0


def choices(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Trains, and tells what was chosen, observed and rolled out here."""
    trainer = trainer_of(folder, ranks, TRAIN.model_copy(update={"steps": 4}), LeastSolved(), by_gold)
    rolled_out: list[Counter[str]] = []
    generate = trainer._generate_single_turn

    def spy(prompt_ids: list[list[int]], *rest: Any) -> Any:
        rolled_out.append(Counter(map(str, prompt_ids)))
        return generate(prompt_ids, *rest)

    trainer._generate_single_turn = spy
    trainer.train()
    return {
        "fresh": [record.fresh for record in trainer.records],
        "seen": trainer.selector.seen,
        "rolled_out": rolled_out,
        "completions": trainer.ledger.cost("rollout").completions,
        "together": trainer.ledger.over(ranks).cost("rollout").completions,
        "weights": [p.detach().numpy() for p in trainer.model.parameters()],
    }


def test_ranks_choose_as_one_process_does_from_the_same_observations_and_split_no_group(tmp_path: Path) -> None:
    alone = choices(Ranks(), tmp_path / "alone")
    first, second = on_two(choices, tmp_path / "two")
    assert first["fresh"] == second["fresh"] == alone["fresh"]
    assert len({tuple(step) for step in alone["fresh"]}) > 1
    assert first["seen"] == second["seen"] == alone["seen"], "the whole batch, in the order of the choice"
    for step, whole in enumerate(alone["rolled_out"]):
        parts = [rank["rolled_out"][step] for rank in (first, second)]
        assert parts[0] + parts[1] == whole
        assert [set(part.values()) for part in parts] == [{4}, {4}], "four completions of each question, on one rank"
    assert [first["completions"], second["completions"]] == [4 * 2 * 4] * 2
    assert first["together"] == second["together"] == alone["completions"] == 4 * 4 * 4
    assert all((a == b).all() for a, b in zip(first["weights"], second["weights"], strict=True))


ONE_UPDATE = TRAIN.model_copy(update={"minibatches": 1})
CASES = [(loss, skip, replayed) for loss in LOSSES for skip in (False, True) for replayed in (False, True)]


def gradients(ranks: Ranks, folder: Path, recorded: dict[str, Any], groups: list[Group]) -> list[list[Any]]:
    """The gradient of each case from this rank's half of recorded rows, averaged over ranks as in training."""
    found = []
    for loss, skip, replayed in CASES:
        train = ONE_UPDATE.model_copy(update={"loss": loss, "skip_zero_advantage": skip})
        trainer = trainer_of(folder, ranks, train, LeastSolved(), replay=HALF)
        trainer.model.train()
        trainer.current_gradient_accumulation_steps = 1
        trainer._record = StepRecord(2, [], [], [], [], None)
        rows = len(recorded["advantages"]) // ranks.count
        own = slice(ranks.index * rows, (ranks.index + 1) * rows)
        inputs = {k: v[own] if v.dim() else v for k, v in recorded.items()}
        if replayed:
            rewards = [(0.0, 1.0, 0.0, 1.0)] * (rows // 4)
            inputs = trainer._with_replay(inputs, ranks.share(groups), ranks.share([0, 1, 2, 3]), rewards, 2)
        factor = rank_factor(inputs, loss, ranks)
        if skip:
            inputs, factor = keep_informative(inputs, loss, ranks)
            counts = ranks.gather(len(inputs["advantages"]))
            assert len(set(counts)) == 1 and counts[0] < rows * (1 + replayed)
        model = trainer.model if ranks.count == 1 else DistributedDataParallel(trainer.model)
        trainer._compute_loss(model, {**inputs, "loss_factor": factor}).backward()
        found.append([parameter.grad.numpy().copy() for parameter in trainer.model.parameters()])
    return found


def test_the_gradient_of_recorded_rollouts_is_that_of_one_process(tmp_path: Path) -> None:
    """Whatever the loss, with and without idle rows, with and without replayed groups; one rank has only idle rows."""
    maker = trainer_of(tmp_path, Ranks(), TRAIN, LeastSolved())
    maker.model.train()
    recorded = maker._generate_and_score_completions([{"prompt": ""}] * 16)
    groups = merge.fresh_groups(recorded, [0, 1, 2, 3], [(0.0, 1.0, 0.0, 1.0)] * 4, step=1)
    torch.manual_seed(3)
    old = recorded["old_per_token_logps"]
    recorded["old_per_token_logps"] = old + 0.3 * torch.randn_like(old)
    recorded["advantages"] = torch.randn(16)
    recorded["advantages"][:8] = 0.0  # rank 0 has idle rows only and fills up with them
    recorded["advantages"][13:15] = 0.0
    for position, group in enumerate(groups):
        group.advantages = torch.randn(4).numpy() * (position != 1)
    expected = gradients(Ranks(), tmp_path, recorded, groups)
    for found in on_two(gradients, tmp_path, recorded, groups):
        for case, ours, theirs in zip(CASES, found, expected, strict=True):
            assert max(abs(g).max() for g in theirs) > 1e-3, case
            assert max(abs(a - b).max() for a, b in zip(ours, theirs, strict=True)) < 1e-6, case
