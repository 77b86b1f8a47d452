"""Lives of files over several instances: how they come, are looked at, and go, by what clients were told."""

import base64
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tests.growing.client import BACK_SECONDS, BUSY, Client
from tests.growing.model import MOST_TRIES, Content, Fault
from tests.torture.callers import Answer
from tests.torture.chunk_stories import OCTETS
from tests.torture.resumable_stories import GONE, TUS
from transfer_service.wire.chunk_frames import LONG_FRAME
from transfer_service.wire.ranges import Span

LENGTHS = (1, 700, 40_000, 300_000, 1_500_000, 1_500_000, 9_000_000)
DRAFT = {"Upload-Draft-Interop-Version": "6", "Via": "1.1 proxy"}  # no 104: requests knows none


@dataclass
class History:
    """One life. `is_finished`: the file is whole, for all that anybody was told; `is_gone`: it was taken away."""

    number: str
    client: Client
    is_finished: bool = False
    is_gone: bool = False
    may_be_gone: bool = False
    door: ClassVar[str] = ""

    def __post_init__(self) -> None:
        chance = self.client.chance
        self.name = f"{self.door}-{self.number}.bin"
        self.content = Content(chance.choice(LENGTHS), chance.randrange(2**32))

    def play(self) -> None:
        """Live. Raises Fault and Unexpected."""
        raise NotImplementedError

    def check(self, at: int) -> None:
        """Compare what an instance gives with what must be there; the trouble is over. Raises Fault, Unexpected."""
        raise NotImplementedError

    def look_for(self, at: int | None = None) -> bytes | None:
        """The finished file with its true SHA-256, None where there is no such file. Raises Fault, Unexpected."""
        ask = self.client.ask
        status = self.client.insist(
            f"status of {self.name}", lambda: ask("GET", f"/api/files/status/{self.name}", at=at), 200, 404
        )
        if status.status == 404 or status.fields["status"] != "complete":
            return None
        path = f"/api/files/{status.fields['file_id']}/download"
        answer = self.client.insist(f"download of {self.name}", lambda: ask("GET", path, at=at), 200, 404)
        if answer.status == 404:
            return None
        digest = hashlib.sha256(answer.body).hexdigest()
        if digest != status.fields["sha256"]:
            told, got = status.fields["sha256"], f"{len(answer.body)} bytes with {digest}"
            raise Fault(f"{self.name} at {at}: {told} was told, {got} came")
        return answer.body

    def delete(self) -> None:
        """Take the file away."""
        answer = self.client.ask("DELETE", f"/api/files/{self.name}")
        self.may_be_gone = True
        if answer is not None and answer.status not in BUSY:
            answer.must_be(200, 404)
            self.is_gone = True

    def check_whole(self, at: int | None = None) -> None:
        """What must be there is, what may not be is not."""
        body = self.look_for(at)
        if body is not None and self.is_gone:
            raise Fault(f"{self.name} was deleted and is there, at {at}")
        if body is None and self.is_finished and not self.may_be_gone:
            raise Fault(f"{self.name} was whole and is not, at {at}")
        if body is not None:
            if len(body) != self.content.length:
                raise Fault(f"{self.name} has {len(body)} bytes of {self.content.length}, at {at}")
            self.content.check(0, body)


