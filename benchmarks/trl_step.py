"""A step of this package against a step of plain TRL: same policy, questions, reward and sizes, alternating.

    python benchmarks/trl_step.py --rounds 5
    python benchmarks/trl_step.py --rounds 5 --old DIR      # beside another checkout that has this script

One thread; every run does `--steps` steps of `train.questions_per_step` groups, those of `--old` elsewhere. The
policy hardly moves (learning rate 1e-9), so all steps and ways do the same work up to the draw of completions. A step
of ours is one of a whole job: questions chosen, rollouts, rewards, ledger, journal on disk. Evaluations are left out.
Time is processor time (user and system) of the process, from the end of step 2 to the end of the last.

The ways: `trl` is TRL's own trainer and loop; `dense` is ours with every row in the update; `dense, generate` is the
same with TRL's generation in place of ours; `skip` leaves out groups without advantage. Prints for each way the median
over rounds of its ratio to `trl` of the same round.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

WARM_UP = 2
"""Steps at the start of a run that are not timed."""


class StepTimes:
    """Seconds on a clock (default: processor seconds of this process) at the end of each step.

    The first `warm_up` steps do not count.
    """

    def __init__(
        self, minibatches: int, warm_up: int = WARM_UP, clock: Callable[[], float] = time.process_time
    ) -> None:
        self.minibatches, self.warm_up, self.clock = minibatches, warm_up, clock
        self.ends: list[float] = []

    def callback(self) -> Any:
        """A trainer's callback that records them."""
        from transformers import TrainerCallback

        class Recorder(TrainerCallback):
            def on_step_end(_, args: Any, state: Any, control: Any, **__: Any) -> None:
                if state.global_step % self.minibatches == 0:
                    self.ends.append(self.clock())

        return Recorder()

    def mean(self) -> float:
        """Seconds of a step after the warm-up."""
        return (self.ends[-1] - self.ends[self.warm_up - 1]) / (len(self.ends) - self.warm_up)


def cell_of(steps: int, skip: bool) -> Any:
    """The cell that all ways train: the embedded policy and task at the defaults of `train`."""
    from repro.study.expand import expand
    from repro.study.load import parse_spec

    spec = {
        "name": "steps",
        "model": "tiny",
        "dataset": "arithmetic",
        "train": {"steps": steps, "learning_rate": 1e-9, "skip_zero_advantage": skip},
        "evaluate": {"every": steps, "questions": 8, "pool_samples": 1, "samples": 1, "sets": ["test"]},
        "arms": {"full": {}},
        "seeds": [0],
    }
    return next(iter(expand(parse_spec(spec))))


def run_ours(
    cell: Any,
    folder: Path,
    *,
    generate: bool = False,
    times: StepTimes | None = None,
    watch: Callable[[Any], None] = lambda trainer: None,
) -> dict[str, float]:
    """A job without its evaluations. `generate`: TRL makes the completions; `watch` is given the trainer."""
    from trl import GRPOTrainer

    from repro.training.job import GRPOJob

    times = times or StepTimes(cell.train.minibatches)

    class Job(GRPOJob):
        def _build_trainer(self, *args: Any, **kwargs: Any) -> Any:
            trainer = super()._build_trainer(*args, **kwargs)
            trainer.add_callback(times.callback())
            watch(trainer)
            if generate:  # no log-probs come with it, so they are computed
                made = GRPOTrainer._generate_single_turn
                trainer.rollouts.decode = lambda ids: (made(trainer, ids, None, {}, 0)[0], [])
            return trainer

        def evaluate(self, *args: Any, **kwargs: Any) -> None:
            pass

    job = Job(cell, "step", folder / "step", folder)
    job.run()
    rows = [json.loads(line)["metrics"] for line in (folder / "step" / "metrics.jsonl").read_text().splitlines()]
    return {"seconds": times.mean(), **_shape(rows[times.warm_up + 1 :])}


def _shape(rows: list[dict[str, float]]) -> dict[str, float]:
    from repro.tracking.series import COMPLETION_TOKENS, ZERO_VARIANCE

    return {
        "tokens": statistics.mean(row[COMPLETION_TOKENS] for row in rows if COMPLETION_TOKENS in row),
        "idle": statistics.mean(row[ZERO_VARIANCE] for row in rows if ZERO_VARIANCE in row),
    }


