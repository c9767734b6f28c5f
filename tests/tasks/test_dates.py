"""Dates and times of day, compared by what they mean."""

from __future__ import annotations

import itertools

import pytest

from repro.tasks.dates import same_date, same_time


@pytest.mark.parametrize("answer", ["June 20th", "20 June", "the 20th of June", "Jun. 20", r"20 \text{ June}"])
def test_one_day_is_the_same_in_every_order(answer):
    assert same_date("June 20", answer) is True
    assert same_date("June 21", answer) is same_date("July 20", answer) is same_date("June 20, 1999", answer) is False


def test_a_date_of_the_calendar_is_a_date_with_its_year():
    assert same_date("March 3, 2021", "2021-03-03") is True
    assert same_date("March 3, 2021", "2021-03-04") is False
    assert same_date("June 20", "20") is same_date("20", "June 20") is same_date("June 0", "June 20") is None


def test_every_minute_of_a_day_is_the_same_by_twelve_and_by_twenty_four_hours():
    for hour, minute in itertools.product(range(24), (0, 5, 30)):
        half = "PM" if hour >= 12 else "AM"
        twelve = f"{(hour - 1) % 12 + 1}:{minute:02} {half}"
        assert same_time(twelve, twelve.lower().replace("m", ".m.")) is True
        other = twelve.replace(half, {"AM": "PM", "PM": "AM"}[half])
        assert same_time(twelve, other) is False
        full = f"{hour}:{minute:02}"
        assert same_time(twelve, full) is (not 0 < hour < 13)
        if not 0 < hour < 13:
            assert same_time(full, twelve) is True
            assert same_time(full, other) is False


def test_half_of_the_day_counts_where_the_gold_answer_says_it():
    assert same_time("5:30", "5:30 PM") is True
    assert same_time("5:30 PM", "5:30") is same_time("5:30", "17:30") is False
    assert same_time("noon", "12:00 PM") is same_time("5 PM", "5:00 p.m.") is True
    assert same_time("5", "5:00") is same_time("5:30", "530") is None
