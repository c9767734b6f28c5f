"""How many tokens a prompt may have, and which questions have prompts that are longer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from repro.errors import UserError
from repro.tasks.problem import Problem
from repro.tasks.prompts import PromptStyle
from repro.words import show

DROP = "dataset.too_long: drop"


@dataclass(frozen=True)
class Room:
    """What limits the prompts of one set; None is no limit.

    Attributes:
        prompt: `train.max_prompt_tokens`.
        context: tokens of prompt and completion together, by the model or by vLLM.
        completion: tokens that a completion may have, and the field that says so.
        place: what a message calls the context.
        vocabulary: tokens that the model has embeddings of.
    """

    prompt: int | None
    context: int | None
    completion: int
    place: str
    field: str
    vocabulary: int

    @property
    def most(self) -> int | None:
        """The longest prompt that fits, in tokens; below 1 where the completion alone fills the context."""
        left = None if self.context is None else self.context - self.completion
        return min((limit for limit in (self.prompt, left) if limit is not None), default=None)


def room_of(
    config: Any,
    label: str,
    completion: int,
    prompt: int | None = None,
    vllm_context: int | None = None,
    field: str = "train.max_completion_tokens",
) -> Room:
    """The room that a model leaves beside `completion` tokens, by its config; messages call it `label`.

    `vllm_context`: where vLLM makes the completions, which would cut what is longer.
    """
    text = config.get_text_config()
    own, place = getattr(text, "max_position_embeddings", None), f"the context of {label}"
    if vllm_context is not None and (own is None or vllm_context < own):
        own, place = vllm_context, "train.rollout.context"
    return Room(prompt, own, completion, place, field, text.vocab_size)


@dataclass(frozen=True)
class Measured:
    """Questions of one set with the tokens of their prompts, under the room that they have."""

    problems: tuple[Problem, ...]
    lengths: tuple[int, ...]
    room: Room

    @property
    def fits(self) -> list[bool]:
        """Of each question, whether its prompt fits."""
        most = self.room.most
        return [most is None or length <= most for length in self.lengths]

    @property
    def fitting(self) -> tuple[Problem, ...]:
        """The questions whose prompts fit."""
        return tuple(problem for problem, fits in zip(self.problems, self.fits, strict=True) if fits)

    @property
    def longer(self) -> list[tuple[Problem, int]]:
        """The others, each with the tokens of its prompt."""
        rows = zip(self.problems, self.lengths, self.fits, strict=True)
        return [(problem, length) for problem, length, fits in rows if not fits]

    def text(self, label: str) -> str:
        """One line: how many of the questions of `label` are too long, the first, and the limit."""
        (problem, length), room, longer = self.longer[0], self.room, self.longer
        many = f"{len(longer):,} of {len(self.problems):,} {label} questions are too long"
        first = f"the first is {problem.place or problem.id!r} ({show(problem.question)})"
        first += f": its prompt has {length:,} tokens"
        if room.prompt is not None and length > room.prompt:
            return f"{many}; {first}, and train.max_prompt_tokens is {room.prompt:,}"
        together = f"with {room.field} {room.completion:,} that is {length + room.completion:,}"
        return f"{many}; {first}, {together}, and {room.place} is {room.context:,}"

    def refuse(self, label: str, dropping: bool = True) -> None:
        """UserError where a prompt does not fit, with what would help; `dropping`: whether the spec can drop them."""
        if not self.longer:
            return
        longest, room = max(self.lengths), self.room
        cures = [f"{DROP} leaves them out"] if dropping and any(self.fits) else []
        in_prompt = room.prompt is None or longest <= room.prompt
        in_context = room.context is None or longest + room.completion <= room.context
        if in_context:
            cures.append(f"train.max_prompt_tokens: {longest} lets them in")
        elif in_prompt and room.context is not None and longest < room.context:
            cures.append(f"{room.field}: {room.context - longest} leaves room for the longest")
        cures = cures or ["expected shorter prompts, or a model with a longer context"]
        raise UserError(f"dataset.too_long: {self.text(label)}; {', or '.join(cures)}")


def measured(problems: Sequence[Problem], style: PromptStyle, tokenizer: Any, suffix: str, room: Room) -> Measured:
    """The lengths of the prompts of questions, in tokens. UserError for one that tokenizer or model do not know."""
    prompts = style.prompts([problem.question for problem in problems], tokenizer, suffix)
    try:
        ids = tokenizer(prompts, add_special_tokens=False)["input_ids"] if prompts else []
    except Exception:  # of a tokenizer without a token for what it does not know
        ids = [_ids(prompt, tokenizer) for prompt in prompts]
    lengths = tuple(len(row) for row in ids)
    if 0 in lengths:
        problem = problems[lengths.index(0)]
        raise UserError(
            f"{problem.place or problem.id!r}: the question {show(problem.question)} has no tokens: the tokenizer of "
            "the model does not know its characters; expected another model, or the question left out"
        )
    strange = next(((p, i) for p, row in zip(problems, ids, strict=True) if (i := max(row)) >= room.vocabulary), None)
    if strange is not None:
        problem, index = strange
        raise UserError(
            f"{problem.place or problem.id!r}: its prompt has the token {tokenizer.convert_ids_to_tokens(index)!r}, "
            f"number {index:,}, of which a model of {room.vocabulary:,} tokens knows nothing: tokenizer and weights do "
            "not belong together"
        )
    return Measured(tuple(problems), lengths, room)


def _ids(prompt: str, tokenizer: Any) -> list[int]:
    """Token ids of a prompt; none where the tokenizer has no token for a character of it."""
    try:
        return list(tokenizer(prompt, add_special_tokens=False)["input_ids"])
    except Exception as error:
        if type(error) is not Exception:  # the tokenizers library has no class of its own for a missing token
            raise
        return []
