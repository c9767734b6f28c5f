"""`python -m repro report` through the command line: its exit code says whether MLflow has the report."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from repro.analysis.page import report as page
from repro.cli import main
from repro.tracking import study_run


def test_a_report_that_mlflow_does_not_take_is_written_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The page itself is made elsewhere; here it is empty."""

    def write_report(*_: object, **__: object) -> Path:
        out = tmp_path / "report"
        out.mkdir(exist_ok=True)
        (out / "manifest.json").write_text('{"files": {}}')
        return out / "report.html"

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(page, "write_report", write_report)
    Path("s.yaml").write_text("name: s\nmodel: tiny\ndataset: arithmetic\narms: {full: {}}\n")
    with monkeypatch.context() as away, caplog.at_level(logging.WARNING):
        away.setattr(study_run, "writing", refuse)
        assert main(["report", "s.yaml"]) == 1
    assert "the report is not in MLflow" in caplog.text
    assert main(["report", "s.yaml"]) == 0
