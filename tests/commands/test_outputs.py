"""What users have in a folder that they name with --out stays what it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from repro.cli import main
from repro.commands.outputs import Outputs
from repro.errors import UserError

SPEC = """
name: s
model: tiny
dataset: arithmetic
predictor: {policies: [{name: a, tiny: {width: 64, heads: 2}}]}
arms: {dots: {selection: {method: difficulty, predictor: trained}}}
"""


def test_files_that_were_recorded_may_be_written_again_until_somebody_changes_them(tmp_path: Path) -> None:
    file, folder = tmp_path / "labels.parquet", tmp_path / "predictor"
    outputs = Outputs(tmp_path)
    outputs.check([file, folder])
    file.write_text("ours")
    folder.mkdir()
    (folder / "card.json").write_text("ours")
    outputs.record([file, folder])
    Outputs(tmp_path).check([file, folder])
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"notes\.txt exists and was not written here, expected another folder"):
        outputs.check([folder])
    file.write_text("mine")
    with pytest.raises(UserError, match=r"labels\.parquet exists and was not written here"):
        outputs.check([file])


@pytest.mark.parametrize(
    ("action", "name"),
    [
        ("labels", "arithmetic/labels.parquet"),
        ("train", "arithmetic/predictor/card.json"),
        ("evaluate", "calibration.png"),
        ("predict", "arithmetic/predictions.parquet"),
    ],
)
def test_predictor_refuses_to_write_over_a_users_file_before_it_computes_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str, name: str
) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    mine = tmp_path / "out" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    words = ["predictor", action, str(tmp_path / "spec.yaml"), "--out", str(tmp_path / "out")]
    assert main([*words, "--runs", str(tmp_path / "runs")]) == 2
    assert f"{mine} exists and was not written here, expected another folder" in capsys.readouterr().err
    assert mine.read_text() == "mine" and not (tmp_path / "runs").exists()


def test_warm_start_refuses_a_folder_that_holds_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.md").write_text("mine")
    assert main(["warm-start", "--out", str(tmp_path)]) == 2
    assert "holds something else than a start policy, expected a new or empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["score", "--model", "~nobody-of-that-name/m", "--dataset", "arithmetic"], "is nobody's home"),
        (["score", "--model", "", "--dataset", "arithmetic"], "--model: got ''"),
        (["score", "--model", "tiny", "--dataset", "arithmetic", "--fraction", "0_1"], "got '0_1'"),
        (["score", "--model", "tiny", "--dataset", "arithmetic", "--fraction", "\u0660.\u0665"], "expected a share"),
        (["score", "--model", "tiny", "--dataset", "arithmetic", "--device", "cuda:\u0663"], "expected cpu, cuda or"),
        (["verify", "~nobody-of-that-name"], "is nobody's home"),
        (["status", "--runs", "~nobody-of-that-name"], "is nobody's home"),
    ],
)
def test_paths_and_numbers_are_read_as_they_are_written_in_a_shell(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert message in said and len(said.splitlines()) <= 3


def test_a_tilde_is_the_home_of_the_user_in_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main(["status", "--runs", "~/there"]) == 0
    assert str(tmp_path / "there") in "".join(capsys.readouterr())
