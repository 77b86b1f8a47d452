"""What a browser complains of while a test runs: none of it belongs to a page that works."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Request, Response, WebError

OWN_SCHEMES = ("about", "blob", "chrome", "chrome-extension", "data")
"""Of what comes from no network: the browser's own reader of PDF, too."""
COMPLAINTS = ("assert", "error", "warning")


@dataclass
class Watch:
    """Notes complaints of a console, errors that nothing caught, alerts, answers of 400 and above, requests elsewhere.

    What breaks the Content-Security-Policy is a complaint of the console too. `expected` are regular expressions: what
    one of them finds is no fault.
    """

    origins: set[str] = field(default_factory=set)
    expected: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def follow(self, context: BrowserContext, origin: str) -> None:
        """Note what all pages of this context do, which belong to this origin."""
        self.origins.add(origin)
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("request", self._request)
        context.on("response", self._response)
        context.on("dialog", self._dialog)

    def faults(self) -> list[str]:
        """What was told and not expected."""
        return [each for each in self.told if not any(re.search(pattern, each) for pattern in self.expected)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in COMPLAINTS:
            self.told.append(f"console {message.type}: {message.text} ({message.location['url']})")

    def _error(self, error: WebError) -> None:
        self.told.append(f"page error: {error.error}")

    def _request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in OWN_SCHEMES and f"{url.scheme}://{url.netloc}" not in self.origins:
            self.told.append(f"foreign: {request.url}")

    def _dialog(self, dialog: Dialog) -> None:
        if dialog.type != "beforeunload":  # asks whether to leave in the middle of something, as it should
            self.told.append(f"dialog: {dialog.message}")
        dialog.accept()

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.told.append(f"{response.status}: {response.request.method} {response.url}")