@dataclass
class TusHistory(History):
    """A resumable upload by tus: whoever appends marks its bytes."""

    door = "tus"
    url: str = ""

    def play(self) -> None:
        client, chance = self.client, self.client.chance
        self.url = self._create()
        is_left, will_cancel = chance.random() < 0.1, chance.random() < 0.1
        while self.content.offset < self.content.length and len(self.content.tries) < MOST_TRIES // 2:
            if chance.random() < 0.25:
                client.make_trouble()
            if chance.random() < 0.3:
                self.look()
            elif chance.random() < 0.05:
                self.clean()
            elif will_cancel and chance.random() < 0.3:
                self.cancel()
                return
            else:
                self.append(chance.choice([1, 5_000, 100_000, 1_000_000, self.content.length]))
            client.step()
            if is_left and chance.random() < 0.3:
                return
        client.heal()
        self.finish()

    def _create(self) -> str:
        """Begin, again and again under other names: what has no answer may be there all the same."""
        deadline = time.monotonic() + BACK_SECONDS
        for number in range(1000):
            self.name = f"{self.door}-{self.number}.{number}.bin"
            answer = self._ask_to_create()
            if answer is not None and answer.status not in BUSY:
                return answer.must_be(201).location
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        raise Fault(f"{self.name} cannot be begun")

    def _ask_to_create(self) -> Answer | None:
        name = base64.b64encode(self.name.encode()).decode()
        headers = {**TUS, "Upload-Length": str(self.content.length), "Upload-Metadata": f"filename {name}"}
        return self.client.ask("POST", "/api/uploads", headers=headers)

    def append(self, size: int) -> None:
        """Send some bytes from the offset that is known."""
        made, data = self.content.attempt(self.content.offset, size)
        answer = self._ask_to_append(made.start, data)
        if answer is None:
            return
        if answer.status == 204:
            self.content.acknowledged(made, int(answer.headers.get("Upload-Offset", made.stop)))
        elif answer.status == 409:
            self.content.refused(made, is_final=True)
        elif answer.status in BUSY:
            self.content.refused(made, is_final=False)
        else:
            raise Fault(f"{self.name}: {answer.status} to an append at {made.start}: {answer.body[:200]!r}")

    def _ask_to_append(self, offset: int, data: bytes) -> Answer | None:
        headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        return self.client.ask("PATCH", self.url, headers=headers, data=data)

    def _ask_to_look(self, at: int | None = None) -> Answer | None:
        return self.client.ask("HEAD", self.url, headers=TUS, at=at)

    def look(self) -> None:
        """Ask for the offset."""
        answer = self._ask_to_look()
        if answer is None or answer.status in BUSY:
            return
        if answer.status in GONE and self.may_be_gone:
            self.is_gone = True
        else:
            self.content.told(int(answer.must_be(200, 204).headers["Upload-Offset"]))

    def clean(self) -> None:
        """Clean up in the middle of everything."""
        answer = self.client.ask("POST", "/cleanup")
        if answer is not None and answer.status not in BUSY:
            answer.must_be(200)

    def cancel(self) -> None:
        """Take the upload away; afterwards it is gone, or may be."""
        self.may_be_gone = True
        answer = self.client.ask("DELETE", self.url, headers=TUS)
        if answer is not None and answer.status not in BUSY:
            answer.must_be(204, *GONE)
            self.is_gone = True
        self.client.heal()

    def finish(self) -> None:
        """Send what is missing until all is there, whatever happens, and take it away sometimes."""
        deadline = time.monotonic() + BACK_SECONDS
        while self.content.offset < self.content.length:
            self.look()
            if self.content.offset < self.content.length:
                self.append(self.content.length)
            if time.monotonic() > deadline:
                raise Fault(f"{self.name} cannot be finished: {self.content.offset} of {self.content.length}")
        self.is_finished = True
        self._settle()
        self.check_whole()
        if self.client.chance.random() < 0.4:
            self.delete()

    def _settle(self) -> None:
        """All bytes are there; a look takes the last step if it is due."""
        deadline = time.monotonic() + BACK_SECONDS
        while self.look_for() is None:
            self.look()
            if time.monotonic() > deadline:
                raise Fault(f"{self.name} has all of its bytes and does not become a file")

    def check(self, at: int) -> None:
        if not self.is_finished:
            ask = self.client.insist(f"look at {self.name}", lambda: self._ask_to_look(at), 200, 204, *GONE)
            if ask.status not in GONE:
                if self.is_gone:
                    raise Fault(f"{self.name} was cancelled and is there, at {at}")
                self.content.told(int(ask.headers["Upload-Offset"]))
            elif not self.may_be_gone:
                raise Fault(f"{self.name} is gone, at {at}")
        self.check_whole(at)


@dataclass
class DraftHistory(TusHistory):
    """The same by the IETF draft."""

    door = "draft"

    def _ask_to_create(self) -> Answer | None:
        named = {"Content-Disposition": f'attachment; filename="{self.name}"'}
        told = {"Upload-Length": str(self.content.length), "Upload-Complete": "?0"}
        return self.client.ask("POST", "/api/uploads", headers={**DRAFT, **named, **told})

    def _ask_to_append(self, offset: int, data: bytes) -> Answer | None:
        complete = "?1" if offset + len(data) == self.content.length else "?0"
        told = {"Upload-Offset": str(offset), "Upload-Complete": complete}
        headers = {**DRAFT, **told, "Content-Type": "application/partial-upload"}
        answer = self.client.ask("PATCH", self.url, headers=headers, data=data)
        if answer is not None and answer.status in {200, 201, 204}:
            return Answer(204, {}, answer.body)
        return answer

    def _ask_to_look(self, at: int | None = None) -> Answer | None:
        return self.client.ask("HEAD", self.url, headers=DRAFT, at=at)


