"""Dates and times of day in the ways people write them, compared by what they mean."""

from __future__ import annotations

import re

from repro.tasks.quantities import TEXT

_FIRST = ("january", "february", "march", "april", "may", "june", "july", "august")
_MONTHS = (*_FIRST, "september", "october", "november", "december")
MONTHS = {name[:size]: number for number, name in enumerate(_MONTHS, start=1) for size in (3, len(name))}
MONTHS["sept"] = 9
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s?(?P<year>\d{4}))?"
DATES = [
    re.compile(rf"(?P<month>{_MONTH})\.?\s(?:the\s)?{_DAY}{_YEAR}", re.IGNORECASE),
    re.compile(rf"(?:the\s)?{_DAY}\s(?:of\s)?(?P<month>{_MONTH})\.?{_YEAR}", re.IGNORECASE),
    re.compile(r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})"),
]
TIME = re.compile(
    r"0?(?P<hour>\d{1,2}):(?P<minute>\d{2})(?:\s*(?:(?P<half>[ap])\.?\s?m\.?|(?P<name>noon|midnight)))?", re.IGNORECASE
)
FULL_HOUR = re.compile(r"0?(?P<hour>\d{1,2})\s*(?:o'clock\s*)?(?P<half>[ap])\.?\s?m\.?", re.IGNORECASE)
TWELVE = {"noon": "p", "midnight": "a"}
SAID = re.compile(r"[A-Za-z][A-Za-z ,'’]*\s(?:is|at|by|until|around)\s", re.IGNORECASE)
"""What a sentence says before the time of day that it ends with: `She arrives at`."""
WORDS = re.compile(r"[^\W\d_]{2}")
CLOCK = re.compile(r"\d:\d\d(?!\d)")

Time = tuple[int, int, str]
"""Hour as written, minute, and `a`, `p` or "" for the half of the day."""


def same_date(gold: str, answer: str) -> bool | None:
    """Are two dates the same day? A year must be in both or in none. None where they are not two dates.

    A date in figures beside anything else is no difference of numbers: that is False.
    """
    left, right = _date(gold), _date(answer)
    if left is None or right is None:
        return False if any(DATES[-1].fullmatch(text) for text in (gold, answer)) else None
    return left == right


def same_time(gold: str, answer: str) -> bool | None:
    """Are two times of day the same? None where they are not two times; False where the gold answer has times and words
    that are not read here and the other has other words: `10:00 AM, 4:00 PM`.

    Where the gold answer says which half of the day it is, the answer must too: `16:15` says it for `4:15 PM`.
    """
    left, right = _time(gold), _time(SAID.sub("", TEXT.sub(r" \1", answer), count=1))
    if left is None and CLOCK.search(gold) and WORDS.search(gold):
        return _bare(gold) == _bare(answer)
    if left is None or right is None:
        return None
    if left[2] and not right[2] and 0 < right[0] < 13:
        return False
    if left[2] and right[2]:
        return _minutes(left) == _minutes(right)
    if left[2] or (right[2] and not 0 < left[0] < 13):
        return _minutes(left) == _minutes(right)
    return left[:2] == right[:2]


def _date(text: str) -> tuple[int, int, int | None] | None:
    plain = re.sub(r"\s+", " ", TEXT.sub(r" \1 ", text)).strip(" .")
    found = next((match for pattern in DATES if (match := pattern.fullmatch(plain))), None)
    if found is None:
        return None
    month, day = MONTHS.get(found["month"].lower()) or int(found["month"]), int(found["day"])
    return (month, day, int(found["year"]) if found["year"] else None) if 0 < day < 32 and 0 < month < 13 else None


def _time(text: str) -> Time | None:
    plain = TEXT.sub(r" \1", text).strip()
    if plain.lower() in TWELVE:
        return 12, 0, TWELVE[plain.lower()]
    found = TIME.fullmatch(plain)
    if found is not None:
        half = TWELVE.get((found["name"] or "").lower()) or (found["half"] or "").lower()
        return int(found["hour"]), int(found["minute"]), half
    found = FULL_HOUR.fullmatch(plain)
    return None if found is None else (int(found["hour"]), 0, found["half"].lower())


def _bare(text: str) -> list[str]:
    """Numbers, words and signs in lower case, without dots."""
    return re.findall(r"\w+|[^\w\s]", TEXT.sub(r" \1 ", text).lower().replace(".", ""))


def _minutes(time: Time) -> int:
    hour, minute, half = time
    return (hour % 12 + 12 * (half == "p") if half else hour) * 60 + minute
