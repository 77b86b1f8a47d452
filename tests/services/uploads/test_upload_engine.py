"""The upload engine against a model: for every name a map of bytes, and what was said about the length."""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.services.conftest import Bench
from transfer_service.errors import InvalidRequest, NotFound, QuotaExceeded, RangeConflict, TooLarge, TransferError
from transfer_service.models.files import File, FileState
from transfer_service.services.files.rows import FileRecord
from transfer_service.wire.ranges import Span

MAX_FILE_BYTES, QUOTA_BYTES = 48, 90
EXAMPLES = {True: 50, False: 12}  # SQLite is in this process, PostgreSQL a server

NAMES = st.sampled_from(["a", "b"])
STARTS = st.integers(0, 50)
SIZES = st.integers(1, 20)
TOTALS = st.none() | st.integers(1, 52)


@dataclass
class Model:
    """One file: its bytes by position, the length if it was declared, whether one is guessed."""

    stored: dict[int, int] = field(default_factory=dict)
    declared: int | None = None
    guesses: bool = False

    @property
    def highest(self) -> int:
        return max(self.stored, default=-1) + 1

    @property
    def length(self) -> int | None:
        return self.highest if self.declared is None and self.guesses else self.declared

    @property
    def reserved(self) -> int:
        return self.highest if self.declared is None else self.declared

    @property
    def is_complete(self) -> bool:
        return self.length is not None and len(self.stored) == self.length

    def spans(self) -> list[Span]:
        """The stored positions as runs."""
        runs = groupby(enumerate(sorted(self.stored)), lambda pair: pair[1] - pair[0])
        return [Span(run[0][1], run[-1][1] + 1) for _, group in runs if (run := list(group))]

    def after(self, start: int, data: bytes, total: int | None, *, infers: bool) -> "Model":
        """The file with one more chunk."""
        added = dict(enumerate(data, start))
        declared = self.declared if total is None else total
        return Model({**self.stored, **added}, declared, self.guesses or (declared is None and infers))

    def objections(self, start: int, data: bytes, total: int | None) -> set[type[TransferError]]:
        """Everything that speaks against a chunk; which one is told first is left open."""
        found: set[type[TransferError]] = set()
        stop = start + len(data)
        if max(stop, total or 0) > MAX_FILE_BYTES:
            found.add(TooLarge)
        if total is not None and (total < self.highest if self.declared is None else total != self.declared):
            found.add(InvalidRequest)
        limit = self.declared if total is None else total
        if limit is not None and stop > limit:
            found.add(RangeConflict if self.is_complete and self.declared is not None else TooLarge)
        if any(self.stored.get(position, byte) != byte for position, byte in enumerate(data, start)):
            found.add(RangeConflict)
        return found


