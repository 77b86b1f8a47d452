"""A session's tokens in a file that other processes renew, replace and remove too."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from transfer_service_client.connection.credentials import CredentialFile, Credentials, SignIn, Tokens
from transfer_service_client.errors import SignInNeeded, TransferError


class KeptTokens:
    """What a file has of one account of one service: another sign-in that is there is neither used nor replaced."""

    def __init__(self, file: CredentialFile, url: str, credentials: Credentials | None) -> None:
        self._file, self._url = file, url
        self._was_there = False
        self._unwritten: str | None = None
        if isinstance(credentials, Tokens):
            with suppress(TransferError):
                self._was_there = self._own(file.read(), credentials) is not None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from renewing meanwhile; a disk that takes no lock is no reason not to renew."""
        with ExitStack() as held:
            with suppress(OSError):
                held.enter_context(self._file.locked())
            yield

    def newest(self, current: Tokens) -> Tokens | None:
        """What another process has renewed, or else `current`; None where somebody has signed out since."""
        try:
            kept = self._own(self._file.read(), current)
        except SignInNeeded:
            return None if self._was_there else current
        except TransferError:
            return current
        return current if kept is None or kept.access == self._unwritten else kept

    def replace(self, old: Tokens, new: Tokens) -> None:
        """Keep a new pair, unless another sign-in is there by now. Without room for it this process alone has it."""
        with suppress(TransferError):
            if self._own(self._file.read(), old) is None:
                return
        try:
            self._file.write(SignIn(self._url, new))
        except OSError:
            self._unwritten = self._unwritten or old.access
        else:
            self._was_there, self._unwritten = True, None

    def _own(self, found: SignIn, tokens: Tokens) -> Tokens | None:
        kept = found.credentials
        is_own = found.url == self._url and isinstance(kept, Tokens) and kept.account == tokens.account
        return kept if isinstance(kept, Tokens) and is_own else None
