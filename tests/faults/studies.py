"""The commands that are made to die or fail: small real studies on the embedded policy, and what runs before each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

SIZES = """\
dataset: {arithmetic: {pool: 48, test: 8, validation: 4}}
train: {steps: 3, questions_per_step: 4, group_size: 4, minibatches: 2, max_completion_tokens: 40, learning_rate: 1e-3}
evaluate: {every: 1, samples: 1, pool_samples: 2, base_temperatures: [0.5]}
seeds: [0]
"""
HEAD = f"model: tiny\n{SIZES}"
UFO = "{selection: {method: confidence, target: solution, band: {center: mean}, fraction: 0.5}}"
DOTS_RR = "{selection: {method: difficulty, target: 0.5, references: 4, every: 2}, replay: {fresh: 0.5, capacity: 4}}"
SWEEP = "{arm: ufo, trials: 2, batch: 2, seeds: [1000], space: {train.learning_rate: {float: [1e-4, 1e-2], log: true}}}"
WARM = "{width: 12, layers: 1, heads: 3, warm_start: {updates: 20, batch_size: 16"
PREDICTOR = f"""\
predictor:
  policies: [{{name: one, tiny: {WARM}, seed: 1}}}}}}, {{name: two, tiny: {WARM}, seed: 2}}}}}}]
  questions: 48
  samples: 2
  max_completion_tokens: 16
  towers: {{width: 8}}
  fit: {{epochs: 2}}
"""


@dataclass(frozen=True)
class Study:
    """Files, the commands before, and the commands that are disturbed; together they end in one state.

    `commands` are called in order, each until it ends with 0. `store`: whether the MLflow store is there before.
    """

    name: str
    files: dict[str, str]
    commands: tuple[tuple[str, ...], ...]
    before: tuple[tuple[str, ...], ...] = ()
    store: bool = True
    points: int = 30
    full: int = 8
    random: int = 8
    seconds: float = 3.0
    trained_anew: bool = False  # a report is of runs that the disturbed command trains itself
    environment: dict[str, str] = field(default_factory=dict)


def spec(name: str, arms: str, rest: str = "", head: str = HEAD) -> dict[str, str]:
    """A spec file of its name."""
    return {f"{name}.yaml": f"name: {name}\n{head}arms: {arms}\n{rest}"}


def run(name: str, *options: str) -> tuple[str, ...]:
    """The command that trains a study."""
    return ("run", f"{name}.yaml", "--jobs", "2", *options)


def _studies() -> Sequence[Study]:
    ufo, dots = spec("ufo", f"{{ufo: {UFO}}}"), spec("dots", f"{{dots_rr: {DOTS_RR}}}")
    both = spec("both", f"{{full: {{}}, ufo: {UFO}}}")
    short = spec("first", "{full: {train: {steps: 1}}}")
    warm = spec("warm", "{full: {train: {steps: 1}}}", head=f"model: {{tiny: {WARM}}}}}}}\n{SIZES}")
    yield Study("ufo", ufo, (run("ufo"),), points=45, full=10, random=10)
    yield Study("dots", dots, (run("dots"),), points=55, full=10, random=10)
    yield Study("store", short, (run("first"),), store=False, points=25, full=8, random=12)
    yield Study("short", short, (run("first"),), points=8, full=3, random=3)
    yield Study("warm", warm, (run("warm"),), points=15, full=5, random=6)
    yield Study("report", both, (("report", "both.yaml"),), before=(run("both"),), points=25, full=8, random=8)
    yield Study("both", both, (run("both", "--report"),), points=25, full=6, random=8, trained_anew=True)
    score = ("score", "--model", "tiny", "--dataset", "arithmetic", "--limit", "200", "--out", "scores.parquet")
    exported = ("--export", "chosen/train.jsonl")
    yield Study("score", {}, ((*score, *exported),), points=25, full=8, random=8)
    sweep = spec("search", f"{{ufo: {UFO}}}", f"sweep: {SWEEP}\n")
    yield Study("sweep", sweep, (("sweep", "search.yaml", "--jobs", "2"),), points=35, full=8, random=8)
    trained = spec("small", "{dots: {selection: {method: difficulty, predictor: trained, references: 4}}}", PREDICTOR)
    actions = tuple(
        ("predictor", action, "small.yaml", *options)
        for action, options in (
            ("labels", ()),
            ("train", ()),
            ("evaluate", ("--references", "8")),
            ("predict", exported),
        )
    )
    yield Study("predictor", trained, actions, points=35, full=8, random=8)


STUDIES = {study.name: study for study in _studies()}
"""By name."""
