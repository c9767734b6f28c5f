"""Is a completion's final answer mathematically equal to the gold answer?"""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from collections.abc import Sequence

from repro.tasks.answers import extract_answer, tidy
from repro.tasks.equality import quick_equal
from repro.tasks.forms import in_form_of
from repro.tasks.problem import Verifier
from repro.tasks.workers import WorkerPool, share_of_cores

MEMORY = 2 << 30  # bytes of address space of a comparison
LONGEST_ALGEBRA = 1000  # characters; beyond, only equality of text counts
CACHED = 100_000  # outcomes kept, the oldest dropped first
EQUAL, UNEQUAL = "equal", "unequal"
PASSING = {"wall", "killed"}
"""Outcomes that may be the machine's doing: the same pair is asked again the next time."""


class MathVerifier:
    """Verdicts by text and exact numbers where they can tell, else by math-verify in processes that can be killed.

    What cannot be decided counts as wrong and is counted in `undecided`. The limit is in CPU seconds, so a busy
    machine changes no reward; only a wall time at least thirty times as long ends a comparison that does not compute.
    Outcomes are cached by (gold, answer). Processes start with the first answer that needs one and end with this
    object or its process. Calls may come from any thread; a fork of the process gets processes of its own.
    """

    def __init__(self, seconds: float = 5.0, workers: int | None = None, memory: int = MEMORY) -> None:
        """Limits of one comparison in CPU seconds and bytes; `workers` as many as this process has cores if None."""
        if seconds <= 0:
            raise ValueError(f"seconds is {seconds}, expected a positive number")
        if workers is not None and workers < 1:
            raise ValueError(f"workers is {workers}, expected at least 1")
        self.undecided: Counter[str] = Counter()
        """Completions judged wrong because nobody knows, by reason: time, memory, crash, wall or killed."""
        self._outcomes: dict[tuple[str, str], str] = {}
        self._pool = WorkerPool(seconds, workers or share_of_cores(), memory)
        self._lock = threading.Lock()
        myself = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: renew_lock(myself()))

    def __call__(self, completion: str, answer: str) -> bool:
        """Does the final answer found in `completion` equal the gold `answer`? False where none is found."""
        return self.many([completion], [answer])[0]

    def many(self, completions: Sequence[str], answers: Sequence[str]) -> list[bool]:
        """The verdicts of completions, each on its own gold answer: those of single calls, in much less time."""
        return [outcome == EQUAL for outcome in self.outcomes(completions, answers)]

    def outcomes(self, completions: Sequence[str], answers: Sequence[str]) -> list[str]:
        """For each completion equal, unequal, or why nobody knows: time, memory, crash, wall, killed.

        Equal pairs are compared once and the pairs that need algebra are spread over the cores. Takes at worst the
        number of distinct such pairs times the limit in CPU seconds, divided by the number of processes.
        """
        outcomes: list[str | None] = []
        pairs: dict[int, tuple[str, str]] = {}
        for row, (completion, answer) in enumerate(zip(completions, answers, strict=True)):
            gold, given = in_form_of(tidy(answer), extract_answer(completion))
            verdict = quick_equal(gold, given)
            if verdict is None and max(len(gold), len(given)) > LONGEST_ALGEBRA:
                verdict = False
            outcomes.append(None if verdict is None else EQUAL if verdict else UNEQUAL)
            if verdict is None:
                pairs[row] = (gold, given)
        with self._lock:
            known = self._compare(dict.fromkeys(pairs.values())) if pairs else {}
            self.undecided.update(known[pair] for pair in pairs.values() if known[pair] not in (EQUAL, UNEQUAL))
        return [known[pairs[row]] if outcome is None else outcome for row, outcome in enumerate(outcomes)]

    def close(self) -> None:
        """End the processes; the next answer that needs one starts others."""
        self._pool.close()

    def _compare(self, pairs: dict[tuple[str, str], None]) -> dict[tuple[str, str], str]:
        """The outcome of every pair, asking for those that are not in the cache."""
        known = {pair: self._outcomes[pair] for pair in pairs if pair in self._outcomes}
        unknown = [pair for pair in pairs if pair not in known]
        for pair, outcome in zip(unknown, self._pool.ask(unknown), strict=True):
            known[pair] = outcome
            if outcome not in PASSING:
                if len(self._outcomes) >= CACHED:
                    del self._outcomes[next(iter(self._outcomes))]
                self._outcomes[pair] = outcome
        return known


def renew_lock(verifier: MathVerifier | None) -> None:
    """In a forked process: let go of a lock that a thread of the parent may hold."""
    if verifier is not None:
        verifier._lock = threading.Lock()


def judge(verifier: Verifier, completions: Sequence[str], answers: Sequence[str]) -> list[float]:
    """The grades in [0, 1] that a verifier gives many completions, at once where it can (`many`), else one by one."""
    if isinstance(verifier, MathVerifier):
        return [*verifier.many(completions, answers)]
    return [verifier(completion, answer) for completion, answer in zip(completions, answers, strict=True)]


def undecided(verifier: Verifier) -> Counter[str] | None:
    """How many completions a verifier has judged wrong because it could not decide; None where it always can."""
    return verifier.undecided if isinstance(verifier, MathVerifier) else None
