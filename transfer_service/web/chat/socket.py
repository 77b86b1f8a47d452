"""Chat over Socket.IO: the legacy door beside `/messages`, with the same checks and services (docs/chat.md)."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeAlias

from flask import request
from flask_socketio import ConnectionRefusedError as Refused
from flask_socketio import Namespace, emit, join_room, leave_room
from gevent import sleep

from transfer_service.errors import BadCredentials, Forbidden, InvalidRequest, NotAuthenticated, ReadOnly, TransferError
from transfer_service.faults import fault_of
from transfer_service.models.keys import Scope
from transfer_service.patience import one_patience
from transfer_service.services.accounts.sign_ins import Identity
from transfer_service.services.chat.attachments import Post
from transfer_service.services.chat.message_json import message_json
from transfer_service.services.events.actors import as_actor
from transfer_service.web.chat.rooms import account_room, audience, muted_room, uploads_room
from transfer_service.web.chat.sessions import TOKEN_EXPIRED, LiveSession, LiveSessions
from transfer_service.web.context import actor_of, identify, services
from transfer_service.web.error_envelopes import as_answered
from transfer_service.web.request_log import log_request_error
from transfer_service.web.scopes import check_scope
from transfer_service.wire.attachments import attachment_media_type, safe_filename
from transfer_service.wire.chat import parse_conversation_id, parse_reply
from transfer_service.wire.socket_packets import LongText

EVENTS = frozenset({"authenticate", "send_message", "join_conversation", "leave_conversation", "typing", "stop_typing"})
"""What clients may send."""
CHANGING = frozenset({"on_send_message"})
"""Handlers of what is refused in read-only mode. Whoever may read may listen, mute and say that he types."""
Answer: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[["ChatNamespace", Identity, dict[str, Any]], Answer]

UPLOADS_ARE_FOR = frozenset({Scope.UPLOAD, Scope.FILES})
MESSAGE_TYPES = ("text", "image", "video", "file")
PIECE_CHARACTERS = 256 * 1024
_PREFIX = re.compile(r"data:([^,;]{0,100})(?:;[^,;]{0,100}){0,4};base64,", re.IGNORECASE)
_BLANKS = str.maketrans("", "", " \t\r\n")


class SocketAttachment:
    """The AttachmentBody of a `send_message` event. `length` is the size of the decoded file."""

    def __init__(self, encoded: str | LongText, post: Post, *, filename: str, declared: str | None, skip: int) -> None:
        self._encoded = encoded
        self._skip = skip
        self._post = post
        self.filename = filename
        self.media_type = attachment_media_type(declared, filename)
        self.length = self._measure()

    @classmethod
    def of(cls, data: dict[str, Any], *, conversation_id: str, reply_to: str | None) -> "SocketAttachment":
        """The file of an event. Raises InvalidRequest where it has no name or its data cannot be base64."""
        encoded, name = data["file_data"], data.get("file_name")
        if not isinstance(encoded, str | LongText):
            raise InvalidRequest("Invalid file_data")
        if not isinstance(name, str) or not name:
            raise InvalidRequest("Missing file_name")
        prefix = _PREFIX.match(next(_pieces(encoded), ""))
        post = Post(conversation_id, content=data.get("content"), reply_to=reply_to)
        declared, skip = (prefix[1], prefix.end()) if prefix else (None, 0)
        return cls(encoded, post, filename=safe_filename(name), declared=declared, skip=skip)

    def blocks(self) -> Iterator[bytes]:
        """The decoded file. Raises InvalidRequest."""
        left, is_ended = "", False
        for piece in self._without_blanks():
            text = left + piece
            whole = len(text) // 4 * 4
            text, left = text[:whole], text[whole:]
            try:
                block = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError) as error:
                raise InvalidRequest("Invalid base64") from error
            if is_ended and block:
                raise InvalidRequest("Invalid base64")  # padding in the middle
            is_ended = is_ended or len(block) < whole // 4 * 3
            yield block

    def post(self) -> Post:
        """What is said with the file."""
        return self._post

    def _measure(self) -> int:
        characters, end = 0, ""
        for piece in self._without_blanks():
            characters, end = characters + len(piece), (end + piece[-2:])[-2:]
        if characters % 4:
            raise InvalidRequest("Invalid base64")
        return characters // 4 * 3 - end.count("=")

    def _without_blanks(self) -> Iterator[str]:
        """The base64 alone. Others run between two pieces. Raises InvalidRequest."""
        skip = self._skip
        for piece in _pieces(self._encoded):
            yield piece[skip:].translate(_BLANKS)  # Android's encoder breaks lines
            skip = 0
            sleep(0)


def check_announced_type(kind: object, file_name: object, *, has_file: bool) -> None:
    """Refuse a message that names a file and does not bring it: its sender would take the file for sent.

    Of what kind a file is, its name says. Raises InvalidRequest.
    """
    if kind is not None and kind not in MESSAGE_TYPES:
        raise InvalidRequest("Invalid type")
    if not has_file and (kind not in {None, "text"} or file_name is not None):
        raise InvalidRequest("Missing file_data")


def _pieces(encoded: str | LongText) -> Iterator[str]:
    if isinstance(encoded, str):
        yield from (encoded[at : at + PIECE_CHARACTERS] for at in range(0, len(encoded), PIECE_CHARACTERS))
        return
    try:
        yield from encoded.pieces(PIECE_CHARACTERS)
    except ValueError as error:
        raise InvalidRequest("Invalid base64") from error


def _answered(handler: Handler) -> Callable[..., Answer]:
    """Ask who is there, hand over the event's object, and answer failures like the documented ones over HTTP."""

    @wraps(handler)
    def answer(self: "ChatNamespace", data: object = None, *_more: object) -> Answer:
        try:
            identity = self.sessions.find(_sid())
            if identity is None:
                expired = self.sessions.is_expired(_sid())
                self.sessions.close(_sid())
                raise BadCredentials(TOKEN_EXPIRED) if expired else NotAuthenticated
            if not isinstance(data, dict):
                raise InvalidRequest("Expected an object")
            if handler.__name__ in CHANGING and services().database.is_read_only:
                raise ReadOnly
            with one_patience(), as_actor(actor_of(identity)):
                return handler(self, identity, data)
        except TransferError as error:
            detail = as_answered(error).detail
        except Exception as error:  # noqa: BLE001 - a client gets an answer, and the log the place
            log_request_error(error)
            fault = fault_of(error)
            detail = fault.detail if fault else "Internal server error"
        emit("error", {"detail": detail})
        return {"success": False, "detail": detail}

    return answer


