"""What is asked for: a policy, questions and a way to score them, with the digest that names the result."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repro.arithmetic import thread_suffix
from repro.cache import Cache
from repro.canonical import digest
from repro.commands.score.sources import Sources
from repro.models.chat import prompt_style
from repro.models.model_spec import ModelSpec, Precision
from repro.models.policy import policy_digest
from repro.scoring.keys import VERSION, Asked, confidences
from repro.selection.bands import Band, CenterBand, EndBand, RangeBand
from repro.study.inputs import Watched, dataset_files, model_paths
from repro.tasks.dataset_spec import DatasetSpec

MAX_NEW_TOKENS = 512
OF_POLICY = ("model", "revision", "dtype", "precision", "system_prompt", "examples")
UNNAMED = ("version", "policy", "questions", "number")  # digests and counts: `differences` words them


@dataclass(frozen=True)
class Request:
    """One scoring. `fields` describe it for people; `key` names its scores in the store."""

    model: ModelSpec
    dataset: DatasetSpec
    asked: Asked
    precision: Precision
    band: Band
    fraction: float | None
    fields: Mapping[str, Any]
    inputs: Watched
    threads: int

    @property
    def key(self) -> str:
        """Names what decides the scores, the number of threads included."""
        return f"{self.asked.key}{thread_suffix(self.threads)}"

    @property
    def selection(self) -> dict[str, Any]:
        """What decides which questions are selected, as it stands in the summary."""
        return {"band": self.band.model_dump(mode="json"), "fraction": self.fraction}


def make_request(options: argparse.Namespace, sources: Sources, warn: Callable[[str], None]) -> Request:
    """The request of checked options; reads the questions and digests the policy's files. Raises UserError."""
    model, dataset, study = sources.model, sources.dataset, sources.study
    inputs = Watched(lambda: _files(model, dataset))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        problems, answer_format = sources.questions(Cache(options.runs / "cache"))
    for message in caught:
        warn(str(message.message))
    problems = problems[: options.limit]
    max_new_tokens = None
    precision: Precision = "float32"  # of decoding; what is not decoded is scored in the type of the weights
    if options.target == "greedy_response":
        usual = MAX_NEW_TOKENS if study is None else study.train.max_completion_tokens
        max_new_tokens = options.max_new_tokens or usual
        precision = "float32" if study is None else study.train.precision
    style = prompt_style(model)
    system_prompt = None if options.prompt == "paper" else model.system_prompt
    asked = confidences(
        policy_digest(model, dataset),
        problems,
        answer_format,
        style,
        options.target,
        options.prompt,
        max_new_tokens,
        precision=precision,
    )
    threads = options.threads or (1 if study is None else study.train.threads)
    fields = {
        "version": VERSION,
        "model": "tiny" if model.tiny else model.named or model.hub or str(model.path),
        "revision": model.revision,
        "dtype": model.dtype,
        "precision": precision,
        "system_prompt": system_prompt,
        "examples": None if options.prompt == "paper" or not style.examples else digest(style.examples, 12),
        "policy": asked.fields["policy"],
        "dataset": options.dataset or dataset.label,
        "split": dataset.train_split,
        "questions": asked.fields["questions"],
        "number": len(problems),
        "target": options.target,
        "prompt": options.prompt,
        "max_new_tokens": max_new_tokens,
        "threads": threads,
    }
    band, fraction = band_of(options)
    return Request(model, dataset, asked, precision, band, fraction, fields, inputs, threads)


def _files(model: ModelSpec, dataset: DatasetSpec) -> Iterator[tuple[str, Path]]:
    """What the digest of the policy stands for. The questions are named by their texts, however the files change."""
    yield from model_paths(model, "model")
    if model.tiny is not None or model.warm_start is not None:  # its warm start imitates the dataset
        yield from dataset_files(dataset)


def band_of(options: argparse.Namespace) -> tuple[Band, float | None]:
    """The band and, where it needs one, the fraction."""
    if options.low is not None:
        return RangeBand(low=options.low, high=options.high, scale=options.scale or "value"), None
    fraction = 0.1 if options.fraction is None else options.fraction
    if options.end is not None:
        return EndBand(end=options.end), fraction
    return CenterBand(center="mean" if options.center is None else options.center), fraction


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """In words, how two requests' fields differ: `dtype float32, now bfloat16; other questions (100, now 7473)`."""
    parts = [
        f"{name.replace('_', ' ')} {_short(then.get(name))}, now {_short(now.get(name))}"
        for name in now
        if name not in UNNAMED and then.get(name) != now.get(name)
    ]
    if then.get("questions") != now.get("questions") and then.get("target") == now.get("target"):
        parts.append(f"other questions ({then.get('number')}, now {now.get('number')})")
    if then.get("policy") != now.get("policy") and all(then.get(name) == now.get(name) for name in OF_POLICY):
        parts.append("the files of the model changed" if Path(str(now.get("model"))).exists() else "another policy")
    if then.get("version") != now.get("version"):
        parts.append("another version of the scorer")
    return "; ".join(parts) or "nothing that is described"


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
