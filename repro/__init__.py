"""Reproduces and extends two papers on data-efficient GRPO: UFO-RL and DOTS + RR."""

__version__ = "0.2.0"
