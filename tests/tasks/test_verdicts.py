"""Real-looking completions of every kind, with the verdict each must get: `verdicts.jsonl`, one row a line.

A row has `kind`, `completion` (a string, or parts of which some are [string, times]), `gold`, `right` and `why`; a
`why` that begins with `call:` says what was decided where one could have decided otherwise.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from repro.tasks.answers import extract_answer, tidy
from repro.tasks.equality import quick_equal
from repro.tasks.verify import MathVerifier

SECONDS = 2.0
UNITS = [
    *"9x{}[]()$#^_=,.&%- ",
    "\\",
    r"\boxed{",
    r"\frac{1}{",
    r"\text{",
    "or ",
    "<answer>",
    *"\u0663\uff15\u200e½\x00\n",
]


def completion(row: dict[str, Any]) -> str:
    """The text of a row, repetitions written out."""
    if isinstance(row["completion"], str):
        return row["completion"]
    return "".join(part if isinstance(part, str) else part[0] * part[1] for part in row["completion"])


ROWS = [json.loads(line) for line in Path(__file__).with_name("verdicts.jsonl").read_text().splitlines()]
TEXTS, GOLDS = [completion(row) for row in ROWS], [row["gold"] for row in ROWS]
RIGHT = [row["right"] for row in ROWS]


@pytest.fixture(scope="module")
def judged():
    """The verdicts of one batch call with two processes, and what it could not decide; no process is left."""
    before = set(psutil.Process().children(recursive=True))
    verifier = MathVerifier(SECONDS, workers=2)
    verdicts = verifier.many(TEXTS, GOLDS)
    assert len(psutil.Process().children(recursive=True)) > len(before)
    verifier.close()
    deadline = time.monotonic() + 60
    while left := set(psutil.Process().children(recursive=True)) - before:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.05)
    return verdicts, verifier.undecided


@pytest.mark.parametrize("kind", sorted({row["kind"] for row in ROWS}))
def test_completions_of_a_kind_get_their_verdicts(judged, kind):
    verdicts, _ = judged
    wrong = [
        f"{row['completion']!r:.200} for {row['gold']!r:.60} is judged {verdict}"
        for row, verdict in zip(ROWS, verdicts, strict=True)
        if row["kind"] == kind and verdict is not row["right"]
    ]
    assert not wrong, "\n".join(wrong)


def test_bombs_and_only_bombs_are_left_undecided(judged):
    _, undecided = judged
    assert 3 <= undecided.total() <= sum(row["kind"] == "bomb" for row in ROWS)


def test_verdicts_are_those_of_single_calls_in_any_order_with_one_process():
    rows = [row for row in range(len(ROWS)) if ROWS[row]["kind"] != "bomb"]
    random.Random(0).shuffle(rows)
    rows = rows[:60] + [row for row in range(len(ROWS)) if ROWS[row]["kind"] == "bomb"][:1] + rows[60:400]
    verifier = MathVerifier(SECONDS, workers=1)
    for row in rows:
        assert verifier(TEXTS[row], GOLDS[row]) is RIGHT[row], ROWS[row]
    verifier.close()


def test_a_batch_of_many_times_the_same_asks_once_and_its_verdicts_follow_its_order():
    rows = [row for row in range(len(ROWS)) if ROWS[row]["kind"] in ("radicals", "equations", "algebra")]
    many = [row for row in rows for _ in range(50)]
    random.Random(1).shuffle(many)
    verifier = MathVerifier(SECONDS, workers=3)
    assert verifier.many([TEXTS[i] for i in many], [GOLDS[i] for i in many]) == [RIGHT[i] for i in many]
    assert verifier._pool._asked <= len(rows)
    verifier.close()


def test_every_kind_of_trouble_is_in_the_set():
    assert len(ROWS) > 1000 and all(set(row) == {"kind", "completion", "gold", "right", "why"} for row in ROWS)
    assert {row["right"] for row in ROWS} == {True, False}
    assert max(map(len, TEXTS)) >= 100_000


@pytest.mark.parametrize("frame", ["{}", "#### {}", r"\boxed{{{}}}", "<answer>{}</answer>", "#### 5 {}x"])
def test_text_alone_takes_time_in_proportion_to_its_length(frame):
    for unit in [*UNITS, *(a + b for a, b in itertools.pairwise(UNITS))]:
        start = time.process_time()
        answer = extract_answer(frame.format(unit * (40_000 // len(unit))))
        for gold in ("5", r"\text{Tuesday}", r"\sqrt{2}"):
            quick_equal(tidy(gold), answer)
        assert time.process_time() - start < 5, unit  # CPU seconds: what is quadratic in 40,000 takes minutes
