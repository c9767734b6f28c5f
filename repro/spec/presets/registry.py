"""Every preset by its name. A paper's presets stand in a file of their own beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from repro.spec.presets import dots_rr, ufo_rl
from repro.spec.presets.preset import Preset

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (*dots_rr.PRESETS, *ufo_rl.PRESETS)}
"""Name -> preset. The schema of `preset` lists these names."""

if TYPE_CHECKING:
    PresetName = str
else:  # the names themselves, so that messages and the JSON schema list them
    PresetName = Literal[tuple(PRESETS)]

HELP = "; ".join(f"{preset.name}: {preset.help}" for preset in PRESETS.values())
"""One line for the schema."""
