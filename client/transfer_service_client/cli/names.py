"""Names of files and folders at the service, as people type them."""

from typing import Annotated

import typer

Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", metavar="PATTERN", help="Leave out what has such a name: '*.tmp', node_modules, /build."),
]


def name_of(text: str) -> str:
    """A name as the service has it: slashes around it, and `.` for the top, say no more than their absence."""
    name = text.strip("/")
    return "" if name == "." else name.removeprefix("./").strip("/")


def is_into(text: str) -> bool:
    """Whether somebody means the inside of a folder."""
    return text.endswith("/") or not name_of(text)


def label_of(name: str) -> str:
    """The last part of a name."""
    return name.rpartition("/")[2]
