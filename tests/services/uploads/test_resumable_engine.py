"""Resumable uploads against a model: bytes by upload, files by name, and what all of it reserves."""

import hashlib
from collections.abc import Callable
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests.services.uploads.bench import Append, Client, Step, Uploads, make_uploads
from tests.services.uploads.model import Model
from transfer_service.errors import (
    BodyCutShort,
    ChecksumMismatch,
    InconsistentLength,
    OffsetMismatch,
    QuotaExceeded,
    TooLarge,
    TransferError,
    UploadEnded,
    UploadFinished,
)

__all__ = ["make_uploads"]

MAX_FILE_BYTES, QUOTA_BYTES, MAX_PART_BYTES = 60, 150, 15
NONE: set[type[TransferError] | None] = {None}
EXAMPLES = {True: 20, False: 5}  # SQLite is in this process, PostgreSQL a server
NAMES = st.sampled_from(["a", "b.txt"])
PICKS = st.integers(0, 7)
ENDINGS = st.sampled_from(["whole", "whole", "whole", "cut-short", "damaged"])


class ResumableEngine(RuleBasedStateMachine):
    """Rules are requests; after each of them everything that can be asked must agree with the model."""

    shared: ClassVar[Uploads]

    def __init__(self) -> None:
        super().__init__()
        self.bench = self.shared.another_account()
        self.uploads: list[Model] = []
        self.files: dict[str, bytes] = {}

    @property
    def reserved(self) -> int:
        return sum(map(len, self.files.values())) + sum(upload.reserved for upload in self.uploads)

    def pick(self, number: int) -> Model | None:
        return self.uploads[number % len(self.uploads)] if self.uploads else None

    @rule(name=NAMES, length=st.none() | st.integers(0, 62), overwrite=st.booleans())
    def begin(self, name: str, length: int | None, overwrite: bool) -> None:
        objections = self.objections_to_begin(length or 0)

        def begin() -> None:
            facts = self.bench.begin(length, name, overwrite=overwrite)
            self.uploads.append(upload := Model(facts, name, length, overwrite))
            self.finish_if_due(upload)

        assert self.bench.error_of(begin) in (objections or NONE)

    @rule(length=st.integers(0, MAX_PART_BYTES))
    def begin_part(self, length: int) -> None:
        objections = self.objections_to_begin(length)

        def begin() -> None:
            self.uploads.append(Model(self.bench.part(length=length), "", length, is_part=True))

        assert self.bench.error_of(begin) in (objections or NONE)

    def objections_to_begin(self, length: int) -> set[type[TransferError]]:
        found: set[type[TransferError]] = {TooLarge} if length > MAX_FILE_BYTES else set()
        return found | ({QuotaExceeded} if length and self.reserved + length > QUOTA_BYTES else set())

    @rule(
        pick=PICKS, sizes=st.lists(st.integers(0, 12), max_size=4), shift=st.sampled_from([0, 0, 0, 0, 0, 1, -1]),
        ending=ENDINGS, is_atomic=st.booleans(), is_chunked=st.booleans(), pauses=st.booleans(),
        length=st.sampled_from([None, None, None, "same", "right", 5, 61]),
    )  # fmt: skip
    def append(
        self, pick: int, sizes: list[int], shift: int, ending: str, is_atomic: bool, is_chunked: bool, pauses: bool,
        length: int | str | None,
    ) -> None:  # fmt: skip
        upload = self.pick(pick)
        if upload is None or upload.parts or len(upload.data) + shift < 0:
            return
        offset, size = len(upload.data) + shift, sum(sizes)
        told = length if not isinstance(length, str) else upload.length if length == "same" else offset + size
        blocks = [
            bytes((offset + position * 7 + each) % 256 for each in range(size)) for position, size in enumerate(sizes)
        ]
        steps: list[Step] = []
        for block in blocks:
            steps += [block, Client.PAUSES] if pauses else [block]
        if ending == "cut-short":
            steps.append(Client.LEAVES)
        is_damaged = ending == "damaged"
        announced = None if is_chunked else size + (ending == "cut-short")
        body = Append(steps, is_atomic=is_atomic or is_damaged, announced=announced, is_damaged=is_damaged)
        expected = self.foresee(upload, body, blocks, offset=offset, length=told, pauses=pauses)
        assert self.bench.error_of(lambda: self.bench.put(upload.facts, body, offset=offset, length=told)) == expected
        self.finish_if_due(upload)

    def foresee(
        self, upload: Model, body: Append, blocks: list[bytes], *, offset: int, length: int | None, pauses: bool
    ) -> type[TransferError] | None:
        """What an append is answered with; the model is then what it must be."""
        if upload.is_gone:
            return UploadEnded
        if offset != len(upload.data):
            return OffsetMismatch
        if upload.held is not None:
            return None if body.announced == 0 else UploadFinished
        if None not in (upload.length, length) and upload.length != length:
            return InconsistentLength
        length = upload.length if length is None else length
        stop = offset + (body.announced or 0)
        if stop > (MAX_FILE_BYTES if length is None else min(length, MAX_FILE_BYTES)) or (length or 0) > MAX_FILE_BYTES:
            return TooLarge
        if offset > (offset if length is None else length):
            return TooLarge
        return self.foresee_bytes(upload, body, blocks, length=length, pauses=pauses)

    def foresee_bytes(
        self, upload: Model, body: Append, blocks: list[bytes], *, length: int | None, pauses: bool
    ) -> type[TransferError] | None:
        error: type[TransferError] | None = BodyCutShort if Client.LEAVES in body.steps else None
        facts, taken = [upload.data], upload.data
        for block in blocks:
            if len(taken) + len(block) > (MAX_FILE_BYTES if length is None else length):
                error = TooLarge
                break
            taken += block
            facts += [taken] if pauses else []
        if body.is_damaged and error is None:
            error = ChecksumMismatch
        if body.is_atomic and error is not None:
            return error
        facts = [taken] if body.is_atomic else [*facts, taken]
        room = QUOTA_BYTES - (self.reserved - upload.reserved)
        for fact in facts if error is None else [each for each in facts if len(each) > len(upload.data)]:
            reserved = len(fact) if length is None else length
            if reserved > upload.reserved and reserved > room:
                return QuotaExceeded
            upload.data, upload.length = fact, length
        return error

    def finish_if_due(self, upload: Model) -> None:
        if upload.is_gone or upload.held is not None or not upload.is_whole:
            return
        if upload.is_part:
            for final in [each for each in self.uploads if upload in each.parts]:
                self.assemble_if_due(final)
            return
        held = self.bench.get(upload.facts).name
        if upload.overwrite or upload.name not in self.files:
            assert held == upload.name
            for other in self.uploads:
                if other.held == held:
                    other.is_gone, other.held, other.keeps_room = True, None, False
        else:
            assert held not in self.files
        upload.held = held
        self.files[held] = upload.data

    def assemble_if_due(self, final: Model) -> None:
        if final.is_gone or final.held is not None or not all(part.is_whole for part in final.parts):
            return
        final.data = b"".join(part.data for part in final.parts)
        final.length = len(final.data)
        for part in final.parts:
            part.is_gone, part.keeps_room = True, False
        self.finish_if_due(final)

    @rule(picks=st.lists(PICKS, min_size=1, max_size=3), name=NAMES)
    def concatenate(self, picks: list[int], name: str) -> None:
        used = [part for final in self.uploads for part in final.parts]
        parts = [part for part in self.uploads if part.is_part and not part.is_gone and part not in used]
        chosen = list({number % len(parts): parts[number % len(parts)] for number in picks}.values()) if parts else []
        if chosen:
            facts = self.bench.concatenate(*[part.facts for part in chosen], name=name)
            self.uploads.append(final := Model(facts, name, None, parts=chosen))
            self.assemble_if_due(final)

    @rule(pick=PICKS)
    def cancel(self, pick: int) -> None:
        if (upload := self.pick(pick)) is None:
            return
        expected = UploadEnded if upload.is_gone else None
        assert self.bench.error_of(lambda: self.bench.cancel(upload.facts)) is expected
        if expected is None:
            upload.is_gone, upload.keeps_room, upload.held = True, False, None
            for final in self.uploads:  # what waits for it waits in vain
                final.is_gone = final.is_gone or (upload in final.parts and final.held is None)

    @rule(hours=st.sampled_from([1, 25]))
    def time_passes(self, hours: int) -> None:
        """An hour at most three times: then everything that rests expires."""
        self.bench.clock.advance(hours=hours)
        if hours == 25:
            for upload in self.uploads:
                upload.is_gone = upload.is_gone or upload.held is None

    @precondition(lambda self: len(self.uploads) > 1)
    @rule()
    def clean(self) -> None:
        self.bench.services.cleanup.run()
        for upload in self.uploads:
            upload.keeps_room = upload.keeps_room and not upload.is_gone

    @rule()
    def restart(self) -> None:
        self.bench = self.bench.another_instance()

    @rule(pick=PICKS)
    def delete_the_file(self, pick: int) -> None:
        if not self.files:
            return
        name = sorted(self.files)[pick % len(self.files)]
        self.bench.services.files.delete(self.bench.account_id, name)
        del self.files[name]
        for upload in self.uploads:
            if upload.held == name:
                upload.is_gone, upload.held, upload.keeps_room = True, None, False

    @invariant()
    def every_upload_is_as_the_model_says(self) -> None:
        for upload in self.uploads:
            for ask in (self.bench.get, self.bench.look):
                if upload.is_gone:
                    assert self.bench.error_of(lambda: ask(upload.facts)) is UploadEnded  # noqa: B023
                    continue
                found = ask(upload.facts)
                assert found.is_finished == (upload.held is not None)
                assert upload.parts or (found.offset, found.length) == (len(upload.data), upload.length)
            if upload.data and not upload.is_gone:
                assert self.bench.stored(upload.facts)[: len(upload.data)] == upload.data

    @invariant()
    def every_file_is_whole(self) -> None:
        assert self.bench.names() == sorted(self.files)
        for name, data in self.files.items():
            status = self.bench.find(name)
            assert status is not None
            assert (status.sha256, self.bench.content(status)) == (hashlib.sha256(data).hexdigest(), data)

    @invariant()
    def the_quota_counter_is_the_sum_of_what_is_reserved(self) -> None:
        assert self.bench.used_bytes() == self.bench.reserved_bytes() == self.reserved

    @invariant()
    def every_blob_has_a_row(self) -> None:
        assert self.bench.blobs() <= self.bench.row_ids()

    def teardown(self) -> None:
        for upload in self.uploads:
            self.bench.error_of(lambda: self.bench.cancel(upload.facts))  # noqa: B023
        for name in self.files:
            self.bench.services.files.delete(self.bench.account_id, name)


@pytest.mark.unmeasured
def test_any_history_of_requests_agrees_with_the_model(make_uploads: Callable[..., Uploads], database_url: str) -> None:
    bench = make_uploads(
        database_url=database_url, durability="process", max_file_bytes=MAX_FILE_BYTES, quota_bytes=QUOTA_BYTES
    )
    run_state_machine_as_test(
        type("ResumableEngineHere", (ResumableEngine,), {"shared": bench}),
        settings=settings(
            max_examples=EXAMPLES[bench.services.database.is_sqlite],
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
