"""Links and what they give out, as JSON."""

from collections.abc import Sequence
from typing import Any

from transfer_service.services.sharing.link_rows import LinkRecord, SharedFile
from transfer_service.web.addresses import absolute_url
from transfer_service.web.context import services
from transfer_service.wire.instants import format_second


def link_json(link: LinkRecord, files: Sequence[SharedFile]) -> dict[str, Any]:
    """A link for its owner. Its `url` is null where it was made under a `SECRET_KEY` that is not known any more."""
    token = services().sharing.links.token_of(link)
    return {
        "id": str(link.id),
        "url": None if token is None else absolute_url(f"/s/{token}"),
        "kind": link.kind.value,
        "name": link.name,
        "files": shared_files_json(token, files),
        "expires_at": format_second(link.expires_at),
        "has_password": link.password_hash is not None,
        "max_downloads": link.max_downloads,
        "downloads": link.downloads,
        "max_files": link.max_files,
        "max_bytes": link.max_bytes,
        "received_files": link.received_files,
        "received_bytes": link.received_bytes,
        "created_at": format_second(link.created_at),
    }


def shared_files_json(token: str | None, files: Sequence[SharedFile]) -> list[dict[str, Any]]:
    """What a link gives out, with the addresses that it has there."""
    prefix = None if token is None else absolute_url(f"/s/{token}/files/")
    return [
        {
            "file_id": str(file.id),
            "filename": file.name,
            "size": file.length,
            "content_type": file.media_type,
            "url": None if prefix is None else f"{prefix}{file.id}",
        }
        for file in files
    ]
