"""Names at the service, for a shell that completes them: soon or not at all, and never with a word of error."""

import os
import select
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from transfer_service_client.cli.names import name_of
from transfer_service_client.cli.terminal import safe

if TYPE_CHECKING:
    from transfer_service_client.connection.session import Session

_PAGE, _MOST_NAMES, _BLOCK_BYTES = 1000, 1000, 65536


class Asking:
    """How long the service may take (0: it is not asked), and whether it was to be: then local files are no answer."""

    seconds = 1.0
    is_done = False


def remote_names(incomplete: str) -> list[str]:
    """Files and folders that begin so, one level of folders; these with a slash at the end."""
    return _soon(lambda session, begin: _in_folder(session, begin, with_files=True), incomplete)


def remote_folders(incomplete: str) -> list[str]:
    """Folders that begin so, one level."""
    return _soon(lambda session, begin: _in_folder(session, begin, with_files=False), incomplete)


def conversation_names(incomplete: str) -> list[str]:
    """Accounts and groups there is a conversation with, that begin so."""
    return _soon(lambda session, _begin: _in_conversations(session), incomplete)


def _in_folder(session: "Session", begin: str, *, with_files: bool) -> Iterator[str]:
    typed, slash, label = begin.rpartition("/")
    folder = name_of(typed)
    files: list[str] = []
    is_whole = False
    for page in session.get_pages("/api/files", "files", folder=folder, sort="name", limit=_PAGE):
        yield from (typed + slash + _label(each["path"]) + "/" for each in page["folders"])
        files = [each["filename"] for each in page["files"]]
        is_whole = page["next_cursor"] is None
        if files:
            break
    if not with_files:
        return
    if label and not is_whole:  # of many files only those that begin so
        prefix = f"{folder}/{label}" if folder else label
        query = {"folder": folder, "prefix": prefix, "sort": "name", "limit": _PAGE}
        files = [each["filename"] for each in session.get_json("/api/files", **query)["files"]]
    yield from (typed + slash + _label(each) for each in files)


def _in_conversations(session: "Session") -> Iterator[str]:
    own = session.get_json("/auth/me")["name"]
    for each in session.get_json("/conversations", limit=100)["conversations"]:
        if each["type"] == "group":
            yield each["group_name"]
        else:
            yield from (name for name in each["participants"] if name != own)


def _soon(find: "Callable[[Session, str], Iterable[str]]", incomplete: str) -> list[str]:
    """What begins like `incomplete`, if the service tells it in time. What a terminal cannot show is left out."""
    Asking.is_done = True
    if not Asking.seconds:
        return []
    begin = unicodedata.normalize("NFC", incomplete)
    found = _in_child(lambda: _names(find, begin)) if sys.platform != "win32" else _in_thread(find, begin)
    rest = (name[len(begin) :] for name in found if name.startswith(begin))
    # A name that begins with a dash would be taken for an option.
    return [f"./{each}" if not incomplete and each.startswith("-") else incomplete + each for each in rest]


def _names(find: "Callable[[Session, str], Iterable[str]]", begin: str) -> list[str]:
    from transfer_service_client.cli.context import Context
    from transfer_service_client.cli.output import Options

    client = Context(Options()).client()
    client.session.patience_seconds = 0
    found = (name for name in find(client.session, begin) if name.startswith(begin) and name == safe(name))
    return sorted({name for name, _ in zip(found, range(_MOST_NAMES), strict=False)})


def _in_child(names: Callable[[], list[str]]) -> list[str]:
    """Asks in a process that may take its time.

    One that is cut off while it renews the sign-in would end it, since a refresh token counts once. So the child goes
    on, without a terminal and unheard, when whoever waits does not wait any more.
    """
    if sys.platform == "win32":
        return []
    reader, writer = os.pipe()
    if not os.fork():
        with suppress(BaseException):
            os.setsid()
            nowhere = os.open(os.devnull, os.O_RDWR)
            for handle in (0, 1, 2):
                os.dup2(nowhere, handle)
            os.close(reader)
            with os.fdopen(writer, "wb") as pipe:
                pipe.write("\n".join(names()).encode())
        os._exit(0)
    os.close(writer)
    text, ends_at = b"", time.monotonic() + Asking.seconds
    while select.select([reader], [], [], max(ends_at - time.monotonic(), 0))[0]:
        block = os.read(reader, _BLOCK_BYTES)
        if not block:
            return text.decode().splitlines()
        text += block
    return []


def _in_thread(find: "Callable[[Session, str], Iterable[str]]", begin: str) -> list[str]:
    """Where there is no fork: without renewing, so that it may be cut off."""
    from transfer_service_client.connection.credentials import CredentialFile, Tokens

    told: list[str] = []

    def ask() -> None:
        with suppress(Exception):
            credentials = CredentialFile().read().credentials
            if not isinstance(credentials, Tokens) or credentials.expires_at - time.time() > 60:
                told.extend(_names(find, begin))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(Asking.seconds)
    return [] if thread.is_alive() else told


def _label(name: str) -> str:
    return name.rpartition("/")[2]
