"""What MLflow's own pages show of a run, read back through MLflow's client from the store of a real job."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.entities import Run

from repro.files import read_object
from repro.models.model_spec import ModelSpec, TinyModel, WarmStart
from repro.selection.methods.uniform import Uniform
from repro.spec.schema import Budget, Cell, EvaluateSpec, ReplaySpec, TrainSpec
from repro.study.identity import Digests
from repro.study.params import run_params
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.made.arithmetic import Arithmetic
from repro.tracking import series
from repro.tracking.client import open_client
from repro.tracking.command import remember_command
from repro.tracking.completions import completions_table
from repro.tracking.journal import Journal
from repro.tracking.labels import Labels
from repro.tracking.read import read_runs
from repro.tracking.store import deliver
from repro.training.dataset_record import dataset_records
from repro.training.job import run_job
from repro.training.shown_completions import QUESTIONS, SAMPLES, ShownCompletion, shown_completions
from repro.training.system_metrics import SystemMetrics

TINY = TinyModel(width=24, layers=1, heads=3, warm_start=WarmStart(updates=20, batch_size=32))
CELL = Cell(
    spec="study",
    arm="full",
    model=ModelSpec(tiny=TINY),
    dataset=DatasetSpec(arithmetic=Arithmetic(pool=64, test=16, validation=8)),
    train=TrainSpec(steps=2, questions_per_step=4, group_size=4, minibatches=1, max_completion_tokens=16),
    evaluate=EvaluateSpec(every=1, samples=2, pool_samples=2, base_temperatures=(0.5,), questions=12),
    selection=Uniform(),
    replay=None,
    budget=None,
    seed=3,
)


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[tuple[Path, str]]:
    """The run directory of a real job and the store that it delivered to."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copyfile(empty_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRO_COMMAND", "")  # put back at the end
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.chdir(folder)
        patch.setenv("HF_TOKEN", "swordfish1")
        remember_command(["run", str(folder / "exp.yaml"), "-S", "model.revision=swordfish1"])
        run_job(CELL, "v2-0", Path("runs/v2-0"), Path("runs"))
        yield folder / "runs" / "v2-0", f"sqlite:///{folder}/mlflow.db"


def one_run(uri: str, kind: str = "cell") -> Run:
    """The only run of a kind, as MLflow's client gives it."""
    (found,) = open_client(uri).search_runs(["1"], f"tags.`repro.kind` = '{kind}'")
    return open_client(uri).get_run(found.info.run_id)


def rows(uri: str) -> dict[str, int]:
    """How many rows each table of the store has."""
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for (name,) in tables}


