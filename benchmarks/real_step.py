"""A GRPO step of a real language model by part, in float32 and bfloat16 arithmetic, beside plain TRL in one run.

    python benchmarks/real_step.py                         # SmolLM2-135M (make smollm2), one CPU thread
    python benchmarks/real_step.py --model Qwen/Qwen2.5-0.5B-Instruct --dataset gsm8k --completion 256   # on a GPU, too

Seconds are processor seconds of one thread on a CPU, and seconds of a synchronised clock on a GPU. All ways ask the
same questions after the same examples; the policy hardly moves (learning rate 1e-9), so they do the same work up to the
draw of completions. `dense` has every row in its updates as TRL has; `left out` is without the groups that have no
advantage. The first step of a run does not count. Nothing else must run on the machine.

Parts: prefill and decode of the rollouts, log-probs before the updates, forward and backward passes of the updates,
optimizer (with the clipping of gradients), and the rest: rewards, selection, records.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from trl_step import StepTimes, quiet, run_ours, run_trl

WARM_UP = 1
PARTS = ("prefill", "decode", "log-probs", "forward", "backward", "optimizer", "rest")
WAYS = {"trl": (run_trl, False), "dense": (run_ours, False), "left out": (run_ours, True)}
"""Way -> what runs it, and whether groups without advantage are left out."""


def clock() -> float:
    """Seconds, once what was asked of a GPU is done."""
    import torch

    if not torch.cuda.is_available():
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


class Parts:
    """Seconds of a trainer's steps by part; a part inside another counts once, as the inner one."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self._inside: list[tuple[str, float, float]] = []  # part, since when, seconds of parts inside it
        self._generating = False

    def watch(self, trainer: Any) -> None:
        """Time a trainer from the end of its warm-up."""
        import torch
        from transformers import TrainerCallback

        parts = self

        class Recorder(TrainerCallback):
            def on_train_begin(_, args: Any, state: Any, control: Any, optimizer: Any = None, **__: Any) -> None:
                optimizer.step = parts.timed("optimizer", optimizer.step)

            def on_step_end(_, args: Any, state: Any, control: Any, **__: Any) -> None:
                if state.global_step == WARM_UP * args.gradient_accumulation_steps * updates_of(args):
                    parts.seconds = dict.fromkeys(PARTS, 0.0)

        trainer.add_callback(Recorder())
        logps = trainer._get_per_token_logps_and_entropies
        forward, before = self.timed("forward", logps), self.timed("log-probs", logps)
        trainer._get_per_token_logps_and_entropies = lambda *given, **more: (
            forward if torch.is_grad_enabled() else before
        )(*given, **more)
        trainer._compute_loss = self.timed("forward", trainer._compute_loss)
        trainer.accelerator.backward = self.timed("backward", trainer.accelerator.backward)
        trainer.accelerator.clip_grad_norm_ = self.timed("optimizer", trainer.accelerator.clip_grad_norm_)
        if hasattr(trainer, "rollouts"):
            trainer.rollouts.decode = self._generation(trainer.rollouts.decode)
        else:
            trainer._generate_single_turn = self._generation(trainer._generate_single_turn)
        model = trainer.accelerator.unwrap_model(trainer.model)
        model.register_forward_pre_hook(self._enter, with_kwargs=True)
        model.register_forward_hook(self._leave, with_kwargs=True)

    def timed(self, part: str, made: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, whose time goes to a part."""

        def call(*given: Any, **more: Any) -> Any:
            self._begin(part)
            try:
                return made(*given, **more)
            finally:
                self._end()

        return call

    def _generation(self, made: Callable[..., Any]) -> Callable[..., Any]:
        decode = self.timed("decode", made)

        def call(*given: Any, **more: Any) -> Any:
            self._generating = True
            try:
                return decode(*given, **more)
            finally:
                self._generating = False

        return call

    def _enter(self, model: Any, given: Any, more: dict[str, Any]) -> None:
        if self._generating and more["input_ids"].shape[1] > 1:
            self._begin("prefill")

    def _leave(self, model: Any, given: Any, more: dict[str, Any], out: Any) -> None:
        if self._generating and more["input_ids"].shape[1] > 1:
            self._end()

    def _begin(self, part: str) -> None:
        self._inside.append((part, clock(), 0.0))

    def _end(self) -> None:
        part, since, inner = self._inside.pop()
        took = clock() - since
        self.seconds[part] += took - inner
        if self._inside:
            outer, start, other = self._inside[-1]
            self._inside[-1] = (outer, start, other + took)


def updates_of(args: Any) -> int:
    """Optimizer updates of a step, by TRL's configuration."""
    return int(args.steps_per_generation) // int(args.gradient_accumulation_steps)


def model_of(name: str) -> dict[str, Any]:
    """The fields of a model. A known one with a file is converted once, into `runs/cache`, and not by every run."""
    from repro.cache import Cache
    from repro.models.catalogue import MODEL_NAMES
    from repro.models.gguf_convert import converted
    from repro.models.sources import file_of

    if Path(name).exists():
        return {"path": name}
    if name not in MODEL_NAMES:
        return {"hub": name}
    file = file_of(name)
    return {"named": name} if file is None else {"path": str(converted(file, "float32", Cache(Path("runs/cache"))))}


def cell_of(given: argparse.Namespace, precision: str, skip: bool) -> Any:
    """The cell that a way trains, with examples from the validation questions before each question."""
    from repro.study.expand import expand
    from repro.study.load import parse_spec
    from repro.tasks.dataset_spec import DatasetSpec
    from repro.tasks.datasets import load_dataset

    model = model_of(given.model)
    data = load_dataset(DatasetSpec.model_validate(given.dataset))
    shown = data.validation[: given.examples]
    answers = [data.answer_format.completion(problem) for problem in shown]
    model["examples"] = [
        {"question": problem.question, "answer": text} for problem, text in zip(shown, answers, strict=True)
    ]
    spec = {
        "name": "steps",
        "model": model,
        "dataset": given.dataset,
        "train": {
            "steps": given.steps,
            "questions_per_step": given.questions,
            "group_size": given.group,
            "minibatches": given.minibatches,
            "max_completion_tokens": given.completion,
            "learning_rate": 1e-9,
            "skip_zero_advantage": skip,
            "precision": precision,
        },
        "evaluate": {
            "every": given.steps,
            "questions": 4,
            "pool_samples": 1,
            "samples": 1,
            "base_temperatures": [],
            "sets": ["test"],
        },
        "arms": {"full": {}},
        "seeds": [0],
    }
    return next(iter(expand(parse_spec(spec))))


def measure(given: argparse.Namespace, way: str, precision: str) -> dict[str, float]:
    """Seconds of a step in all and by part, and the mean tokens of a completion."""
    run, skip = WAYS[way]
    cell, parts = cell_of(given, precision, skip), Parts()
    times = StepTimes(cell.train.minibatches, WARM_UP, clock)
    with tempfile.TemporaryDirectory() as folder:
        found = run(cell, Path(folder), times=times, watch=parts.watch)
    counted = given.steps - WARM_UP
    seconds = {part: parts.seconds[part] / counted for part in PARTS}
    seconds["rest"] = found["seconds"] - sum(seconds.values())
    return {**seconds, "step": found["seconds"], "tokens": found["tokens"]}


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2", help="a known model, a directory or a hub id (smollm2)")
    parser.add_argument("--dataset", default="arithmetic", help="a task or dataset by name (arithmetic)")
    parser.add_argument("--examples", type=int, default=8, help="example turns before each question (8)")
    parser.add_argument("--questions", type=int, default=8, help="questions of a step (8)")
    parser.add_argument("--group", type=int, default=8, help="completions of each (8)")
    parser.add_argument("--minibatches", type=int, default=2, help="updates of a step (2)")
    parser.add_argument("--completion", type=int, default=24, help="longest completion (24)")
    parser.add_argument("--steps", type=int, default=3, help=f"steps of a run, {WARM_UP} of them not timed (3)")
    parser.add_argument("--rounds", type=int, default=1, help="runs of each way, in alternating order (1)")
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"], help="arithmetic (both)")
    parser.add_argument("--way", nargs="+", choices=WAYS, default=list(WAYS), help="which ways (all)")
    given = parser.parse_args()
    quiet()
    made = [(way, precision) for precision in given.precision for way in given.way]
    found: dict[tuple[str, str], list[dict[str, float]]] = {one: [] for one in made}
    for number in range(given.rounds):
        for one in made if number % 2 == 0 else made[::-1]:
            found[one].append(partial(measure, given)(*one))
            print(f"round {number + 1}: {one[0]}, {one[1]}: {found[one][-1]['step']:.1f} s", file=sys.stderr)
    print(table(given, found))


def table(given: argparse.Namespace, found: dict[tuple[str, str], list[dict[str, float]]]) -> str:
    """Medians over the rounds, a column for each way and arithmetic; ratios are to plain TRL in the same arithmetic."""
    import torch

    cuda = torch.cuda.is_available()
    place = torch.cuda.get_device_name() if cuda else f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"
    middle = {one: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for one, runs in found.items()}
    lines = [
        f"{given.model} on {given.dataset}, {given.examples} examples, {given.questions} x {given.group} completions "
        f"of at most {given.completion} tokens, {given.minibatches} updates; {place}, torch {torch.__version__}",
        "| seconds | " + " | ".join(f"{way}, {precision}" for way, precision in found) + " |",
        "|---|" + "--:|" * len(found),
    ]
    for key in (*PARTS, "step"):
        lines.append(f"| {key} | " + " | ".join(f"{one[key]:.2f}" for one in middle.values()) + " |")
    ratios = []
    for way, precision in found:
        plain = found.get(("trl", precision))
        pairs = zip(found[way, precision], plain, strict=True) if plain else ()
        each = [run["step"] / other["step"] for run, other in pairs]
        ratios.append(f"{statistics.median(each):.2f}" if each else "-")
    lines.append(f"| ratio to trl | {' | '.join(ratios)} |")
    lines.append("| tokens of a completion | " + " | ".join(f"{one['tokens']:.1f}" for one in middle.values()) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
