"""Names in messages: a long list is cut, and what was cut is counted."""

from __future__ import annotations

from repro.words import LISTED, listed, unknown


def test_a_short_list_is_whole_and_of_a_long_one_the_first_names_are_given() -> None:
    assert listed(["a", "b", 3]) == "a, b, 3"
    assert listed([]) == ""
    names = [f"name_{number}" for number in range(2500)]
    text = listed(names)
    assert text.startswith("name_0, name_1, ") and len(text) < LISTED + 20
    shown = text.split(" and ")[0].split(", ")
    assert text.endswith(f" and {2500 - len(shown):,} more") and shown == names[: len(shown)]
    assert listed(names[:20], 29) == "name_0, name_1, name_2 and 17 more"


def test_one_name_is_given_however_long_it_is() -> None:
    assert listed(["x" * 200, "y"]) == "x" * 200 + " and 1 more"
    assert listed(["x" * 200]) == "x" * 200


def test_an_unknown_word_lists_what_there_is_once() -> None:
    assert unknown("q", ["one", "two"], "a field") == 'got "q", expected a field (one, two)'
    assert unknown("q", ["one", "two"], "a field", told=True) == 'got "q", expected a field'
    assert unknown("on", ["one", "two"], "a field", told=True) == 'got "on", expected a field, did you mean one?'
