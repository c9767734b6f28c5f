"""The digest of a dataset follows its content, and costs nothing to compute."""

from __future__ import annotations

import subprocess
import sys

from repro.tasks.datasets import dataset_digest
from tests.tasks.rows import rows, spec, without_repro_data, write


def test_the_digest_follows_content_and_mapping_but_not_paths_or_labels(tmp_path):
    path = write(tmp_path / "a.jsonl", rows(9))
    base = dataset_digest(spec(path=path))
    (tmp_path / "elsewhere").mkdir()
    copy = write(tmp_path / "elsewhere" / "b.jsonl", rows(9))
    assert dataset_digest(spec(path=copy, name="another label")) == base
    changed = {
        "content": {"path": write(tmp_path / "c.jsonl", rows(10))},
        "test": {"path": path, "test_path": copy},
        "mapping": {"path": path, "solution": "answer"},
        "id": {"path": path, "id": "question"},
        "validation": {"path": path, "validation_fraction": 0.2},
        "limits": {"path": path, "limits": {"train": 3}},
        "hub": {"hub": "openai/gsm8k"},
        "config": {"hub": "openai/gsm8k", "config": "main"},
        "revision": {"hub": "openai/gsm8k", "config": "main", "revision": "abc"},
        "arithmetic": {"arithmetic": {}},
        "seed": {"arithmetic": {"seed": 1}},
    }
    digests = {name: dataset_digest(spec(**fields)) for name, fields in changed.items()}
    assert len({base, *digests.values()}) == len(changed) + 1


def test_the_digest_notices_a_file_that_changes_under_the_same_name(tmp_path):
    path = tmp_path / "a.jsonl"
    before = dataset_digest(spec(path=write(path, rows(9))))
    write(path, rows(8))
    after = dataset_digest(spec(path=str(path)))
    assert before != after


def test_a_named_dataset_without_a_copy_is_known_by_its_hub_id_without_any_download(monkeypatch):
    without_repro_data(monkeypatch)
    assert dataset_digest(spec(named="gsm8k")) == dataset_digest(spec(hub="openai/gsm8k", config="main"))


def test_the_digest_needs_no_heavy_import():
    code = (
        "import sys\n"
        "from repro.spec.schema import DatasetSpec\n"
        "from repro.tasks.datasets import dataset_digest\n"
        "dataset_digest(DatasetSpec(arithmetic={}))\n"
        "print(sorted({'torch', 'datasets', 'transformers', 'pandas', 'pyarrow', 'sympy'} & set(sys.modules)))\n"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
