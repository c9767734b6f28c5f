"""Files of a study that are torn or of another kind: named with what is wrong, whoever reads them first."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from repro.commands.boundary import guarded
from repro.errors import UserError
from repro.models.adapters import adapter_base
from repro.models.chat import chat_template_text
from repro.models.model_spec import ModelSpec
from repro.models.sizes import size_of
from repro.plugins import source_files
from repro.scoring.tables import read_scores
from repro.study.identity import predictor_card


def template(folder: Path) -> None:
    (folder / "t.jinja").write_bytes(b"{{ messages }} \xff")
    chat_template_text(str(folder / "t.jinja"))


def adapters(content: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        (folder / "adapter_config.json").write_text(content)
        adapter_base(folder)

    return read


def weights(content: bytes) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(content)
        size_of(ModelSpec(path=str(folder)))

    return read


def table(name: str, content: bytes) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        (folder / name).write_bytes(content)
        read_scores(folder / name, "s")

    return read


def predictor(folder: Path) -> None:
    (folder / "circle").symlink_to("circle")
    predictor_card(str(folder / "circle"))


TEXT = "id,s\nä,1\n"


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (template, r"model\.chat_template: .*t\.jinja holds the byte 0xff, which is not UTF-8"),
        (adapters('{"base_model'), r"model\.path: .*adapter_config\.json is no whole JSON file"),
        (adapters("[1]"), r"model\.path: .*adapter_config\.json holds \[1\], expected the settings of adapters"),
        (weights(b"something else altogether"), r"model\.path: .*model\.safetensors is torn or no safetensors file"),
        (weights(b""), r"model\.safetensors is torn or no safetensors file"),
        (weights(b"\x03" + b"\0" * 7 + b"[1]"), r"model\.safetensors is torn or no safetensors file"),
        (table("s.csv", TEXT.encode("utf-16")), r"s\.csv: is UTF-16; expected UTF-8 text"),
        (table("s.csv", gzip.compress(TEXT.encode())), r"s\.csv: is compressed by gzip; expected UTF-8 text"),
        (table("s.jsonl", '{"id": 1}'.encode("utf-16")), r"s\.jsonl:1: is UTF-16; expected UTF-8 text"),
        (table("s.jsonl", gzip.compress(b'{"id": 1}')), r"s\.jsonl:1: is compressed by gzip"),
        (predictor, r"predictor\.path: .*circle' is a link that leads in a circle"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_as_a_mistake(
    tmp_path: Path, read: Callable[[Path], None], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        read(tmp_path)


def test_a_table_may_begin_with_the_mark_of_utf_8(tmp_path: Path) -> None:
    for name, text in (("s.csv", "id,s\na,1\n"), ("s.jsonl", '{"id": "a", "s": 1}\n')):
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
        assert read_scores(tmp_path / name, "s")[0] == ("a",)


def test_a_module_that_nothing_can_import_ends_no_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_rules.py").write_text(
        "try:\n    import own_torn\nexcept SyntaxError:\n    pass\n\ndef rule():\n    return 1\n"
    )
    (tmp_path / "own_torn.py").write_text("def (:\n")
    monkeypatch.syspath_prepend(tmp_path)
    import own_rules  # type: ignore[import-not-found]

    assert set(source_files(own_rules.rule)) == {"own_rules", "own_torn"}


def test_a_full_disk_without_a_folder_for_temporary_files_is_told_as_a_full_disk(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    def body() -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    assert guarded(body, str, list, False) == 2
    assert "no space is left on the disk" in capsys.readouterr().err
