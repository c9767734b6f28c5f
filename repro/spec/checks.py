"""What a schema cannot say: fields that contradict each other, and settings that have no effect."""

from __future__ import annotations

from typing import Any

from repro.spec.document import Problem
from repro.spec.schema import Spec


def check(spec: Spec, data: dict[str, Any]) -> list[Problem]:
    return []


def unused_settings(spec: Spec, data: dict[str, Any]) -> list[Problem]:
    return []
