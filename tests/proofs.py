"""How much of a long proof is run: a sample by `scripts/test`, all of it by `scripts/torture proofs`."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

REPOSITORY = Path(__file__).parents[1]
T = TypeVar("T")
_SETTING, _ALL = "PROOFS", "all"


def length(sample: int, *, whole: int) -> int:
    """So many kills, steps, rounds or seconds, whatever a proof counts."""
    return whole if os.environ.get(_SETTING) == _ALL else sample


def sample(cases: Sequence[T], *, every: int) -> Sequence[T]:
    """Every so many of the cases, the first one too, where `scripts/torture proofs` runs all."""
    return cases[:: length(every, whole=1)]


def modules() -> list[str]:
    """The test modules that have such a proof."""
    uses = re.compile(r"^from tests\.proofs import (length|sample)$", re.MULTILINE)
    return sorted(
        str(path.relative_to(REPOSITORY))
        for path in (REPOSITORY / "tests").rglob("test_*.py")
        if uses.search(path.read_text())
    )


def run_all() -> int:
    """Run them whole, and give pytest's exit code."""
    command = [sys.executable, "-m", "pytest", *modules()]
    return subprocess.run(command, cwd=REPOSITORY, env={**os.environ, _SETTING: _ALL}, check=False).returncode
