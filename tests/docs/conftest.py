"""Commands of the manual on a real Asterisk with real softphones."""

from lab.fixtures import *  # noqa: F403 (pytest finds fixtures by their names here)
