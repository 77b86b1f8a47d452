"""What commands share: the account that is signed in, what they print, and how they end."""

from typing import TYPE_CHECKING

import typer

from transfer_service_client.cli.listeners import Listener
from transfer_service_client.cli.output import Options, Output
from transfer_service_client.cli.terminal import human_seconds, human_size, plural

if TYPE_CHECKING:
    from transfer_service_client.client import TransferClient

FAILED, USAGE, SIGN_IN = 1, 2, 3
SHORT_PATIENCE_SECONDS = 10.0
"""How long somebody who waits for an answer wants to see nothing."""


class Context:
    """One run of one command; closed at its end, however it ends."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.output = Output(options)
        self._client: TransferClient | None = None

    def client(self) -> "TransferClient":
        """The account that is signed in. Raises SignInNeeded."""
        if self._client is None:
            from transfer_service_client.client import TransferClient
            from transfer_service_client.credentials import CredentialFile, Key

            kept = CredentialFile()
            sign_in = kept.read()
            key = sign_in.credentials.text if isinstance(sign_in.credentials, Key) else None
            tokens = None if isinstance(sign_in.credentials, Key) else sign_in.credentials
            self._client = TransferClient(
                sign_in.url, key=key, tokens=tokens, keep=kept, patience_seconds=SHORT_PATIENCE_SECONDS
            )
        return self._client

    def patient_client(self) -> "TransferClient":
        """The account, for transfers that outlast a network that goes away. Raises SignInNeeded, Unavailable.

        A service that is away from the start is told soon: most of the time its address is wrong.
        """
        from transfer_service_client.session import PATIENCE_SECONDS

        client = self.client()
        client.account_label()
        client.session.patience_seconds = PATIENCE_SECONDS
        return client

    def finish(self, listener: Listener, *, failures: int = 0, more: str = "") -> None:
        """Tell what became of many files; ends the command by 1 where some failed (`failures`, if it knows of more)."""
        self.output.close()
        failed = max(listener.failures, failures)
        parts = [f"{plural(listener.moved, 'file')} {listener.verb}"]
        if listener.moved_bytes and listener.seconds:
            speed = human_size(listener.moved_bytes / listener.seconds)
            parts[0] += f" ({human_size(listener.moved_bytes)} in {human_seconds(listener.seconds)}, {speed}/s)"
        if listener.same:
            parts.append(f"{listener.same} there already")
        if more:
            parts.append(more)
        if failed:
            parts.append(f"{failed} failed")
        self.output.remark(
            ", ".join(parts),
            event="summary",
            moved=listener.moved,
            unchanged=listener.same,
            failed=failed,
            bytes=listener.moved_bytes,
            seconds=round(listener.seconds, 3),
        )
        if failed:
            raise typer.Exit(FAILED)

    def close(self) -> None:
        """Take bars away, close connections."""
        self.output.close()
        if self._client is not None:
            self._client.close()
