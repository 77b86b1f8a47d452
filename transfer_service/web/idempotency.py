"""`Idempotency-Key`: what a view needs so that a request which comes again is not done again (docs/whole-files.md).

A view declares by `idempotent` how such a request is read once more, only to be compared; and hands the function that
`remembering` gives to the service, which calls it in the transaction of what it does. Without the header nothing of
this happens.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial, wraps
from typing import Any, TypeVar

from flask import Response, g, jsonify, request
from multipart import MultipartSegment

from transfer_service.db.database import Executor
from transfer_service.errors import InvalidRequest, KeyReused
from transfer_service.services.batches import BATCH_BYTES, OFFLOAD_FROM_BYTES, in_batches
from transfer_service.services.idempotency import Answer, HeldKey
from transfer_service.web.context import current, services
from transfer_service.web.multipart_body import MultipartBody, filename_of, is_multipart
from transfer_service.web.request_body import RequestBody

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_HELD = "held_key"
Fact = TypeVar("Fact")
View = TypeVar("View", bound=Callable[..., Any])
Remember = Callable[[Executor, Fact], None]


@dataclass(frozen=True, slots=True)
class Content:
    """What a request says beside its path and query: fields, and a file with its name, declared type and SHA-256."""

    fields: Mapping[str, Any]
    filename: str | None = None
    media_type: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Printed:
    """What a fact is answered with: the body is JSON."""

    status: int
    body: Any
    location: str | None = None


def idempotent(read_again: Callable[[], Content]) -> Callable[[View], View]:
    """Declare that a view may be asked again with the same key. Behind the guards, and before the body is read.

    The view raises InvalidRequest for a key of another form, KeyInUse, and KeyReused for another request.
    """

    def declare(view: View) -> View:
        @wraps(view)
        def keyed(*args: Any, **kwargs: Any) -> Any:
            key = request.headers.get(HEADER)
            if key is None:
                return view(*args, **kwargs)
            if not _KEY.fullmatch(key):
                raise InvalidRequest(f"{HEADER} must be 1 to 255 visible ASCII characters")
            found = services().idempotency_keys.begin(current().account_id, key)
            if isinstance(found, Answer):
                return _answer_again(found, read_again())
            return _answer_first(found, partial(view, *args, **kwargs))

        return keyed  # type: ignore[return-value]

    return declare


def _answer_again(first: Answer, content: Content) -> Response:
    if first.fingerprint != _fingerprint(content):
        raise KeyReused
    return _response(first)


def _answer_first(held: HeldKey, view: Callable[[], Any]) -> Any:
    setattr(g, _HELD, held)
    try:
        answer = view()
    except BaseException:
        held.release()
        raise
    if held.answer is None:
        held.release()
        return answer
    held.end()
    return _response(held.answer)


def _response(answer: Answer) -> Response:
    headers = {} if answer.location is None else {"Location": answer.location}
    return Response(answer.body, answer.status, headers, content_type="application/json")


def remembering(
    print_fact: Callable[[Fact], Printed], content_of: Callable[[Fact], Content]
) -> Callable[[Executor, Fact], None] | None:
    """What a service calls last in its transaction, with what it has done; None without a key."""
    held: HeldKey | None = g.get(_HELD)
    if held is None:
        return None

    def remember(rows: Executor, fact: Fact) -> None:
        printed = print_fact(fact)
        body = jsonify(printed.body).get_data(as_text=True)
        held.record(rows, Answer(_fingerprint(content_of(fact)), printed.status, body, printed.location))

    return remember


def give_way(body: RequestBody) -> None:
    """Do not wait long for an idle client whose request has come again: its connection is lost."""
    held: HeldKey | None = g.get(_HELD)
    if held is not None:
        body.give_up_when(lambda: held.is_wanted)


def content_of_form(form: MultipartBody, part: MultipartSegment, sha256: str | None) -> Content:
    """What a form says that has been read to its end, with the file in that part."""
    return Content(form.all_fields(), filename_of(part), part.header("Content-Type"), sha256)


def read_form_again() -> Content:
    """The same of a form that only has to be compared. Raises InvalidRequest, TooLarge."""
    if not is_multipart():
        raise InvalidRequest("Expected multipart/form-data")
    form = MultipartBody(RequestBody())
    part = form.open_file_part()
    sha256 = sha256_of(form.file_blocks())
    return content_of_form(form, part, sha256)


def sha256_of(blocks: Iterable[bytes]) -> str:
    """The SHA-256 of a body that is not stored. Raises TooLarge."""
    core, hasher, length = services().core, hashlib.sha256(), 0
    for batch in in_batches(iter(blocks), BATCH_BYTES):
        size = sum(map(len, batch))
        length += size
        core.space.check_size(length)
        work = partial(_update, hasher, batch)
        if size >= OFFLOAD_FROM_BYTES:
            core.offload(work)
        else:
            work()
    return hasher.hexdigest()


def _update(hasher: Any, batch: Iterable[bytes]) -> None:
    for block in batch:
        hasher.update(block)


def _fingerprint(content: Content) -> str:
    """What tells a request from another one: neither its boundary nor the order of fields, but all that it says."""
    query = sorted(request.args.items(multi=True))
    said = [request.method, request.path.rstrip("/"), query, asdict(content)]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