class ChatNamespace(Namespace):  # type: ignore[misc] # flask-socketio has no types
    """The default namespace."""

    def __init__(self, sessions: LiveSessions, is_trusted: Callable[[str, dict[str, Any]], bool]) -> None:
        super().__init__("/")
        self.sessions = sessions
        self._is_trusted = is_trusted

    def on_connect(self, auth: object = None) -> None:
        """Let in whoever shows a valid token: in the payload, in the header or in a cookie."""
        try:
            services().gate.enter()  # its events change things
            token = _shown_token(auth)
            if token is None:
                self._refuse_borrowed_cookies()
            identity, expires_at = _admitted(token)
        except TransferError as error:
            raise Refused(error.detail) from error
        _enter_rooms(identity)
        self.sessions.add(_sid(), LiveSession(identity, expires_at))

    def _refuse_borrowed_cookies(self) -> None:
        """A page of anybody's may open a socket where `*` is allowed, and its browser would add our cookie."""
        origin = request.headers.get("Origin")
        if origin and "Authorization" not in request.headers and not self._is_trusted(origin, request.environ):
            raise NotAuthenticated

    def on_disconnect(self, _reason: object = None) -> None:
        """Forget the socket."""
        self.sessions.remove(_sid())

    @_answered
    def on_authenticate(self, identity: Identity, data: dict[str, Any]) -> Answer:
        """Live on a newer token of the same account; an older one shortens the life of the socket alike."""
        token = _shown_token(data)
        if token is None:
            raise InvalidRequest("Missing access_token")
        shown, expires_at = _admitted(token)
        if shown.account_id != identity.account_id or not self.sessions.prolong(_sid(), LiveSession(shown, expires_at)):
            raise Forbidden("The token is another account's")
        _enter_rooms(shown)
        return {"success": True}

    @_answered
    def on_send_message(self, identity: Identity, data: dict[str, Any]) -> Answer:
        """Say something, with a file if `file_data` brings one."""
        conversation_id, reply_to = _conversation_of(data), parse_reply(data.get("reply_to"))
        has_file = data.get("file_data") is not None
        check_announced_type(data.get("type"), data.get("file_name"), has_file=has_file)
        if not has_file:
            message = services().messages.post(
                identity.account_id, conversation_id, content=data.get("content"), reply_to=reply_to
            )
        else:
            services().messages.check_post(identity.account_id, conversation_id, reply_to)
            attachment = SocketAttachment.of(data, conversation_id=conversation_id, reply_to=reply_to)
            services().small_files.check_room(identity.account_id, attachment.length)
            message = services().attachments.receive(identity.account_id, attachment)
        return {"success": True, "message": message_json(message)}

    @_answered
    def on_join_conversation(self, identity: Identity, data: dict[str, Any]) -> Answer:
        """Hear of a conversation again."""
        conversation_id = _conversation_of(data)
        services().conversations.require_participant(identity.account_id, conversation_id)
        leave_room(muted_room(conversation_id))
        return {"success": True}

    @_answered
    def on_leave_conversation(self, identity: Identity, data: dict[str, Any]) -> Answer:
        """Mute a conversation for this socket."""
        conversation_id = _conversation_of(data)
        services().conversations.require_participant(identity.account_id, conversation_id)
        join_room(muted_room(conversation_id))
        return {"success": True}

    @_answered
    def on_typing(self, identity: Identity, data: dict[str, Any]) -> Answer:
        """Tell the others that somebody writes."""
        return _tell_others("typing", identity, _conversation_of(data))

    @_answered
    def on_stop_typing(self, identity: Identity, data: dict[str, Any]) -> Answer:
        """Tell the others that nobody writes any more."""
        return _tell_others("stop_typing", identity, _conversation_of(data))


