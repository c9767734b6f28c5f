"""The unreliable teacher of the variables warm start: systematic wrong habits, plain noise, answers without steps."""

from __future__ import annotations

import numpy as np

from repro.models.lessons import lessons
from repro.models.model_spec import VariablesTeacher
from repro.tasks.procedural import ANSWER_PREFIX
from repro.tasks.variables import ASKED, EASY, GIVEN, MODULUS, Chain, apply, draw_chain, names_of, question_of

FAULTLESS = {"habit": 0.0, "noise": 0.0, "direct_answers": 0.0}


def imitated(chain: Chain, teacher: VariablesTeacher, rng: np.random.Generator) -> str:
    """The teacher's completion. Later steps go on from a wrong value; a direct answer is where its steps would end.

    The wrong way, in - and * steps: the variable assigned just before the left operand is taken in place of the one
    that is named, and a difference loses its sign. It coincides with the right way where that variable is the one named
    and nothing is negative, which is what makes some questions easy for a policy with these habits.
    """
    given, assigned = chain
    values, names = dict(given), names_of(chain)
    latest, left = names[GIVEN - 2], names[GIVEN - 1]
    written = f"{left}{values[left]}"
    for name, operation, right in assigned:
        wrong = operation not in EASY and rng.random() < teacher.habit
        used = latest if wrong else right
        if rng.random() < teacher.noise:
            values[name] = int(rng.integers(MODULUS))
        elif wrong and operation == "-":
            values[name] = abs(values[left] - values[used])
        else:
            values[name] = apply(values[left], operation, values[used])
        written += f"{operation}{used}{values[used]}={name}{values[name]}"
        latest, left = left, name
    shown = "" if rng.random() < teacher.direct_answers else written
    return f"{shown}{ANSWER_PREFIX}{''.join(str(values[name]) for name in names[-ASKED:])}"


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
