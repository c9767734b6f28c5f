"""Studies of models by name and from GGUF files: identity, inputs, smoke size, plan, and what the hub is asked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from repro.cli import main
from repro.digests import file_digest
from repro.errors import UserError
from repro.models import sources
from repro.models.catalogue import MODELS
from repro.spec.schema import Cell, Spec
from repro.study.expand import expand
from repro.study.hub_ids import wanted_of
from repro.study.identity import identity
from repro.study.inputs import CellInputs
from repro.study.load import load_spec, parse_spec, resolved_yaml
from repro.study.smoke import shrink, stand_ins
from tests.models.made_gguf import source, write_gguf

HUB = MODELS["smollm2"].hub
START = {"updates": 30, "batch_size": 16}


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small file in the place of the real one, outside the places that are looked at."""
    made = tmp_path / "made.gguf"
    write_gguf(made, source())
    file = MODELS["smollm2"].file
    assert file is not None
    entry = MODELS["smollm2"]._replace(file=file._replace(sha256=file_digest(made), module="llm_of_a_test"))
    monkeypatch.setattr(sources, "MODELS", MappingProxyType({**MODELS, "smollm2": entry}))
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return made


def named_file(known: Path) -> Path:
    """Puts the file where it is looked for."""
    file = MODELS["smollm2"].file
    assert file is not None
    place = known.parent / "smollm2" / file.name
    place.parent.mkdir(exist_ok=True)
    shutil.copy(known, place)
    return place


def study(model: Any, **fields: Any) -> Spec:
    return parse_spec({"name": "x", "model": model, "dataset": "arithmetic", "arms": {"a": {}}, **fields})


def cell(model: Any) -> Cell:
    return expand(study(model))[0]


def test_a_name_is_the_run_of_what_it_stands_for(known: Path) -> None:
    from_hub = identity(cell("smollm2"))
    assert from_hub == identity(cell({"hub": HUB}))
    assert identity(cell({"named": "smollm2", "revision": "abc"})) == identity(cell({"hub": HUB, "revision": "abc"}))
    named_file(known)
    assert identity(cell("smollm2")) == identity(cell({"path": str(known)})) != from_hub
    assert identity(cell({"named": "smollm2", "revision": "abc"})) == identity(cell({"hub": HUB, "revision": "abc"}))


def test_a_supervised_start_is_another_run_and_its_label_is_not(known: Path) -> None:
    plain = identity(cell({"path": str(known)}))
    found = {
        identity(cell({"path": str(known), "warm_start": start, "name": name}))
        for start in ({}, START, {**START, "seed": 1})
        for name in ("one", "another")
    }
    assert len(found) == 3 and plain not in found


def test_a_run_says_where_its_file_has_changed(known: Path, tmp_path: Path) -> None:
    named_file(known)
    for model, field in (("smollm2", "model.named"), ({"path": str(known)}, "model.path")):
        one = cell(model)
        inputs = CellInputs(one, identity(one), tmp_path / "run")
        assert field in {file.field for file in inputs.files}
    write_gguf(known, source(1))
    with pytest.raises(UserError, match=r"model\.path: .*made\.gguf has changed"):
        inputs.check()


def test_a_file_that_comes_or_goes_under_a_name_is_another_input(known: Path, tmp_path: Path) -> None:
    one = cell("smollm2")
    name = identity(one)
    inputs = CellInputs(one, name, tmp_path / "run")
    place = named_file(known)
    with pytest.raises(UserError, match=r"model\.named: .*was not there before"):
        inputs.check()
    with pytest.raises(UserError, match="an input is not what it was when"):
        CellInputs(one, name, tmp_path / "run")
    place.unlink()
    inputs.check()


def test_the_hub_is_asked_for_what_is_not_here(known: Path) -> None:
    assert [one.id for one in wanted_of([study("smollm2")])] == [HUB]
    named_file(known)
    assert wanted_of([study("smollm2")]) == []
    assert wanted_of([study({"path": str(known)})]) == []


def test_a_smoke_study_needs_no_file_and_starts_shortly() -> None:
    small = shrink(study([{"named": "smollm2", "revision": "abc", "warm_start": START}, "smollm2-1.7b"]))
    first, second = small.model
    assert (first.label, second.label) == ("smollm2", "smollm2-1.7b")
    assert first.stand_in and second.stand_in and first.revision is None
    assert first.warm_start is not None and (first.warm_start.updates, first.warm_start.batch_size) == (4, 4)
    assert any(f"stand-in for {HUB}: small random weights, architecture llama" in line for line in stand_ins(small))


def test_a_wrong_name_is_told_with_the_nearest_one() -> None:
    with pytest.raises(UserError, match="did you mean smollm2"):
        study("smolm2")
    with pytest.raises(UserError, match="did you mean smollm2-360m"):
        study({"named": "smollm2-36m"})


def test_validate_and_plan_know_the_model_and_load_no_torch(known: Path, tmp_path: Path) -> None:
    write_gguf(known, source())
    path = tmp_path / "exp.yaml"
    fields = {"name": "x", "model": {"path": str(known)}, "dataset": "arithmetic", "arms": {"a": {}}}
    path.write_text(yaml.safe_dump(fields))
    code = (
        "import sys; from repro.cli import main; code = main(sys.argv[1:]); "
        "assert not {'torch', 'gguf'} & sys.modules.keys(); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "validate", str(path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    known.write_bytes(known.read_bytes()[:-50])
    assert main(["validate", str(path)]) == 2


def test_what_has_no_solutions_to_start_on_is_refused_before_a_run(tmp_path: Path, capsys: Any) -> None:
    rows = [{"question": f"{i} and {i}?", "answer": f"{2 * i}"} for i in range(40)]
    (tmp_path / "bare.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = tmp_path / "exp.yaml"
    fields = {
        "name": "x",
        "model": {"hub": "nobody/has-this", "revision": "v1", "warm_start": {}},
        "dataset": {"path": str(tmp_path / "bare.jsonl")},
        "arms": {"a": {}},
    }
    path.write_text(yaml.safe_dump(fields))
    assert main(["validate", str(path)]) == 2
    assert "model.warm_start: the training questions of dataset 'bare' have answers and no" in capsys.readouterr().err
    fields["dataset"] = "arithmetic"
    path.write_text(yaml.safe_dump(fields))
    assert main(["validate", str(path)]) == 0


def test_score_takes_a_name_and_a_file(known: Path, tmp_path: Path, capsys: Any) -> None:
    place = named_file(known)
    runs = str(tmp_path / "runs")
    for model, out in (("smollm2", "a.jsonl"), (str(place), "b.jsonl")):
        options = ["--model", model, "--dataset", "arithmetic", "--limit", "3", "--runs", runs]
        assert main(["score", *options, "--out", str(tmp_path / out)]) == 0
    assert (tmp_path / "a.jsonl").read_text() == (tmp_path / "b.jsonl").read_text()
    assert json.loads((tmp_path / "a.json").read_text())["request"]["model"] == "smollm2"
    assert "without a pass" in capsys.readouterr().out
    missing = str(tmp_path / "smollm2" / "other.gguf")
    assert main(["score", "--model", missing, "--dataset", "arithmetic", "--runs", runs]) == 2
    assert "expected a directory saved by transformers, or a .gguf file" in capsys.readouterr().err


def test_a_spec_is_written_out_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "exp.yaml"
    path.write_text("name: x\nmodel: smollm2\ndataset: arithmetic\narms: {a: {}}\n")
    spec = load_spec(path).spec
    assert parse_spec(yaml.safe_load(resolved_yaml(spec))) == spec
