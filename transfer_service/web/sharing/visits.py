"""A visit to a link: which link it is, whether it is open to whoever asks, and who that is."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from flask import Response, g, request

from transfer_service.errors import LinkGone, PasswordRequired
from transfer_service.logs import tidying
from transfer_service.services.events.actors import Actor, set_actor
from transfer_service.services.sharing.link_downloads import Granted, LinkDownloads, Subject
from transfer_service.services.sharing.link_rows import LinkRecord
from transfer_service.web.addresses import absolute_url, own_path
from transfer_service.web.context import client_address, services
from transfer_service.web.request_log import note
from transfer_service.web.running import run_for

COOKIE = "transfer_link"


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody at a link. `cookie_client` is who the link's cookie says it is, None where there is no good one."""

    link: LinkRecord
    token: str
    cookie_client: str | None

    @property
    def is_open(self) -> bool:
        """Whether the password was shown, or there is none."""
        return self.link.password_hash is None or self.cookie_client is not None

    @property
    def client(self) -> str:
        """Who downloads are counted for."""
        address = request.remote_addr or ""
        return self.cookie_client or services().sharing.access.client_of_address(self.link, address)

    def address(self, path: str = "") -> str:
        """The absolute URL of something of this link."""
        return absolute_url(f"/s/{self.token}{path}")

    @property
    def path(self) -> str:
        """The path of this link as browsers know it."""
        return own_path(f"/s/{self.token}")

    def require_open(self) -> None:
        """Raises PasswordRequired."""
        if not self.is_open:
            raise PasswordRequired

    def require_downloads_of(self, subject_id: uuid.UUID) -> None:
        """Raises LinkGone where the link is used up and the client has nothing left of a download of this."""
        downloads = services().sharing.downloads
        if self.link.is_used_up and not downloads.is_under_way(self.link, self.client, subject_id):
            raise LinkGone

    def meter(self, subject_id: uuid.UUID, size: int, filename: str | None = None) -> "LinkMeter":
        """What counts the download of a file, or of all, for which the link's own id stands, without a name."""
        return LinkMeter(services().sharing.downloads, Subject(self.link, self.client, subject_id, size, filename))

    def give_cookie(self, response: Response, value: str) -> None:
        """Let the client be known by a cookie of this link's addresses alone, until it expires."""
        left = self.link.expires_at - services().core.now()
        response.set_cookie(
            COOKIE,
            value,
            max_age=max(1, left // timedelta(seconds=1)),
            path=self.path,
            secure=self.address().startswith("https:"),
            httponly=True,
            samesite="Lax",
        )


@dataclass(frozen=True, slots=True)
class LinkMeter:
    """Counts a download of a link. Where that has a limit, each byte; in read-only mode others are not counted."""

    downloads: LinkDownloads
    subject: Subject

    @property
    def is_exact(self) -> bool:
        """Whether there is a limit."""
        return self.subject.link.max_downloads is not None

    def begin(self, size: int, *, is_range: bool) -> Callable[[int], None]:
        """Raises LinkGone where the link has come to its end, ReadOnly."""
        if services().core.settings.read_only and not self.is_exact:
            return _nobody_listens
        granted = self.downloads.begin(self.subject, size, is_range=is_range)
        return lambda sent_bytes: self._end(granted, sent_bytes)

    def _end(self, granted: Granted, sent_bytes: int) -> None:
        with tidying():  # what is not given back counts as sent
            self.downloads.end(granted, sent_bytes)


def _nobody_listens(_sent_bytes: int) -> None:
    """Nothing was counted."""


def begin_visit(token: str, *, even_used_up: bool = False) -> Visit:
    """The visit that a request is. Raises LinkGone."""
    link = services().sharing.links.find(token)
    if link.is_used_up and not even_used_up:
        raise LinkGone
    run_for(services().running, link.account_id)
    note(link=str(link.id))
    cookie_client = services().sharing.access.client_of_cookie(link, request.cookies.get(COOKIE))
    g.visit = Visit(link, token, cookie_client)
    set_actor(Actor(link.account_id, None, client_address()))  # whose link it is has let them in
    return current_visit()


def current_visit() -> Visit:
    """The visit that `begin_visit` has begun."""
    visit: Visit = g.visit
    return visit
