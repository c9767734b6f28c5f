"""Presets: one word in a spec for what a paper, or its authors' code, has for many fields. One file per paper."""
