"""One request with an Idempotency-Key, in a process that kills itself at a moment of it.

Arguments are the moment, data folder, URLs of database and store, path, a file with the body, its type, Authorization,
key and the time. Moments are `begun` (the key is taken, nothing else), `recorded` (inside the transaction of the fact,
after all of it) and `committed` (nothing was answered yet). Empty settings are the defaults.
"""

import os
import signal
import sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from config import Settings
from transfer_service.app import create_app
from transfer_service.db.database import Database
from transfer_service.services.idempotency import HeldKey, IdempotencyKeys


def die(*_arguments: object) -> Any:
    """At once, as by a power switch for this process."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(moment: str) -> None:
    """Be ready to die."""
    if moment == "begun":
        begin = IdempotencyKeys.begin

        def begin_and_die(*arguments: Any) -> Any:
            begin(*arguments)
            die()

        IdempotencyKeys.begin = begin_and_die  # type: ignore[method-assign, assignment]
        return
    record, has_recorded = HeldKey.record, []

    def record_and_note(*arguments: Any) -> None:
        record(*arguments)
        has_recorded.append(True)
        if moment == "recorded":
            die()

    HeldKey.record = record_and_note  # type: ignore[method-assign, assignment]
    write_rows = Database.write_rows

    @contextmanager
    def die_behind(*arguments: Any, **keywords: Any) -> Any:
        with write_rows(*arguments, **keywords) as rows:
            yield rows
        if has_recorded:
            die()

    Database.write_rows = die_behind  # type: ignore[method-assign]


def main() -> None:
    """Ask, and die of it."""
    moment, data_dir, database_url, storage_url, path, body, media_type, token, key, now = sys.argv[1:]
    at = datetime.fromisoformat(now)
    optional: dict[str, Any] = {"database_url": database_url, "storage_url": storage_url}
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg] # nothing of a developer's
        data_dir=Path(data_dir),
        secret_key=SecretStr(os.environ["KILLED_REQUEST_SECRET"]),
        **{name: value for name, value in optional.items() if value},
    )
    app = create_app(settings, now=lambda: at)
    arm(moment)
    app.test_client().post(
        path,
        data=Path(body).read_bytes(),
        content_type=media_type,
        headers={"Authorization": token, "Idempotency-Key": key},
    )


if __name__ == "__main__":
    main()
