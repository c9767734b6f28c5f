"""What messages call the fields of a spec."""

from __future__ import annotations

import pytest

from repro.errors import UserError, options_for, setting


def test_a_field_is_called_by_its_path_in_a_spec() -> None:
    assert (setting("dataset.answer"), setting("dataset.answer", "gold")) == ("dataset.answer", "dataset.answer: gold")


def test_a_field_is_called_by_its_option_where_a_command_has_one() -> None:
    with options_for({"dataset.answer": "--answer"}):
        assert (setting("dataset.answer"), setting("dataset.answer", "gold")) == ("--answer", "--answer gold")
        assert setting("dataset.limits", "3") == "dataset.limits: 3"
    with pytest.raises(UserError), options_for({"dataset.answer": "--answer"}):
        raise UserError("a mistake")
    assert setting("dataset.answer") == "dataset.answer"
