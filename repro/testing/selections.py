"""What every selection promises, as checks for pytest: each raises AssertionError where a promise is broken.

@pytest.mark.parametrize("check", SELECTION_CHECKS)
def test_my_selection_keeps_its_promises(check):
    check(Mine(method="my_rules:Mine"))
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np

from repro.errors import UserError
from repro.selection.base import Observation, Selector
from repro.selection.method import Selection
from repro.testing.world import World

QUESTIONS, BATCH = 120, 7

Check = Callable[[Selection], None]


def same_seed_same_choices(selection: Selection) -> None:
    """Two selectors of one seed choose alike."""
    assert draws(build(selection), 20) == draws(build(selection), 20)


def no_global_generator(selection: Selection) -> None:
    """NumPy's global generator is neither read nor moved."""
    before = np.random.get_state(legacy=False)  # noqa: NPY002
    try:
        np.random.seed(0)  # noqa: NPY002
        state = str(np.random.get_state(legacy=False))  # noqa: NPY002
        first = draws(build(selection))
        assert str(np.random.get_state(legacy=False)) == state, "the global generator has moved"  # noqa: NPY002
        np.random.seed(1)  # noqa: NPY002
        assert draws(build(selection)) == first, "choices depend on the global generator"
    finally:
        np.random.set_state(before)  # noqa: NPY002


def restored_goes_on_alike(selection: Selection) -> None:
    """A restored selector makes the next four choices of the original, whatever seed it was built with."""
    for steps in (0, 1, 2, 3, 5, 18):  # before the first choice, in and between windows, past a pass over a subset
        original = build(selection)
        draws(original, steps)
        state = json.loads(json.dumps(original.state_dict(), allow_nan=False))
        restored = build(selection, seed=99)
        restored.load_state_dict(state)
        assert draws(restored) == draws(original), f"after {steps} steps the restored selector chooses otherwise"
        mine, theirs = original.predictions(), restored.predictions()
        assert (mine is None) == (theirs is None)
        assert mine is None or theirs is None or np.array_equal(mine, theirs)


def taking_a_state_changes_nothing(selection: Selection) -> None:
    """`state_dict` does not move the selector, and what it returned does not change later."""
    watched, alone = build(selection), build(selection)
    draws(watched, 3), draws(alone, 3)
    state = watched.state_dict()
    frozen = json.dumps(state)
    assert draws(watched) == draws(alone)
    assert json.dumps(state) == frozen


def distinct_indices_of_the_asked_number(selection: Selection) -> None:
    """Choices are `n` Python ints in range, distinct unless the method has `repeats_in_batch`."""
    selector = build(selection)
    for n in (1, 2, 12, 5, 12, 11, 1, 12, 7, 3):
        chosen = selector.choose(n)
        assert len(chosen) == n, f"asked for {n}, got {len(chosen)}"
        assert selection.repeats_in_batch or len(set(chosen)) == n, f"asked for {n}, got {len(set(chosen))} distinct"
        assert all(type(i) is int and 0 <= i < QUESTIONS for i in chosen), chosen


def reused_groups_are_whole(selection: Selection) -> None:
    """What trains with a step's probes was chosen, and its kept completions of this step come to one group."""
    world = World(QUESTIONS)
    run = world.run(0)
    selector = selection.build(run)
    for _ in range(4):
        world.kept.clear()
        chosen, reused = selector.choose(BATCH), selector.reused()
        assert set(reused) <= set(chosen), f"{sorted(set(reused) - set(chosen))} are reused and not chosen"
        held = {index: world.kept[index] for index in reused}
        assert all(count == run.group_size for count in held.values()), f"{held} kept, expected {run.group_size} each"


def finite_metrics(selection: Selection) -> None:
    """Metrics are finite floats with bare names: the trainer puts `select/` before them."""
    selector = build(selection)
    for _ in range(4):
        selector.choose(BATCH)
        for name, value in selector.metrics().items():
            assert "/" not in name, name
            assert isinstance(value, float) and math.isfinite(value), f"{name} is {value!r}"


def predictions_are_rates(selection: Selection) -> None:
    """Where a method predicts, its selector gives a number in [0, 1] for every question after the first choice."""
    selector = build(selection)
    selector.choose(BATCH)
    predicted = selector.predictions()
    assert (predicted is not None) == selection.predicts
    if predicted is not None:
        assert predicted.shape == (QUESTIONS,)
        assert ((predicted >= 0) & (predicted <= 1)).all()


def the_order_of_the_data_decides_nothing(selection: Selection) -> None:
    """Where all questions are alike, over many seeds the first half of the rows is chosen as often as the second."""
    seeds, chosen = 60, list[int]()
    for seed in range(seeds):
        chosen += set(selection.build(World(QUESTIONS, alike=True).run(seed)).choose(BATCH))
    first = sum(index < QUESTIONS // 2 for index in chosen)
    expected, deviation = len(chosen) / 2, math.sqrt(len(chosen)) / 2
    assert abs(first - expected) < 5 * deviation, (
        f"of {len(chosen)} choices among questions that are alike {first} are in the first half of the data: where "
        "scores are equal, draw (repro.selection.ties) in place of taking rows in their order"
    )


def too_large_a_batch_is_told(selection: Selection) -> None:
    """More questions than there are is a UserError, not a crash or a repeat, but for `repeats_in_batch`."""
    if selection.repeats_in_batch:
        return
    try:
        build(selection).choose(QUESTIONS + 1)
    except UserError:
        return
    raise AssertionError(f"asked for {QUESTIONS + 1} of {QUESTIONS} questions, got no UserError")


SELECTION_CHECKS: tuple[Check, ...] = (
    same_seed_same_choices,
    no_global_generator,
    restored_goes_on_alike,
    taking_a_state_changes_nothing,
    distinct_indices_of_the_asked_number,
    reused_groups_are_whole,
    finite_metrics,
    predictions_are_rates,
    the_order_of_the_data_decides_nothing,
    too_large_a_batch_is_told,
)
"""All of them."""


def build(selection: Selection, seed: int = 0) -> Selector:
    """Its selector in a fresh world of `QUESTIONS` questions."""
    return selection.build(World(QUESTIONS).run(seed))


def draws(selector: Selector, steps: int = 4, n: int = BATCH) -> list[list[int]]:
    """The choices of some steps, each answered with groups in which every other completion is right."""
    out = []
    for _ in range(steps):
        chosen = selector.choose(n)
        selector.observe([Observation(index, (0.0, 1.0) * 4) for index in chosen])
        out.append(chosen)
    return out
