"""The corrections of the replay loss are listed in one place, from which the schema and its messages read."""

from __future__ import annotations

import pytest
import torch

from repro.errors import UserError
from repro.replay.corrections import CORRECTIONS
from repro.replay.replay_spec import ReplaySpec
from repro.spec.json_schema import schema_text
from repro.study.load import parse_spec


def test_a_spec_may_name_every_correction_and_the_json_schema_lists_them() -> None:
    for name, correction in CORRECTIONS.items():
        assert ReplaySpec(correction=name).correction == correction.name == name
        assert f"{name}: {correction.help}" in schema_text()
    field = ReplaySpec.model_json_schema()["properties"]["correction"]
    assert field["enum"] == list(CORRECTIONS)


def test_an_unknown_correction_is_refused_with_the_names_and_the_nearest_one() -> None:
    arms = {"rr": {"replay": {"correction": "proximate"}}}
    with pytest.raises(UserError) as error:
        parse_spec({"name": "x", "model": "tiny", "dataset": "arithmetic", "arms": arms})
    assert "arms.rr.replay.correction: got" in str(error.value)
    assert all(name in str(error.value) for name in CORRECTIONS) and "did you mean proximal?" in str(error.value)


def test_corrections_differ_in_the_log_probs_they_clip_around_and_in_the_advantages() -> None:
    mask = torch.tensor([[1, 1, 0]])
    behaviour, old = torch.tensor([[-1.0, -2.0, 0.0]]), torch.tensor([[-0.5, -2.0, -9.0]])
    rows = {"behaviour_logps": behaviour, "advantages": torch.tensor([2.0]), "completion_mask": mask}
    found = {name: correction.apply(rows, old) for name, correction in CORRECTIONS.items()}
    assert found["paper"][0] is behaviour and found["paper"][1].tolist() == [2.0]
    assert found["none"][0] is old and found["none"][1].tolist() == [2.0]
    for name in ("proximal", "second_moment"):  # masking comes on top, over the tokens of all ranks
        assert found[name][0] is old
        torch.testing.assert_close(found[name][1], 2 * torch.tensor([[0.5, 0.0, 0.0]]).exp())
    assert [name for name, correction in CORRECTIONS.items() if correction.masks] == ["second_moment"]
