"""The last step of an upload for those who only look: none of them waits until gigabytes are hashed."""

import contextvars
import threading
import uuid
from collections.abc import Callable

from transfer_service.models.uploads import UploadKind
from transfer_service.services.uploads.finishing import UploadCompletion
from transfer_service.services.uploads.rows import UploadRecord

LOOK_SECONDS = 1.0


class Finishing:
    """Begins the steps that are due, one at a time for each upload in this process."""

    def __init__(self, *, completion: UploadCompletion) -> None:
        self._completion = completion
        self._ongoing: dict[uuid.UUID, _Step] = {}

    def settle(self, upload: UploadRecord) -> UploadRecord:
        """The upload after the step that is due; as it is, where the step takes longer than LOOK_SECONDS: it goes on.

        Raises like `UploadCompletion.settle`.
        """
        if upload.is_finished or not (upload.is_due or upload.kind is UploadKind.FINAL):
            return upload
        step = self._ongoing.get(upload.id)
        if step is None or step.has_ended:
            step = self._ongoing[upload.id] = _Step(lambda: self._take(upload))
            step.begin()
        return step.outcome(LOOK_SECONDS) or upload

    def _take(self, upload: UploadRecord) -> UploadRecord:
        try:
            return self._completion.settle(upload)
        finally:
            self._ongoing.pop(upload.id, None)


class _Step:
    """Work that goes on when nobody waits for it any more. A process that ends leaves it to the next look."""

    def __init__(self, work: Callable[[], UploadRecord]) -> None:
        self._work = work
        self._result: UploadRecord | None = None
        self._failure: Exception | None = None
        context = contextvars.copy_context()  # what fails is logged under the request that began it
        self._thread = threading.Thread(target=context.run, args=(self._run,), daemon=True)

    @property
    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    def begin(self) -> None:
        self._thread.start()

    def outcome(self, seconds: float) -> UploadRecord | None:
        """What came of it, None while it goes on. Raises what it raised."""
        self._thread.join(seconds)
        if self._failure is not None:
            raise self._failure
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._work()
        except Exception as failure:  # noqa: BLE001 - of whatever kind, it is for those who wait
            self._failure = failure