class UploadEngine(RuleBasedStateMachine):
    """Rules are requests; after each of them everything that a client can ask must agree with the model."""

    shared: ClassVar[Bench]

    def __init__(self) -> None:
        super().__init__()
        self.bench = self.shared.another_account()
        self.files: dict[str, Model] = {}

    @property
    def reserved(self) -> int:
        return sum(model.reserved for model in self.files.values())

    @rule(name=NAMES, start=STARTS, size=SIZES, seed=st.sampled_from([0, 0, 0, 1]), total=TOTALS, infers=st.booleans())
    def append(self, name: str, start: int, size: int, seed: int, total: int | None, infers: bool) -> None:
        data = bytes((position * 7 + seed) % 256 for position in range(start, start + size))
        old = self.files.get(name, Model())
        new = old.after(start, data, total, infers=infers)
        objections = old.objections(start, data, total)
        if self.reserved - old.reserved + new.reserved > QUOTA_BYTES and new.reserved > old.reserved:
            objections.add(QuotaExceeded)
        try:
            status = self.bench.append(start, data, name, total=total, infers_length=infers)
        except TransferError as refusal:
            assert type(refusal) in objections
            return
        assert objections == set()
        self.files[name] = new
        self.agree(status, new)

    @rule(name=NAMES, pick=st.integers(0), total=TOTALS)
    def append_again(self, name: str, pick: int, total: int | None) -> None:
        """A client that missed the answer sends the same bytes once more."""
        model = self.files.get(name)
        if model is None or not model.stored:
            return
        span = model.spans()[pick % len(model.spans())]
        total = model.declared if total is None else max(total, model.highest)
        if model.declared not in (None, total) or (total or 0) > MAX_FILE_BYTES:
            return
        new = model.after(span.start, b"", total, infers=False)
        if self.reserved - model.reserved + new.reserved > QUOTA_BYTES:
            return
        data = bytes(model.stored[position] for position in range(span.start, span.stop))
        self.agree(self.bench.append(span.start, data, name, total=total, infers_length=model.guesses), new)
        self.files[name] = new

    @rule(name=NAMES, size=st.integers(0, 50), overwrite=st.booleans(), declared=st.booleans(), is_slow=st.booleans())
    def store(self, name: str, size: int, overwrite: bool, declared: bool, is_slow: bool) -> None:
        data = bytes(position * 11 % 256 for position in range(size))
        fits = size <= MAX_FILE_BYTES and self.reserved + size <= QUOTA_BYTES
        try:
            length = size if declared else None
            status = self.bench.store(data, name, overwrite=overwrite, length=length, is_slow=is_slow)
        except TooLarge:
            assert not fits
            return
        assert fits
        assert status.name == name or (name in self.files and not overwrite and status.name not in self.files)
        self.files[status.name] = Model(dict(enumerate(data)), declared=size)
        self.agree(status, self.files[status.name])

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        try:
            self.bench.services.files.delete(self.bench.account_id, name)
        except NotFound:
            assert name not in self.files
        else:
            del self.files[name]

    @rule(name=NAMES)
    def crash_before_the_finish(self, name: str) -> None:
        """What a crash between the last chunk and its completion leaves in the database."""
        if (found := self.bench.find(name)) is None or not found.is_complete or not found.length:
            return  # an empty file comes in one request and completes in one step
        with self.bench.services.database.write() as session:
            file = session.get_one(File, found.id)
            file.state, file.sha256, file.completed_at = FileState.RECEIVING, None, None

    @invariant()
    def every_file_is_as_the_model_says(self) -> None:
        for name in {*self.files, "a", "b"}:
            status = self.bench.find(name)
            assert (status is None) == (name not in self.files)
            if status is not None:
                self.agree(status, self.files[name])
                self.agree_on_ranges(status, self.files[name])
        assert self.bench.names() == sorted(self.files)

    @invariant()
    def the_quota_counter_is_the_sum_of_what_is_reserved(self) -> None:
        assert self.bench.used_bytes() == self.bench.reserved_bytes() == self.reserved

    def agree(self, status: FileRecord, model: Model) -> None:
        first_gap = next((position for position in range(100) if position not in model.stored), 100)
        assert (status.length, status.is_complete) == (model.length, model.is_complete)
        assert (status.received_bytes, status.next_expected) == (len(model.stored), first_gap)
        data = bytes(model.stored[position] for position in sorted(model.stored))
        digests = (hashlib.sha256(data).hexdigest(), zlib.crc32(data)) if model.is_complete else (None, None)
        assert (status.sha256, status.crc32) == digests

    def agree_on_ranges(self, status: FileRecord, model: Model) -> None:
        assert self.bench.services.files.received(status) == model.spans()
        content = self.bench.content(status)
        assert all(content[position] == byte for position, byte in model.stored.items())
        wanted = set(range(model.length or 0)) - set(model.stored)
        missing = self.bench.services.files.missing(status)
        assert {position for span in missing for position in range(span.start, span.stop)} == wanted


@pytest.mark.unmeasured
def test_any_history_of_requests_agrees_with_the_model(make_bench: Callable[..., Bench], database_url: str) -> None:
    bench = make_bench(
        database_url=database_url, durability="process", max_file_bytes=MAX_FILE_BYTES, quota_bytes=QUOTA_BYTES
    )
    run_state_machine_as_test(
        type("UploadEngineHere", (UploadEngine,), {"shared": bench}),
        settings=settings(
            max_examples=EXAMPLES[bench.services.database.is_sqlite],
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
