"""The command line: parses arguments with the standard library only, and imports the work when a command needs it."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from repro.errors import UserError
from repro.launch.devices import default_jobs
from repro.launch.options import add_launch_options, where
from repro.scoring.options import add_options as add_score_options

if TYPE_CHECKING:
    from repro.study.load import LoadedSpec

EXAMPLES = """
examples:
  python -m repro run experiments/quickstart.yaml              train what is missing
  python -m repro run experiments/quickstart.yaml --smoke      touch every stage within a minute
  python -m repro plan experiments/quickstart.yaml -S seeds=[0]
  python -m repro report experiments/quickstart.yaml
  python -m repro why experiments/quickstart.yaml:dots:0
"""


PREDICTOR_ACTIONS = {
    "labels": "labels: roll out the predictor's policies over a question pool, to parquet",
    "train": "train: fit the towers on them",
    "evaluate": "evaluate: judge them on held-out questions and the study's own policies",
}


class Parser(argparse.ArgumentParser):
    """An argparse parser whose errors name the nearest valid word; they are raised, not printed."""

    def error(self, message: str) -> NoReturn:
        """Raise UserError in place of printing the usage and exiting."""
        raise UserError(f"{self.prog}: {message}\n  {self.prog} --help shows what is expected")


def build_parser() -> tuple[Parser, dict[str, Parser]]:
    """The parser of the whole command line, and those of its commands by name."""
    parser = Parser(
        prog="python -m repro",
        description="Does selecting or replaying data save compute in GRPO? Trains, tracks and reports studies.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    from repro import __version__

    parser.add_argument("--version", action="version", version=f"repro {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    known: dict[str, Parser] = {}

    def command(name: str, help_text: str, body: Callable[[argparse.Namespace], int]) -> Parser:
        sub: Parser = commands.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
        sub.set_defaults(body=body)
        known[name] = sub
        return sub

    for name, help_text, body in (
        ("run", "train the missing cells of a study; a second call does nothing", _run),
        ("plan", "show the cells of a study: cached, to do, failed, with estimated rollouts and tokens", _plan),
        ("sweep", "search fields of an arm with Optuna, as the spec's `sweep` section says", _sweep),
        ("report", "write tables, figures and the page of a study from its finished runs", _report),
    ):
        sub = command(name, help_text, body)
        _spec_options(sub)
        _runs_option(sub)
        if name in ("run", "sweep"):
            _jobs_option(sub)
            add_launch_options(sub, detach=name == "run")
        if name == "run":
            sub.add_argument("--fail-fast", action="store_true", help="stop at the first cell that fails")
            sub.add_argument("--report", action="store_true", help="write the report afterwards (--smoke does, too)")
        if name == "report":
            sub.add_argument(
                "--all-formats", action="store_true", help="every table as LaTeX and every figure as PDF, too"
            )
        if name in ("run", "report"):
            sub.add_argument("--out", type=Path, metavar="DIR", help="folder of the report (default: reports/NAME)")
        if name == "plan":
            _jobs_option(sub)
            sub.add_argument("--json", action="store_true", help="print the plan as JSON")
            known_rate = sub.add_mutually_exclusive_group()
            known_rate.add_argument(
                "--throughput",
                type=Path,
                metavar="FILE",
                help="hours from measured tokens per second: gpu.json of benchmarks/gpu.py, or a run's ledger.json",
            )
            known_rate.add_argument(
                "--tokens-per-second",
                metavar="G[,T][@SIZE]",
                help="hours from generated and trained tokens per second of one device, e.g. 20000,30000@1.5B",
            )

    sub = command("score", "score a dataset by one pass of a model (UFO-RL), to a table; no study needed", _score)
    add_score_options(sub)
    _runs_option(sub)

    sub = command("predictor", "labels, training and evaluation of a study's difficulty predictor (DOTS)", _predictor)
    actions = "{" + ",".join(PREDICTOR_ACTIONS) + "}"
    sub.add_argument("action", type=_action, metavar=actions, help="; ".join(PREDICTOR_ACTIONS.values()))
    _spec_options(sub)
    _runs_option(sub)
    sub.add_argument("--out", type=Path, metavar="DIR", help="folder of the files (default: RUNS/predictors/NAME)")
    sub.add_argument("--labels", type=Path, metavar="FILE", help="train: labels made elsewhere, a parquet file")
    sub.add_argument(
        "--references",
        type=_references,
        nargs="+",
        default=[16, 256],
        metavar="K",
        help="evaluate: how many questions are measured before the others are predicted (default: 16 256)",
    )

    sub = command("status", "show the runs on disk, or the cells of a study: progress and accuracy", _status)
    _spec_options(sub, optional=True)
    _runs_option(sub)
    sub.add_argument("--json", action="store_true", help="print the status as JSON")

    sub = command("why", "show which fields make a run differ from its nearest finished neighbour", _why)
    sub.add_argument("target", metavar="RUN", help="a run identity, or SPEC.yaml[:ARM[:SEED]]")
    _change_options(sub)
    _runs_option(sub)

    sub = command("validate", "check specs without running them", _validate)
    sub.add_argument("specs", metavar="SPEC", type=Path, nargs="+", help="a study in YAML")
    _change_options(sub)
    sub.add_argument(
        "--online", action="store_true", help="look up every model and dataset on the hub: revision, splits, fields"
    )

    command("schema", "print the JSON schema of a spec, from which editors complete", _schema)

    sub = command("warm-start", "rebuild the start policy that ships with the package", _warm_start)
    sub.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the policy is saved")
    return parser, known


def _spec_options(parser: Parser, optional: bool = False) -> None:
    parser.add_argument("spec", metavar="SPEC", type=Path, nargs="?" if optional else None, help="a study in YAML")
    _change_options(parser)


def _change_options(parser: Parser) -> None:
    parser.add_argument(
        "-S", "--set", action="append", default=[], metavar="PATH=VALUE", help="set a field, e.g. -S train.steps=5"
    )
    parser.add_argument("--smoke", action="store_true", help="shrink the study so that all of it takes a minute")


def _runs_option(parser: Parser) -> None:
    default = Path(os.environ.get("REPRO_RUNS") or "runs")
    parser.add_argument(
        "--runs", type=Path, default=default, metavar="DIR", help="where runs are kept (default: $REPRO_RUNS or runs)"
    )


def _jobs_option(parser: Parser) -> None:
    parser.add_argument(
        "--jobs",
        type=_positive,
        metavar="N",
        help=f"cells at a time (default: one per GPU, else one per core, over --processes: {default_jobs()}; a "
        "cluster's room)",
    )


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number >= 1")
    return int(text)


def _references(text: str) -> int:
    if not text.isdigit() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number >= 2")
    return int(text)


def _action(text: str) -> str:
    if text not in PREDICTOR_ACTIONS:
        near = _near(text, list(PREDICTOR_ACTIONS))
        raise argparse.ArgumentTypeError(f"got {text!r}, expected one of {', '.join(PREDICTOR_ACTIONS)}{near}")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 a cell failed or no hub, 2 a mistake, 130 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = None
    try:
        options = _parse(words)
        if options is None:
            return 2
        code: int = options.body(options)
        sys.stdout.flush()
        return code
    except UserError as error:
        loaded = getattr(options, "loaded", None)
        print(loaded.located(str(error)) if loaded else error, file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)  # noqa: T201
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parse(words: list[str]) -> argparse.Namespace | None:
    parser, known = build_parser()
    if not words:
        parser.print_help()
        return None
    if not words[0].startswith("-") and words[0] not in known:
        raise UserError(f"got command {words[0]!r}, expected one of {', '.join(known)}{_near(words[0], known)}")
    options, extra = parser.parse_known_args(words)
    if options.command is None:
        raise UserError(f"got {' '.join(words)!r}, expected a command ({', '.join(known)})")
    if extra:
        names = list(known[options.command]._option_string_actions)
        what = "an option" if extra[0].startswith("-") else "nothing more"
        hint = _near(extra[0].partition("=")[0], names) if extra[0].startswith("-") else ""
        raise UserError(
            f"{parser.prog} {options.command}: got {extra[0]!r}, expected {what}{hint}\n"
            f"  {parser.prog} {options.command} --help shows what is expected"
        )
    return options


def _near(word: str, names: Sequence[str] | dict[str, Parser]) -> str:
    near = get_close_matches(word, list(names), n=1, cutoff=0.5)
    return f", did you mean {near[0]}?" if near else ""


def _say(text: str) -> None:
    print(text)  # noqa: T201


# ---------------------------------------------------------------- commands


def _load(options: argparse.Namespace, path: Path | None = None) -> LoadedSpec:
    from repro.study.load import load_spec

    loaded = options.loaded = load_spec(path or options.spec, options.set, options.smoke)
    for line in (*loaded.warnings, *loaded.notes):
        print(line, file=sys.stderr)  # noqa: T201
    return loaded


def _run(options: argparse.Namespace) -> int:
    place = where(options)
    loaded = _load(options)
    from repro.launch.run import run_study

    code: int = run_study(loaded, options.runs, place, options.fail_fast)
    if code > 1 or place.detach:  # stopped from outside, or not ended: what is there is no result yet
        return code
    if options.report or options.smoke:
        _write_report(loaded, options)
    else:
        _say(f"report: {_command('report', options)}")
    return code


def _plan(options: argparse.Namespace) -> int:
    from repro.study.plan import plan
    from repro.study.throughput import by_hand, read_throughput

    rates = []
    if options.throughput is not None:
        rates = read_throughput(options.throughput)
    elif options.tokens_per_second is not None:
        rates = [by_hand(options.tokens_per_second)]
    made = plan(_load(options).spec, options.runs, rates)
    if options.json:
        import json

        _say(json.dumps(made.as_dict(), indent=1))
    else:
        _say(made.table(options.jobs or default_jobs()))
    return 0


def _sweep(options: argparse.Namespace) -> int:
    place = where(options)
    loaded = _load(options)
    if loaded.spec.sweep is None:
        raise UserError(f"{loaded.path}: got no sweep section, expected one with arm and space")
    from repro.sweep.study import run_sweep

    code: int = run_sweep(loaded, options.runs, place)
    return code


def _report(options: argparse.Namespace) -> int:
    _write_report(_load(options), options)
    return 0


def _write_report(loaded: LoadedSpec, options: argparse.Namespace) -> None:
    from analysis.page.report import write_report

    # A smoke run's numbers mean nothing, so its report stays away from the real ones.
    parent = options.runs / "reports" if loaded.smoke else Path("reports")
    out = options.out or parent / loaded.spec.name
    every = getattr(options, "all_formats", False)
    _say(f"report: {write_report(loaded, options.runs, out, all_formats=every)}")


def _score(options: argparse.Namespace) -> int:
    from repro.scoring.command import score

    return score(options)


def _predictor(options: argparse.Namespace) -> int:
    loaded = _load(options)
    if options.labels is not None and options.action != "train":
        raise UserError(f"--labels: got {str(options.labels)!r} with {options.action}, expected it with train only")
    from repro.commands import predictor as command

    code: int = getattr(command, options.action)(loaded, options)
    return code


def _status(options: argparse.Namespace) -> int:
    from repro.study.status import status_rows, status_table

    loaded = _load(options) if options.spec is not None else None
    rows = status_rows(options.runs, loaded)
    if options.json:
        import json

        _say(json.dumps(rows, indent=1))
    else:
        _say(status_table(rows) if rows else f"no runs in {options.runs}")
    return 0


def _why(options: argparse.Namespace) -> int:
    from repro.study.why import why

    _say(why(options.target, options.runs, options.set, options.smoke))
    return 0


def _validate(options: argparse.Namespace) -> int:
    from repro.study.expand import expand
    from repro.study.hub_ids import report_online, unpinned, wanted_of

    mistakes, specs = [], []
    for path in options.specs:
        try:
            spec = _load(options, path).spec
            specs.append(spec)
            _say(f"{path}: valid, {len(expand(spec))} cells ({len(spec.arms)} arms, seeds {spec.seeds})")
        except UserError as error:
            mistakes.append(str(error))
    try:
        wanted = wanted_of(specs)
    except UserError as error:
        mistakes.append(str(error))
    else:
        for warning in unpinned(wanted):
            print(warning, file=sys.stderr)  # noqa: T201
        if options.online and not mistakes:
            return report_online(wanted, _say)
    if mistakes:
        raise UserError("\n".join(mistakes))
    return 0


def _schema(options: argparse.Namespace) -> int:
    from repro.spec.json_schema import schema_text

    sys.stdout.write(schema_text())
    return 0


def _warm_start(options: argparse.Namespace) -> int:
    from repro.models.shipped import rebuild_shipped

    rebuild_shipped(options.out, lambda message, done: _say(f"{done:4.0%} {message}"))
    _say(f"saved to {options.out}")
    return 0


def _command(name: str, options: argparse.Namespace) -> str:
    """The command line that does `name` to the same study."""
    words = ["python", "-m", "repro", name, str(options.spec)]
    for change in options.set:
        words += ["-S", change]
    words += ["--smoke"] if options.smoke else []
    if options.runs != Path("runs"):
        words += ["--runs", str(options.runs)]
    return shlex.join(words)
