"""Secrets do not leave the program: not in addresses of any form, errors, warnings, logs, records or commands."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import textwrap
import traceback
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from repro.cli import main
from repro.errors import UserError
from repro.launch.launchers.local import Local
from repro.launch.launchers.local import pool as pool_module
from repro.launch.run import run_study
from repro.masking import MaskedStream, mask, mask_values, secrets_of
from repro.study.load import load_spec
from repro.tracking.address import public_address
from repro.tracking.journal import Journal
from repro.tracking.read import read_runs
from repro.tracking.store import deliver
from tests.launch import jobs
from tests.tracking.helpers import make_cell, make_run
from tests.tracking.stores import uri

__all__ = ["uri"]

SECRET = "s3cr3t-Wq7"

REFUSED = (
    f"http//me:{SECRET}@host:5000",
    f"http:/me:{SECRET}@host:5000",
    f"http:me:{SECRET}@host:5000",
    f"http:\\\\me:{SECRET}@host",
    f"http://me:a/{SECRET}@host",
    f"http://me:a#{SECRET}@host",
    f"http://me:a?{SECRET}@host",
    f"http://me:a@{SECRET}@host",
    f"http://me:a {SECRET}@host",
    f"http://me:{SECRET}@host:port",
    f"http://me:{SECRET}@",
    f"http://me:{SECRET}@[::1",
    f"http://host:5000/?token={SECRET}",
    f"http://host:5000?sig={SECRET}&a=1",
    f"http://host:5000/#access_token={SECRET}",
    f"htp://me:{SECRET}@host",
    f"postgres://me:{SECRET}@host/db",
    f"postgresql+nodriver://me:{SECRET}@host/db",
    f"postgresql://me:{SECRET}@host:port/db",
    f"me:{SECRET}@host:5000",
    f"s3://key:{SECRET}@bucket/path",
    f"file://me:{SECRET}@host/mlruns",
    f"sqlite://me:{SECRET}@host/x.db",
)
AWAY = (
    f"http://me:{SECRET}@127.0.0.1:9",
    f"http://{SECRET}@127.0.0.1:9",
    f"http://{SECRET}:@127.0.0.1:9",
    f"http://:{SECRET}@127.0.0.1:9/mlflow",
    f"https://me:{SECRET}@127.0.0.1:9",
    f"http://me:{SECRET.replace('-', '%2D')}@127.0.0.1:9",
)
TEXTS = (
    f"Authorization: Bearer {SECRET}",
    f"{{'Authorization': 'Basic {SECRET}='}}",
    f"'password': '{SECRET}'",
    f"password={SECRET} host=db",
    f"MLFLOW_TRACKING_PASSWORD={SECRET}",
    f"HF_TOKEN={SECRET}",
    f"--api-key {SECRET}",
    f"Max retries exceeded with url: /api?x=1&X-Amz-Signature={SECRET}&y=2",
    f"https://storage/x.jsonl?sv=1&sig={SECRET}",
    f"fatal: unable to access 'https://oauth2:{SECRET}@github.com/a/b.git/'",
)


@pytest.mark.parametrize("text", [*REFUSED, *AWAY[:-1], *TEXTS])
def test_a_secret_is_masked_in_every_form_of_text(text: str) -> None:
    for shown in (mask(f"cannot open {text}: refused"), mask(repr(text)), mask(mask(text))):
        assert SECRET not in shown and "***" in shown


def test_what_is_no_secret_stays_as_it_is() -> None:
    for text in (
        "http://localhost:5000/x@y",
        "git@github.com:org/repo",
        "hf://datasets/a/b@main/file",
        "git+https://github.com/x/y@v1",
        "pad_token=<pad>, eos_token: </s>, max_tokens: 100, tokens=128",
        "sqlite:////a b/mlflow.db",
        "step 3: a@b.org",
        "Basic arithmetic is taught",
        "key=lambda x: x",
    ):
        assert mask(text) == text


def test_tokens_are_known_by_their_form_and_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mask("cannot use hf_AbCdEfGhIjKlMnOpQrStUv") == "cannot use ***"
    monkeypatch.setenv("HF_TOKEN", "plain-words")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:c0rrect/h0rse@host")
    assert mask("host 'h0rse@host', password c0rrect, said plain-words") == "host '***@host', password ***, said ***"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tiny:tiny@host")
    assert mask("model tiny at http://tiny:tiny@host") == "model tiny at http://***@host", "it is an ordinary word"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db?timeout=1000&key=2000")
    assert mask("1000 of 2000 tokens") == "1000 of *** tokens", "a short number is a secret under the name of one only"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://host?pin=123456")
    assert mask("pin 123456") == "pin ***", "a long one under any name"
    assert secrets_of("http://u:a%2Fbcd@h") >= {"a%2Fbcd", "a/bcd"}


def test_masking_a_long_text_without_secrets_takes_no_time() -> None:
    for piece in ("http://", "a:b ", "a_", "'password': ", "://a::", "?", "a@"):
        text = piece * (20_000 // len(piece))
        assert len(mask(text)) >= 0  # quadratic patterns would take minutes here
    assert mask_values({"api_key": "abc", "key": "abc", "server": ["http://u:pw@h"]}) == {
        "api_key": "***", "key": "abc", "server": ["http://***@h"],
    }  # fmt: skip


def test_a_stream_masks_what_is_printed_logged_warned_and_raised() -> None:
    raw = io.StringIO()
    stream: Any = MaskedStream(raw)
    print(AWAY[0], file=stream)
    logging.StreamHandler(stream).emit(logging.makeLogRecord({"msg": "%s away", "args": (AWAY[1],)}))
    stream.write(warnings.formatwarning(AWAY[2], UserWarning, "x.py", 1))
    try:
        raise ValueError(AWAY[3])
    except ValueError:
        traceback.print_exc(file=stream)
    assert SECRET not in raw.getvalue() and raw.getvalue().count("***@127.0.0.1:9") == 4
    assert not stream.isatty()


def test_loggers_and_tracebacks_of_a_process_are_masked_from_the_moment_it_asks_for_it() -> None:
    code = f"""
        import logging
        logging.getLogger("library").addHandler(logging.StreamHandler())  # as libraries do when they are imported
        from repro.masking import mask_streams
        mask_streams()
        logging.getLogger("library").warning("cannot reach {AWAY[0]}")
        raise ValueError("{AWAY[1]}")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 1 and "cannot reach http://***@127.0.0.1:9" in done.stderr
    assert "ValueError: http://***@127.0.0.1:9" in done.stderr and SECRET not in done.stderr


