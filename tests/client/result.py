"""What a run of the command gave."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass
class Result:
    """How it ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]
