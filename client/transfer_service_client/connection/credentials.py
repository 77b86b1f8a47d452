"""What lets a client in: a pair of tokens that renew themselves, or a key; and the file where the command keeps one.

The file is for its owner alone (0600) and is replaced in one step. Processes that renew the same tokens take turns by a
lock beside it, so none of them spends a refresh token that another has spent already.
"""

import json
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from transfer_service_client.errors import SignInNeeded, TransferError
from transfer_service_client.locking import lock
from transfer_service_client.models import text_of

KEY_PREFIX = "tsk_"
_MOST_BYTES = 1 << 20
_NEW = ".credentials-"
_SHOWABLE = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Tokens:
    """An access token, when it ends (unix seconds), what a new pair is had for, and the name that signed in.

    Raises TransferError for what no field of a request can show: the error of that would have it in its words.
    """

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: float
    account: str = ""

    def __post_init__(self) -> None:
        is_showable = _is_showable(self.access) and _is_showable(self.refresh)
        if not is_showable or not isinstance(self.expires_at, (int, float)) or not isinstance(self.account, str):
            raise TransferError("These are no tokens of a Transfer Service")


@dataclass(frozen=True)
class Key:
    """A key of the account (`tsk_…`). Raises TransferError for what no field of a request can show, as Tokens do."""

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _is_showable(self.text):
            raise TransferError(f"That is no key: keys begin with {KEY_PREFIX}, and have no spaces and line ends")


Credentials = Tokens | Key


@dataclass(frozen=True)
class SignIn:
    """Where somebody is signed in, and by what."""

    url: str
    credentials: Credentials


def config_folder() -> Path:
    """Where programs keep what people have set (XDG Base Directory Specification). Raises TransferError."""
    try:
        return _folder("APPDATA", "~") if sys.platform == "win32" else _folder("XDG_CONFIG_HOME", "~/.config")
    except RuntimeError as error:
        raise TransferError("You have no home folder here: XDG_CONFIG_HOME says where to keep the sign-in") from error


def state_folder() -> Path:
    """Where programs keep what they need to go on after a stop; without a home a place that takes nothing."""
    try:
        return _folder("LOCALAPPDATA", "~") if sys.platform == "win32" else _folder("XDG_STATE_HOME", "~/.local/state")
    except RuntimeError:
        return Path(os.devnull) / "transfer-service"


def _folder(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or default).expanduser() / "transfer-service"


class CredentialFile:
    """Keeps one sign-in for the next start."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or config_folder() / "credentials.json"

    def read(self) -> SignIn:
        """The sign-in. Raises SignInNeeded where there is none, TransferError where the file says something else."""
        try:
            fields = json.loads(self._own_text())
        except FileNotFoundError as error:
            raise SignInNeeded(401, "Nobody is signed in: run `transfer login URL`") from error
        except (OSError, ValueError, RecursionError) as error:
            raise TransferError(f"{self.path} cannot be read: run `transfer login URL` again") from error
        try:
            return SignIn(text_of(fields["url"]), _parse(fields["credentials"]))
        except (KeyError, TypeError, TransferError) as error:
            raise TransferError(f"{self.path} has another form: run `transfer login URL` again") from error

    def _own_text(self) -> bytes:
        """What only this user can have written, who alone can read it from then on. Raises OSError, TransferError."""
        with self.path.open("rb") as file:
            if sys.platform != "win32":
                facts, user = os.fstat(file.fileno()), os.geteuid()
                if user != 0 and facts.st_uid not in {user, 0}:
                    raise TransferError(f"{self.path} is somebody else's: files would go to their account")
                if facts.st_uid == user and stat.S_IMODE(facts.st_mode) & 0o077:  # copied, or from a backup
                    with suppress(OSError):
                        os.fchmod(file.fileno(), 0o600)
            return file.read(_MOST_BYTES)

    def write(self, sign_in: SignIn) -> None:
        """Keep a sign-in in place of the one that was there."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fields = {"url": sign_in.url, "credentials": asdict(sign_in.credentials)}
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=_NEW)  # 0600 from the start
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(fields, file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise

    def remove(self) -> None:
        """Forget the sign-in, with what a process that was killed while it wrote one has left."""
        self.path.unlink(missing_ok=True)
        for left in self.path.parent.glob(f"{_NEW}*"):
            with suppress(OSError):
                left.unlink()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from renewing meanwhile."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("a") as file:
            lock(file, waits=True)
            yield


def _is_showable(text: object) -> bool:
    return isinstance(text, str) and _SHOWABLE.fullmatch(text) is not None


def _parse(fields: dict[str, Any]) -> Credentials:
    return Key(**fields) if "text" in fields else Tokens(**fields)
