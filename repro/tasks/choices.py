"""Letters of multiple choice: whether an answer names the right one, and no other beside it."""

from __future__ import annotations

import re

from repro.tasks.askable import words_of
from repro.tasks.quantities import TEXT
from repro.tasks.units import HEDGES

CHOICE = re.compile(r"\(?[A-J]\)?\.?")
CHOSEN = re.compile(
    r"(?i:[a-z ]{0,40}\b(?:answer|option|choice)(?: is)?:? )?\(?(?P<letter>[A-J])(?P<rest>\).*|\b(?:[.:].*)?)",
    re.DOTALL,
)
OTHER = re.compile(r"(?<![A-Za-z\d\\(])\(?[A-J][).:]|(?:[,;/&.:]|\band)\s?\(?[A-J]\s*\Z")
"""The label of a further choice; `f(A)` and `vitamin C` have none."""
NONE_OF = re.compile(r"\b(?:none|neither|not|nor|both|all)\b", re.IGNORECASE)
"""Words by which a choice speaks of others: `(E) None of (A), (B)`."""
CHOICES = re.compile(r"(?=([A-J]),? ?[A-J])A?,? ?B?,? ?C?,? ?D?,? ?E?,? ?F?,? ?G?,? ?H?,? ?I?,? ?J?")
"""Several letters of choices in their order: `ACD`, `A, C`."""
CHOSEN_SEVERAL = re.compile(r"\(?[A-J]\)?(?:(?:, and |, | and |,|;|; |& | & )\(?[A-J]\)?)+")


def is_choice(gold: str) -> bool:
    """Whether a gold answer is the letter of a choice, in text or not: `(C)`, `\\text{(C)}`."""
    return CHOICE.fullmatch(TEXT.sub(r"\1", gold).strip()) is not None


def same_choice(gold: str, answer: str) -> bool | None:
    """Does an answer choose what the gold one does? None where the gold answer is no letter of a choice, nor several.

    An answer that names further choices is wrong: to write all of them buys nothing.
    """
    answer = TEXT.sub(r"\1", answer).strip()
    if is_choice(gold):
        right = TEXT.sub(r"\1", gold).strip("(). ")
        chosen = CHOSEN.fullmatch(answer)
        if chosen is None or chosen["letter"] != right or HEDGES.intersection(words_of(answer)):
            return False
        other = OTHER.search(chosen["rest"], 1)
        return other is None or NONE_OF.search(chosen["rest"][: other.start()]) is not None
    if CHOICES.fullmatch(gold) and CHOSEN_SEVERAL.fullmatch(answer):
        return sorted(re.findall("[A-J]", answer)) == re.findall("[A-J]", gold)
    if "," in gold and CHOICES.fullmatch(gold) and CHOICES.fullmatch(answer):
        return re.findall("[A-J]", answer) == re.findall("[A-J]", gold)
    return None
