"""deploy/container/Containerfile, read as an engine reads it, as far as ours goes."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
CONTAINERFILE = REPOSITORY / "deploy/container/Containerfile"
KNOWN = frozenset({
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "RUN", "STOPSIGNAL", "USER", "VOLUME",
    "WORKDIR",
})  # fmt: skip


@dataclass
class Stage:
    """What stands from one FROM to the next, in order."""

    base: str
    name: str | None
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def values(self, word: str) -> list[str]:
        """What stands behind each such instruction."""
        return [value for name, value in self.instructions if name == word]

    def last(self, word: str) -> str:
        """What stands behind the only such instruction."""
        (value,) = self.values(word)
        return value

    def pairs(self, word: str) -> dict[str, str]:
        """The `name=value` of all such instructions."""
        return dict(each.split("=", 1) for value in self.values(word) for each in shlex.split(value))

    def program(self) -> list[str]:
        """What runs."""
        return [*as_list(self.last("ENTRYPOINT")), *as_list(self.last("CMD"))]

    def health_check(self) -> list[str]:
        """What tells whether it is well."""
        return as_list(self.last("HEALTHCHECK").partition("CMD ")[2])


def as_list(value: str) -> list[str]:
    """A command in the form that needs no shell. Raises ValueError."""
    parsed: list[str] = json.loads(value)
    return parsed


def stages(text: str) -> list[Stage]:
    """The stages of a file. Raises ValueError for an instruction that is not known here."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    found: list[Stage] = []
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, value = line.partition(" ")
        if word == "FROM":
            base, _, name = value.partition(" AS ")
            found.append(Stage(base, name or None))
        elif word in KNOWN:
            found[-1].instructions.append((word, value.strip()))
        else:
            raise ValueError(line)
    return found
