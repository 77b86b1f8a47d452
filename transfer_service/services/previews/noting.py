"""That a preview is to be made, written down with the file that it is of."""

import importlib.util
from typing import TYPE_CHECKING

import structlog

from transfer_service.db.database import Executor
from transfer_service.services.core import Core
from transfer_service.services.previews import rows as preview_rows
from transfer_service.wire.media_signatures import medium_of

if TYPE_CHECKING:
    from transfer_service.config import Settings

PACKAGES = {"PIL": "pillow", "pillow_heif": "pillow-heif", "av": "av", "blurhash": "blurhash"}
"""What the maker needs, by the modules' names: looked for here, and loaded by nobody but the maker."""


def find_missing() -> list[str]:
    """The packages of `requirements-previews.txt` that are not installed."""
    return [package for module, package in PACKAGES.items() if importlib.util.find_spec(module) is None]


def tell_missing(settings: "Settings") -> None:
    """Say in the log why there are no previews, where nobody has wanted that."""
    missing = find_missing()
    if settings.previews and missing:
        structlog.get_logger().warning("no_previews", missing=missing, requirements="requirements-previews.txt")


def note(rows: Executor, core: Core, subject: str, *, head: bytes | None = None) -> bool:
    """Let a preview be made of what has just come to be whole, in that transaction. Whether there may be one.

    `head` are its first bytes. Where they would have to be read for this, a worker looks at them instead, so that no
    upload waits for it.
    """
    if not core.makes_previews or (head is not None and medium_of(head) is None):
        return False
    preview_rows.add(rows, subject, core.now())
    return True
