"""The audit log as a ledger: from it alone follows what there is, so it must agree with the tables, whatever happened.

Each thing comes and goes by actions. One that has left two rows, or none, would be there twice, or would not be there.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, select

from transfer_service.bootstrap import Services
from transfer_service.models.chat import Conversation, Participant
from transfer_service.models.events import Activity
from transfer_service.models.files import File, FileState, Folder, TrashedFile
from transfer_service.models.keys import AccountKey
from transfer_service.models.links import Link
from transfer_service.services.events.actions import Action


def entries(services: Services) -> list[Row[Any]]:
    """The log, the oldest row first."""
    with services.database.read() as session:
        columns = (Activity.action, Activity.resource_id, Activity.details, Activity.username, Activity.ip_address)
        return list(session.execute(select(*columns).order_by(Activity.id)))


def told(services: Services) -> list[tuple[str, str]]:
    """Actions and what they name, but for accounts, the oldest first."""
    return [
        (row.action, row.details.get("filename") or row.details.get("path") or row.details.get("name"))
        for row in entries(services)
        if not row.action.startswith("account.")
    ]


def check(services: Services) -> None:
    """The log says that there is what there is, each thing once."""
    log = entries(services)
    with services.database.read() as session:
        whole = [str(each) for each in session.scalars(select(File.id).where(File.state == FileState.COMPLETE))]
        kept = [str(each) for each in session.scalars(select(TrashedFile.id))]
        keys = [str(each) for each in session.scalars(select(AccountKey.id))]
        links = {str(row.id): row.downloads for row in session.execute(select(Link.id, Link.downloads))}
        conversations = [str(each) for each in session.scalars(select(Conversation.id))]
        members = Counter(session.scalars(select(Participant.conversation_id)))
        folders = {str(row.id): row.path[:-1] for row in session.execute(select(Folder.id, Folder.path))}
        named = session.execute(select(File.id, File.name).where(File.state == FileState.COMPLETE))
        names = {str(row.id): row.name for row in named}
    replaced = Counter(row.details["replaced"] for row in log if "replaced" in row.details)
    deleted = _count(log, Action.FILE_DELETED) + replaced
    present = _count(log, Action.FILE_UPLOADED) + _count(log, Action.FILE_RESTORED) - deleted
    present -= _count(log, Action.FILE_ATTACHED)
    assert +present == Counter(whole)
    thrown = Counter(
        row.resource_id for row in log if row.action == Action.FILE_DELETED and not row.details.get("permanent", True)
    )
    in_trash = thrown + _kept(replaced, kept, log)
    assert +(in_trash - _count(log, Action.FILE_RESTORED) - _count(log, Action.FILE_PURGED)) == Counter(kept)
    assert +(_count(log, Action.KEY_CREATED) - _count(log, Action.KEY_REVOKED)) == Counter(keys)
    assert +(_count(log, Action.LINK_CREATED) - _count(log, Action.LINK_REVOKED)) == Counter([*links])
    assert {each: count for each, count in _count(log, Action.LINK_DOWNLOADED).items() if each in links} == {
        each: count for each, count in links.items() if count
    }
    begun = _count(log, Action.CONVERSATION_CREATED)
    assert +(begun - _count(log, Action.CONVERSATION_DELETED)) == Counter(conversations)
    first = Counter({row.resource_id: len(row.details["participants"]) for row in log if "participants" in row.details})
    joined = first + _count(log, Action.CONVERSATION_JOINED) - _count(log, Action.CONVERSATION_LEFT)
    assert {each: joined[each] for each in conversations if joined[each]} == members
    _check_names(log, names, folders)


def _count(log: Iterable[Row[Any]], action: Action) -> Counter[str]:
    return Counter(row.resource_id for row in log if row.action == action)


def _kept(replaced: Counter[str], kept: Iterable[str], log: Iterable[Row[Any]]) -> Counter[str]:
    """Files that were replaced and went into the trash: those that are in it, or have left it."""
    left = _count(log, Action.FILE_RESTORED) + _count(log, Action.FILE_PURGED)
    return Counter({each: count for each, count in replaced.items() if each in left or each in set(kept)})


def _check_names(log: Iterable[Row[Any]], names: dict[str, str], folders: dict[str, str]) -> None:
    """The last name that was told of a file, or the path of a folder, is the one that it has."""
    last: dict[str, str] = {}
    gone: set[str] = set()
    for row in log:
        if row.action in {Action.FILE_UPLOADED, Action.FILE_RENAMED, Action.FILE_RESTORED}:
            last[row.resource_id] = row.details["filename"].rpartition("/")[2]
        if row.action in {Action.FOLDER_CREATED, Action.FOLDER_MOVED}:
            last[row.resource_id] = row.details["path"]
        if row.action == Action.FOLDER_DELETED:
            gone.add(row.resource_id)
    assert {each: last.get(each) for each in names} == names
    assert not gone & folders.keys()
    # One that lies in a folder that was moved has another path by now.
    assert all(
        last[each].rpartition("/")[2] == path.rpartition("/")[2] for each, path in folders.items() if each in last
    )
