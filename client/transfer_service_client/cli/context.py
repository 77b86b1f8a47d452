"""What commands share: the account that is signed in, what they print, and how they end."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import typer

from transfer_service_client.cli.listeners import Listener, reason_of
from transfer_service_client.cli.output import Options, Output
from transfer_service_client.cli.terminal import human_seconds, human_size, plural
from transfer_service_client.errors import ENDS_ALL, TransferError, Unavailable

if TYPE_CHECKING:
    from transfer_service_client.client import TransferClient
    from transfer_service_client.folders.outcome import Outcome

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
            from transfer_service_client.connection.credentials import CredentialFile, Key

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
        from transfer_service_client.connection.patience import PATIENCE_SECONDS

        client = self.client()
        client.account_label()
        client.session.patience_seconds = PATIENCE_SECONDS
        return client

    def each(self, names: Sequence[str], do: Callable[[str], None]) -> None:
        """Do something with each of many; those that fail are told, and end the command by 1 after the others."""
        failures = sum(not self._did(name, do) for name in names)
        if failures:
            raise typer.Exit(FAILED)

    def finish(self, listener: Listener, outcome: "Outcome | None" = None) -> None:
        """Tell what became of many files, as `outcome` or else the listener counts; ends by 1 where some failed."""
        self.output.close()
        counts = outcome or listener.counts
        for name, reason in counts.skips:
            self.output.remark(f"skipped {name}: {reason}", event="skipped", name=name, reason=reason)
        text = f"{plural(counts.done, 'file')} {listener.verb}"
        if listener.moved_bytes:
            speed = human_size(listener.moved_bytes / listener.seconds)
            text += f" ({human_size(listener.moved_bytes)} in {human_seconds(listener.seconds)}, {speed}/s)"
        for count, words in (
            (counts.same, "there already"),
            (counts.skipped, "skipped"),
            (counts.failed, "failed"),
        ):
            text += f", {count} {words}" if count else ""
        self.output.remark(
            text,
            event="summary",
            done=counts.done,
            same=counts.same,
            skipped=counts.skipped,
            failed=counts.failed,
            bytes=listener.moved_bytes,
            seconds=round(listener.seconds, 3),
        )
        if counts.failed:
            raise typer.Exit(FAILED)

    def _did(self, name: str, do: Callable[[str], None]) -> bool:
        try:
            do(name)
        except (*ENDS_ALL, Unavailable):
            raise
        except TransferError as error:
            self.output.problem(reason_of(error))
            if self.options.json:
                self.output.remark("", event="failed", name=name, error=reason_of(error))
            return False
        return True

    def close(self) -> None:
        """Take bars away, close connections."""
        self.output.close()
        if self._client is not None:
            self._client.close()
