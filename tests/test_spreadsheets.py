"""Cells of CSV files that a spreadsheet would take for formulas."""

from __future__ import annotations

import pytest

from repro.spreadsheets import harmless, original


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "'=1", "''-x", "- a"]
)
def test_text_that_a_spreadsheet_would_run_gets_a_quote_before_it_and_loses_it_again(text: str):
    assert harmless(text) == f"'{text}" and original(harmless(text)) == text


@pytest.mark.parametrize(
    "text", ["", "dots", "5*6-4", "a=b", "'quoted'", "-0.5", "+1e-3", "-.5", "7", "\u2212 0.5", "'-0.5"]
)
def test_other_text_and_numbers_stay_as_they_are(text: str):
    assert harmless(text) == text == original(text)