@dataclass
class ChunkHistory(History):
    """17-byte chunks in any order, some of them twice: all bytes are of one mark."""

    door = "chunks"
    stored: list[Span] = field(default_factory=list)
    has_unanswered: bool = False
    """Whether a chunk may come late, and make the file anew after it was deleted."""

    def play(self) -> None:
        chance = self.client.chance
        made, self.data = self.content.attempt(0, self.content.length)
        size = max(1, self.content.length // chance.randint(1, 6))
        pieces = [Span(start, min(start + size, len(self.data))) for start in range(0, len(self.data), size)]
        left = [*pieces, *chance.sample(pieces, k=len(pieces) // 3)]
        chance.shuffle(left)
        deadline = time.monotonic() + BACK_SECONDS
        while left:
            if chance.random() < 0.25:
                self.client.make_trouble()
            if self._send(left[-1]):
                left.pop()
            if chance.random() < 0.3:
                self._check_progress()
            self.client.step()
            if left and time.monotonic() > deadline:
                raise Fault(f"{self.name}: {left} cannot be sent")
        self.client.heal()
        self.content.acknowledged(made, self.content.length)
        self.is_finished = True
        self.check_whole()
        if chance.random() < 0.4:
            self.delete()
            self.is_gone = self.is_gone and not self.has_unanswered

    def _send(self, piece: Span) -> bool:
        frame = LONG_FRAME.format(piece.start, self.data[piece.start : piece.stop])
        query = {"filename": self.name, "total_size": str(len(self.data))}
        answer = self.client.ask("POST", "/api/files/upload", query=query, headers=OCTETS, data=frame)
        if answer is None:
            self.has_unanswered = True
        if answer is None or answer.status in BUSY:
            return False
        answer.must_be(200)
        self.stored.append(piece)
        return True

    def _check_progress(self) -> None:
        answer = self.client.ask("GET", f"/api/files/status/{self.name}")
        if answer is None or answer.status in BUSY or not self.stored:
            return
        first_gap = 0
        for piece in sorted(self.stored, key=lambda each: each.start):
            first_gap = max(first_gap, piece.stop) if piece.start <= first_gap else first_gap
        status = answer.must_be(200).fields
        if status["status"] != "complete" and int(status["next_expected_byte"]) < first_gap:
            raise Fault(f"{self.name}: {status} where {self.stored} were acknowledged")

    def check(self, at: int) -> None:
        self.check_whole(at)


@dataclass
class WholeHistory(History):
    """One name that is given to one whole file after the other: it has the last one, or one that had no answer."""

    door = "whole"
    possible: list[bytes] = field(default_factory=list)
    unanswered: list[bytes] = field(default_factory=list)

    def play(self) -> None:
        chance = self.client.chance
        for _ in range(chance.randint(1, 4)):
            if chance.random() < 0.4:
                self.client.make_trouble()
            self._store()
            if chance.random() < 0.4:
                self.check_versions()
            self.client.step()
        self.client.heal()
        if chance.random() < 0.3:
            self.delete()

    def _store(self) -> None:
        data = self.client.chance.randbytes(self.client.chance.choice(LENGTHS))
        query = {"filename": self.name, "overwrite": "true"}
        answer = self.client.ask("POST", "/api/files", query=query, headers=OCTETS, data=data)
        if answer is not None and answer.status in {200, 201}:
            self.possible, self.is_gone, self.may_be_gone = [data], False, False
            self.is_finished = True
        elif answer is None:
            self.unanswered.append(data)
        else:
            answer.must_be(*BUSY)

    def check_versions(self, at: int | None = None) -> None:
        body = self.look_for(at)
        if body is None and self.is_finished and not self.may_be_gone and not self.unanswered:
            raise Fault(f"{self.name} was whole and is not, at {at}")
        if body is not None and body not in [*self.possible, *self.unanswered]:
            raise Fault(f"{self.name} has {len(body)} bytes that nobody sent, at {at}")
        if body is not None and self.is_gone and body not in self.unanswered:
            raise Fault(f"{self.name} was deleted and is there, at {at}")

    def check(self, at: int) -> None:
        self.check_versions(at)


HISTORIES: Sequence[type[History]] = (TusHistory, TusHistory, DraftHistory, ChunkHistory, WholeHistory)
