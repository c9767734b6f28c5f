"""What a confidence may be of: the kinds of target and the two prompts before it."""

from __future__ import annotations

from typing import Literal

Target = Literal["final_answer", "solution", "greedy_response"]
"""Whose tokens are scored after the prompt: the gold answer, the worked solution with it, or the policy's own greedy
response."""
PromptStyle = Literal["default", "paper"]
"""The prompt of rollouts, or that of UFO-RL's release."""
