"""The unreliable teacher of the shuffle warm start: systematic wrong habits, plain noise, answers without steps."""

from __future__ import annotations

import numpy as np

from repro.models.lessons import lessons
from repro.models.model_spec import ShuffleTeacher
from repro.tasks.procedural import ANSWER_PREFIX
from repro.tasks.shuffle import Chain, apply, draw_chain, question_of

FAULTLESS = {"habit": 0.0, "noise": 0.0, "direct_answers": 0.0}


def habitual(state: str, operation: str) -> str:
    """The wrong way: L rotates right, H swaps the inner two only; R and S are right."""
    if operation == "L":
        return state[-1] + state[:-1]
    if operation == "H":
        return state[0] + state[2] + state[1] + state[3]
    return apply(state, operation)


def imitated(chain: Chain, teacher: ShuffleTeacher, rng: np.random.Generator) -> str:
    """The teacher's completion. Later steps go on from a wrong state; a direct answer is where its steps would end."""
    state, operations = chain
    steps = []
    for operation in operations:
        if rng.random() < teacher.noise:
            state = "".join(state[i] for i in rng.permutation(len(state)))
        elif rng.random() < teacher.habit:
            state = habitual(state, operation)
        else:
            state = apply(state, operation)
        steps.append(f"{operation}={state}")
    written = "" if rng.random() < teacher.direct_answers else ";".join(steps)
    return f"{written}{ANSWER_PREFIX}{state}"


def shuffle_lessons(teacher: ShuffleTeacher, n: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """`n` pairs of question and completion, see `lessons`."""
    sound = teacher.model_copy(update=FAULTLESS)
    return lessons(
        n,
        rng,
        longest=teacher.longest,
        faultless=teacher.faultless,
        draw=draw_chain,
        question_of=question_of,
        imitate=lambda chain, right: imitated(chain, sound if right else teacher, rng),
    )