def _sid() -> str:
    sid: str = request.sid  # type: ignore[attr-defined] # flask-socketio puts it there
    return sid


def _shown_token(auth: object) -> str | None:
    """The token in the payload of a connection, None where it has none."""
    if not isinstance(auth, dict):
        return None
    token = auth.get("access_token") or auth.get("token")
    return str(token).removeprefix("Bearer ") if token else None


def _admitted(token: str | None) -> tuple[Identity, float]:
    """Who may chat, and until when. Raises NotAuthenticated, BadCredentials, KeyLacksScope."""
    identity, expires_at = identify(token)
    if identity.key is not None:
        check_scope(identity.key, Scope.CHAT)
    return identity, expires_at


def _enter_rooms(identity: Identity) -> None:
    """Hear what is said to the account; and how far its uploads are, unless by a key that could not ask for that."""
    join_room(account_room(identity.account_id))
    if identity.key is None or not identity.key.scopes.isdisjoint(UPLOADS_ARE_FOR):
        join_room(uploads_room(identity.account_id))
    else:
        leave_room(uploads_room(identity.account_id))


def _conversation_of(data: dict[str, Any]) -> str:
    return parse_conversation_id(data.get("conversation_id"))


def _tell_others(event: str, identity: Identity, conversation_id: str) -> Answer:
    services().conversations.require_participant(identity.account_id, conversation_id)
    others = [each for each in services().conversations.participant_ids(conversation_id) if each != identity.account_id]
    if others:
        payload = {"conversation_id": conversation_id, "sender": identity.name}
        emit(event, payload, to=audience(conversation_id, others))
    return {"success": True}
