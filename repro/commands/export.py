"""`--export` of the commands that choose questions: its options, their checks, and what is said of the file."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repro.arguments import file_path
from repro.errors import UserError
from repro.user_paths import user_path
from repro.words import did_you_mean

if TYPE_CHECKING:
    from repro.models.model_spec import ModelSpec
    from repro.tasks.dataset_spec import DatasetSpec
    from repro.tasks.export import Asking
    from repro.tasks.problem import AnswerFormat, Problem

TRAINERS = {"trl": "TRL", "verl": "verl", "open-r1": "open-r1"}
"""What `--format` may be -> how the trainer writes its name."""


def add_export(parser: argparse.ArgumentParser) -> None:
    """--export, --format and --export-all."""
    add = parser.add_argument_group("for another trainer").add_argument
    add(
        "--export",
        type=file_path,
        metavar="FILE",
        help="write the chosen questions for a trainer, as .jsonl or .parquet",
    )
    add(
        "--format",
        type=_trainer,
        metavar="{" + ",".join(TRAINERS) + "}",
        help="the trainer that reads the file (default: trl); verl reads .parquet only",
    )
    add("--export-all", action="store_true", help="write every question; the column selected says which are chosen")


def _trainer(text: str) -> str:
    if text not in TRAINERS:
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected one of {', '.join(TRAINERS)}{did_you_mean(text, TRAINERS)}"
        )
    return text


def check_export(options: argparse.Namespace, others: Sequence[Path | str | None]) -> None:
    """UserError for a file that the trainer does not read or that must not be replaced, before anything is computed.

    others: the other files and folders of the call; the export must be none of them and lie in no folder of questions.
    """
    path: Path | None = options.export
    if path is None:
        unused = "--format" if options.format else "--export-all" if options.export_all else None
        if unused is not None:
            raise UserError(f"{unused}: got it without --export, expected --export FILE with it")
        return
    from repro.scoring.store import writing
    from repro.tasks.export import FORMATS, check_replaceable

    trainer = options.format or "trl"
    endings = FORMATS[trainer]
    if path.suffix not in endings:
        raise UserError(
            f"--export: got {path}, expected a file ending in {' or '.join(endings)}, which {TRAINERS[trainer]} reads"
        )
    check_replaceable(path)
    for other in others:
        if other is None:
            continue
        place = user_path(other)
        if place.resolve() == path.resolve():
            raise UserError(f"--export: {path} is another file of this call, expected a name of its own")
        if place.is_dir() and path.parent.resolve() == place.resolve():
            raise UserError(f"--export: {path} would lie among the files of {place}, expected another folder")
    with writing(path, "--export: "):
        path.parent.mkdir(parents=True, exist_ok=True)


def export(
    options: argparse.Namespace,
    model: ModelSpec,
    dataset: DatasetSpec,
    problems: Sequence[Problem],
    answer_format: AnswerFormat,
    measures: Mapping[str, Sequence[float | None]],
    selected: Sequence[bool],
) -> str:
    """Write the file of checked options and say how its trainer reads it.

    measures: N numbers of the questions by name, None where one is not known; selected: N truth values. UserError
    where the model's tokenizer cannot be had, which says how a prompt is written.
    """
    from repro.cache import Cache
    from repro.models.chat import prompt_style
    from repro.models.prompted import at_hand
    from repro.scoring.store import writing
    from repro.tasks.export import Asking, data_source, export_rows, write_export

    trainer, path = options.format or "trl", options.export
    asked = at_hand(model, Cache(options.runs / "cache"), fetch=True)
    if asked is None and model.tiny is None and not model.stand_in:
        raise UserError(f"--export: the tokenizer of {model.label} does not load, so no prompt can be written")
    asking = Asking(prompt_style(model), None if asked is None else asked.tokenizer, answer_format.question_suffix)
    chosen = [index for index, kept in enumerate(selected) if kept or options.export_all]
    columns = {**measures, "selected": selected}
    source = data_source(dataset)
    with writing(path, "--export: "):
        write_export(path, trainer, export_rows(trainer, problems, chosen, columns, asking, source))
    head = f"exported {len(chosen):,} of {len(problems):,} questions for {TRAINERS[trainer]}: {path}"
    return "\n".join([head, *(f"  {line}" for line in _how(trainer, path, asking, source))])


def _how(trainer: str, path: Path, asking: Asking, source: str) -> list[str]:
    """How the trainer is told of the file, and what it will not do by itself."""
    from repro.tasks.export import graded_by_verl

    if trainer == "trl":
        reader = "json" if path.suffix == ".jsonl" else "parquet"
        reward = "trl.rewards.accuracy_reward reads solution" if asking.conversational else "rewards get solution"
        return [f'load_dataset("{reader}", data_files="{path}", split="train"); {reward}']
    if trainer == "verl":
        graded = f"verl grades {source} itself"
        if source == "openai/gsm8k":
            graded += ", by the number after ####, which the prompt must ask for"
        if not graded_by_verl(source):
            graded = f"verl has no reward for data_source {source}: set custom_reward_function.path"
        return [f"data.train_files={path}; {graded}"]
    lines = [f"dataset_name: {path.parent.resolve()}, dataset_prompt_column: problem"]
    if any(other != path for other in path.parent.iterdir()):
        lines.append(f"open-r1 reads every file of {path.parent}: give the export a folder of its own")
    if asking.style.system_prompt:
        lines.append("its system_prompt is set in the configuration of open-r1, not in the file")
    if asking.style.examples:
        lines.append("open-r1 shows no examples before the question")
    return lines
