"""What docs/methods.md says of UFO-RL's release and TRL, on TRL's own trainer beside ours."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import PrinterCallback
from trl import GRPOConfig, GRPOTrainer

from repro.models.model_spec import TinyModel
from repro.models.tiny import build_tiny
from repro.models.tokenizers import character_tokenizer
from repro.spec.presets.ufo_rl import FIELDS, NAME
from repro.spec.schema import TrainSpec
from repro.tasks.format_rewards import format_reward, tag_count_reward
from repro.tasks.reward_spec import RewardTerm
from repro.training.config import grpo_config

from .conftest import TRAIN

RELEASE = {field.path: field.values[NAME] for field in FIELDS}
NAMES = RELEASE["reward"]
WHOLE = "<think>\n2+2\n</think>\n<answer>\n4\n</answer>"
NO_TAG = WHOLE.removeprefix("<think>\n")
GROUPS = [
    [WHOLE, WHOLE.replace("4", "5"), WHOLE + " ", NO_TAG, NO_TAG.replace("4", "5"), "4", "5"],
    [NO_TAG, NO_TAG, NO_TAG, NO_TAG, NO_TAG, NO_TAG, NO_TAG.removesuffix("</answer>")],  # the least spread there is
    [WHOLE] * 7,
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """One that can write tags."""
    return character_tokenizer()


@pytest.fixture(scope="module")
def start_policy(tokenizer: Any) -> Any:
    return build_tiny(TinyModel(width=12, layers=1, heads=2), tokenizer, 128)


def right(completion: str, answer: str = "4") -> bool:
    return "4" in completion


def summed(texts: list[str]) -> list[list[float]]:
    """The three rewards of each completion, as they are added by TRL."""
    problem: Any = None  # neither of the two reads it
    return [[float(right(text)), format_reward(text, problem), tag_count_reward(text, problem)] for text in texts]


class Plain(GRPOTrainer):
    """TRL's own trainer, whose completions are given."""

    given: list[list[int]]

    def _generate_single_turn(self, prompt_ids: list[list[int]], *_: Any, **__: Any) -> Any:
        return self.given, None


def plain(policy: Any, tokenizer: Any, train: TrainSpec, folder: Path, given: list[list[int]]) -> Plain:
    def reward(part: int) -> Any:
        return lambda completions, **_: [row[part] for row in summed(completions)]

    trainer = Plain(
        model=copy.deepcopy(policy),
        reward_funcs=[reward(part) for part in range(len(NAMES))],
        args=grpo_config(train, train.steps, 0, folder, save_every=1),
        train_dataset=Dataset.from_dict({"prompt": ["2+2"] * 8}),
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.given = given
    trainer.model.train()
    return trainer


@pytest.mark.parametrize("scaled", [True, False])
def test_rewards_that_are_averaged_here_and_added_by_trl_have_the_same_advantages_once_divided_by_their_deviation(
    make_trainer: Any, tokenizer: Any, start_policy: Any, tmp_path: Path, scaled: bool
) -> None:
    size = RELEASE["train.group_size"]
    texts = [text for group in GROUPS for text in group]
    given = [[*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id] for text in texts]
    assert RELEASE["train.advantage_std"] is True and {len(group) for group in GROUPS} == {size}
    train = TRAIN.model_copy(
        update={
            "questions_per_step": len(GROUPS),
            "group_size": size,
            "minibatches": 1,
            "max_completion_tokens": 60,
            "advantage_std": scaled,
            "skip_zero_advantage": RELEASE["train.skip_zero_advantage"],
        }
    )
    ours = make_trainer(train=train, verifier=right, reward=[RewardTerm(reward=name) for name in NAMES])
    ours.rollouts.make = lambda prompt_ids, sharded: (given, None)
    ours.model.train()
    averaged = ours._generate_and_score_completions([{"prompt": ""}] * len(texts))["advantages"].view(-1, size)
    theirs = plain(start_policy, tokenizer, train, tmp_path / "plain", given)
    added = theirs._generate_and_score_completions([{"prompt": "2+2"}] * len(texts))["advantages"].view(-1, size)

    expected = torch.tensor(summed(texts)).sum(1).view(-1, size)  # of rewards that TRL adds
    expected = expected - expected.mean(1, keepdim=True)
    spread = expected.std(1, keepdim=True)
    torch.testing.assert_close(added.cpu(), expected / (spread + 1e-4) if scaled else expected, rtol=1e-4, atol=1e-5)
    assert (averaged[2] == 0).all() and spread[1] / 3 == pytest.approx(1 / 12 / 7**0.5)
    trains = added.abs() > 1e-3
    ratio = (averaged / added)[trains]
    if scaled:
        assert (ratio - 1).abs().max() < 0.003  # TRL adds 1e-4 to both deviations, and ours is a third of theirs
        assert (ratio[: size - 1] - 1).abs().max() < 0.0003
    else:
        torch.testing.assert_close(ratio, torch.full_like(ratio, 1 / 3), rtol=1e-4, atol=0)


def test_the_trl_that_trains_here_cuts_no_prompt(
    make_trainer: Any, tokenizer: Any, start_policy: Any, tmp_path: Path
) -> None:
    """TRL 0.17 had a length for it; ours is `train.max_prompt_tokens`, by which questions are refused or left out."""
    assert "max_prompt_length" not in GRPOConfig.__dataclass_fields__
    train = TRAIN.model_copy(update={"max_prompt_tokens": 8})
    prompt = "+".join("123456789") * 3
    given = [[5, 6, tokenizer.eos_token_id]] * 16
    theirs = plain(start_policy, tokenizer, train, tmp_path / "plain", given)
    ours = make_trainer(train=train)
    ours.prompts = [prompt] * len(ours.prompts)
    ours.rollouts.make = lambda prompt_ids, sharded: (given, None)
    ours.model.train()
    for trainer in (theirs, ours):
        made = trainer._generate_and_score_completions([{"prompt": prompt}] * 16)
        assert tokenizer.batch_decode(made["prompt_ids"]) == [prompt] * 16
        assert made["prompt_mask"].all()
