"""A sweep over several arms: a study for each, the best of each, and what finding it cost."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from repro.analysis.sweep.best import best_of_each
from repro.analysis.sweep.search import load_searches
from repro.errors import UserError
from repro.launch.launchers.local import Local
from repro.study.arm_yaml import arm_yaml
from repro.study.load import load_spec
from repro.sweep.run import carried_to, run_sweep
from repro.tracking.client import open_client
from repro.tracking.trial_costs import trial_costs
from tests.sweep.search import AWAY, sweep, sweep_spec

BOTH = ["half", "full"]
CHOICES = "{train.learning_rate: {choice: [1.0e-4, 1.0e-3]}}"


def entries(runs: Path) -> dict[str, dict[str, Any]]:
    """What the sweep has written down about each arm."""
    return {entry["arm"]: entry for entry in json.loads((runs / "sweeps" / "search.json").read_text()).values()}


def printed_arms(text: str) -> dict[str, Any]:
    """The YAML that the sweep printed for `arms`."""
    lines = text.partition("as fields of `arms`:\n")[2].splitlines()
    parsed: dict[str, Any] = yaml.safe_load("\n".join(line for line in lines if line.startswith("  ")))
    return parsed


def test_each_arm_has_its_trials_and_the_best_of_each_is_shown_with_its_cost(tmp_path: Path, uri: str) -> None:
    loaded, runs = sweep_spec(tmp_path, CHOICES, arm=BOTH, trials=2, sampler="grid", seeds=[1000]), tmp_path / "runs"
    code, text = sweep(loaded, runs, uri)
    assert code == 0 and "half.trial-000" in text and "full.trial-001" in text
    assert [path.name for path in (runs / "sweeps").glob("*.journal")] == ["search.journal"]
    found = entries(runs)
    assert list(found) == BOTH
    for arm in BOTH:
        assert [trial["state"] for trial in found[arm]["trials"]] == ["complete", "complete"]
        assert found[arm]["best"]["params"] == {"train.learning_rate": 1e-3}
        assert found[arm]["cost"] == {"generated_tokens": (1e6 * 1e-4 + 32) + (1e6 * 1e-3 + 32)}
    assert printed_arms(text) == {arm: {"train": {"learning_rate": 1e-3}} for arm in BOTH}

    experiment = open_client(uri).get_experiment_by_name("search.sweep")
    parents = open_client(uri).search_runs([experiment.experiment_id], "tags.`repro.kind` = 'trial'")
    names = {run.data.tags["repro.arm"] for run in parents}
    assert names == {f"{arm}.trial-00{number}" for arm in BOTH for number in (0, 1)}
    assert {run.data.metrics["sweep/spent_generated_tokens"] for run in parents} == {132.0, 1032.0}

    searches = load_searches(loaded.spec, uri)
    assert [search.title for search in searches] == [f"{arm}: {searches[0].model} on arithmetic" for arm in BOTH]
    assert len({search.slug for search in searches}) == 2
    (table,) = best_of_each(searches)
    for arm, row, record in zip(BOTH, table.rows, table.data.to_dict("records"), strict=True):
        assert row[0] == f"`{arm}`" and row[-1] == f"`{arm}: {{train: {{learning_rate: 0.001}}}}`"
        assert record["spent_generated_tokens"] == 1164 and record["train.learning_rate"] == 1e-3

    code, text = sweep(loaded, runs, uri)
    assert code == 0 and text.count("2 of 2 trials done") == 2 and "started" not in text
    assert entries(runs) == found


def test_a_kill_leaves_each_arm_where_it_was_and_a_search_of_one_arm_trains_nothing_again(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    sweep(sweep_spec(tmp_path, trials=3, seeds=[1000]), runs, AWAY)
    alone = entries(runs)["half"]
    journal = (runs / "sweeps" / "search.journal").read_bytes()
    (runs / "terminate").touch()  # by another program, in the first batch of the arm that has no run yet
    both = sweep_spec(tmp_path, arm=BOTH, trials=3, seeds=[1000])
    code, _ = sweep(both, runs, AWAY)
    assert code == 143 and len(list(runs.glob("*/trained"))) == 3, "the other arm's runs are those of its own search"
    assert [trial["params"] for trial in entries(runs)["half"]["trials"]] == [t["params"] for t in alone["trials"]]
    (runs / "terminate").unlink()
    sweep(both, runs, AWAY)
    assert {arm: len(entry["trials"]) for arm, entry in entries(runs).items()} == {"half": 3, "full": 3}
    assert len(list(runs.glob("*/trained"))) == 6
    assert (runs / "sweeps" / "search.journal").read_bytes().startswith(journal), "one file holds all studies"
    _, text = sweep(sweep_spec(tmp_path, trials=3, seeds=[1000]), runs, AWAY)
    assert "3 of 3 trials done" in text, "the search of the one arm is still there"


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (["half", "ful"], 'sweep.arm.1: got "ful", expected an arm (half, full), did you mean full?'),
        (["half", "half"], "sweep.arm: got half more than once, expected each arm once"),
        ([], "sweep.arm: got [], expected the name of an arm, or a list of names"),
        ([3], "sweep.arm: got [3], expected the name of an arm"),
    ],
)
def test_a_list_of_arms_is_checked(tmp_path: Path, arm: Any, message: str) -> None:
    with pytest.raises(UserError) as error:
        sweep_spec(tmp_path, arm=arm)
    assert message in str(error.value)


def test_a_field_that_one_of_the_arms_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"sweep\.space\.selection\.fraction: got .* a path of arm full"):
        sweep_spec(tmp_path, "{selection.fraction: {float: [0.2, 0.9]}}", arm=BOTH)


def test_values_become_the_yaml_of_an_arm() -> None:
    values = {"train.learning_rate": 1e-4, "train.clip": 0.3, "selection.target": 0.5, "dataset.seed": 3}
    assert yaml.safe_load(arm_yaml("dots", values)) == {
        "dots": {"train": {"learning_rate": 1e-4, "clip": 0.3}, "selection": {"target": 0.5}}
    }
    assert yaml.safe_load(arm_yaml("x", {"train.loss": "grpo", "train.kl": 1e-5}))["x"]["train"]["kl"] == 1e-5


def test_a_training_that_two_trials_share_is_paid_once_and_one_without_a_record_costs_nothing(tmp_path: Path) -> None:
    for name, tokens in (("a", 3.0), ("b", 5.0)):
        (tmp_path / name).mkdir()
        rows = [{"step": step, "metrics": {"cost/generated_tokens": tokens * step}} for step in (1, 2)]
        torn = '{"step": 3, "metr'
        (tmp_path / name / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + torn)
    assert trial_costs(tmp_path, [["a", "b"], ["b"], ["c", "a"]], {}) == [{"generated_tokens": 16.0}, {}, {}]


def test_the_best_values_of_other_datasets_are_carried_to_a_search_of_the_same_arm_and_model() -> None:
    def found(arm: str, dataset: str, best: dict[str, Any] | None, model: str = "tiny") -> Any:
        return SimpleNamespace(arm=arm, model=model, dataset=SimpleNamespace(label=dataset), best=best)

    here = found("dots", "arithmetic", {"train.clip": 0.1})
    others = [
        found("dots", "shuffle", {"train.clip": 0.2}),
        found("dots", "words", None),
        found("full", "shuffle", {"train.clip": 0.3}),
        found("dots", "shuffle", {"train.clip": 0.4}, "large"),
    ]
    assert carried_to(here, [here, *others]) == {"shuffle": {"train.clip": 0.2}}


@pytest.mark.slow
def test_two_arms_are_searched_confirmed_and_compared_for_real(tmp_path: Path, uri: str) -> None:
    sweep_spec(tmp_path, arm=BOTH, seeds=[1000], confirm=True)
    loaded = load_spec(tmp_path / "search.yaml", smoke=True)
    assert run_sweep(loaded, tmp_path / "runs", Local(jobs=1), store_uri=uri) == 0
    searches = load_searches(loaded.spec, uri, tmp_path / "runs" / "cache")
    assert [list(search.confirmed) for search in searches] == [["half.best", "half"], ["full.best", "full", "half"]]
    (table,) = best_of_each(searches)
    for record in table.data.to_dict("records"):
        assert record["trials"] == 2 and record["spent_generated_tokens"] > 0 and record["spent_cpu_seconds"] > 0
