"""Names of what a pass over questions can score."""

from __future__ import annotations

from typing import Literal

Target = Literal["final_answer", "solution", "greedy_response"]
"""The tokens whose probability is a confidence."""

PromptKind = Literal["perplexity", "entropy"]
"""What is measured of a question's own tokens."""
