"""docs/vectors.json as parameters of tests."""

import json
from pathlib import Path
from typing import Any

import pytest

VECTORS: Any = json.loads((Path(__file__).parents[1] / "docs/vectors.json").read_text())


def named(examples: list[Any]) -> list[Any]:
    """Each of them, under its name."""
    return [pytest.param(each, id=each["name"].replace(" ", "-")) for each in examples]


def frames(kind: str, *groups: str) -> list[Any]:
    """The examples of those groups among the frames of so many bytes ("17", "12")."""
    return named([each for group in groups for each in VECTORS["frames"][kind][group]])
