"""A file's progress in the words of `/api/files`."""

from typing import Any

from transfer_service.services.files.rows import FileRecord
from transfer_service.web.context import services
from transfer_service.wire.instants import format_instant


def status_json(status: FileRecord) -> dict[str, Any]:
    """What there is of a file. Its total is inferred while nobody has told it and later chunks may extend it."""
    return {
        "filename": status.name,
        "file_id": str(status.id),
        "status": "complete" if status.is_complete else "partial",
        "bytes_received": status.received_bytes,
        "total_bytes": status.length,
        "next_expected_byte": status.next_expected,
        "sha256": status.sha256,
        "total_inferred": status.length is not None and not status.length_declared,
        "content_type": status.media_type,
        "created_at": format_instant(status.created_at),
        "updated_at": format_instant(status.updated_at),
    }


def status_with_gaps_json(status: FileRecord) -> dict[str, Any]:
    """The same with what is missing, the first hundred gaps."""
    missing = [{"start": span.start, "end": span.stop - 1} for span in services().files.missing(status)]
    return {**status_json(status), "missing": missing}


def details_json(status: FileRecord) -> dict[str, Any]:
    """The same with what is seen in a picture or a film, once its preview is made; null before, and of all else."""
    preview = services().previews.find(status.id.hex) if status.is_complete else None
    seen = {name: getattr(preview, name, None) for name in ("width", "height", "duration", "blurhash")}
    return {**status_with_gaps_json(status), **seen}


def pending_json(name: str) -> dict[str, Any]:
    """What there is of a file of which nothing came yet."""
    return {
        "filename": name,
        "file_id": None,
        "status": "pending",
        "bytes_received": 0,
        "total_bytes": None,
        "next_expected_byte": 0,
        "sha256": None,
        "total_inferred": False,
        "content_type": None,
        "created_at": None,
        "updated_at": None,
    }
