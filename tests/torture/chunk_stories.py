"""Files that come in chunks or whole: the doors of `/api/files` and `/upload`."""

from tests.torture.callers import Caller, Unexpected
from tests.torture.stories import State, Story, World, is_within
from tests.web.forms import file_form
from transfer_service.wire.chunk_frames import LONG_FRAME, SHORT_FRAME
from transfer_service.wire.ranges import Span

OCTETS = {"Content-Type": "application/octet-stream"}


class LongChunks(Story):
    """17-byte frames in any order."""

    door = "long"

    def play(self, world: World) -> None:
        pieces = self.pieces()
        self.chance.shuffle(pieces)
        if self.is_left:
            pieces = pieces[: len(pieces) // 2]
        sent: tuple[Span, ...] = ()
        for piece in pieces:
            sent = (*sent, piece)
            is_whole = sum(each.size for each in sent) == len(self.data)
            with self.step(world, State(content=self.data) if is_whole else State(sent=sent)):
                self.send(world.call, piece)

    def send(self, call: Caller, piece: Span) -> None:
        frame = LONG_FRAME.format(piece.start, self.data[piece.start : piece.stop])
        query = {"filename": self.name, "total_size": str(len(self.data))}
        call("POST", "/api/files/upload", query=query, headers=OCTETS, data=frame).must_be(200)

    def resume(self, call: Caller) -> bool:
        status = call("GET", f"/api/files/status/{self.name}").must_be(200).fields
        if status["status"] != "complete":
            start = int(status["next_expected_byte"])
            self.send(call, Span(start, len(self.data)))  # over what is stored behind it: that must be the same
        return True

    def check_kept(self, call: Caller, sent: tuple[Span, ...]) -> None:
        ranges = call("GET", f"/status/{self.name}").must_be(200).fields["chunks"]
        received = [Span(each["start"], each["end"] + 1) for each in ranges]
        if not all(is_within(received, span) for span in sent):
            raise Unexpected(f"of {sent} only {received} count")


class ShortChunks(LongChunks):
    """12-byte frames with their `Content-Range`."""

    door = "short"

    def send(self, call: Caller, piece: Span) -> None:
        frame = SHORT_FRAME.format(piece.start, self.data[piece.start : piece.stop])
        content_range = f"bytes {piece.start}-{piece.stop - 1}/{len(self.data)}"
        headers = {**OCTETS, "Content-Range": content_range}
        call("POST", f"/upload/{self.name}", headers=headers, data=frame).must_be(200)


class Growing(LongChunks):
    """A file whose length is only guessed: it is whole after each chunk, and goes on with the next."""

    door = "growing"

    def play(self, world: World) -> None:
        for piece in self.pieces():
            with self.step(world, State(content=self.data[: piece.stop])):
                frame = LONG_FRAME.format(piece.start, self.data[piece.start : piece.stop])
                query = {"filename": self.name}
                world.call("POST", "/api/files/upload", query=query, headers=OCTETS, data=frame).must_be(200)


class Whole(Story):
    """A file in one request, as it is or in a form, and another one in its place, or none."""

    door = "whole"

    def play(self, world: World) -> None:
        self.store(world, self.data)
        for _ in range(self.chance.randrange(3)):
            self.store(world, self.chance.randbytes(self.chance.choice([3, 9_000, 60_000])), overwrite=True)
        if self.is_left:
            with self.step(world, State(is_gone=True), is_durable=True):
                world.call("DELETE", f"/api/files/{self.name}").must_be(200)

    def store(self, world: World, data: bytes, *, overwrite: bool = False) -> None:
        query = {"filename": self.name, **({"overwrite": "true"} if overwrite else {})}
        headers, body = OCTETS, data
        if self.chance.random() < 0.5:
            arguments = file_form(data)
            headers, body = {"Content-Type": arguments["content_type"]}, arguments["data"]
        with self.step(world, State(content=data), is_durable=overwrite):
            world.call("POST", "/api/files", query=query, headers=headers, data=body).must_be(201)

    def resume(self, call: Caller) -> bool:
        query = {"filename": self.name}
        call("POST", "/api/files", query=query, headers=OCTETS, data=self.data).must_be(201)
        return True

    def check_kept(self, call: Caller, sent: tuple[Span, ...]) -> None:
        """Nothing of it counts before all of it does."""
