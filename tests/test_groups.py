"""When a group carries a gradient."""

from __future__ import annotations

import pytest

from repro.groups import has_spread


@pytest.mark.parametrize(
    ("rewards", "min_spread", "found"),
    [
        ((1.0, 1.0), 0.0, False),
        ((0.1,) * 8, 0.0, False),
        ((1.0,), 0.0, False),
        ((1e-200, 0.0), 0.0, True),
        ((0.0, 1.0, 0.0), 0.0, True),
        ((0.0, 1.0), 0.999, True),
        ((0.5, 0.6), 0.1, False),
        ((0.4, 0.3), 0.1, False),  # 0.10000000000000003
        ((0.7, 0.6), 0.1, False),  # 0.09999999999999998
        ((0.4, 0.3 - 1e-6), 0.1, True),
        ((1 / 3, 2 / 3, 1.0), 2 / 3, False),
        ((0.0, 2 / 3), 0.5, True),
    ],
)
def test_a_group_has_spread_where_its_rewards_differ_by_more_than_the_least(
    rewards: tuple[float, ...], min_spread: float, found: bool
) -> None:
    assert has_spread(rewards, min_spread) is found
    assert has_spread(rewards[::-1], min_spread) is found


def test_a_group_of_none_is_no_group() -> None:
    with pytest.raises(ValueError):
        has_spread(())
