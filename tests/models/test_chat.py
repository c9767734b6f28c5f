"""Chat templates of a spec, and code that a model directory ships."""

from __future__ import annotations

import json
import shutil

import pytest

from repro.errors import UserError
from repro.models.model_spec import ModelSpec
from repro.models.policy import load_policy, policy_digest
from repro.tasks.prompts import DOTS_RR_SYSTEM_PROMPT, UFO_RL_SYSTEM_PROMPT, PromptStyle
from tests.models.conftest import DATASET

TEMPLATE = "{% for m in messages %}[{{ m.role }}] {{ m.content }} {% endfor %}[assistant]"


def test_a_template_of_the_spec_renders_prompts_of_a_model_that_has_none(saved, tmp_path, cache, data):
    file = tmp_path / "chat.jinja"
    file.write_text(TEMPLATE)
    bare = load_policy(ModelSpec(path=str(saved)), DATASET, data, cache)
    assert PromptStyle("Think.").prompt("1+1?", bare.tokenizer, "") == "1+1?"
    specs = [ModelSpec(path=str(saved), chat_template=given) for given in (TEMPLATE, str(file))]
    for spec in specs:
        policy = load_policy(spec, DATASET, data, cache)
        assert PromptStyle("Think.").prompt("1+1?", policy.tokenizer, "") == "[system] Think. [user] 1+1? [assistant]"
    digests = [policy_digest(spec, DATASET) for spec in specs]
    assert digests[0] == digests[1] != bare.identity
    file.write_text(TEMPLATE + " ")
    assert policy_digest(specs[1], DATASET) != digests[1]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("no/such/file.jinja", "is no file and has no Jinja tag"),
        ("{% for m in messages %}", "does not render"),
        ("{{ 'always the same' }}", "the user's message is not in what it renders"),
    ],
)
def test_a_template_that_does_not_serve_is_a_user_error(saved, cache, data, template, message):
    with pytest.raises(UserError, match=rf"model\.chat_template: .*{message}"):
        load_policy(ModelSpec(path=str(saved), chat_template=template), DATASET, data, cache)


def test_the_papers_prompts_have_names_and_only_their_texts_are_kept():
    assert ModelSpec(hub="a/b", system_prompt="ufo_rl").system_prompt == UFO_RL_SYSTEM_PROMPT
    named, written = (ModelSpec(hub="a/b", system_prompt=text) for text in ("dots_rr", DOTS_RR_SYSTEM_PROMPT))
    assert named == written
    assert policy_digest(named, DATASET) == policy_digest(written, DATASET)
    assert ModelSpec(hub="a/b", system_prompt="Think.").system_prompt == "Think."
    with pytest.raises(ValueError, match=r"got 'ufo-rl', .* did you mean ufo_rl\?"):
        ModelSpec(hub="a/b", system_prompt="ufo-rl")


def test_code_that_a_directory_ships_is_refused_unless_asked_for_and_does_not_run(saved, tmp_path, cache, data):
    copy = tmp_path / "with-code"
    shutil.copytree(saved, copy)
    trace = tmp_path / "it-ran"
    (copy / "modeling_own.py").write_text(
        f"from pathlib import Path\nPath({str(trace)!r}).touch()\n"
        "from transformers import Qwen2Config, Qwen2ForCausalLM\n"
        "class OwnConfig(Qwen2Config):\n    model_type = 'own'\n"
        "class OwnModel(Qwen2ForCausalLM):\n    config_class = OwnConfig\n"
    )
    config = json.loads((copy / "config.json").read_text())
    own = {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnModel"}
    (copy / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": own}))
    with pytest.raises(UserError, match=r"model\.trust_remote_code: .* ships code of its own, which was not run"):
        load_policy(ModelSpec(path=str(copy)), DATASET, data, cache)
    assert not trace.exists()
    policy = load_policy(ModelSpec(path=str(copy), trust_remote_code=True), DATASET, data, cache)
    assert trace.exists() and type(policy.model).__name__ == "OwnModel"
