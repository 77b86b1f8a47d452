"""What an object store has answered."""

from contextlib import closing
from typing import Any

from transfer_service.errors import StoreUnavailable
from transfer_service.storage.s3.failures import WrongBytes


class Answer(dict[str, Any]):
    """Where it lacks what the protocol promises, it is no answer: StoreUnavailable."""

    def __missing__(self, field: str) -> Any:
        raise StoreUnavailable


def body_of(answer: Answer) -> bytes:
    """The bytes that came with it. Raises what boto3 raises where their checksum is another one, WrongBytes."""
    with closing(answer["Body"]) as body:  # as a context it would be the bare stream, without the checksum
        data: bytes = body.read()
    if len(data) != answer["ContentLength"]:
        raise WrongBytes
    return data
