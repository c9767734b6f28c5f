"""Expansion: the right cells, each once, and every place of the matrix leads to its training."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from repro.canonical import canonical
from repro.spec.schema import Spec
from repro.study.expand import epoch_steps, expand, expand_study, matrix, pool_size
from repro.study.identity import Digests, identity, result_fields
from repro.study.load import load_spec, parse_spec
from repro.study.raw_fields import has_path, with_fields

QUICKSTART = Path(__file__).parents[2] / "experiments" / "quickstart.yaml"
BASE = {"name": "x", "model": "tiny", "dataset": "arithmetic", "seeds": [0, 1]}
SUBSET = {"selection": {"method": "random", "fraction": 0.2}}


def spec_of(**fields: object) -> Spec:
    return parse_spec({**BASE, **fields})


def test_the_quickstart_is_five_arms_on_three_seeds() -> None:
    cells = expand(load_spec(QUICKSTART).spec)
    arms = ["full", "random", "ufo", "dots", "dots_rr"]
    assert [(cell.arm, cell.seed) for cell in cells] == list(itertools.product(arms, [0, 1, 2]))


def test_an_axis_applies_to_the_arms_that_have_its_path() -> None:
    spec = spec_of(
        arms={
            "full": {},
            "random": SUBSET,
            "bounds": {"selection": {"method": "confidence", "band": {"low": 0.1, "high": 0.9}}},
            "rr": {"replay": {}},
        },
        axes={"selection.fraction": [0.1, 0.2], "replay.fresh": [0.25, 0.5, 0.75], "train.clip": [0.1]},
        seeds=[0],
    )
    points = [(cell.arm, cell.axis_point) for cell in expand(spec)]
    clip = {"train.clip": 0.1}
    assert points == [
        ("full", clip),
        ("random", {"selection.fraction": 0.1, **clip}),
        ("random", {"selection.fraction": 0.2, **clip}),
        ("bounds", clip),
        ("rr", {"replay.fresh": 0.25, **clip}),
        ("rr", {"replay.fresh": 0.5, **clip}),
        ("rr", {"replay.fresh": 0.75, **clip}),
    ]
    assert [cell.replay.fresh for cell in expand(spec) if cell.replay] == [0.25, 0.5, 0.75]


def test_model_and_dataset_axes_apply_where_the_path_exists() -> None:
    spec = spec_of(model=["tiny", {"hub": "a/b"}], arms={"full": {}}, axes={"model.tiny.width": [48, 96]}, seeds=[0])
    assert [cell.model.label for cell in expand(spec)] == ["tiny-48x2", "tiny-96x2", "b"]


def test_an_arm_runs_on_the_models_and_datasets_it_names() -> None:
    spec = spec_of(
        model=["tiny", {"tiny": {"width": 48}}],
        dataset=["arithmetic", "shuffle"],
        arms={"full": {}, "random": {**SUBSET, "models": ["tiny-48x2"], "datasets": ["shuffle"]}},
        seeds=[0],
    )
    found = [(cell.model.label, cell.dataset.label, cell.arm) for cell in expand(spec)]
    panels = list(itertools.product(["tiny-96x2", "tiny-48x2"], ["arithmetic", "shuffle"]))
    assert found == [(*panel, "full") for panel in panels] + [("tiny-48x2", "shuffle", "random")]


def test_the_budget_of_an_arm_stands_in_place_of_the_studys() -> None:
    arms = {"a": {}, "b": {"budget": {"epochs": 2}}}
    budgets = [cell.budget and cell.budget.model_dump(exclude_none=True) for cell in expand(spec_of(arms=arms))]
    assert budgets == [None, None, {"epochs": 2}, {"epochs": 2}]
    both = expand(spec_of(arms=arms, budget={"tokens": 5}, seeds=[0]))
    assert [cell.budget.model_dump(exclude_none=True) for cell in both if cell.budget] == [{"tokens": 5}, {"epochs": 2}]


@pytest.mark.parametrize(
    ("epochs", "questions", "batch", "steps"),
    [(1, 1024, 32, 32), (1, 102, 32, 4), (1, 96, 32, 3), (0.1, 32, 32, 1), (2.5, 64, 32, 5), (1, 1, 32, 1)],
)
def test_an_epoch_ends_with_the_step_that_reaches_its_last_question(
    epochs: float, questions: int, batch: int, steps: int
) -> None:
    assert epoch_steps(epochs, questions, batch) == steps


def test_an_axis_over_methods_starts_from_the_defaults_of_each() -> None:
    spec = spec_of(arms={"a": SUBSET}, axes={"selection.method": ["random", "difficulty"]}, seeds=[0])
    selections = [cell.selection.model_dump() for cell in expand(spec)]
    assert [selection["method"] for selection in selections] == ["random", "difficulty"]
    assert selections[0]["fraction"] == 0.2
    assert selections[1]["references"] == 16


def test_cells_are_pairwise_distinct_and_complete() -> None:
    spec = spec_of(
        model=["tiny", {"tiny": {"layers": 1}}],
        dataset=["arithmetic", {"arithmetic": {"seed": 7}, "name": "other"}],
        arms={"full": {}, "random": SUBSET, "rr": {"replay": {}}},
        axes={"selection.fraction": [0.1, 0.2], "train.learning_rate": [1e-4, 2e-4]},
    )
    cells = expand(spec)
    assert len(cells) == 2 * 2 * (2 + 4 + 2) * 2
    assert len({canonical(result_fields(cell)) for cell in cells}) == len(cells)
    assert len({identity(cell) for cell in cells}) == len(cells)


def test_identical_trainings_appear_once_and_all_their_places_are_kept() -> None:
    spec = spec_of(
        arms={"full": {}, "same": {"train": {"clip": 0.2}}, "random": SUBSET},
        axes={"selection.fraction": [0.2, 0.4]},
    )
    assert [(cell.arm, cell.seed) for cell in expand(spec)] == [
        *[("full", 0), ("full", 1)],
        *[("random", 0), ("random", 1), ("random", 0), ("random", 1)],
    ]
    study = expand_study(spec)
    assert [cell.cell for cell in study] == expand(spec)
    assert [(place.arm, place.seed) for place in study[0].places] == [("full", 0), ("same", 0)]
    assert len({cell.identity for cell in study}) == len(study)
    places = [(place.arm, canonical(place.axis_point), place.seed) for cell in study for place in cell.places]
    wanted = [(place.arm, canonical(place.axis_point), place.seed) for place, _ in matrix(spec)]
    assert sorted(places) == sorted(wanted)


def test_an_axis_point_that_equals_another_arm_shares_its_training() -> None:
    spec = spec_of(arms={"a": SUBSET, "b": {"selection": {"method": "random", "fraction": 0.3}}}, seeds=[0])
    wide = spec.model_copy(update={"axes": {"selection.fraction": [0.2, 0.3]}})
    assert [[place.arm for place in cell.places] for cell in expand_study(wide)] == [["a", "b"], ["a", "b"]]


def test_the_cells_of_one_study_share_their_digests() -> None:
    class Counting(Digests):
        calls = 0

        def dataset(self, dataset: object) -> str:
            Counting.calls += 1
            return super().dataset(dataset)  # type: ignore[arg-type]

    cells = expand(load_spec(QUICKSTART).spec)
    digests = Counting()
    for cell in cells:
        identity(cell, digests)
    assert Counting.calls == len(cells)
    assert len(digests._known) == 2


def test_paths_are_found_and_set_in_copies() -> None:
    fields = {"train": {"steps": 1}, "selection": {"method": "confidence", "fraction": None}, "replay": None}
    assert has_path(fields, "train.steps")
    assert not has_path(fields, "train.step")
    assert not has_path(fields, "selection.fraction")
    assert not has_path(fields, "replay.fresh")
    assert with_fields(fields, {"train.steps": 2})["train"] == {"steps": 2}
    assert fields["train"] == {"steps": 1}
    assert with_fields(fields, {"selection.method": "random"})["selection"] == {"method": "random"}


@pytest.mark.parametrize(
    ("selection", "size"),
    [
        ({"method": "uniform"}, 7473),
        ({"method": "random", "fraction": 0.1}, 747),
        ({"method": "pass_rate", "band": {"low": 0.25, "high": 0.75, "scale": "quantile"}}, 5604 - 1868),
        ({"method": "pass_rate", "band": {"low": 0.25, "high": 0.75}}, None),
        ({"method": "difficulty"}, 7473),
    ],
)
def test_subset_sizes_are_those_of_the_selectors(selection: dict[str, object], size: int | None) -> None:
    from repro.selection.pool import subset_size as selected

    (cell,) = expand(spec_of(dataset={"path": "a.jsonl"}, arms={"a": {"selection": selection}}, seeds=[0]))
    assert cell.selection.kept_of(7473) == size
    if selection["method"] == "random":
        for total in (97, 1000, 7473):
            assert cell.selection.kept_of(total) == selected(0.1, total)


def test_pools_are_known_where_questions_are_made() -> None:
    spec = spec_of(
        dataset=[
            "arithmetic",
            {"arithmetic": {}, "limits": {"train": 50}, "name": "b"},
            {"arithmetic": {"pool": 40}, "limits": {"train": 50}, "name": "c"},
            {"path": "d.jsonl"},
        ],
        train={"questions_per_step": 8},
        arms={"full": {}},
    )
    assert [pool_size(dataset) for dataset in spec.dataset] == [1024, 50, 40, None]
