"""The fixtures of the spec tests serve the study tests too."""

from tests.spec.conftest import *  # noqa: F403
