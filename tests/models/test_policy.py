"""Loading a policy: the three sources, their digests, their errors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from repro.errors import UserError
from repro.models.model_spec import ModelSpec, TinyModel
from repro.models.policy import SHIPPED, load_policy, policy_digest, shipped_key
from repro.models.sampling import sample
from repro.models.warm_start import warm_start_key
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.arithmetic import Arithmetic
from tests.models.conftest import DATASET, SMALL

ROOT = Path(__file__).parents[2]


def test_a_built_policy_is_found_again_and_costs_what_it_took(small, cache, data):
    assert small.warm_start_cost["tokens"] > 0 and small.warm_start_cost["seconds"] > 0
    again = load_policy(ModelSpec(tiny=SMALL), DATASET, data, cache)
    assert again.warm_start_cost == small.warm_start_cost
    assert again.identity == small.identity == policy_digest(ModelSpec(tiny=SMALL), DATASET)
    for a, b in zip(small.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_local_directory_loads_the_same_policy(small, saved, cache, data):
    loaded = load_policy(ModelSpec(path=str(saved)), DATASET, data, cache)
    options = {"samples": 1, "temperature": 0.0, "top_p": 1.0, "max_new_tokens": 16, "seed": 0}
    prompts = [p.question for p in data.test]
    assert sample(loaded.model, loaded.tokenizer, prompts, **options) == sample(
        small.model, small.tokenizer, prompts, **options
    )
    assert loaded.tokenizer.padding_side == "left"
    assert not loaded.model.training


def test_the_digest_of_a_directory_is_its_content_not_its_place(saved, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(saved, copy)
    spec = ModelSpec(path=str(copy), name="odd label")
    assert policy_digest(spec, DATASET) == policy_digest(ModelSpec(path=str(saved)), DATASET)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 1e-5}))
    assert policy_digest(spec, DATASET) != policy_digest(ModelSpec(path=str(saved)), DATASET)


def test_the_digest_of_a_hub_model_is_its_id_revision_and_use():
    def digest(**fields):
        return policy_digest(ModelSpec(hub="a/b", **fields), DATASET)

    same = {digest(), digest(revision="main"), digest(name="label")}
    others = [digest(revision="v1"), digest(dtype="bfloat16"), digest(system_prompt="Think."), digest()]
    assert len(same) == 1
    assert len(set(others)) == 4
    assert policy_digest(ModelSpec(hub="a/c"), DATASET) not in others


def test_digests_need_no_torch():
    code = (
        "import sys\n"
        "from repro.models.policy import policy_digest\n"
        "from repro.spec.schema import ModelSpec, DatasetSpec\n"
        "policy_digest(ModelSpec.model_validate('tiny'), DatasetSpec.model_validate('arithmetic'))\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("removed", "named"),
    [
        ("config.json", "config.json"),
        ("tokenizer_config.json", "tokenizer_config.json"),
        ("model.safetensors", "weights"),
    ],
)
def test_an_incomplete_directory_says_what_it_lacks(saved, tmp_path, cache, data, removed, named):
    copy = tmp_path / "incomplete"
    shutil.copytree(saved, copy)
    (copy / removed).unlink()
    with pytest.raises(UserError, match=named):
        load_policy(ModelSpec(path=str(copy)), DATASET, data, cache)


def test_a_directory_that_is_not_there_is_a_user_error(cache, data):
    with pytest.raises(UserError, match=r"model\.path: '/no/such/place' is not a directory"):
        policy_digest(ModelSpec(path="/no/such/place"), DATASET)


def test_a_directory_that_does_not_load_is_a_user_error(saved, tmp_path, cache, data):
    copy = tmp_path / "broken"
    shutil.copytree(saved, copy)
    (copy / "config.json").write_text(json.dumps({"model_type": "no_such_architecture"}))
    with pytest.raises(UserError, match="did not load"):
        load_policy(ModelSpec(path=str(copy)), DATASET, data, cache)


def test_a_tokenizer_without_padding_pads_with_its_end(saved, tmp_path, cache, data):
    copy = tmp_path / "no-pad"
    shutil.copytree(saved, copy)
    config = json.loads((copy / "tokenizer_config.json").read_text())
    del config["pad_token"]
    (copy / "tokenizer_config.json").write_text(json.dumps(config))
    loaded = load_policy(ModelSpec(path=str(copy)), DATASET, data, cache)
    assert loaded.tokenizer.pad_token_id == loaded.tokenizer.eos_token_id
    whole = load_policy(ModelSpec(path=str(saved)), DATASET, data, cache)
    options = {"samples": 1, "temperature": 0.0, "top_p": 1.0, "max_new_tokens": 16, "seed": 0}
    prompts = [p.question for p in data.test]
    assert (
        sample(loaded.model, loaded.tokenizer, prompts, **options).token_counts
        == sample(whole.model, whole.tokenizer, prompts, **options).token_counts
    )


def test_the_shipped_policy_is_that_of_the_default_spec(cache):
    dataset = DatasetSpec(arithmetic=Arithmetic())
    assert shipped_key() == warm_start_key(TinyModel(), dataset)
    policy = load_policy(ModelSpec(tiny=TinyModel()), dataset, Arithmetic().load(), cache)
    assert policy.directory == SHIPPED
    assert policy.warm_start_cost["tokens"] == 0
    assert sum(p.stat().st_size for p in SHIPPED.iterdir()) < 2_000_000
    card = json.loads((SHIPPED / "card.json").read_text())
    assert card["parameters"] == policy.model.num_parameters()


def test_the_card_of_the_shipped_policy_tells_its_accuracy(cache):
    base = json.loads((SHIPPED / "card.json").read_text())["base"]
    data = Arithmetic().load()
    policy = load_policy(ModelSpec(tiny=TinyModel()), DatasetSpec(arithmetic=Arithmetic()), data, cache)
    problems = data.test[:128]
    drawn = sample(
        policy.model,
        policy.tokenizer,
        [p.question for p in problems],
        samples=4,
        temperature=1.0,
        top_p=1.0,
        max_new_tokens=96,
        seed=1,
    )
    accuracy = sum(data.verifier(text, problems[i // 4].answer) for i, text in enumerate(drawn.texts)) / 512
    # Questions vary more than samples: 128 of them leave a standard error of about 0.03.
    assert abs(accuracy - base["accuracy"]["temperature_1"]) < 0.12
    assert sum(base["pool_correct_of_8"]) == 1024