@pytest.mark.parametrize("command", ["run", "report"])
def test_an_address_that_never_works_is_refused_without_its_secret(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = tmp_path / "spec.yaml"
    spec.write_text("name: trial\nmodel: tiny\ndataset: arithmetic\narms: {full: {}}\n")
    for address in REFUSED:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert main([command, str(spec)]) == 2
        out, err = capsys.readouterr()
        assert SECRET not in out + err
        assert err.startswith("MLFLOW_TRACKING_URI: got ") and len(err.splitlines()) <= 4
    assert [path.name for path in tmp_path.iterdir()] == ["spec.yaml"], "nothing is trained, nothing written"


def leaky_job(cell: Any, identity: str, run_dir: Path, runs_dir: Path, texts: list[str]) -> None:
    """Prints, logs, warns and raises everything, as a library would."""
    Journal(run_dir).start(cell, identity)
    for text in texts:
        sys.stdout.write(f"{text}\n")
        sys.stderr.write(f"{text!r}\n")
        logging.getLogger("library").warning("cannot reach %s", text)
        warnings.warn(text, stacklevel=1)
    try:
        raise ValueError(" and ".join(texts))
    except ValueError as error:
        raise UserError(f"cannot use {texts[0]}") from error


def test_no_byte_of_a_run_that_fails_has_a_secret(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pool_module, "TICK", 0.05)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    server = f"http://me:{SECRET}@127.0.0.1:9"
    model = f"{{tiny: {{}}, system_prompt: 'ask {server} for password={SECRET}'}}"
    text = f"name: trial\nmodel: {model}\ndataset: arithmetic\nseeds: [0]\narms: {{full: {{}}}}\n"
    (tmp_path / "spec.yaml").write_text(text)
    out, texts = io.StringIO(), [*REFUSED, *AWAY, *TEXTS]
    loaded, console = load_spec(tmp_path / "spec.yaml"), Console(file=out, width=100)
    (tmp_path / "spec.yaml").unlink()
    target, place = partial(leaky_job, texts=texts), Local(jobs=1, preload=jobs.PRELOAD)
    for store in (uri, server):
        assert run_study(loaded, tmp_path / "runs", place, store_uri=store, console=console, target=target) == 1
    assert "cannot use" in out.getvalue() and "takes no data now" in out.getvalue()
    assert "cannot reach" in next((tmp_path / "runs").rglob("job.log")).read_text()
    monkeypatch.undo()  # the store has no part of the token by its value either
    seen = {"terminal": out.getvalue().encode() + "".join(capfd.readouterr()).encode()}
    seen |= {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(seen) > 10
    assert [name for name, data in seen.items() if SECRET.encode() in data] == []


def test_what_libraries_say_of_a_store_that_is_away_has_no_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_dir, labels = make_run(tmp_path / "runs", make_cell())
    for address in AWAY:
        assert not deliver(run_dir, labels, address, final=True)
        with pytest.raises(UserError) as error:
            read_runs("study", address)
        shown = str(error.value) + public_address(address) + caplog.text
        assert SECRET not in shown and SECRET.replace("-", "%2D") not in shown
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in data for data in files)
