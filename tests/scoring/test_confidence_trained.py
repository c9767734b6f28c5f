"""A trained policy, whose confidences differ: the formula in float64, the questions selected, half precision."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from repro.models.policy import SHIPPED
from repro.scoring.confidence import confidence_texts, score_confidence
from repro.selection.bands import nearest_to
from repro.selection.pool import subset_size
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.prompts import PromptStyle

COUNT = 240


@pytest.fixture(scope="module")
def policy():
    return AutoModelForCausalLM.from_pretrained(SHIPPED).eval(), AutoTokenizer.from_pretrained(SHIPPED)


@pytest.fixture(scope="module")
def data():
    return load_dataset(DatasetSpec.model_validate("arithmetic"))


@pytest.fixture(scope="module", params=["final_answer", "solution"])
def texts(request, policy, data):
    problems, tokenizer = data.train[:COUNT], policy[1]
    return confidence_texts(request.param, "default", problems, tokenizer, PromptStyle(), data.answer_format)


@pytest.fixture(scope="module")
def expected(policy, texts):
    """Conf (N,) by its definition, item by item, in float64."""
    model, tokenizer = copy.deepcopy(policy[0]).double(), policy[1]
    out = []
    for context, target in zip(*texts, strict=True):
        ids = tokenizer(context + target, add_special_tokens=False)["input_ids"]
        count = len(tokenizer(target, add_special_tokens=False)["input_ids"])
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids])).logits[0, -count - 1 : -1]
        out.append(float(logits.log_softmax(-1).gather(1, torch.tensor(ids[-count:]).unsqueeze(1)).mean()))
    return np.array(out)


def test_confidences_and_the_kept_tenth_are_those_of_the_float64_formula(policy, texts, expected):
    scored = score_confidence(*policy, *texts)
    oracle = np.exp(expected)
    assert oracle.std() > 0.05, "a policy whose confidences all but coincide would show nothing"
    np.testing.assert_allclose(np.log(scored.s), expected, atol=1e-5, rtol=0)
    count = subset_size(0.1, COUNT)
    for center in ("mean", "median"):
        kept, expected = (nearest_to(s, center, count, np.arange(len(oracle))) for s in (scored.s, oracle))
        assert kept.tolist() == expected.tolist()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 5e-2), (torch.float16, 2e-2)])
def test_half_precision_stays_within_the_documented_tolerance(policy, texts, expected, dtype, tolerance):
    model = copy.deepcopy(policy[0]).to(dtype)
    scored = score_confidence(model, policy[1], *(column[:60] for column in texts))
    error = np.abs(np.log(scored.s) - expected[:60])
    assert 1e-6 < error.max() < tolerance
