"""`transfer send`: a file into a conversation."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from transfer_service_client.cli.command import GOES_ON, command
from transfer_service_client.cli.context import Context
from transfer_service_client.cli.remote_names import conversation_names
from transfer_service_client.errors import NotFound, TransferError

if TYPE_CHECKING:
    from transfer_service_client.client import TransferClient

_EXAMPLES = """\
  transfer send bob film.mp4                    to another account
  transfer send "Summer trip" film.mp4          to a group
  transfer send bob film.mp4 --text "Look!"     with a caption
  transfer send 65f0c3a19b2e4d7f8a1b2c3d a.pdf  by the id of a conversation
"""
_ID = re.compile(r"[0-9a-f]{24}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "send", examples=_EXAMPLES, when_stopped=GOES_ON)(send)


def send(
    context: Context,
    conversation: Annotated[
        str,
        typer.Argument(
            metavar="CONVERSATION",
            help="An account, the name of a group, or the id of a conversation.",
            autocompletion=conversation_names,
        ),
    ],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file.")],
    text: Annotated[str | None, typer.Option("--text", metavar="TEXT", help="A caption.")] = None,
) -> None:
    """Send a file to somebody, or to a group.

    It becomes one message, however often the network breaks. What was stopped goes on where it ended.
    """
    if path.is_dir():
        raise TransferError(f"{path} is a folder: send files, or put it and share it")
    client = context.patient_client()
    conversation_id = _conversation(client, conversation)
    listener = context.output.listener("sent")
    message = client.send_attachment(conversation_id, path, text, progress=listener)
    context.output.close()
    attachment = message.attachment
    context.output.remark(
        f"{attachment.name if attachment else path.name} is in the conversation with {conversation}",
        event="message",
        message_id=message.message_id,
        conversation_id=message.conversation_id,
        name=attachment.name if attachment else None,
        sha256=attachment.sha256 if attachment else None,
    )


def _conversation(client: "TransferClient", text: str) -> str:
    """The id of the conversation that somebody means; one with another account is made. Raises TransferError."""
    if _ID.fullmatch(text):
        return text
    groups = [each for each in client.conversations() if each.is_group and each.title == text]
    if len(groups) > 1:
        ids = ", ".join(each.conversation_id for each in groups)
        raise TransferError(f"{len(groups)} groups are called {text!r}: use the id of one ({ids})")
    if groups:
        return groups[0].conversation_id
    try:
        return client.conversation_with(text)
    except NotFound as error:
        raise NotFound(error.status, f"There is no account and no group {text!r}") from error
