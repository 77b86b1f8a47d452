"""The sockets of this process and what they live on: a socket ends when its token, its sign-in or its key does."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from flask_socketio import SocketIO
from gevent import spawn_later

from transfer_service.errors import TransferError
from transfer_service.services.accounts.keys import KeyService
from transfer_service.services.accounts.sign_ins import Identity, SignInService

WATCH_SECONDS = 1.0
FAREWELL_SECONDS = 1.0
TOKEN_EXPIRED = "Token expired"  # noqa: S105 - not one


@dataclass(frozen=True, slots=True)
class LiveSession:
    """The account at the other end of a socket. `expires_at` in unix seconds."""

    identity: Identity
    expires_at: float


class LiveSessions:
    """Knows every connected socket, and looks every WATCH_SECONDS whether it may stay; without sockets nothing runs."""

    def __init__(
        self, *, socketio: SocketIO, sign_ins: SignInService, keys: KeyService, now: Callable[[], datetime]
    ) -> None:
        self._socketio = socketio
        self._sign_ins, self._keys = sign_ins, keys
        self._now = now
        self._sessions: dict[str, LiveSession] = {}
        self._is_watching = False

    def add(self, sid: str, session: LiveSession) -> None:
        """A socket was let in."""
        self._sessions[sid] = session
        if not self._is_watching:
            self._is_watching = True
            self._socketio.start_background_task(self._watch)

    def prolong(self, sid: str, session: LiveSession) -> bool:
        """Let a socket live on another token of its account. False: it is another account's."""
        known = self._sessions.get(sid)
        if known is None or known.identity.account_id != session.identity.account_id:
            return False
        self._sessions[sid] = session
        return True

    def account_of(self, sid: str) -> uuid.UUID | None:
        """Whose socket it is."""
        session = self._sessions.get(sid)
        return session.identity.account_id if session else None

    def remove(self, sid: str) -> None:
        """A socket is gone."""
        self._sessions.pop(sid, None)

    def find(self, sid: str) -> Identity | None:
        """Who is there, None where the token, the sign-in or the key has ended."""
        session = self._sessions.get(sid)
        if session is None or self.is_expired(sid):
            return None
        if session.identity.key is not None:
            return self._keys.find_again(session.identity.key.id)
        return self._sign_ins.find_identity(session.identity.sign_in_id, name=session.identity.name)

    def is_expired(self, sid: str) -> bool:
        """Whether the token of a socket has come to its end."""
        session = self._sessions.get(sid)
        return session is not None and session.expires_at <= self._now().timestamp()

    def close_all(self) -> None:
        """Cut every connection, for a server that stops: clients connect again, to another instance."""
        for sid in list(self._sessions):
            with suppress(OSError):
                self._cut(self._transport_of(sid))

    def close(self, sid: str) -> None:
        """End a socket, so that its client does not come back by itself, and the connection under it.

        Where its token is the reason, it is told so first.
        """
        if self.is_expired(sid):
            self._socketio.emit("error", {"detail": TOKEN_EXPIRED}, to=sid, ignore_queue=True)
        self._sessions.pop(sid, None)
        transport_id = self._transport_of(sid)  # nobody knows it afterwards
        self._socketio.server.disconnect(sid)
        # In one poll with the end of the transport, socket.io-client would lose what comes before it.
        spawn_later(FAREWELL_SECONDS, self._cut, transport_id)

    def _transport_of(self, sid: str) -> str | None:
        transport_id: str | None = self._socketio.server.manager.eio_sid_from_sid(sid, "/")
        return transport_id

    def _cut(self, transport_id: str | None) -> None:
        if transport_id is not None:
            self._socketio.server.eio.disconnect(transport_id)

    def _watch(self) -> None:
        try:
            while self._sessions:
                self._socketio.sleep(WATCH_SECONDS)
                with suppress(TransferError):  # then nobody can be judged now
                    for sid in self._ended():
                        with suppress(OSError):
                            self.close(sid)
        finally:
            self._is_watching = False

    def _ended(self) -> list[str]:
        sessions = dict(self._sessions)
        alive = self._sign_ins.find_alive({each.identity.sign_in_id for each in sessions.values()})
        now = self._now().timestamp()
        return [
            sid
            for sid, session in sessions.items()
            if session.expires_at <= now or session.identity.sign_in_id not in alive
        ]
