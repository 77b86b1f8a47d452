"""What an account has left at others: its places in conversations, and the remote downloads that it has begun."""

import uuid
from contextlib import suppress
from typing import Any

from sqlalchemy import Select, Update, select, update

from transfer_service.db.database import run_again
from transfer_service.errors import NotFound
from transfer_service.models.accounts import DELETED_ACCOUNT
from transfer_service.models.chat import Conversation, Participant
from transfer_service.models.games import RemoteDownload
from transfer_service.services.chat import conversation_rows
from transfer_service.services.core import Core
from transfer_service.services.events.actors import present_actor
from transfer_service.services.games.downloads import RemoteDownloadService
from transfer_service.services.upkeep.chat import ChatCleanup

_conversations, _participants, _jobs = Conversation.__table__, Participant.__table__, RemoteDownload.__table__


class AccountTraces:
    """Removes them. Others keep their conversations, and the archives that were downloaded."""

    def __init__(self, core: Core, *, downloads: RemoteDownloadService) -> None:
        self._database = core.database
        self._offload = core.offload
        self._downloads = downloads
        self._chat = ChatCleanup(core)

    def remove(self, account_id: uuid.UUID) -> None:
        """Remove all there is now."""
        for conversation_id in self._find(select(_participants.c.conversation_id).where(
            _participants.c.account_id == account_id
        )):  # fmt: skip
            self._leave(account_id, conversation_id)
            self._chat.remove_if_abandoned(conversation_id)
        # A pair is known by the ids of both, also when one of them has left. One of them stands behind the other: so
        # no index helps, and all pairs are read.
        pairs = select(_conversations.c.id).where(_conversations.c.pair_key.contains(account_id.hex))
        for conversation_id in self._find(pairs):
            self._forget_pair(conversation_id)
        self._end_downloads(account_id)

    def _find(self, statement: Select[Any]) -> list[str]:
        with self._database.read_rows() as rows:

            def find() -> list[str]:
                return list(rows.execute(statement).scalars())

            return self._offload(find) if self._database.is_sqlite else find()

    @run_again
    def _leave(self, account_id: uuid.UUID, conversation_id: str) -> None:
        """Take the account out; who has been there longest owns a group that it owned."""
        with suppress(NotFound), self._database.write_rows() as rows:  # a cleanup may have been faster
            locked = conversation_rows.lock(rows, conversation_id)
            staying = [
                each.account_id
                for each in conversation_rows.named(rows, [conversation_id])
                if each.account_id != account_id
            ]
            conversation_rows.leave(rows, conversation_id, account_id)
            if locked.owner_id == account_id:
                conversation_rows.give_away(rows, conversation_id, owner_id=staying[0] if staying else None)
            rows.execute(_pair_forgotten(conversation_id))

    @run_again
    def _forget_pair(self, conversation_id: str) -> None:
        with self._database.write_rows() as rows:
            rows.execute(_pair_forgotten(conversation_id))

    def _end_downloads(self, account_id: uuid.UUID) -> None:
        """End those that run, and let none say who has begun it, or from where."""
        for job in self._downloads.list_active():
            if job.account_id == account_id:
                with suppress(NotFound):
                    self._downloads.cancel_job(job.job_id, actor=present_actor())
        self._forget_starter(account_id)

    @run_again
    def _forget_starter(self, account_id: uuid.UUID) -> None:
        with self._database.write_rows() as rows:
            begun = update(_jobs).where(_jobs.c.account_id == account_id)
            rows.execute(begun.values(account_id=None, username=DELETED_ACCOUNT, ip_address=None))


def _pair_forgotten(conversation_id: str) -> Update:
    return update(_conversations).where(_conversations.c.id == conversation_id).values(pair_key=None)
