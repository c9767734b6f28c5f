"""One way from a question to a prompt, used by warm start, rollouts, evaluation and scoring alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from repro.errors import UserError
from repro.tasks.chat_text import Message, chat_text, has_template, started
from repro.tasks.replies import Reply, left_open
from repro.words import show

UFO_RL_SYSTEM_PROMPT = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant "
    "first thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning "
    "process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., <think> "
    "reasoning process here </think>\n<answer> answer here </answer>."
)
"""The system turn of UFO-RL's released scorer (arXiv 2505.12457)."""

DOTS_RR_SYSTEM_PROMPT = "Let's think step by step and output the final answer within \\boxed{}."
"""The system turn of DOTS + RR (arXiv 2506.05316)."""

SYSTEM_PROMPTS = {"ufo_rl": UFO_RL_SYSTEM_PROMPT, "dots_rr": DOTS_RR_SYSTEM_PROMPT}
"""What a spec may call by name in `model.system_prompt`."""

APART = "\n\n"
"""Ends an example in a prompt of plain text: a blank line, which ends the model's own answer too."""

MARK = "\u241e QUESTION \u241e"
"""Stands for the question where the text around it is looked at."""

LISTED = re.compile(r"""\[\{(['"])type\1: """)
"""A list of parts that a template has written as it is, in place of its text."""


@dataclass(frozen=True)
class PromptStyle:
    """How a question becomes a prompt, and how what the model writes after it is read.

    Attributes:
        system_prompt: opens the conversation where the tokenizer has a chat template; "" is an empty system turn, None
            leaves the turn to the template.
        examples: (question, answer) of each example, shown before the question.
    """

    system_prompt: str | None = None
    examples: tuple[tuple[str, str], ...] = ()

    def prompts(self, questions: Sequence[str], tokenizer: Any, suffix: str) -> list[str]:
        """The texts that completions follow; tokenize them with `add_special_tokens=False`.

        A tokenizer with a chat template gets a system turn (if there is a system prompt), the examples as user and
        assistant turns, the bare question as the user turn, and the opening of the assistant turn. Any other gets the
        examples and the question as plain text, each question with `suffix`, the dataset's
        `answer_format.question_suffix`; there the system prompt is not used. Where the template has no system turn
        (Gemma's raises, others drop it), the system prompt opens the first user turn. UserError for a template that
        drops anything.
        """
        if has_template(tokenizer):
            rendered = [self._conversation(question, tokenizer) for question in questions]
            self._conversation(MARK, tokenizer)  # a question of one digit might be found in a prompt that drops it
            return rendered
        return started([self.plain_text(question, suffix) for question in questions], tokenizer)

    def prompt(self, question: str, tokenizer: Any, suffix: str) -> str:
        """The prompt of one question."""
        return self.prompts([question], tokenizer, suffix)[0]

    def plain_text(self, question: str, suffix: str) -> str:
        """The examples and the question as plain text, without the start token that a tokenizer may add."""
        return "".join(f"{q}{suffix}{a}{APART}" for q, a in self.examples) + f"{question}{suffix}"

    def messages(self, question: str, tokenizer: Any) -> list[Message]:
        """The turns that a chat template renders to the prompt of a question. UserError as `prompts`."""
        return self._served(question, tokenizer)[0]

    def turns(self, question: str) -> list[Message]:
        """The turns with a system turn where there is a system prompt, for a tokenizer that is not known."""
        return next(self._ways(question))

    def reply(self, tokenizer: Any) -> Reply:
        """How completions of these prompts are read: with what the template has written in the model's place, and, in
        plain text with examples, up to the blank line that ends an example."""
        if not has_template(tokenizer):
            return Reply(one_block=bool(self.examples))
        return Reply(opened=left_open(self._conversation(MARK, tokenizer).rpartition(MARK)[2]))

    def _conversation(self, question: str, tokenizer: Any) -> str:
        return self._served(question, tokenizer)[1]

    def _served(self, question: str, tokenizer: Any) -> tuple[list[Message], str]:
        """The first way to put the turns that the template renders without loss, and what it renders."""
        from jinja2 import TemplateError  # commands that render nothing start sooner without it

        shown = [text.strip() for pair in self.examples for text in pair] + [question.strip()]
        reason = ""
        for messages in self._ways(question):
            try:
                rendered = chat_text(tokenizer, messages)
            except (TemplateError, TypeError, AttributeError) as error:
                reason = reason or f"does not render the conversation: {error}"
                continue
            lost = _first_lost(rendered, shown)
            system = (self.system_prompt or "").strip()
            if lost is None and system and rendered.count(system) <= sum(text.count(system) for text in shown):
                lost = system  # it is in the questions and answers alone
            listed = not isinstance(messages[0]["content"], str) and LISTED.search(rendered)
            if lost is None and not listed:
                return messages, rendered
            reason = reason or f"drops what it is given: {show(lost or question)} is not in its prompt {show(rendered)}"
        cure = ", or chat_template: plain" if self.examples else ""
        raise UserError(f"the chat template of the model {reason}; give another model.chat_template{cure}")

    def _ways(self, question: str) -> Iterator[list[Message]]:
        """The conversation as most templates take it, and as some need it: without a system turn, and with parts in
        place of text."""
        users = [*(asked for asked, _ in self.examples), question]
        answers = [answer for _, answer in self.examples]
        ways = [_turns(users, answers)]
        if self.system_prompt is not None:
            first = f"{self.system_prompt}\n\n{users[0]}" if self.system_prompt else users[0]
            ways = [[_message("system", self.system_prompt), *ways[0]], _turns([first, *users[1:]], answers)]
        yield from ways
        for way in ways:
            yield [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in way]


def _turns(users: Sequence[str], answers: Sequence[str]) -> list[Message]:
    found = []
    for user, answer in zip(users, answers, strict=False):
        found += [_message("user", user), _message("assistant", answer)]
    return [*found, _message("user", users[-1])]


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _first_lost(rendered: str, shown: Sequence[str]) -> str | None:
    """The first text that is not in what was rendered, in order."""
    place = 0
    for text in shown:
        found = rendered.find(text, place)
        if found < 0:
            return text
        place = found + len(text)
    return None
