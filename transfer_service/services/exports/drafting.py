"""An export that is being put together: written down a section and a piece at a time, so it takes no memory."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from zlib_ng.zlib_ng import crc32

from transfer_service.db.database import Database, run_again
from transfer_service.services.exports import rows as export_rows
from transfer_service.services.exports.rows import TEXT_BYTES
from transfer_service.services.exports.sources import TextSource, pack
from transfer_service.wire.zip_layout import ZipLayout, ZipMember, ZipMembers
from transfer_service.wire.zip_sections import SECTION, SectionedZip, SectionPlace, place_of


class ExportDraft:
    """Takes the members of an archive in their order."""

    def __init__(self, database: Database, export_id: uuid.UUID) -> None:
        self._database = database
        self._export_id = export_id
        self._waiting: list[ZipMember] = []
        self._places: list[SectionPlace] = []
        self._text = bytearray()
        self._text_pieces = 0

    @property
    def text_bytes(self) -> int:
        """The length of all texts so far."""
        return self._text_pieces * TEXT_BYTES + len(self._text)

    def add(self, member: ZipMember) -> None:
        """Let this be the next member."""
        self._waiting.append(member)
        if len(self._waiting) == SECTION:
            self._write_section()

    @contextmanager
    def text(self, path: str, at: datetime) -> Iterator["TextDraft"]:
        """A text that is written in the block, and becomes a member at its end. One at a time."""
        offset, text = self.text_bytes, TextDraft(self)
        yield text
        source = pack(TextSource(offset))
        self.add(ZipMember(path, self.text_bytes - offset, text.crc32, int(at.timestamp()), source))

    @contextmanager
    def json_list(self, path: str, at: datetime) -> Iterator["JsonList"]:
        """A text that is a list in JSON."""
        with self.text(path, at) as text:
            listed = JsonList(text)
            yield listed
            listed.end()

    def write_text(self, data: bytes) -> None:
        """Put this behind all texts so far."""
        self._text += data
        while len(self._text) >= TEXT_BYTES:
            self._write_piece(bytes(self._text[:TEXT_BYTES]))
            del self._text[:TEXT_BYTES]

    def finish(self) -> tuple[int, int, int]:
        """Write down the rest. The length of the archive, how many members it has, and the length of its texts."""
        text_bytes = self.text_bytes
        if self._text:
            self._write_piece(bytes(self._text))
        count = len(self._places) * SECTION + len(self._waiting)
        if self._waiting:
            self._write_section()
        size = SectionedZip(self._places, count, lambda _number: ZipMembers(())).size
        return size, count, text_bytes

    def _write_section(self) -> None:
        members = ZipMembers(self._waiting)
        last = self._places[-1] if self._places else SectionPlace(0, 0, 0, 0)
        place = place_of(ZipLayout(members, start=last.stop), start=last.stop, entries_start=last.entries_stop)
        number = len(self._places)
        self._write(lambda rows: export_rows.add_section(rows, self._export_id, number, place, members))
        self._places.append(place)
        self._waiting = []

    def _write_piece(self, data: bytes) -> None:
        self._write(lambda rows: export_rows.add_text(rows, self._export_id, self._text_pieces, data))
        self._text_pieces += 1

    @run_again
    def _write(self, work: Any) -> None:
        with self._database.write_rows() as rows:
            work(rows)


class TextDraft:
    """A text of it."""

    def __init__(self, draft: ExportDraft) -> None:
        self._draft = draft
        self.crc32 = 0

    def write(self, text: str) -> None:
        """Write on."""
        data = text.encode()
        self.crc32 = crc32(data, self.crc32)
        self._draft.write_text(data)


def json_line(item: dict[str, Any]) -> str:
    """Something in JSON, on one line."""
    return json.dumps(item, ensure_ascii=False)


class JsonList:
    """A list in JSON, one line for each thing in it."""

    def __init__(self, text: TextDraft) -> None:
        self._text = text
        self._is_empty = True

    def add(self, item: dict[str, Any]) -> None:
        """The next one."""
        self._text.write(("[\n" if self._is_empty else ",\n") + json_line(item))
        self._is_empty = False

    def end(self) -> None:
        """There are no more."""
        self._text.write("[]\n" if self._is_empty else "\n]\n")
