"""A study with arms that checks of axes and sweeps go on from."""

from __future__ import annotations

ARMS = """\
arms:
  full: {}
  random: {selection: {method: random, fraction: 0.2}}
  rr: {replay: {}}
"""
