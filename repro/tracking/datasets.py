"""The datasets of a run as MLflow lists them: inputs with a name, a digest, a context and a source."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repro.files import read_object

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

MADE = "made"
"""Type of a source that makes its questions up."""
_LONGEST_DIGEST = 36  # of MLflow's tables


@dataclass(frozen=True)
class DatasetRecord:
    """One dataset of a run, an entry of "datasets" in `data.json`.

    `context` is "training" or "evaluation", `digest` that of the questions and answers themselves (64 hexadecimal
    digits), `identity_digest` the content digest of the whole dataset in the run's identity, and `source` what the spec
    says of where the questions come from, without secrets.
    """

    name: str
    context: str
    digest: str
    questions: int
    source_type: str
    source: Mapping[str, Any]
    identity_digest: str = ""  # runs of earlier versions have not written it

    @property
    def short_digest(self) -> str:
        """The beginning of the digest, as much as MLflow holds."""
        return self.digest[:_LONGEST_DIGEST]


def recorded_datasets(run_dir: Path) -> list[DatasetRecord]:
    """The datasets that a run wrote down; [] for one that has not yet, or of an earlier version."""
    return [DatasetRecord(**one) for one in read_object(run_dir / "data.json").get("datasets", [])]


def dataset_inputs(records: Sequence[DatasetRecord]) -> list[DatasetInput]:
    """The same as `MlflowClient.log_inputs` takes them."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    return [
        DatasetInput(
            Dataset(
                name=one.name[:500],
                digest=one.short_digest,
                source_type=one.source_type,
                source=json.dumps(dict(one.source)),
                profile=json.dumps(
                    {"questions": one.questions, "digest": one.digest, "identity_digest": one.identity_digest}
                ),
            ),
            [InputTag("mlflow.data.context", one.context)],
        )
        for one in records
    ]
