"""The line above the answer: what of a study's runs can change it, in a few words and never more than one line."""

from __future__ import annotations

from collections.abc import Sequence

from repro.analysis.page.missing import in_short
from repro.analysis.page.warnings import Warned
from repro.analysis.study import Study
from repro.analysis.text import sentence

LINE = 84
"""Letters that fit beside the word in front and the link behind on a page of full width."""


def alert(study: Study, warned: Sequence[Warned]) -> str:
    """The gravest first, as many as the line holds; empty where nothing can change the answer."""
    told = [text for text in (in_short(study), *(one.short for one in warned)) if text]
    kept = told[:1]
    for text in told[1:]:
        if len("; ".join([*kept, text]).replace("`", "")) <= LINE:
            kept.append(text)
    return sentence("; ".join(kept)) if kept else ""
