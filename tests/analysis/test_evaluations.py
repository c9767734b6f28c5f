"""Evaluations as arrays: the same numbers as the JSON says, whatever the ids are, and damage is seen."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from repro.analysis.evaluations import Reader

PLAIN = [f"{i}+{i}" for i in range(30)]
ODD = ['a": 1, "b', '}, "greedy": null', "\\", "ä\n", '"passes": {', "x: 3", '": 2']


def row(ids: list[str], counts: list[int], **more: Any) -> dict[str, Any]:
    about = {"step": 3, "set": "test", "temperature": 1.0, "samples": 12, "passes": dict(zip(ids, counts, strict=True))}
    return about | {"greedy": None, "entropy": 0.25, "mean_tokens": 18.5, "time": 1.5} | more


def line(one: dict[str, Any]) -> bytes:
    return json.dumps(one, ensure_ascii=False).encode() + b"\n"


@pytest.mark.parametrize("ids", [PLAIN, ODD, PLAIN[::-1]])
def test_rows_say_what_their_json_says(ids: list[str]):
    draw = np.random.default_rng(0)
    rows = [row(ids, draw.integers(0, high, len(ids)).tolist(), step=high) for high in (10, 2, 10, 13, 13, 10)]
    rows[2] |= {"greedy": {one: index % 3 == 0 for index, one in enumerate(ids)}, "entropy": None}
    rows[4] |= {"set": "validation", "entropy": "NaN", "passes": dict(reversed(rows[4]["passes"].items()))}
    found = Reader().read(b"".join(map(line, rows)) + b'{"torn')
    assert len(found) == len(rows)
    for one, said in zip(found, rows, strict=True):
        assert dict(zip(one.problems, one.passes.tolist(), strict=True)) == said["passes"]
        assert (one.step, one.set, one.samples, one.tokens) == (said["step"], said["set"], 12, 18.5)
        assert one.accuracy == sum(said["passes"].values()) / (12 * len(ids))
        assert one.rates(ids[::2]).tolist() == [said["passes"][key] / 12 for key in ids[::2]]
    assert math.isnan(found[2].entropy) and math.isnan(found[4].entropy) and found[0].entropy == 0.25
    assert found[2].greedy == len(ids[::3]) / len(ids) and math.isnan(found[0].greedy)


@pytest.mark.parametrize(
    "wrong",
    [
        b'{"step": 1}\n',
        b"[]\n",
        b"{\n",
        line(row(["a"], [13])),
        line(row(["a"], [-1])),
        line(row([], [])),
        line(row(["a"], [1]) | {"passes": {"a": 0.5}}),
        line(row(["a"], [1], samples=0)),
    ],
)
def test_a_row_that_is_no_evaluation_is_named_by_its_line(wrong: bytes):
    with pytest.raises(ValueError, match="line 2 is no evaluation"):
        Reader().read(line(row(["a"], [1])) + wrong)


def test_ids_that_differ_in_one_letter_are_not_taken_for_each_other():
    reader = Reader()
    first, other = reader.read(line(row(["ab", "cd"], [1, 2])) + line(row(["ab", "ce"], [1, 2])))
    assert (first.problems, other.problems) == (("ab", "cd"), ("ab", "ce"))
