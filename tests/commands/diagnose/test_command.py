"""`repro diagnose` on the embedded policy: it answers alone, the same again, and from the cache."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from repro.cli import main

ROOT = Path(__file__).parents[3]
Diagnose = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def diagnose(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Diagnose:
    """The command in an empty folder, with one store of measurements: (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path) -> tuple[int, str, str]:
        code = main(["diagnose", *map(str, words), "--runs", str(runs), "--device", "cpu"])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return call


TINY = ("--model", "tiny", "--dataset", "arithmetic", "--questions", "32", "--samples", "4")


def test_a_policy_and_a_dataset_are_enough_and_asking_again_loads_nothing(diagnose: Diagnose, tmp_path: Path) -> None:
    code, out, err = diagnose(*TINY)
    assert (code, "loading tiny" in err) == (0, True)
    assert out.index("Under uniform sampling") < out.index("Arms") < out.index("G = 8")
    folder = tmp_path / "reports" / "diagnose" / "tiny-96x2-arithmetic"
    record = json.loads((folder / "diagnosis.json").read_text())
    assert record["sampled"]["questions"] == 32 and record["sampled"]["samples"] == 4
    assert record["scored"]["questions"] == record["pool"] == 1024
    assert set(record["silent"]) == {"4", "8", "16"}
    first = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, again, err = diagnose(*TINY)
    assert (code, again) == (0, out) and "loading" not in err
    assert {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()} == first


def test_a_study_gives_policy_questions_and_training(diagnose: Diagnose, tmp_path: Path) -> None:
    spec = ROOT / "experiments" / "quickstart.yaml"
    code, _, _ = diagnose("--spec", spec, "--questions", "32", "--samples", "4", "--name", "mine")
    record = json.loads((tmp_path / "reports" / "diagnose" / "mine" / "diagnosis.json").read_text())
    assert (code, record["design"]["target"], record["design"]["train"]["steps"]) == (0, "solution", 40)


@pytest.mark.slow
def test_little_time_ends_with_the_least_that_says_something(diagnose: Diagnose, tmp_path: Path) -> None:
    words = (
        "--model",
        "tiny",
        "--dataset",
        "arithmetic",
        "--minutes",
        "0.05",
        "--seed",
        "7",
        "--out",
        tmp_path / "out",
    )
    assert diagnose(*words)[0] == 0
    record = json.loads((tmp_path / "out" / "diagnosis.json").read_text())
    assert 32 <= record["sampled"]["questions"] < 512


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "diagnose: got no --model and no --dataset, expected both, or --spec SPEC"),
        (("--model", "tiny"), "got no --dataset"),
        ((*TINY, "--samples", "5"), "--samples: got 5, expected an even number"),
        ((*TINY, "--samples", "2"), "got '2', expected a whole number >= 4"),
        ((*TINY, "--minutes", "0"), "got '0', expected a number >= 0.05"),
        ((*TINY, "--minutes", "nan"), "got 'nan', expected a number"),
        ((*TINY, "--name", "a/b"), "--name: got 'a/b', expected the name of a folder"),
        ((*TINY, "--name", "a", "--out", "b"), "got --name with --out, expected one of them"),
        ((*TINY, "--store", "x"), "got --store without --check"),
        ((*TINY, "--target", "answer"), "invalid choice: 'answer'"),
        ((*TINY, "--check", "a.yaml"), "got --model with --check"),
        (("--spec", "a.yaml", "--temperature", "0.5"), "expected train.temperature in the spec only"),
        (("--spec", "a.yaml"), "a.yaml"),
        (("--model", "tiny", "--dataset", "gsm8k"), "the embedded policy is taught the questions of a task"),
        (("--model", "tiny", "--dataset", "arithmetik"), "arithmetic"),
        (("--check", "a.yaml"), "a.yaml"),
    ],
)
def test_a_mistake_is_told_in_a_few_lines(
    words: tuple[str, ...], said: str, diagnose: Diagnose, tmp_path: Path
) -> None:
    code, out, err = diagnose(*words)
    assert (code, out) == (2, "")
    assert said in err and "Traceback" not in err and len(err.splitlines()) < 20
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_something_else_is_refused_before_anything_is_measured(
    diagnose: Diagnose, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    code, _, err = diagnose(*TINY, "--out", tmp_path / "mine")
    assert code == 2 and "notes.txt" in err and "questions of" not in err


def test_a_pool_of_too_few_questions_is_refused(diagnose: Diagnose, tmp_path: Path) -> None:
    file = tmp_path / "few.jsonl"
    file.write_text("".join(json.dumps({"question": f"{i}+1?", "answer": str(i + 1)}) + "\n" for i in range(5)))
    code, _, err = diagnose("--model", ROOT / "repro" / "models" / "assets" / "tiny", "--dataset", file)
    assert code == 2 and "it has 5 questions, expected at least 16" in err


def test_the_band_of_a_diagnosis_is_exported_with_what_is_known_of_each_question(
    diagnose: Diagnose, tmp_path: Path
) -> None:
    code, out, _ = diagnose(*TINY, "--export", "chosen/train.jsonl")
    assert (code, "questions for TRL: chosen/train.jsonl" in out) == (0, True)
    (file,) = (tmp_path / "reports" / "diagnose" / "tiny-96x2-arithmetic").glob("questions.*")
    known = {row["id"]: row for row in map(json.loads, file.read_text().splitlines()) if row["in_band"]}
    rows = [json.loads(line) for line in (tmp_path / "chosen/train.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == list(known)
    for row in rows:
        assert [row[name] for name in ("s", "score", "pass_rate")] == [
            known[row["id"]][name] for name in ("s", "score", "pass_rate")
        ]
    assert any(row["pass_rate"] is not None for row in rows)
    code, _, err = diagnose(*TINY, "--export", "chosen/train.csv")
    assert (code, "expected a file ending in .jsonl" in err) == (2, True)
    code, _, err = diagnose("--check", ROOT / "experiments/quickstart.yaml", "--export", "chosen/train.jsonl")
    assert (code, "got --export with --check" in err) == (2, True)
