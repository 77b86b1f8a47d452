"""The steps of docs/production.md, as they stand there."""

import re
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs/production.md"
CLONED_FROM = "<repository>"
MARK = "@@@"


@dataclass(frozen=True)
class Step:
    """One numbered section: its title, and the shell of its blocks."""

    title: str
    shell: str


def steps(text: str) -> list[Step]:
    """The numbered sections of a page, in order. What stands in others is for later, or for other machines."""
    found = []
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        blocks = re.findall(r"^```sh\n(.*?)^```$", body, flags=re.DOTALL | re.MULTILINE)
        if re.match(r"\d+\. ", title):
            found.append(Step(title, "".join(blocks)))
    return found


def script(found: list[Step], repository: str) -> str:
    """One script of all, in one shell as the page wants it, that tells when each begins."""
    lines = ["set -eo pipefail\n"]
    for step in found:
        lines += [f"echo '{MARK}' '{step.title}'\n", step.shell.replace(CLONED_FROM, repository)]
    return "".join([*lines, f"echo '{MARK}' end\n"])
