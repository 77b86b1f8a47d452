"""A program that posts files, and is killed at a step that it is told: the steps are the calls of our own functions.

It reads lines of JSON and forks for each, before anything is open, so that each post begins as a new process does.
"""

import json
import os
import signal
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import SecretStr

from config import Settings
from transfer_service.bootstrap import build_services
from transfer_service.services.chat.attachments import Post

PACKAGE = str(Path(__file__).parents[3] / "transfer_service")


class Steps:
    """Counts calls of our functions, and their ends, and kills this process at one of them."""

    def __init__(self, last: int | None) -> None:
        self.count = 0
        self._last = last

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event in {"call", "return"} and frame.f_code.co_filename.startswith(PACKAGE):
            self.count += 1
            if self.count == self._last:
                os.kill(os.getpid(), signal.SIGKILL)


def post(order: dict[str, Any]) -> int:
    """Post one file. How many steps that took."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg] # nothing of a developer's
        data_dir=Path(order["data_dir"]),
        secret_key=SecretStr("s" * 32),
        storage_url=order["storage_url"],
    )
    services = build_services(settings)
    wanted = Post(order["conversation_id"], content=order["file_id"], reply_to=None)
    steps = Steps(order["last"])
    sys.setprofile(steps)
    services.attached_files.post(
        uuid.UUID(order["account_id"]), wanted, file_id=uuid.UUID(order["file_id"]), is_kept=order["keep"]
    )
    sys.setprofile(None)
    services.database.dispose()
    return steps.count


def answer_orders(work: Callable[[dict[str, Any]], int]) -> None:
    """Do each order of standard input in a process of its own, and print how that ended."""
    for line in sys.stdin:
        reader, writer = os.pipe()
        if not (child := os.fork()):
            os.write(writer, str(work(json.loads(line))).encode())
            os._exit(0)
        os.close(writer)
        _, status = os.waitpid(child, 0)
        answer = {"killed": os.WIFSIGNALED(status), "steps": os.read(reader, 20).decode(), "status": status}
        os.close(reader)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    answer_orders(post)