def run_trl(
    cell: Any,
    folder: Path,
    *,
    times: StepTimes | None = None,
    watch: Callable[[Any], None] = lambda trainer: None,
) -> dict[str, float]:
    """TRL's own trainer on the same questions, rewarded by the same verifier. `watch` is given it."""
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import GRPOTrainer

    from repro.cache import Cache
    from repro.models.policy import load_policy
    from repro.tasks.datasets import load_dataset
    from repro.training.config import grpo_config

    steps = cell.train.steps
    data = load_dataset(cell.dataset)
    policy = load_policy(cell.model, cell.dataset, data, Cache(folder / "cache"))
    suffix = data.answer_format.question_suffix
    prompts = policy.style.prompts([problem.question for problem in data.train], policy.tokenizer, suffix)
    times = times or StepTimes(cell.train.minibatches)

    def reward(completions: list[str], question: list[int], **_: Any) -> list[float]:
        return [float(data.verifier(text, data.train[i].answer)) for text, i in zip(completions, question, strict=True)]

    trainer = GRPOTrainer(
        model=policy.model.train(),
        reward_funcs=[reward],
        args=grpo_config(cell.train, steps, cell.seed, folder / "checkpoints", steps),
        train_dataset=Dataset.from_dict({"prompt": prompts, "question": list(range(len(prompts)))}),
        processing_class=policy.tokenizer,
        callbacks=[times.callback()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.create_model_card = lambda *_, **__: None  # type: ignore[method-assign]  # it asks the hub
    watch(trainer)
    trainer.train()
    history = [row for row in trainer.state.log_history if "completions/mean_length" in row][times.warm_up :]
    shape = {"tokens": "completions/mean_length", "idle": "frac_reward_zero_std"}
    return {
        "seconds": times.mean(),
        **{key: statistics.mean(row[name] for row in history) for key, name in shape.items()},
    }


WAYS = {
    "trl": lambda steps, folder: run_trl(cell_of(steps, False), folder),
    "dense": lambda steps, folder: run_ours(cell_of(steps, False), folder),
    "dense, generate": lambda steps, folder: run_ours(cell_of(steps, False), folder, generate=True),
    "skip": lambda steps, folder: run_ours(cell_of(steps, True), folder),
}


def elsewhere(way: str, steps: int, tree: Path) -> dict[str, float]:
    """One run in a process of its own, with the code of another checkout."""
    env = {**os.environ, "PYTHONPATH": str(tree)}
    command = [sys.executable, str(tree / "benchmarks" / Path(__file__).name), "--way", way, "--steps", str(steps)]
    done = subprocess.run(command, env=env, cwd=tree, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{way} of {tree}: {done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def here(way: str, steps: int) -> dict[str, float]:
    """One run in this process."""
    with tempfile.TemporaryDirectory() as folder:
        return WAYS[way](steps, Path(folder))


def main() -> None:
    """Run the rounds and print the table, or run one way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each way")
    parser.add_argument("--steps", type=int, default=12, help=f"steps of a run, {WARM_UP} of them not timed")
    parser.add_argument("--old", type=Path, metavar="DIR", help="a checkout whose dense and skip steps are timed too")
    parser.add_argument("--way", choices=WAYS, help="run this one alone and print what it took as JSON")
    given = parser.parse_args()
    quiet()
    if given.way is not None:
        print(json.dumps(here(given.way, given.steps)))
        return
    made: dict[str, Callable[[], dict[str, float]]] = {way: partial(here, way, given.steps) for way in WAYS}
    if given.old is not None:
        for way in ("dense", "skip"):
            made[f"{way}, old"] = partial(elsewhere, way, given.steps, given.old.resolve())
    names, found = list(made), {name: list[dict[str, float]]() for name in made}
    for number in range(given.rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(made[name]())
        print(f"round {number + 1} of {given.rounds}", file=sys.stderr)
    import torch

    print(f"{platform.machine()}, one thread, torch {torch.__version__}; {given.rounds} rounds of {given.steps} steps")
    print("| way | CPU s a step | ratio to trl: median (range) | tokens a completion | idle groups |")
    print("|---|--:|--:|--:|--:|")
    for name, runs in found.items():
        ratios = sorted(run["seconds"] / plain["seconds"] for run, plain in zip(runs, found["trl"], strict=True))
        seconds, tokens, idle = (statistics.median(run[key] for run in runs) for key in ("seconds", "tokens", "idle"))
        middle = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"| {name} | {seconds:.3f} | {middle} | {tokens:.1f} | {idle:.0%} |")


def quiet() -> None:
    """One thread, no bars and no warnings."""
    import torch
    from transformers.utils import logging as transformers_logging

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    transformers_logging.disable_progress_bar()


if __name__ == "__main__":
    main()
