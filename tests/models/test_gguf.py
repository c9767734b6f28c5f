"""GGUF files: what is in them is what is computed with, text is split as they say, and faulty ones are refused."""

from __future__ import annotations

import builtins
import json
import struct

import gguf
import pytest
import torch
from gguf import GGMLQuantizationType as Kind

from repro.cache import Cache
from repro.errors import UserError
from repro.models import gguf_convert
from repro.models.content import model_files
from repro.models.gguf_header import BLOCKS, read_header
from repro.models.model_spec import LoraSpec, ModelSpec
from repro.models.policy import load_embedder, load_policy, policy_digest, save_policy
from repro.models.sampling import end_tokens, sample
from repro.models.sizes import size_of
from tests.models.conftest import DATASET
from tests.models.made_gguf import source, vocabulary, write_gguf


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "made.Q4_1.gguf"
    write_gguf(path, source())
    return path


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize(("kind", "tied"), [(Kind.Q4_1, True), (Kind.Q8_0, False), (Kind.F32, True)])
def test_the_logits_are_those_of_the_dequantised_tensors(tmp_path, data, kind, tied):
    model, path = source(3, tied), tmp_path / "made.gguf"
    written = write_gguf(path, model, kind)
    policy = load_policy(ModelSpec(path=str(path)), DATASET, data, Cache(tmp_path / "cache"))
    model.load_state_dict(written, strict=False)
    model.tie_weights()
    ids = torch.arange(3, 60)[None]
    with torch.no_grad():
        theirs, ours = model(ids).logits, policy.model(ids).logits
    assert torch.equal(ours, theirs)
    config = json.loads((policy.directory / "config.json").read_text())
    assert config["tie_word_embeddings"] is tied
    assert "quantization_config" not in config
    assert policy.model.config._name_or_path == str(policy.directory)


def test_digits_stand_alone_where_the_file_says_so_and_not_elsewhere(tmp_path, file, data, own_cache):
    def tokens(path) -> list[str]:
        policy = load_policy(ModelSpec(path=str(path)), DATASET, data, own_cache)
        text = "th\n\n12"
        assert policy.tokenizer.decode(policy.tokenizer(text)["input_ids"]) == text
        return policy.tokenizer.tokenize(text)

    assert tokens(file) == ["th", "ĊĊ", "1", "2"]
    other = tmp_path / "other.gguf"
    write_gguf(other, source(), split="gpt-2")
    assert tokens(other) == ["th", "Ċ", "Ċ", "12"]
    write_gguf(other, source(), split="of-tomorrow")
    with pytest.raises(UserError, match=r"model\.path: .*splits text as 'of-tomorrow'"):
        tokens(other)


def test_a_turn_is_rendered_and_its_end_token_ends_a_completion(file, data, own_cache):
    policy = load_policy(ModelSpec(path=str(file)), DATASET, data, own_cache)
    prompt = policy.style.prompt("1+1?", policy.tokenizer, "")
    assert prompt == "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"
    assert policy.tokenizer.tokenize(prompt)[0] == "<|im_start|>"
    assert end_tokens(policy.model, policy.tokenizer) == {vocabulary().index("<|im_end|>")}
    with torch.no_grad():
        policy.model.model.norm.weight.zero_()  # all logits are equal, so the end comes by chance at some time
    drawn = sample(
        policy.model, policy.tokenizer, [prompt], samples=8, temperature=1.0, top_p=1.0, max_new_tokens=400, seed=0
    )
    assert min(len(text) for text in drawn.texts) < 300
    assert not any("<|im_end|>" in text for text in drawn.texts)


def test_it_is_converted_once_for_each_content_and_type_whatever_the_threads(tmp_path, file, data, own_cache):
    def directory(path, cache=own_cache, **fields):
        return load_policy(ModelSpec(path=str(path), **fields), DATASET, data, cache).directory

    first = directory(file)
    moved = tmp_path / "moved.gguf"
    moved.write_bytes(file.read_bytes())
    assert directory(moved) == first == directory(file, Cache(own_cache.root, suffix="-threads2"))
    half = load_policy(ModelSpec(path=str(file), dtype="bfloat16"), DATASET, data, own_cache)
    assert half.directory != first
    assert half.model.dtype == torch.bfloat16
    write_gguf(moved, source(1))
    assert directory(moved) != first


def test_the_content_decides_what_the_policy_is_and_is_watched(tmp_path, file):
    moved = tmp_path / "moved.gguf"
    moved.write_bytes(file.read_bytes())
    here, there = ModelSpec(path=str(file)), ModelSpec(path=str(moved))
    assert policy_digest(here, DATASET) == policy_digest(there, DATASET)
    assert model_files(here) == [("path", file)]
    assert here.label == "made.Q4_1"
    write_gguf(moved, source(1))
    assert policy_digest(here, DATASET) != policy_digest(there, DATASET)
    assert size_of(here).parameters == sum(p.numel() for p in source().parameters())


