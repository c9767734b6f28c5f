"""What selection asks of two processes is what one process gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from repro.cache import Cache
from repro.models.policy import load_policy
from repro.scoring.parts import Parts
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.made.arithmetic import Arithmetic
from repro.tasks.prompts import PromptStyle
from repro.training.evaluation import Sampler
from repro.training.ledger import Ledger
from repro.training.ranks import Ranks
from repro.training.resources import PolicyResources
from tests.training.ranked import cell

from .two import on_two


def measured(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Everything that a selector may ask of the start policy, for a pool that two ranks cannot halve."""
    odd = cell(dataset=DatasetSpec(arithmetic=Arithmetic(pool=65, test=8, validation=0, hard=0.0, max_steps=3)))
    data, cache, ledger = load_dataset(odd.dataset), Cache(folder / "cache"), Ledger()
    policy = load_policy(odd.model, odd.dataset, data, cache)
    sampler = Sampler(policy.model, policy.tokenizer, data, PromptStyle(), 32, ledger, ranks)
    resources = PolicyResources(odd, data, policy, sampler, ledger, cache)
    found = {
        "confidences": resources.confidences("final_answer"),
        "tokens": resources.target_tokens("final_answer"),
        "entropy": resources.prompt_scores("entropy"),
        "embeddings": resources.embeddings(),
        "pass_rates": resources.pass_rates(2),
        "probe": np.array(resources.probe([3, 1, 2], 2, keep=True)),
    }
    assert set(resources.kept) == {3, 1, 2}
    return {**found, "spent": ledger.over(ranks).as_dict()}


def test_scores_and_samples_of_two_ranks_are_those_of_one_process(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    alone = measured(Ranks(), tmp_path / "one")
    first, second = on_two(measured, tmp_path / "two")
    for name, values in alone.items():
        if name == "spent":
            continue
        assert first[name].shape == values.shape and (first[name] == second[name]).all(), name
        np.testing.assert_array_equal(first[name], values, err_msg=name)
    assert 0 < first["pass_rates"].mean() < 1
    assert alone["spent"]["probe"]["completions"] == 2 * (65 + 3)
    assert first["spent"]["probe"]["completions"] == 2 * (66 + 4), "the last question of an odd number is done twice"
    for amount in ("scored_tokens", "flops", "completions"):
        assert first["spent"]["score"][amount] == alone["spent"]["score"][amount]
    assert first["spent"] == second["spent"]


def confidences(ranks: Ranks, folder: Path) -> np.ndarray:
    """(65,) s, scored in many batches; ends with a RuntimeError after 3 of them where `folder` says so."""
    odd = cell(dataset=DatasetSpec(arithmetic=Arithmetic(pool=65, test=8, validation=0, hard=0.0, max_steps=3)))
    data, cache, ledger = load_dataset(odd.dataset), Cache(folder / "cache"), Ledger()
    policy = load_policy(odd.model, odd.dataset, data, cache)
    sampler = Sampler(policy.model, policy.tokenizer, data, PromptStyle(), 32, ledger, ranks)
    resources = PolicyResources(odd, data, policy, sampler, ledger, cache)
    resources.scorer.batch_tokens = 40
    if (folder / "stop").exists():
        add, added = Parts.add, []

        def add_or_stop(parts: Parts, *batch: Any) -> None:
            if len(added) == 3:
                raise RuntimeError("stopped")
            added.append(batch)
            add(parts, *batch)

        Parts.add = add_or_stop  # type: ignore[method-assign]
    return resources.confidences("final_answer")


def test_scores_that_two_ranks_began_one_process_ends_to_the_same_bits(tmp_path: Path) -> None:
    for name in ("whole", "begun"):
        (tmp_path / name).mkdir()
    (tmp_path / "begun" / "stop").touch()
    whole = confidences(Ranks(), tmp_path / "whole")
    with pytest.raises(RuntimeError, match="stopped"):
        on_two(confidences, tmp_path / "begun")
    parts = list((tmp_path / "begun/cache/scores/.parts").glob("*/*/part-*.npz"))
    assert {path.stem[-2:] for path in parts} == {"-0", "-1"}, "each rank has kept what it scored"
    (tmp_path / "begun" / "stop").unlink()
    np.testing.assert_array_equal(confidences(Ranks(), tmp_path / "begun"), whole)
    (card,) = (tmp_path / "begun/cache/scores").glob("*/card.json")
    assert 0 < json.loads(card.read_text())["taken_over"] < 65
