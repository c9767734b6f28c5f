"""Shrinks a study."""

from repro.spec.schema import Spec


def shrink(spec: Spec) -> Spec:
    return spec