def forget(run_dir: Path, **fields: Any) -> None:
    """Put the cursor back to what it was before a delivery that was killed could save it."""
    for path in (run_dir / "delivery").glob("*.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "final": False, **fields}))


def test_a_run_names_its_training_pool_and_its_evaluation_set_each_with_a_digest_of_its_own(
    job: tuple[Path, str],
) -> None:
    inputs = one_run(job[1]).inputs.dataset_inputs
    found = {one.tags[0].value: one.dataset for one in inputs}
    assert {tag.key for one in inputs for tag in one.tags} == {"mlflow.data.context"}
    assert {context: one.name for context, one in found.items()} == {
        "training": "arithmetic train",
        "evaluation": "arithmetic test, first 12",
    }
    profiles = {context: json.loads(one.profile) for context, one in found.items()}
    assert found["training"].digest != found["evaluation"].digest
    assert all(profiles[context]["digest"][:36] == one.digest for context, one in found.items())
    whole = Digests().dataset(CELL.dataset)
    assert {profile["identity_digest"] for profile in profiles.values()} == {whole}
    assert {context: profile["questions"] for context, profile in profiles.items()} == {
        "training": 64,
        "evaluation": 12,
    }
    assert json.loads(found["training"].source)["task"] == "arithmetic"


def test_the_source_of_a_dataset_has_no_secret_and_no_folder_above_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = CELL.dataset.procedural.load()  # type: ignore[union-attr]
    for written, shown in (
        (str(tmp_path / "data" / "a.jsonl"), "data/a.jsonl"),
        ("/elsewhere/b.jsonl", "b.jsonl"),
        ("c.jsonl", "c.jsonl"),
    ):
        cell = CELL.model_copy(update={"dataset": DatasetSpec(path=written, test_path="t.jsonl")})
        train, test = dataset_records(cell, data, "0" * 64)
        assert (train.source_type, train.source["uri"], test.source["uri"]) == ("local", shown, "t.jsonl")
    monkeypatch.setenv("HF_TOKEN", "swordfish1")
    cell = CELL.model_copy(update={"dataset": DatasetSpec(hub="me/set", revision="swordfish1")})
    train, test = dataset_records(cell, data, "0" * 64)
    assert train.source == {"path": "me/set", "revision": "***", "split": "train"}
    named = CELL.model_copy(
        update={"dataset": DatasetSpec.model_validate({"named": "deepscaler", "test_named": "math500"})}
    )
    train, test = dataset_records(named, data, "0" * 64)
    assert (train.source["path"], train.source["split"]) == ("agentica-org/DeepScaleR-Preview-Dataset", "train")
    assert (test.source["path"], test.source["split"]) == ("HuggingFaceH4/MATH-500", "test")


def test_delivering_twice_adds_nothing_and_a_kill_is_mended(job: tuple[Path, str]) -> None:
    run_dir, uri = job
    labels = Labels.of(CELL)
    before = rows(uri)
    forget(run_dir, datasets=False, policy=False, system=0, lines=[])  # killed after it had sent everything
    assert deliver(run_dir, labels, uri, final=True)
    assert rows(uri) == before
    with sqlite3.connect(uri.removeprefix("sqlite:///")) as connection:  # killed before
        connection.execute("DELETE FROM input_tags")
        connection.execute("DELETE FROM inputs")
        connection.execute("DELETE FROM logged_model_metrics")
        connection.execute("UPDATE logged_models SET status = 1")
    forget(run_dir, datasets=False, policy=False)
    assert deliver(run_dir, labels, uri, final=True)
    assert rows(uri) == before
    elsewhere = replace(labels, experiment="another")
    assert deliver(run_dir, elsewhere, uri, final=True)
    after = rows(uri)
    assert after["logged_models"] == 2 * before["logged_models"] == 2
    assert after["datasets"] == 2 * before["datasets"] == 4, "each experiment has its own"


def test_what_the_machine_was_busy_with_is_shown_as_system_metrics_and_is_no_part_of_the_result(
    job: tuple[Path, str],
) -> None:
    run_dir, uri = job
    run = one_run(uri)
    memory = open_client(uri).get_metric_history(run.info.run_id, series.MEMORY_SHARE)
    assert [point.step for point in memory] == [1, 2]
    assert all(0 < point.value < 100 for point in memory)
    assert run.data.metrics[series.JOB_MEMORY] < run.data.metrics[series.MEMORY_USED] * 1.5
    assert 0 <= run.data.metrics[series.CPU_USED] <= 100
    assert "system/" not in (run_dir / "metrics.jsonl").read_text() + (run_dir / "done.json").read_text()


def test_the_gpu_is_sampled_where_the_process_uses_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any("gpu" in name for name in SystemMetrics().sample())
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (30_000_000, 40_000_000))

    def no_reader() -> int:
        raise ModuleNotFoundError("pynvml is not installed")

    monkeypatch.setattr("torch.cuda.utilization", no_reader)
    found = SystemMetrics().sample()
    assert (found[series.GPU_MEMORY], found[series.GPU_MEMORY_SHARE]) == (10, 25)
    assert series.GPU_USED not in found and series.CPU_USED in found
    monkeypatch.setattr("torch.cuda.utilization", lambda: 87)
    assert SystemMetrics().sample()[series.GPU_USED] == 87


def test_a_run_tells_its_commit_and_its_command_without_secrets_and_describes_itself(job: tuple[Path, str]) -> None:
    tags = one_run(job[1]).data.tags
    commit = read_object(job[0] / "environment.json")["commit"]
    assert tags["mlflow.source.git.commit"] == commit.split("-")[0]
    assert tags["mlflow.source.git.dirty"] == str("-dirty" in commit).lower()
    assert tags["repro.command"] == "python -m repro run exp.yaml -S model.revision=***"
    note = tags["mlflow.note.content"]
    assert "GRPO of `tiny-24x1` on `arithmetic`, arm `full`." in note and "`runs/v2-0`" in note
    assert "by `uniform`, no replay; 2 steps" in note and "Seed 3" in note
    assert "One run for each seed" in one_run(job[1], "arm").data.tags["mlflow.note.content"]


