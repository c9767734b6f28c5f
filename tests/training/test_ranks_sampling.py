"""What two processes sample is what one would: also of questions with one text, whose completions are not the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from repro.tasks.made.arithmetic import Arithmetic
from repro.tasks.prompts import PromptStyle
from repro.training.evaluation import Sampler
from repro.training.ledger import Ledger
from repro.training.ranks import Ranks

from .conftest import TRAIN, coin
from .ranked import trainer_of
from .test_reuse import Fixed, probed
from .two import on_two

DATA = Arithmetic(pool=32, test=8, validation=0).load()
CHOSEN = [0, 9, 3, 7]
TWINS = [*DATA.train[:7], dataclasses.replace(DATA.train[0], id="twin"), *DATA.train[8:]]
"""Question 7 has the text of question 0; of those chosen, they are the first of one rank and the last of the other."""


def sampled(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Completions of a step, of another whose question 9 has been probed, and of an evaluation."""
    made: dict[str, Any] = {}
    for name, reused in (("fresh", []), ("reused", [9])):
        trainer = trainer_of(folder / name, ranks, TRAIN, Fixed(CHOSEN, reused), coin, problems=TWINS)
        trainer.rollouts.kept = probed(trainer.tokenizer, reused)
        trainer.model.train()
        make = trainer.rollouts.make

        def watched(*given: Any, name: str = name, make: Any = make) -> Any:
            made[name], logps = make(*given)
            return made[name], logps

        trainer.rollouts.make = watched
        trainer._generate_and_score_completions([{"prompt": ""}] * (16 // ranks.count))
    sampler = Sampler(trainer.policy, trainer.tokenizer, DATA, PromptStyle(), 12, Ledger(), ranks)
    asked = [TWINS[index] for index in (0, 1, 7, 2, 0)]  # five: the ranks do not get equally many
    out, _ = sampler.completions(asked, 2, 1.0, 1.0, 5, "evaluate")
    return {**made, "evaluation": out.token_ids}


def test_two_ranks_sample_what_one_process_samples_and_never_the_same_twice(tmp_path: Path) -> None:
    alone = sampled(Ranks(), tmp_path / "alone")
    first, second = on_two(sampled, tmp_path / "two")
    for name in ("fresh", "reused"):
        assert first[name] + second[name] == alone[name]
        assert len({tuple(row) for row in (*alone[name][:4], *alone[name][12:])}) == 8, "questions of one text"
    assert first["evaluation"] == second["evaluation"] == alone["evaluation"]
    twins = [alone["evaluation"][row] for row in (0, 1, 4, 5, 8, 9)]
    assert len({tuple(row) for row in twins}) == 6
