"""Evaluation of a policy on problems: avg@k, greedy accuracy and entropy, with a generator of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from repro.models.engines import Engine, HuggingFaceEngine
from repro.models.flops import FlopCounter
from repro.models.sampling import Completions, mean_entropy
from repro.numbers import pass_at
from repro.tasks.grading import Grader
from repro.tasks.problem import Problem, TaskData
from repro.tasks.prompts import PromptStyle
from repro.tasks.reward_spec import RewardTerm
from repro.training.ledger import Ledger
from repro.training.ranks import Ranks
from repro.training.shown_completions import ShownCompletion, shown_completions


@dataclass(frozen=True)
class Evaluation:
    """How often each problem of a set was solved, as the dataset's verifier judges whatever training rewards.

    `passes[id]` of `samples` completions at `temperature`.
    """

    set: str
    temperature: float
    samples: int
    passes: dict[str, int]
    greedy: dict[str, bool] | None
    entropy: float
    mean_tokens: float
    shown: tuple[ShownCompletion, ...] = ()  # a few for people to read; they are recorded apart

    @property
    def accuracy(self) -> float:
        """avg@k: mean pass rate over problems, in [0, 1]."""
        return sum(self.passes.values()) / (self.samples * len(self.passes))

    @property
    def solved(self) -> float:
        """pass@k: share of problems that one of the k samples solves."""
        return pass_share(self.passes, self.samples)

    @property
    def greedy_accuracy(self) -> float | None:
        """Share of problems whose greedy completion is right."""
        return None if self.greedy is None else sum(self.greedy.values()) / len(self.greedy)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able form, as a line of `evaluations.jsonl`."""
        fields = asdict(self)
        del fields["shown"]
        return fields


def pass_share(passes: Mapping[str, int], samples: int) -> float:
    """pass@k over problems, k all of their samples."""
    return float(pass_at(samples, list(passes.values()), samples).mean())


class Sampler:
    """Samples completions of problems from a policy, grades them, and enters the cost in a ledger.

    Probes, pass rates and evaluations all go through here, so that they count alike. The policy's mode and torch's
    global generator are left as they were. `engine` makes the completions (default: the policy itself). With several
    ranks each samples a part of the problems and enters its own cost; all get the whole result (so every call is
    collective), which does not depend on how many ranks there are.

    `reward`: what probes and pass rates are measured by (default: accuracy). Evaluations are always accuracy.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        data: TaskData,
        style: PromptStyle,
        max_completion_tokens: int,
        ledger: Ledger,
        ranks: Ranks | None = None,
        engine: Engine | None = None,
        reward: Sequence[RewardTerm] | None = None,
    ) -> None:
        self.engine = engine or HuggingFaceEngine(model, tokenizer)
        self.model, self.tokenizer, self.data = model, tokenizer, data
        self.style, self.max_completion_tokens = style, max_completion_tokens
        self.ledger, self.ranks = ledger, ranks or Ranks()
        reply = style.reply(tokenizer)
        self.reward, self._accuracy = Grader(reward, reply), Grader(reply=reply)
        self.flop_counter = FlopCounter.of(model)

    def prompts(self, problems: Sequence[Problem]) -> list[str]:
        """The rendered prompts of problems."""
        suffix = self.data.answer_format.question_suffix
        return self.style.prompts([problem.question for problem in problems], self.tokenizer, suffix)

    def completions(
        self,
        problems: Sequence[Problem],
        samples: int,
        temperature: float,
        top_p: float,
        seed: int,
        phase: str,
        *,
        accuracy: bool = False,
        earlier: Sequence[Problem] = (),
    ) -> tuple[Completions, list[tuple[float, ...]]]:
        """Completions and, per problem, the rewards in [0, 1] of its `samples` completions; greedy at temperature 0.

        With `accuracy` the dataset's own verdicts, 0 or 1, in place of the rewards that training uses. `earlier`:
        problems that other calls with this seed ask; a prompt that is among them gets its next samples.
        """
        count, everything = len(problems), self.prompts(problems)
        problems, prompts = self.ranks.share(problems), self.ranks.share(everything)
        with self.ledger.phase(phase):
            out = self.engine.generate(
                prompts,
                samples=samples,
                temperature=temperature,
                top_p=top_p,
                max_new_tokens=self.max_completion_tokens,
                seed=seed,
                earlier=[*self.prompts(earlier), *everything[: self.ranks.index * len(prompts)]],
            )
            asked = [problem for problem in problems for _ in range(samples)]
            grader = self._accuracy if accuracy else self.reward
            graded = grader.grade(self.data.verifier, out.texts, asked).rewards
        self.ledger.add(
            phase,
            prompt_tokens=out.prompt_tokens,
            generated_tokens=out.generated_tokens,
            completions=len(out.texts),
            flops=self.flop_counter.forward(out.lengths),
        )
        rewards = [tuple(graded[i : i + samples]) for i in range(0, len(graded), samples)]
        return self._of_all_ranks(out, count * samples), self.ranks.join(rewards, count)

    def _of_all_ranks(self, out: Completions, rows: int) -> Completions:
        return Completions(
            self.ranks.join(out.texts, rows),
            self.ranks.join(out.token_ids, rows),
            self.ranks.join(out.prompt_counts, rows),
            None if out.logps is None else self.ranks.join(out.logps, rows),
        )

    def evaluate(
        self,
        name: str,
        problems: Sequence[Problem],
        samples: int,
        temperature: float,
        top_p: float,
        seed: int,
        greedy: bool,
    ) -> Evaluation:
        """Measure the policy on a set of problems; cost goes to the phase `evaluate`."""
        out, rewards = self.completions(problems, samples, temperature, top_p, seed, "evaluate", accuracy=True)
        with self.ledger.phase("evaluate"):  # one completion of each problem is enough for a mean over tokens
            entropy = mean_entropy(self.model, self.tokenizer, self.prompts(problems), out.texts[::samples])
        solved = None
        if greedy:
            _, best = self.completions(problems, 1, 0.0, 1.0, seed, "evaluate", accuracy=True)
            solved = {p.id: bool(r[0]) for p, r in zip(problems, best, strict=True)}
        return Evaluation(
            set=name,
            temperature=temperature,
            samples=samples,
            passes={p.id: int(sum(r)) for p, r in zip(problems, rewards, strict=True)},
            greedy=solved,
            entropy=entropy,
            mean_tokens=out.generated_tokens / len(out.texts),
            shown=shown_completions(problems, out.texts, rewards),
        )
