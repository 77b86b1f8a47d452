"""The page of a link for people: what is in it, and the question for its password. It works without scripts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from flask import Response, request

from transfer_service.services.sharing.link_rows import SharedFile
from transfer_service.web.context import services
from transfer_service.web.sharing.error_pages import page
from transfer_service.web.sharing.visits import Visit
from transfer_service.wire.filenames import split_name
from transfer_service.wire.instants import format_second

FILES_A_PAGE = 500
MAX_DIGITS, MAX_EXTENSION = 6, 4
_SHOWN_KINDS = frozenset({"image", "video"})


@dataclass(frozen=True, slots=True)
class Section:
    """The files of one folder on the page; `folder` is empty for those that lie in none."""

    folder: str
    files: Sequence[SharedFile]


def link_page(visit: Visit, files: Sequence[SharedFile]) -> Response:
    """What a link gives out."""
    pages = max(1, -(-len(files) // FILES_A_PAGE))
    number = min(_page_number(), pages)
    shown = files[(number - 1) * FILES_A_PAGE : number * FILES_A_PAGE]
    return page(
        "link.html",
        link=visit.link,
        base=visit.path,
        address=visit.address(),
        count=len(files),
        size=sum(file.length for file in files),
        sections=list(_sections(shown)),
        number=number,
        pages=pages,
        expires_at=format_second(visit.link.expires_at),
        label_of=lambda name: split_name(name)[1],
        extension_of=_extension_of,
        has_preview=_has_preview,
    )


def password_page(visit: Visit, *, problem: str | None = None) -> Response:
    """The question for the password, again with what was wrong with an answer: `wrong`, or `too_many` of them."""
    return page("password.html", base=visit.path, problem=problem)


def _extension_of(label: str) -> str:
    """What stands in place of a picture: the end of a name, where that is short."""
    stem, _, extension = label.rpartition(".")
    return extension if stem and len(extension) <= MAX_EXTENSION and extension.isalnum() else ""


def _has_preview(file: SharedFile) -> bool:
    """Whether it looks as if there were one; where there is none after all, nothing is shown in its place."""
    return services().core.makes_previews and file.media_type.partition("/")[0] in _SHOWN_KINDS


def _page_number() -> int:
    """Which page the query asks for; what is no number there asks for the first."""
    text = request.args.get("page", "")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else 1


def _sections(files: Sequence[SharedFile]) -> Iterator[Section]:
    for folder, members in groupby(files, key=lambda file: split_name(file.name)[0]):
        yield Section(folder, list(members))
