"""How fast and how exact the single-pass scorer is: five ways to rank the same questions, alternating in one run.

    REPRO_DATA=DIR python benchmarks/score.py                 GSM8K and the tiny policy of ufo_rl/gsm8k_tiny.yaml
    python benchmarks/score.py --dataset arithmetic           nothing to download: the shipped policy and its questions
    python benchmarks/score.py --model DIR --dataset gsm8k    any local model

Per prompt style, alternating: our scorer, (a) one item at a time, (b) the release's way of working, (c) the bare
forward passes of our batches as the limit, (d) sampling K completions. Writes score.json (every time measured) and
score.md. One thread, unless OMP_NUM_THREADS says otherwise.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")
os.environ["RAYON_NUM_THREADS"] = os.environ.get("RAYON_NUM_THREADS", "1")

import numpy as np
import torch
from random_policies import random_weights
from score_measure import WAYS, exactness, forget_peak, peak_bytes, race, ways
from score_page import page
from score_ways import Work

from repro.cache import Cache
from repro.errors import UserError
from repro.models.model_spec import ModelSpec
from repro.models.policy import Policy, load_policy
from repro.scoring.confidence import confidence_texts
from repro.scoring.targets import ConfidencePrompt
from repro.study.load import load_spec
from repro.tasks.dataset_spec import DatasetSpec
from repro.tasks.datasets import load_dataset
from repro.tasks.problem import TaskData
from repro.tasks.prompts import PromptStyle
from repro.tracking.environment import describe_environment

SPEC = Path(__file__).parents[1] / "experiments" / "ufo_rl" / "gsm8k_tiny.yaml"
CHATML = (  # for the paper's prompt on a policy without a template of its own: the head of a chat is what is timed
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def options() -> argparse.Namespace:
    """What the command line says, with the defaults of its dataset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", type=Path, help="directory saved by transformers (default: the tiny policy of the dataset)")
    add("--dataset", choices=("gsm8k", "arithmetic"), default="gsm8k")
    add("--prompt", choices=("default", "paper", "both"), help="default: both on gsm8k, default on arithmetic")
    add("--items", type=int, help="questions that are timed, drawn with a fixed seed (default: all)")
    add("--exact", type=int, help="questions compared with float64 (default: all)")
    add("--repeats", type=int, default=5, help="rounds of all ways")
    add("--samples", type=int, default=8, help="K of (d); 0 leaves (d) out")
    add("--sampled", type=int, default=32, help="questions that (d) samples")
    add("--max-new-tokens", type=int, default=128, help="longest completion of (d)")
    add("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    add("--shape", choices=("qwen2.5-0.5b",), help="random weights of that shape; nothing is compared with float64")
    add("--cache", type=Path, default=Path("runs/cache"), help="where the warm start of the tiny policy is kept")
    add("--out", type=Path, default=Path("runs/score_benchmark"), help="where score.json and score.md go")
    add("--small", action="store_true", help="the whole path in seconds: the shipped policy, few questions")
    add("--memory", choices=WAYS, help=argparse.SUPPRESS)  # this process measures one way's memory and ends
    given = parser.parse_args()
    if given.small:
        given.dataset, given.items, given.exact, given.repeats = "arithmetic", 40, 120, 2
        given.samples, given.sampled, given.max_new_tokens = 2, 4, 16
    if given.prompt is None:
        given.prompt = "default" if given.dataset == "arithmetic" else "both"
    return given


def load(given: argparse.Namespace) -> tuple[Policy, TaskData]:
    """The policy and the questions. Raises UserError."""
    if given.dataset == "arithmetic":
        model, dataset = ModelSpec.model_validate("tiny"), DatasetSpec.model_validate("arithmetic")
    else:
        spec = load_spec(SPEC).spec
        model, dataset = spec.model[0], spec.dataset[0]
    if given.model is not None:
        model = ModelSpec(path=str(given.model))
    data = load_dataset(dataset)
    told = [-1]

    def tell(message: str, done: float) -> None:
        if int(10 * done) > told[0]:
            told[0] = int(10 * done)
            print(message, file=sys.stderr)

    policy = load_policy(model.model_copy(update={"dtype": given.dtype}), dataset, data, Cache(given.cache), tell)
    if given.shape is not None:
        # the policy's tokens are the first of the shape's vocabulary
        policy.model = random_weights(given.shape, policy.tokenizer, getattr(torch, given.dtype), policy.model.device)
    return policy, data


def prepared(
    given: argparse.Namespace, policy: Policy, data: TaskData, style: ConfidencePrompt, count: int | None
) -> Work:
    """The texts of `count` questions (None: all), drawn with a fixed seed."""
    problems = data.train
    if count is not None and count < len(problems):
        drawn = np.sort(np.random.default_rng(0).choice(len(problems), count, replace=False))
        problems = tuple(problems[i] for i in drawn)
    tokenizer = policy.tokenizer
    if style == "paper" and tokenizer.chat_template is None:
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.chat_template = CHATML
    contexts, targets = confidence_texts("final_answer", style, problems, tokenizer, PromptStyle(), data.answer_format)
    suffix = data.answer_format.question_suffix
    prompts = PromptStyle().prompts([problem.question for problem in problems], policy.tokenizer, suffix)
    return Work(policy.model, tokenizer, [problem.id for problem in problems], contexts, targets, prompts)


def memory(given: argparse.Namespace) -> dict[str, int]:
    """Bytes that each way needs above what a fresh process holds after loading."""
    out = {}
    names = ("ours", "b") if given.small else WAYS if given.samples else WAYS[:-1]
    for name in names:
        command = [sys.executable, __file__, *sys.argv[1:], "--prompt", given.prompt, "--memory", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        out[name] = int(done.stdout.split()[-1])
    return out


def main() -> None:
    """Measure, print and write."""
    given = options()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    warnings.filterwarnings("ignore")
    policy, data = load(given)
    if given.memory is not None:
        run = ways(given, prepared(given, policy, data, given.prompt, given.items))[given.memory]
        forget_peak()
        before = peak_bytes()
        run()
        print(peak_bytes() - before)
        return
    record: dict[str, Any] = {
        "settings": {key: str(value) if isinstance(value, Path) else value for key, value in vars(given).items()},
        "policy": {
            "label": given.shape or policy.label,
            "parameters": sum(p.numel() for p in policy.model.parameters()),
            "device": policy.model.device.type,
        },
        "threads": {"torch": torch.get_num_threads(), "tokenizer": os.environ["RAYON_NUM_THREADS"]},
        "load": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "environment": describe_environment(),
        "prompts": {},
    }
    styles = ("default", "paper") if given.prompt == "both" else (given.prompt,)
    for style in styles:
        given.prompt = style
        print(f"prompt {style}: times", file=sys.stderr)
        told = race(given, prepared(given, policy, data, style, given.items))
        if given.shape is None:
            print(f"prompt {style}: float64", file=sys.stderr)
            told["exactness"] = exactness(given, prepared(given, policy, data, style, given.exact))
        print(f"prompt {style}: memory", file=sys.stderr)
        told["memory"] = memory(given)
        record["prompts"][style] = told
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "score.json").write_text(json.dumps(record, indent=1) + "\n")
    (given.out / "score.md").write_text(page(record))
    print(page(record))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"score.py: {error}")
