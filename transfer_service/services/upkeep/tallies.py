"""Counting what a cleanup does."""

from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """How many things of one kind there were, and how many bytes of disk they take."""

    count: int = 0
    bytes: int = 0

    def add(self, stored_bytes: int) -> None:
        """Count one more."""
        self.count += 1
        self.bytes += stored_bytes
