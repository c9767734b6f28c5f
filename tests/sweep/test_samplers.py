"""What each sampler tries next, without any training: a made-up objective answers at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from repro.spec.sweep_spec import SweepSpec
from repro.sweep.sampling import POPULATION, ask, open_study, trial_values

SPACE = {"train.learning_rate": {"float": [1e-5, 0.1], "log": True}, "train.clip": {"float": [0.1, 0.3]}}
CHOICES = {"train.minibatches": {"choice": [1, 2]}, "train.loss": {"choice": ["grpo", "bnpo", "dapo"]}}
BOTH = [{"validation_accuracy": "maximize"}, {"generated_tokens": "minimize"}]


def sweep(**fields: Any) -> SweepSpec:
    return SweepSpec.model_validate({"arm": "a", "space": SPACE, "seeds": [1000], **fields})


def searched(
    folder: Path, found: SweepSpec, number: int, end: Callable[[dict[str, Any]], Any], anew: bool = False
) -> list[optuna.trial.FrozenTrial]:
    """The trials of a search; `anew` opens the journal again before each, as another command does."""
    study = open_study(folder / "journal", "study", found, {"arm": found.arm})
    for index in range(number):
        if anew:
            study = open_study(folder / "journal", "study", found, {"arm": found.arm})
        trial = ask(study, found, index)
        value = end(trial.params)
        study.tell(trial, value) if value is not None else study.tell(trial, state=TrialState.FAIL)
    return study.get_trials()


def accuracy(params: dict[str, Any]) -> float:
    return float(1 - params["train.clip"])


def test_a_grid_tries_each_combination_once_in_the_order_of_the_spec(tmp_path: Path) -> None:
    found = sweep(sampler="grid", space=CHOICES, trials=20)
    trials = searched(tmp_path, found, found.most_trials, lambda _: 0.5)
    assert [tuple(trial.params.values()) for trial in trials] == [
        (batches, loss) for batches in (1, 2) for loss in ("grpo", "bnpo", "dapo")
    ]


def test_a_grid_tries_a_combination_that_failed_again_when_all_others_are_done(tmp_path: Path) -> None:
    found, failed = sweep(sampler="grid", space=CHOICES), []

    def end(params: dict[str, Any]) -> float | None:
        if params["train.loss"] == "bnpo" and len(failed) < 3:
            failed.append(params)
            return None
        return 0.5

    trials = searched(tmp_path, found, 9, end)
    assert [trial.number for trial in trials if trial.state == TrialState.FAIL] == [1, 4, 6]
    assert [trial.params for trial in trials[6:]] == [failed[0], failed[1], failed[0]], "the least often tried first"


def test_random_draws_do_not_look_at_results_and_tpe_draws_do(tmp_path: Path) -> None:
    for name in ("random", "tpe"):
        rising, falling = tmp_path / f"{name}-rising", tmp_path / f"{name}-falling"
        rising.mkdir(), falling.mkdir()
        one = searched(rising, sweep(sampler=name), 14, accuracy)
        other = searched(falling, sweep(sampler=name), 14, lambda params: -accuracy(params))
        assert ([t.params for t in one] == [t.params for t in other]) == (name == "random")
        assert len({t.params["train.clip"] for t in one}) == 14


@pytest.mark.parametrize("metric", ["validation_accuracy", BOTH], ids=["one metric", "two metrics"])
def test_nsga2_goes_from_generation_to_generation_whatever_command_makes_the_trials(
    tmp_path: Path, metric: Any
) -> None:
    found = sweep(sampler="nsga2", metric=metric)

    def end(params: dict[str, Any]) -> Any:
        tokens = 1e6 * params["train.learning_rate"]
        return accuracy(params) if metric == "validation_accuracy" else [accuracy(params), tokens]

    (tmp_path / "again").mkdir()
    trials = searched(tmp_path, found, 3 * POPULATION, end)
    assert [t.params for t in searched(tmp_path / "again", found, 3 * POPULATION, end, anew=True)] == [
        t.params for t in trials
    ]
    generations = [t.system_attrs["NSGAIISampler:generation"] for t in trials]
    assert generations == [0] * POPULATION + [1] * POPULATION + [2] * POPULATION
    alone = [trial_values(sweep(sampler="random"), number, []) for number in range(3 * POPULATION)]
    born = [t.params for t in trials[POPULATION:]]
    assert [t.params for t in trials[:POPULATION]] == alone[:POPULATION], "the first generation is drawn at random"
    assert sum(params in alone for params in born) < len(born) / 2, "most values come from parents"
    if metric != "validation_accuracy":
        return
    means = [sum(accuracy(t.params) for t in trials[i : i + POPULATION]) / POPULATION for i in (0, 2 * POPULATION)]
    assert means[1] > means[0], "children of the best are better"


def test_a_search_at_its_defaults_keeps_the_name_that_it_had_before_there_were_other_samplers() -> None:
    assert set(sweep().search_fields) == {"space", "metric", "direction", "batch", "seeds", "sampler_seed"}
    assert sweep(pruner="median").search_fields == sweep().search_fields
    assert sweep(metric=BOTH[:1]).search_fields == sweep().search_fields
    assert sweep(metric=BOTH, pruner="none").search_fields == sweep(metric=BOTH).search_fields
    others = [sweep(**fields) for fields in ({"sampler": "random"}, {"pruner": "none"}, {"metric": BOTH})]
    assert all(other.search_fields != sweep().search_fields for other in others)


def test_another_program_finds_the_names_of_metrics_and_what_the_study_is_in_the_journal(tmp_path: Path) -> None:
    found = sweep(metric=BOTH, sampler="random")
    searched(tmp_path, found, 2, lambda params: [accuracy(params), 1.0])
    before = (tmp_path / "journal").read_bytes()
    open_study(tmp_path / "journal", "study", found, {"arm": "a"})
    again = (tmp_path / "journal").read_bytes()[len(before) :]
    assert b"attr" not in again, "what is there already is not written again"
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal"))
    study = optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend))
    assert study.metric_names == ["validation_accuracy", "generated_tokens"]
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.user_attrs == {"arm": "a"} and len(study.trials) == 2
