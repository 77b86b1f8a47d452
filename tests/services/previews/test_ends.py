"""Previews end with their files, and not before."""

import uuid

import pytest

from tests.previewer.samples import picture
from tests.services.chat.bench import Chat
from tests.services.conftest import Bench
from tests.services.previews.conftest import Previews
from tests.stores import put
from transfer_service.models.previews import PreviewState
from transfer_service.services.previews import rows as preview_rows
from transfer_service.services.previews.maker import Maker
from transfer_service.services.previews.making import LEASE, PreviewMaking
from transfer_service.wire.attachments import Attachment

A_PICTURE = picture()


def ready(previews: Previews, name: str = "a.jpg") -> str:
    found = previews.made(A_PICTURE, name)
    assert (found.state, found.subject in previews.stored()) == (PreviewState.READY, True)
    return found.subject


def is_gone(previews: Previews, subject: str) -> bool:
    """Whether nothing of it is told at once, and nothing is left soon."""
    told = previews.find(subject)
    previews.work()
    with previews.bench.services.database.read_rows() as rows:
        return told is None and not preview_rows.is_known(rows, subject) and subject not in previews.stored()


def test_with_a_deletion(any_previews: Previews) -> None:
    subject, kept = ready(any_previews), ready(any_previews, "b.jpg")
    any_previews.bench.services.files.delete(any_previews.bench.account_id, "a.jpg")
    assert is_gone(any_previews, subject)
    assert any_previews.stored() == {kept}


def test_with_a_file_in_the_place_of_another(any_previews: Previews) -> None:
    subject = ready(any_previews)
    any_previews.bench.store(A_PICTURE, "a.jpg", overwrite=True)
    assert is_gone(any_previews, subject)


def test_with_a_folder(any_previews: Previews) -> None:
    subject, bench = ready(any_previews, "day/a.jpg"), any_previews.bench
    bench.services.folders.delete(bench.account_id, "day", is_recursive=True, is_permanent=False)
    assert is_gone(any_previews, subject)


def test_before_it_is_made(any_previews: Previews) -> None:
    subject = any_previews.send(A_PICTURE)
    any_previews.bench.services.files.delete(any_previews.bench.account_id, "a.jpg")
    assert is_gone(any_previews, subject)


def test_while_it_is_made(any_previews: Previews, maker: Maker) -> None:
    """The file goes while its picture is on its way: the worker leaves nothing behind."""
    subject, bench = any_previews.send(A_PICTURE), any_previews.bench

    class Slow(Maker):
        def make(self, descriptor, job):  # type: ignore[no-untyped-def]
            bench.services.files.delete(bench.account_id, "a.jpg")
            any_previews.work()
            return maker.make(descriptor, job)

    PreviewMaking(bench.services.core, Slow()).make(subject)
    assert any_previews.stored() == set()
    bench.clock.advance(seconds=LEASE.total_seconds())
    assert is_gone(any_previews, subject)


def test_with_its_account(any_previews: Previews) -> None:
    subject = ready(any_previews)
    any_previews.bench.services.account_removal.remove("alice")
    assert is_gone(any_previews, subject)


def test_the_trash_keeps_it(make_bench, maker: Maker) -> None:  # type: ignore[no-untyped-def]
    bench: Bench = make_bench(trash_days=30)
    previews = Previews(bench, PreviewMaking(bench.services.core, maker))
    subject = ready(previews)
    files, trash, alice = bench.services.files, bench.services.trash, bench.account_id
    files.delete(alice, "a.jpg")
    previews.work()
    assert subject in previews.stored()
    trash.restore(alice, uuid.UUID(hex=subject))
    found = previews.find(subject)
    assert found is not None and found.state is PreviewState.READY
    files.delete(alice, "a.jpg")
    trash.remove(alice, uuid.UUID(hex=subject))
    assert is_gone(previews, subject)


def test_in_the_trash_it_is_still_made(make_bench, maker: Maker) -> None:  # type: ignore[no-untyped-def]
    bench: Bench = make_bench(trash_days=30)
    previews = Previews(bench, PreviewMaking(bench.services.core, maker))
    subject = previews.send(A_PICTURE)
    bench.services.files.delete(bench.account_id, "a.jpg")
    previews.work()
    assert subject in previews.stored()


@pytest.mark.parametrize("end", ["message", "conversation", "account"])
def test_that_of_an_attachment_ends_with_its_message(any_bench: Bench, maker: Maker, end: str) -> None:
    chat, previews = Chat(any_bench), Previews(any_bench, PreviewMaking(any_bench.services.core, maker))
    services, conversation_id = any_bench.services, chat.direct()
    message_id = services.messages.new_id()
    put(services.core.attachments, f"{message_id}/a.jpg", A_PICTURE)
    attachment = Attachment("a.jpg", "image/jpeg", len(A_PICTURE), "ab")
    posted = services.messages.post(
        any_bench.account_id,
        conversation_id,
        content=None,
        message_id=message_id,
        attachment=attachment,
        head=A_PICTURE[:64],
    )
    assert posted.shown is not None and posted.shown.width is None
    previews.work()
    (told,) = services.messages.history(any_bench.account_id, conversation_id, limit=1)
    assert told.shown is not None and (told.shown.width, told.shown.height) == (400, 300)
    assert message_id in previews.stored()
    if end == "message":
        assert services.attachments.delete_message(any_bench.account_id, message_id).shown is None
    elif end == "account":
        services.account_removal.remove("alice")
    else:
        for name in ("alice", "bob"):
            account_id = services.accounts.get(name).account_id
            services.conversations.remove_participant(account_id, conversation_id, name)
        services.cleanup.run()
    assert is_gone(previews, message_id)


def test_it_counts_in_no_quota(previews: Previews) -> None:
    before = previews.bench.used_bytes()
    ready(previews)
    assert previews.bench.used_bytes() == before + len(A_PICTURE)


def test_a_cleanup_finishes_what_no_worker_did(any_previews: Previews) -> None:
    subject, bench = ready(any_previews), any_previews.bench
    bench.services.files.delete(bench.account_id, "a.jpg")
    assert bench.services.cleanup.run(dry_run=True).removed.unfinished_deletions.count >= 1
    assert subject in any_previews.stored()
    bench.services.cleanup.run()
    assert subject not in any_previews.stored()


def test_pictures_that_nobody_knows_are_set_aside(previews: Previews) -> None:
    bench, known = previews.bench, ready(previews)
    put(bench.services.core.previews, uuid.uuid4().hex, b"x")
    bench.clock.advance(hours=2)
    report = bench.services.cleanup.run(even_many=True)
    assert (report.removed.orphaned_previews.count, previews.stored()) == (1, {known})


def test_they_are_verified_and_may_be_missing(previews: Previews) -> None:
    subject, verification = ready(previews), previews.bench.services.verification
    assert verification.run().faults == []
    put(previews.bench.services.core.previews, subject, b"other")
    assert [(fault.kind.value, fault.problem.value) for fault in verification.run().faults] == [("preview", "damaged")]
    previews.bench.services.core.previews.delete(subject)
    assert verification.run().faults == []
