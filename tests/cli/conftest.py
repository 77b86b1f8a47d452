"""Fixtures of backups."""

from tests.backups import full, places, there

__all__ = ["full", "places", "there"]
