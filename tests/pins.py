"""Warnings of a study, without those about commits of models that come from a file where the machine has it."""

from __future__ import annotations

from repro.models.catalogue import MODELS
from repro.study.load import LoadedSpec


def warnings_of(loaded: LoadedSpec) -> list[str]:
    """The warnings of a study that hold on every machine."""
    named = [model.named for model in loaded.spec.model if model.named is not None]
    hubs = [MODELS[name].hub for name in named if MODELS[name].file is not None]
    loose = tuple(f"warning: {hub} without a revision" for hub in hubs)
    return [text for text in loaded.warnings if not any(pin in text for pin in loose)]
