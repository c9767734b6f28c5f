"""Batches under a token budget: every text once, within the budget, and little padding."""

from __future__ import annotations

import numpy as np
import pytest

from repro.scoring.passes import PassCost, Portion, length_batches, portion_of, right_padded

GSM8K = np.array([23, 44, 59, 74, 95, 136, 176, 322])  # quantiles of GSM8K's questions in tokens of a small BPE
AT = np.array([0, 5, 25, 50, 75, 95, 99, 100])


def realistic(count):
    shares = np.random.default_rng(0).uniform(0, 100, count)
    return np.interp(shares, AT, GSM8K).astype(np.int64)


def cells(lengths, batches):
    return sum(len(batch) * int(lengths[batch].max()) for batch in batches)


@pytest.mark.parametrize("budget", [1, 60, 2_048, 8_192, 65_536, 10**9])
def test_every_text_is_in_one_batch_within_the_budget_longest_first(budget):
    lengths = realistic(500)
    batches = list(length_batches(lengths, budget))
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= budget for batch in batches)
    flat = lengths[np.concatenate(batches)]
    assert (np.diff(flat) <= 0).all()


@pytest.mark.parametrize("budget", [2_048, 8_192, 16_384, 65_536])
@pytest.mark.parametrize("head", [0, 193])
def test_less_than_a_twentieth_of_a_pass_over_gsm8k_is_padding(budget, head):
    """With a shared head, padding stands beside the texts' own tokens only, so the batches are those of their own."""
    own = realistic(7_473)
    padded = cells(own, length_batches(own, budget)) + head
    cost = PassCost(0, 0, tuple((own + head).tolist()), padded, 1.0, shared_tokens=head)
    assert cost.computed_tokens == own.sum() + head
    assert 0 <= cost.waste < 0.05


def test_texts_of_one_length_fill_the_budget():
    assert [len(batch) for batch in length_batches(np.full(25, 10), 100)] == [10, 10, 5]


def test_what_is_left_after_a_kill_makes_the_batches_that_were_still_to_come():
    lengths = realistic(2_000)
    batches = list(length_batches(lengths, 8_192))
    done = np.concatenate(batches[:7])
    rest = np.setdiff1d(np.arange(2_000), done)
    again = [rest[batch].tolist() for batch in length_batches(lengths[rest], 8_192)]
    assert again == [batch.tolist() for batch in batches[7:]]


def test_a_budget_below_one_is_refused():
    with pytest.raises(ValueError, match="token_budget is 0"):
        next(length_batches(np.array([3]), 0))


def test_rows_are_padded_on_the_right():
    assert right_padded([[1, 2, 3], [4]], 9).tolist() == [[1, 2, 3], [4, 9, 9]]


def test_a_pass_over_nothing_wastes_nothing():
    assert PassCost(0, 0, (), 0, 0.0).waste == 0.0


def test_processes_share_the_batches_that_are_left_and_make_equally_many():
    batches = [np.arange(start, start + 3) for start in range(0, 21, 3)]  # 7 batches
    done = np.zeros(21, dtype=bool)
    done[:3] = True  # the first is whole
    done[3:5] = True  # the second lacks a text
    own = [portion_of(batches, Portion(done, index, 4)) for index in range(4)]
    assert [len(part) for part in own] == [2, 2, 2, 2]
    made = np.concatenate([batch for part in own for batch in part])
    assert sorted(set(made.tolist())) == list(range(3, 21))
    assert [part[0].tolist() for part in own] == [batch.tolist() for batch in batches[1:5]]
    assert portion_of(batches, Portion(np.ones(21, dtype=bool), 1, 4)) == []
    assert len(portion_of(batches, Portion())) == 7