def test_adapters_a_saved_policy_and_an_embedder_come_of_it(tmp_path, file, data, own_cache):
    spec = ModelSpec(path=str(file), lora=LoraSpec(rank=2))
    policy = load_policy(spec, DATASET, data, own_cache)
    save_policy(policy, tmp_path / "adapters")
    again = load_policy(ModelSpec(path=str(tmp_path / "adapters")), DATASET, data, own_cache)
    ids = torch.arange(3, 20)[None]
    with torch.no_grad():
        assert torch.allclose(policy.model(ids).logits, again.model(ids).logits, atol=1e-5)
    whole = load_policy(ModelSpec(path=str(file)), DATASET, data, own_cache)
    save_policy(whole, tmp_path / "whole")
    assert load_policy(ModelSpec(path=str(tmp_path / "whole")), DATASET, data, own_cache).tokenizer.tokenize(
        "\n\n1"
    ) == [
        "ĊĊ",
        "1",
    ]
    model, _ = load_embedder(ModelSpec(path=str(file)), DATASET, data, own_cache)
    assert model(ids).last_hidden_state.shape[-1] == whole.model.config.hidden_size


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def cut_in_the_header(path):
    path.write_bytes(path.read_bytes()[:400])


def no_gguf(path):
    path.write_text("a text\n")


def of_a_later_version(path):
    path.write_bytes(b"GGUF" + struct.pack("<I", 9) + path.read_bytes()[8:])


def no_tokenizer(path):
    write_gguf(path, source(), tokenizer=False)


def an_encoder(path):
    write_gguf(path, source(), architecture="bert")


def an_adapter(path):
    write_gguf(path, source(), fields={"general.type": "adapter"})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut, r"it is torn: 'blk\.1\..*fetch it again"),
        (cut_in_the_header, "its header cannot be read .*torn or is no GGUF file"),
        (no_gguf, "its first bytes are .a te., expected 'GGUF'"),
        (of_a_later_version, "GGUF version 9, expected 2 or 3"),
        (no_tokenizer, "it has no tokenizer"),
        (an_encoder, r"no causal language model \(architecture bert\)"),
        (an_adapter, r"no causal language model \(architecture llama, adapter\)"),
    ],
)
def test_a_file_that_is_no_whole_model_is_refused_before_it_is_loaded(tmp_path, file, damage, said):
    path = tmp_path / "made.gguf"
    path.write_bytes(file.read_bytes())
    damage(path)
    for use in (lambda spec: policy_digest(spec, DATASET), model_files):
        with pytest.raises(UserError, match=rf"model\.path: .*{said}.*expected a GGUF file") as caught:
            use(ModelSpec(path=str(path)))
    assert len(str(caught.value)) < 600


def test_what_only_a_conversion_finds_is_said_in_one_message_and_leaves_nothing_behind(tmp_path, data):
    path, cache = tmp_path / "made.gguf", Cache(tmp_path / "cache")
    write_gguf(path, source(), architecture="of-tomorrow")
    with pytest.raises(UserError, match=r"(?s)model\.path: .*made\.gguf' was not converted: .*it has of-tomorrow"):
        load_policy(ModelSpec(path=str(path)), DATASET, data, cache)
    write_gguf(path, source(), without=("blk.1.ffn_up.weight",))
    with pytest.raises(UserError, match=r"it lacks weights, 1 in all, the first is 'model\.layers\.1\.mlp\.up"):
        load_policy(ModelSpec(path=str(path)), DATASET, data, cache)
    assert [p for p in (tmp_path / "cache" / "gguf").iterdir() if not p.name.startswith(".")] == []


def test_without_the_package_the_message_says_how_to_install_it(tmp_path, file, data, monkeypatch):
    monkeypatch.setattr(gguf_convert, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package gguf, .*: pip install .* gguf"):
        load_policy(ModelSpec(path=str(file)), DATASET, data, Cache(tmp_path))


def test_a_folder_with_such_a_file_is_told_to_be_named_by_it(file):
    with pytest.raises(
        UserError, match=r"lacks config\.json .*\n  the GGUF file in it: model\.path: .*made\.Q4_1\.gguf"
    ):
        policy_digest(ModelSpec(path=str(file.parent)), DATASET)


def test_the_header_is_read_without_torch_and_the_sizes_of_types_are_those_of_the_library(file, monkeypatch):
    real = builtins.__import__

    def light(name, *rest):
        assert name.partition(".")[0] not in ("torch", "transformers", "gguf")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", light)
    assert read_header(file).split == "smollm"
    monkeypatch.undo()
    known = {int(kind): tuple(sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    assert all(known[kind] == sizes for kind, sizes in BLOCKS.items())
