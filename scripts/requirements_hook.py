"""For hatchling: what a wheel depends on is what the requirements files pin, so that there is one list of it.

Pinned, also what comes along: this is a program with an environment of its own, not a library beside others, and what a
wheel installs today or in a year is what was tested, and what a clone installs.
"""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PREFIX, SUFFIX = "requirements-", ".txt"
NO_EXTRAS = frozenset({"dev"})


def pinned(path: Path) -> list[str]:
    """The requirements of a file, without its comments."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


class RequirementsHook(MetadataHookInterface):
    """`requirements.txt` are the dependencies, `requirements-NAME.txt` those of the extra NAME."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Fill in what pyproject.toml leaves open."""
        root = Path(self.root)
        metadata["dependencies"] = pinned(root / "requirements.txt")
        metadata["optional-dependencies"] = {
            name: pinned(path)
            for path in sorted(root.glob(f"{PREFIX}*{SUFFIX}"))
            if (name := path.name.removeprefix(PREFIX).removesuffix(SUFFIX)) not in NO_EXTRAS
        }
