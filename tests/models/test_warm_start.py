"""The warm start: it learns, repeats bit for bit, leaves no trace, and its key names what matters."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from repro.errors import UserError
from repro.models.model_spec import TinyModel, WarmStart
from repro.models.warm_start import build_warm_start, warm_start_key
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.arithmetic import Arithmetic, ArithmeticTeacher
from repro.tasks.problem import AnswerFormat, Problem, TaskData
from tests.models.conftest import DATASET, SMALL

ARITHMETIC = DatasetSpec(arithmetic=Arithmetic())


def test_a_short_warm_start_reduces_the_loss_and_records_its_cost(saved):
    record = json.loads((saved / "warm_start.json").read_text())
    assert record["loss"][-1] < 0.7 * record["loss"][0]
    assert record["examples"] == 120 * 32
    cost = record["cost"]
    # Three-character questions answered directly are the shortest examples, ten steps never occur.
    assert 120 * 32 * 7 < cost["tokens"] < 120 * 32 * 64
    assert cost["flops"] > 6 * record["parameters"] * cost["tokens"]
    assert cost["seconds"] > 0


def test_the_result_is_an_ordinary_hugging_face_directory(saved):
    model = AutoModelForCausalLM.from_pretrained(saved)
    tokenizer = AutoTokenizer.from_pretrained(saved)
    assert model.config.model_type == "qwen2"
    assert model.config.tie_word_embeddings
    assert model.config.vocab_size == len(tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id


def test_the_same_fields_give_the_same_weights_and_leave_the_generators_alone(tmp_path, data):
    tiny = SMALL.model_copy(update={"warm_start": WarmStart(updates=4, batch_size=8)})
    random.seed(11)
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        build_warm_start(tmp_path / name, tiny, DATASET, data)
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), before[2])
    a, b = (load_file(tmp_path / name / "model.safetensors") for name in ("a", "b"))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_the_key_ignores_pools_and_labels():
    key = warm_start_key(TinyModel(), ARITHMETIC)
    for same in (
        DatasetSpec(arithmetic=Arithmetic(pool=64, test=9, validation=0, seed=5, easy=0.5, hard=0, max_steps=3)),
        DatasetSpec(arithmetic=Arithmetic(), name="another label"),
    ):
        assert warm_start_key(TinyModel(), same) == key
    assert warm_start_key(TinyModel(vocabulary=2048), ARITHMETIC) == key  # characters have no such size


@pytest.mark.parametrize(
    "changed",
    [
        TinyModel(width=192),
        TinyModel(layers=3),
        TinyModel(heads=2),
        TinyModel(tokenizer="bpe"),
        TinyModel(warm_start=WarmStart(updates=7)),
        TinyModel(warm_start=WarmStart(batch_size=7)),
        TinyModel(warm_start=WarmStart(learning_rate=1e-3)),
        TinyModel(warm_start=WarmStart(seed=1)),
        *(
            TinyModel(warm_start=WarmStart(teachers={"arithmetic": {name: 0.01}}))
            for name in ArithmeticTeacher.model_fields
            if name != "longest"
        ),
        TinyModel(warm_start=WarmStart(teachers={"arithmetic": {"longest": 3}})),
    ],
)
def test_the_key_changes_with_every_field_that_changes_the_weights(changed):
    assert warm_start_key(changed, ARITHMETIC) != warm_start_key(TinyModel(), ARITHMETIC)


def test_arithmetic_weights_do_not_depend_on_the_pool_whose_digest_the_key_leaves_out(tmp_path):
    for tokenizer in ("characters", "bpe"):
        start = WarmStart(updates=2, batch_size=8)
        tiny = SMALL.model_copy(update={"tokenizer": tokenizer, "vocabulary": 280, "warm_start": start})
        files = []
        for seed in (0, 1):
            dataset = DatasetSpec(arithmetic=Arithmetic(pool=32, test=8, validation=0, seed=seed))
            place = tmp_path / f"{tokenizer}-{seed}"
            place.mkdir()
            build_warm_start(place, tiny, dataset, dataset.procedural.load())
            files.append([(place / name).read_bytes() for name in ("tokenizer.json", "model.safetensors")])
        assert files[0] == files[1]


def text_data(n: int, words: int = 3) -> TaskData:
    problems = tuple(
        Problem(id=str(i), question=f"Ann has {i} apples, eats {i % 3}.", answer=str(i - i % 3), solution="so " * words)
        for i in range(n)
    )
    return TaskData("fruit", problems, (), problems[:1], lambda c, a: c.endswith(a), AnswerFormat("\n#### "))


def test_text_is_imitated_from_its_solutions_with_a_trained_tokenizer(tmp_path, text_dataset):
    tiny = SMALL.model_copy(
        update={"tokenizer": "bpe", "vocabulary": 300, "warm_start": WarmStart(updates=12, batch_size=8)}
    )
    record = build_warm_start(tmp_path, tiny, text_dataset, text_data(20))
    assert record["loss"][-1] < record["loss"][0]
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert 259 < len(tokenizer) <= 300


def test_solutions_that_are_all_too_long_are_a_user_error(tmp_path, text_dataset):
    tiny = SMALL.model_copy(update={"tokenizer": "bpe", "vocabulary": 260})
    with pytest.raises(UserError, match="nothing to imitate"):
        build_warm_start(tmp_path, tiny, text_dataset, text_data(5, words=900))


def test_a_vocabulary_below_the_bytes_is_a_user_error(tmp_path, text_dataset):
    tiny = SMALL.model_copy(update={"tokenizer": "bpe", "vocabulary": 100})
    with pytest.raises(UserError, match=r"model\.tiny\.vocabulary"):
        build_warm_start(tmp_path, tiny, text_dataset, text_data(5))


@pytest.fixture
def text_dataset(tmp_path) -> DatasetSpec:
    path = tmp_path / "fruit.jsonl"
    rows = [{"question": p.question, "answer": p.answer} for p in text_data(20).train]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DatasetSpec(path=str(path))
