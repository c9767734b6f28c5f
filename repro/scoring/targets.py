"""Names of what a pass over questions can score."""

from __future__ import annotations

from typing import Literal

Target = Literal["final_answer", "solution", "greedy_response"]
"""The tokens whose probability is a confidence: the gold answer, the worked solution with it, or the policy's own
greedy response."""
TARGET_HELP = "the tokens whose probability is the confidence"

ConfidencePrompt = Literal["default", "paper"]
"""What stands before the target: the prompt of rollouts, or that of UFO-RL's release."""

PromptKind = Literal["perplexity", "entropy"]
"""What is measured of a question's own tokens."""
