"""`upload_progress` on the sockets of the account whose upload goes on."""

from flask_socketio import SocketIO

from transfer_service.services.upload_events import UploadProgress
from transfer_service.web.messages.rooms import account_room
from transfer_service.web.request_log import log_request_error


class ProgressEvents:
    """Sends progress to an account's own sockets, in all instances that share a Redis."""

    def __init__(self, socketio: SocketIO) -> None:
        self._socketio = socketio

    def __call__(self, progress: UploadProgress) -> None:
        """Send one. A failure is logged: the bytes count all the same."""
        payload = {
            "upload_id": str(progress.upload_id),
            "filename": progress.filename,
            "offset": progress.offset,
            "length": progress.length,
        }
        try:
            self._socketio.emit("upload_progress", payload, to=account_room(progress.account_id))
        except Exception as error:  # noqa: BLE001 - whatever the delivery raises
            log_request_error(error)
