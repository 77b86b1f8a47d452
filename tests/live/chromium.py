"""Debian's Chromium without a window, driven by the DevTools protocol: what a real browser makes of our answers."""

import base64
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import websocket

from tests.conftest import PASSWORD
from tests.live.server import wait_until
from tests.missing import missing

PROGRAM = "/usr/bin/chromium"
ANSWER_SECONDS = 90.0
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-sync", "--disable-background-networking", "--disable-component-update", "--mute-audio",
         "--window-size=800,600", "--remote-debugging-port=0"]  # fmt: skip


class ScriptFailed(Exception):
    """A script threw; the message is what it threw."""


class WentElsewhere(Exception):
    """The tab has gone to another page meanwhile, so that nothing answers."""


class Page:
    """One tab."""

    def __init__(self, socket_url: str) -> None:
        self._url = socket_url
        self._socket = websocket.create_connection(socket_url, timeout=ANSWER_SECONDS, suppress_origin=True)
        self._last_id = 0
        self.events: list[dict[str, Any]] = []
        """What the browser told meanwhile; everything of the domains that were enabled."""
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        self.call("Page.setLifecycleEventsEnabled", enabled=True)

    def close(self) -> None:
        """Let go of the tab."""
        self._socket.close()

    def another_tab(self) -> "Page":
        """A further tab of the same browser, for the caller to close."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        return Page(f"{self._url.rpartition('/')[0]}/{target}")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command of the protocol and its result. Raises WentElsewhere."""
        self._last_id += 1
        self._socket.send(json.dumps({"id": self._last_id, "method": method, "params": parameters}))
        while (answer := self._receive()).get("id") != self._last_id:
            pass
        if any(each in answer.get("error", {}).get("message", "") for each in _ELSEWHERE):
            raise WentElsewhere(answer["error"]["message"])
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv())
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, url: str) -> None:
        """Go to an address and wait until the page and all its parts are loaded."""
        self.events.clear()
        loader = self.call("Page.navigate", url=url).get("loaderId")  # or that of the page before might be taken for it
        while loader is not None and not any(_is_load_by(loader, event) for event in self.events):
            self._receive()

    def until(self, script: str) -> None:
        """Wait until an expression is true, of whatever page the tab has come to."""
        wait_until(lambda: self._is_true(script))

    def _is_true(self, script: str) -> bool:
        try:
            return bool(self.evaluate(script))
        except WentElsewhere:
            return False

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page; a promise is awaited. Raises ScriptFailed."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise ScriptFailed(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def choose(self, selector: str, *paths: Path) -> None:
        """Choose files, or a folder, in a field of the page."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def drop(self, x: int, y: int, *paths: Path) -> None:
        """Drag files and folders to a place in the page, and let go of them there."""
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def screenshot(self, **parameters: Any) -> bytes:
        """What is to be seen, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", **parameters)["data"])

    def cookies(self) -> list[dict[str, Any]]:
        """Every cookie that the browser has, HttpOnly ones too."""
        cookies: list[dict[str, Any]] = self.call("Network.getAllCookies")["cookies"]
        return cookies

    def responses(self) -> dict[str, int]:
        """The status of each address that was asked since the page was opened, without preflights (CORS)."""
        told = [event["params"] for event in self.events if event["method"] == "Network.responseReceived"]
        return {each["response"]["url"]: each["response"]["status"] for each in told if each["type"] != "Preflight"}

    def sign_in(self, url: str, name: str, password: str = PASSWORD) -> None:
        """Sign an account in as a web app does: by a request of a page of this service."""
        self.open(f"{url}/healthz")
        body = json.dumps(json.dumps({"username": name, "password": password}))
        headers = '{"Content-Type": "application/json"}'
        request = f"fetch('/auth/login', {{method: 'POST', headers: {headers}, body: {body}}})"
        assert self.evaluate(f"{request}.then(answer => answer.status)") == 200


_ELSEWHERE = ("navigated or closed", "context was destroyed", "Cannot find context")


def _is_load_by(loader: str, event: dict[str, Any]) -> bool:
    told = event["params"]
    return event["method"] == "Page.lifecycleEvent" and (told["name"], told["loaderId"]) == ("load", loader)


@contextmanager
def browser(*flags: str) -> Iterator[Page]:
    """A browser with a profile of its own, and its first tab."""
    if shutil.which(PROGRAM) is None:
        missing("chromium is not installed")
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        log = Path(profile) / "stderr.txt"
        with log.open("wb") as stderr:
            command = [PROGRAM, *FLAGS, *flags, f"--user-data-dir={profile}", "about:blank"]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
        try:
            page = Page(_first_tab(Path(profile) / "DevToolsActivePort"))
            try:
                yield page
            finally:
                page.close()
        finally:
            process.terminate()
            process.wait(timeout=30)


def _first_tab(port_file: Path) -> str:
    """The address of the first tab's socket, as soon as the browser listens."""
    wait_until(lambda: port_file.exists() and "\n" in port_file.read_text(), seconds=60)
    port = port_file.read_text().split()[0]
    with requests.Session() as session:
        session.trust_env = False
        tabs = session.get(f"http://127.0.0.1:{port}/json/list", timeout=ANSWER_SECONDS).json()
    return str(next(tab for tab in tabs if tab["type"] == "page")["webSocketDebuggerUrl"])
