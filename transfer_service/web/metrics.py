"""What the doors count for Prometheus: uploads that are under way or stalled, takeovers, refusals (docs/metrics.md)."""

from flask import Flask, g, request

from transfer_service import errors
from transfer_service.telemetry import meters

STALLED_SECONDS = 5.0
_UPLOADING = frozenset({"content_range", "device_frames", "link_uploads", "resumable", "whole_file"})
_BRINGING = frozenset({"POST", "PUT", "PATCH"})

REASONS: dict[type[errors.TransferError], str] = {
    errors.NotAuthenticated: "permission",
    errors.BadCredentials: "permission",
    errors.Forbidden: "permission",
    errors.LinkUsedUp: "used_up",
    errors.TooManyAttempts: "attempts",
    errors.TooManyRequests: "rate",
    errors.TooManyUnderWay: "busy",
    errors.TooManyDownloads: "busy",
    errors.RangeBusy: "busy",
    errors.RangeConflict: "conflict",
    errors.NameTaken: "conflict",
    errors.TooLarge: "size",
    errors.QuotaExceeded: "quota",
    errors.BodyTimeout: "stalled",
    errors.StorageFull: "disk",
    errors.StoreUnavailable: "unavailable",
    errors.ReadOnly: "read_only",
}


def count_refusal(error: errors.TransferError) -> None:
    """Count an error that a client is told of, where it is a refusal: what is not there, or malformed, is none."""
    reason = next((REASONS[kind] for kind in type(error).__mro__ if kind in REASONS), None)
    if reason is not None:
        meters.count(meters.REFUSALS, reason)


class UploadState:
    """Whether the present request brings bytes of an upload, and whether its client is silent."""

    def __init__(self) -> None:
        self._is_upload = request.method in _BRINGING and request.blueprint in _UPLOADING
        self._is_stalled = False
        if self._is_upload:
            meters.count(meters.IN_FLIGHT)

    def idle(self, seconds: float) -> None:
        """The client has sent nothing for so long."""
        if self._is_upload and not self._is_stalled and seconds >= STALLED_SECONDS:
            self._is_stalled = True
            meters.count(meters.STALLED)

    def moved(self) -> None:
        """It has sent something, or is given up."""
        if self._is_stalled:
            self._is_stalled = False
            meters.count(meters.STALLED, amount=-1)

    def taken_over(self) -> None:
        """Another request wants its place, and gets it."""
        if self._is_upload:
            meters.count(meters.TAKEOVERS)

    def end(self) -> None:
        """The request has ended."""
        self.moved()
        if self._is_upload:
            self._is_upload = False
            meters.count(meters.IN_FLIGHT, amount=-1)


def upload_state() -> UploadState:
    """That of the present request, from its first use on."""
    if "upload_state" not in g:
        g.upload_state = UploadState()
    state: UploadState = g.upload_state
    return state


def _end(_error: BaseException | None) -> None:
    state: UploadState | None = g.pop("upload_state", None)
    if state is not None:
        state.end()


def init_metrics(app: Flask) -> None:
    """Know when a request has ended that brings bytes of an upload."""
    app.teardown_request(_end)