def test_a_run_lists_what_was_set_and_the_whole_cell_lies_beside_it(job: tuple[Path, str]) -> None:
    params = one_run(job[1]).data.params
    assert len(params) < 25
    always = {"model": "tiny-24x1", "dataset": "arithmetic", "train.learning_rate": "0.0002", "seed": "3"}
    assert always.items() <= params.items()
    assert params["train.group_size"] == "4" and params["selection.method"] == "uniform"
    assert params["dataset.arithmetic.pool"] == "64", "not its default"
    assert not [name for name in params if name.startswith(("predictor", "replay", "train.clip"))]
    assert {**params, "seed": ""} == {**one_run(job[1], "arm").data.params, "seed": ""}
    client = open_client(job[1])
    whole = json.loads(Path(client.download_artifacts(one_run(job[1]).info.run_id, "cell.json")).read_text())
    assert whole["cell"]["train"]["clip"] is not None


def test_a_section_that_a_cell_does_not_use_has_no_params() -> None:
    assert "train.steps" not in run_params(CELL.model_copy(update={"budget": Budget(tokens=1000)}))
    assert run_params(CELL.model_copy(update={"budget": Budget(tokens=1000)}))["budget.tokens"] == "1000"
    replay = run_params(CELL.model_copy(update={"replay": ReplaySpec()}))
    assert {"replay.fresh", "replay.capacity"} <= set(replay)


def test_the_final_policy_is_a_model_of_its_run_with_its_last_evaluation_and_where_its_weights_lie(
    job: tuple[Path, str],
) -> None:
    run_dir, uri = job
    run, client = one_run(uri), open_client(uri)
    (output,) = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert (model.name, str(model.status), output.step) == ("full seed 3", "READY", 2)
    assert model.source_run_id == run.info.run_id
    assert (run_dir.parents[1] / model.params["policy"] / "config.json").is_file()
    assert model.params["policy"] == "runs/v2-0/policy"
    metrics = {one.key: one for one in model.metrics}
    accuracy = metrics[series.ACCURACY]
    assert (accuracy.value, accuracy.step) == (run.data.metrics[series.ACCURACY], 2)
    evaluated = next(one.dataset for one in run.inputs.dataset_inputs if one.tags[0].value == "evaluation")
    assert (accuracy.dataset_name, accuracy.dataset_digest) == (evaluated.name, evaluated.digest)
    found = client.search_logged_models(["1"], datasets=[{"dataset_name": evaluated.name}])
    assert [one.model_id for one in found] == [model.model_id]
    assert all(name.startswith("eval/") for name in metrics)
    assert not list((run_dir.parents[1] / "mlartifacts").rglob("*.safetensors")), "a link, no copy"


def test_completions_of_the_same_questions_are_a_table_of_mlflows(job: tuple[Path, str]) -> None:
    run_dir, uri = job
    client, run = open_client(uri), one_run(uri)
    table = client.load_table("1", "completions.json", run_ids=[run.info.run_id])
    assert list(table.columns) == ["question", "completion", "reward", "advantage", "step"]
    tests = CELL.dataset.procedural.load().test  # type: ignore[union-attr]
    for step in (1, 2):
        of_step = table[table.step == step]
        assert list(of_step.question) == [one.question for one in tests[:4] for _ in range(CELL.evaluate.samples)]
    assert json.loads(run.data.tags["mlflow.loggedArtifacts"]) == [{"path": "completions.json", "type": "table"}]
    passes = [row["passes"] for row in Journal(run_dir).read_jsonl("evaluations.jsonl") if row["step"] == 2]
    assert table[table.step == 2].reward.sum() == sum(passes[0][one.id] for one in tests[:4])
    (record,) = read_runs("study", uri)
    assert not record.altered()


def test_the_advantage_of_a_completion_is_that_of_its_group() -> None:
    problems = CELL.dataset.procedural.load().test  # type: ignore[union-attr]
    rewards = [(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), (1.0,) * 6, *[(0.0,) * 6] * 14]
    found = shown_completions(problems, [f"text {n}" for n in range(96)], rewards)
    assert len(found) == QUESTIONS * SAMPLES
    assert [one.completion for one in found[3:5]] == ["text 3", "text 6"]
    spread = np.std(rewards[0], ddof=1)
    assert found[0].advantage == pytest.approx((1 - 1 / 3) / (spread + 1e-4))
    assert found[1].advantage == pytest.approx(-1 / 3 / (spread + 1e-4))
    assert {one.advantage for one in found[4:]} == {0.0}, "groups whose rewards agree"


def test_completions_are_cut_back_to_the_checkpoint(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for step in (1, 2, 3):
        journal.record_completions(step, [ShownCompletion("q", "c", 1.0, 0.0)])
        if step == 2:
            marks = journal.marks()
    journal.truncate(2, marks)
    assert [row["step"] for row in journal.read_jsonl("completions.jsonl")] == [1, 2]
    assert [row[-1] for row in json.loads(completions_table(tmp_path))["data"]] == [1, 2]
