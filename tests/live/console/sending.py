"""What the tests of uploads by the console share: files, the line they leave by, and what the service has of them."""

from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import CDPSession, Page, expect

from tests.live.console.steps import MEBIBYTE
from tests.live.server import LiveServer, wait_until

SLOW = MEBIBYTE // 8
"""Bytes a second of a line by which no file of a test is through before something happens to it."""
PATIENCE_SECONDS = 90.0


def arrived(session: requests.Session, server: LiveServer) -> dict[str, str]:
    """The SHA-256 of what has arrived whole, by name."""
    answer = session.get(f"{server.url}/api/files", params={"limit": "1000", "status": "complete"}, timeout=30)
    return {each["filename"]: each["sha256"] for each in answer.json()["files"]}


def under_way(session: requests.Session, server: LiveServer) -> dict[str, Any]:
    """The offsets of unfinished uploads, by name."""
    uploads = session.get(f"{server.url}/api/uploads", timeout=30).json()["uploads"]
    return {each["filename"]: each["offset"] for each in uploads}


def wait_for(page: Page, session: requests.Session, server: LiveServer, *names: str) -> dict[str, str]:
    """What has arrived, once all of these have."""
    wait_until(lambda: page.evaluate("1") and arrived(session, server).keys() >= {*names}, seconds=PATIENCE_SECONDS)
    return arrived(session, server)


def wait_for_bytes(page: Page, session: requests.Session, server: LiveServer, name: str) -> None:
    """Return when some of a file is at the service."""
    wait_until(lambda: page.evaluate("1") and bool(under_way(session, server).get(name)), seconds=PATIENCE_SECONDS)


class Line:
    """The line of a page, which can be made slow."""

    def __init__(self, page: Page) -> None:
        self._session: CDPSession = page.context.new_cdp_session(page)

    def at(self, bytes_a_second: int = -1, *, is_cut: bool = False) -> None:
        """Let so many bytes leave in a second, or all at once; or none at all."""
        conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second, "offline": is_cut}
        self._session.send("Network.emulateNetworkConditions", conditions)

    def drop(self, *paths: Path) -> None:
        """Drag files and folders over the page, and let go of them there."""
        self.drag("dragEnter", *paths)
        self.drag("dragOver", *paths)
        self.drag("drop", *paths)

    def drag(self, kind: str, *paths: Path) -> None:
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        self._session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})


def offsets_sent(page: Page) -> list[tuple[str, int]]:
    """The method and offset of each request that brings bytes, from now on."""
    sent: list[tuple[str, int]] = []

    def note(request: Any) -> None:
        if request.method == "PATCH":
            sent.append((request.url, int(request.headers["upload-offset"])))

    page.on("request", note)
    return sent


def expect_bar(page: Page, name: str) -> None:
    expect(page.get_by_role("progressbar", name=name, exact=True)).to_be_visible()
