"""Files that come by the open protocols at `/api/uploads`."""

import base64
from collections.abc import Mapping, Sequence

from tests.torture.callers import Answer, Caller, Unexpected
from tests.torture.stories import State, Story, World
from transfer_service.wire.ranges import Span

ROOT = "/api/uploads"
TUS = {"Tus-Resumable": "1.0.0"}
GONE = (404, 410)


class TusUpload(Story):
    """tus: created, appended to, sometimes cancelled."""

    door = "tus"

    def play(self, world: World) -> None:
        self.url = ""
        if self.chance.random() < 0.3:
            with self.step(world, State(content=self.data)):
                self.url = self.create_whole(world.call)
            return
        with self.step(world, State()):
            self.url = self.create(world.call, len(self.data), {"Upload-Metadata": self.metadata})
        stop = 0
        for piece in self.pieces():
            is_last = piece.stop == len(self.data)
            if self.is_left and (is_last or self.chance.random() < 0.3):
                break
            stop = piece.stop
            with self.step(world, State(content=self.data) if is_last else State(sent=(Span(0, stop),))):
                self.append(world.call, self.url, piece).must_be(204)
        if self.is_left and self.chance.random() < 0.3:
            with self.step(world, State(is_gone=True), is_durable=True):
                world.call("DELETE", self.url, headers=TUS).must_be(204)

    @property
    def metadata(self) -> str:
        return f"filename {base64.b64encode(self.name.encode()).decode()}"

    def create(self, call: Caller, length: int, headers: Mapping[str, str]) -> str:
        answer = call("POST", ROOT, headers={**TUS, "Upload-Length": str(length), **headers}, data=b"")
        return answer.must_be(201).location

    def create_whole(self, call: Caller) -> str:
        """With all of its bytes at once."""
        told = {"Upload-Length": str(len(self.data)), "Upload-Metadata": self.metadata}
        headers = {**TUS, **told, "Content-Type": "application/offset+octet-stream"}
        return call("POST", ROOT, headers=headers, data=self.data).must_be(201).location

    def append(self, call: Caller, url: str, piece: Span) -> Answer:
        headers = {**TUS, "Upload-Offset": str(piece.start), "Content-Type": "application/offset+octet-stream"}
        return call("PATCH", url, headers=headers, data=self.data[piece.start : piece.stop])

    def offset(self, call: Caller, url: str) -> int | None:
        """What counts of an upload, None where it is gone."""
        if not url:
            return None
        answer = call("HEAD", url, headers=TUS).must_be(200, *GONE)
        return None if answer.status in GONE else int(answer.headers["Upload-Offset"])

    def resume(self, call: Caller) -> bool:
        offset = self.offset(call, self.url)
        if offset is None:
            return False
        if offset < len(self.data):
            self.append(call, self.url, Span(offset, len(self.data))).must_be(204)
        return True

    def check_kept(self, call: Caller, sent: tuple[Span, ...]) -> None:
        offset = self.offset(call, self.url)
        if sent and (offset is None or offset < sent[0].stop):
            raise Unexpected(f"of {sent[0].stop} bytes {offset} count")


class DraftUpload(TusUpload):
    """The IETF draft, interop version 6."""

    door = "draft"
    words: Mapping[str, str] = {"Upload-Draft-Interop-Version": "6", "Via": "1.1 proxy"}  # no 104: requests knows none

    def create(self, call: Caller, length: int, headers: Mapping[str, str]) -> str:  # noqa: ARG002 - of tus
        named = {"Content-Disposition": f'attachment; filename="{self.name}"', "Upload-Length": str(length)}
        answer = call("POST", ROOT, headers={**self.words, **named, "Upload-Complete": "?0"}, data=b"")
        return answer.must_be(201).location

    def create_whole(self, call: Caller) -> str:
        named = {"Content-Disposition": f'attachment; filename="{self.name}"', "Upload-Complete": "?1"}
        headers = {**self.words, **named, "Content-Type": "application/octet-stream"}
        return call("POST", ROOT, headers=headers, data=self.data).must_be(201).location

    def append(self, call: Caller, url: str, piece: Span) -> Answer:
        complete = "?1" if piece.stop == len(self.data) else "?0"
        told = {"Upload-Offset": str(piece.start), "Upload-Complete": complete}
        headers = {**self.words, **told, "Content-Type": "application/partial-upload"}
        answer = call("PATCH", url, headers=headers, data=self.data[piece.start : piece.stop])
        return Answer(204, answer.headers, answer.body) if answer.status in {200, 201} else answer

    def offset(self, call: Caller, url: str) -> int | None:
        if not url:
            return None
        answer = call("HEAD", url, headers=self.words).must_be(200, 204, *GONE)
        return None if answer.status in GONE else int(answer.headers["Upload-Offset"])


class Concatenated(TusUpload):
    """tus: two partial uploads that become one file."""

    door = "joined"

    def play(self, world: World) -> None:
        self.half = self.chance.randrange(1, len(self.data) + 1)
        self.urls, self.url = ["", ""], ""
        parts = [Span(0, self.half), Span(self.half, len(self.data))]
        sent: tuple[Span, ...] = ()
        for number, part in enumerate(parts):
            with self.step(world, State(sent=sent)):
                self.urls[number] = self.create(world.call, part.size, {"Upload-Concat": "partial"})
            if part.size:
                sent = (*sent, part)
                with self.step(world, State(sent=sent)):
                    self.append_part(world.call, self.urls[number], self.part(number), 0)
        if not self.is_left:
            with self.step(world, State(content=self.data)):
                self.url = self.join(world.call, self.urls).must_be(201).location

    def go_on(self, world: World) -> None:
        """Join the parts that were left, in another life of the service."""
        if all(self.urls):
            with self.step(world, State(content=self.data)):
                self.url = self.join(world.call, self.urls).must_be(201).location

    def part(self, number: int) -> bytes:
        return self.data[self.half :] if number else self.data[: self.half]

    def append_part(self, call: Caller, url: str, data: bytes, offset: int) -> None:
        headers = {**TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        answer = call("PATCH", url, headers=headers, data=data[offset:])
        if answer.status != 204:
            raise Unexpected(f"{answer.status} to {len(data) - offset} bytes of a part from {offset} on")

    def join(self, call: Caller, urls: Sequence[str]) -> Answer:
        concat = {"Upload-Concat": f"final;{' '.join(urls)}", "Upload-Metadata": self.metadata}
        return call("POST", ROOT, headers={**TUS, **concat}, data=b"")

    def is_joined(self, call: Caller) -> bool:
        """Whether the parts are spent: the answer was lost, and the same request asks for it again."""
        return all(self.urls) and self.join(call, self.urls).status == 201

    def resume(self, call: Caller) -> bool:
        offsets = [self.offset(call, url) for url in self.urls]
        if None in offsets and self.is_joined(call):
            return True
        urls = list(self.urls)
        for number, offset in enumerate(offsets):
            part = self.part(number)
            if offset is None:  # of which nothing was acknowledged, or what was may be gone
                urls[number] = self.create(call, len(part), {"Upload-Concat": "partial"})
            if (offset or 0) < len(part):
                self.append_part(call, urls[number], part, offset or 0)
        self.join(call, urls).must_be(201)
        return True

    def check_kept(self, call: Caller, sent: tuple[Span, ...]) -> None:
        offsets = [self.offset(call, url) for url in self.urls]
        if None in offsets and self.is_joined(call):
            return
        for span in sent:
            offset = offsets[int(span.start == self.half)]
            if offset is None or offset < span.size:
                raise Unexpected(f"of part {span} {offset} bytes count")
