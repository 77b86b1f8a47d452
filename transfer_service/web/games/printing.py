"""Remote downloads as clients see them."""

from typing import Any

from transfer_service.models.games import DownloadState
from transfer_service.services.games.job_rows import DownloadRecord
from transfer_service.wire.instants import format_instant
from transfer_service.wire.sse import format_event

RETRY_MILLISECONDS = 2000


def download_json(download: DownloadRecord) -> dict[str, Any]:
    """A download of the listing. `progress` in whole percent, `speed` in bytes a second."""
    return {
        "gameId": str(download.game_id),
        "gameDataId": download.game_data_id,
        "title": download.title,
        **_progress_json(download),
        "error": download.error,
        "startedAt": format_instant(download.started_at),
        "finishedAt": format_instant(download.finished_at) if download.finished_at else None,
    }


def _progress_json(download: DownloadRecord) -> dict[str, Any]:
    return {
        "status": download.state.value,
        "progress": download.progress,
        "bytesDownloaded": download.bytes_downloaded,
        "totalBytes": download.total_bytes,
        "speed": download.speed,
    }


def progress_event(download: DownloadRecord, *, is_first: bool = False) -> bytes:
    """Where a download is, as a server-sent event; the first of a stream also says when to connect again."""
    data = _progress_json(download)
    if download.state is DownloadState.ERROR:
        data["error"] = download.error
    retry = RETRY_MILLISECONDS if is_first else None
    return format_event(data, event_id=event_id_of(download), retry_milliseconds=retry)


def event_id_of(download: DownloadRecord) -> str:
    """The id of the event: that of a final state is the same from every instance, whenever it is asked."""
    return f"{download.job_id}-{download.state.value}"
