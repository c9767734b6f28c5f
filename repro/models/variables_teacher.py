"""The unreliable teacher of the variables warm start: systematic wrong habits, plain noise, answers without steps."""

from __future__ import annotations

import numpy as np

from repro.models.lessons import lessons
from repro.spec.models import VariablesTeacher
from repro.tasks.procedural import ANSWER_PREFIX
from repro.tasks.variables import MODULUS, Chain, apply, draw_chain, question_of

FAULTLESS = {"habit": 0.0, "noise": 0.0, "direct_answers": 0.0}


def imitated(chain: Chain, teacher: VariablesTeacher, rng: np.random.Generator) -> str:
    """The teacher's completion. Later steps go on from a wrong value; a direct answer is where its steps would end.

    The wrong way: - takes the absolute difference; * takes the variable assigned last in place of the right operand
    that is named; + is right. It coincides with the right way wherever nothing is negative and the right operand is
    the variable assigned last, which is what makes some questions easy for a policy with these habits.
    """
    given, assigned = chain
    values, latest = dict(given), given[-1][0]
    steps = []
    for name, left, operation, right in assigned:
        wrong = rng.random() < teacher.habit
        used = latest if wrong and operation == "*" else right
        first, second = values[left], values[used]
        if rng.random() < teacher.noise:
            result = int(rng.integers(MODULUS))
        elif wrong and operation == "-":
            result = abs(first - second)
        else:
            result = apply(first, operation, second)
        steps.append(f"{left}{first}{operation}{used}{second}={name}{result}")
        values[name], latest = result, name
    written = "" if rng.random() < teacher.direct_answers else ";".join(steps)
    return f"{written}{ANSWER_PREFIX}{values[latest]}"


def variables_lessons(teacher: VariablesTeacher, n: int, rng: np.random.Generator) -> list[tuple[str, str]]:
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
