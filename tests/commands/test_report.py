"""How `report` ends where MLflow does not take what it has written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import analysis.page.report
import repro.tracking.study_run
from repro.cli import main

GOOD = "name: study\nmodel: tiny\ndataset: arithmetic\narms: {full: {}}\n"


@pytest.mark.parametrize("taken", [True, False])
def test_a_report_that_mlflow_does_not_take_is_there_and_ends_with_1(
    taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def written(*arguments: Any, **options: Any) -> Path:
        return Path("reports/study/report.html")

    def recorded(*arguments: Any) -> bool:
        return taken

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(analysis.page.report, "write_report", written)
    monkeypatch.setattr(repro.tracking.study_run, "record_report", recorded)
    (tmp_path / "spec.yaml").write_text(GOOD)
    assert main(["report", "spec.yaml"]) == (0 if taken else 1)
    said = capsys.readouterr().out
    assert "report: reports/study/report.html" in said
    assert ("not in MLflow; python -m repro report spec.yaml delivers it" in said) == (not taken)
