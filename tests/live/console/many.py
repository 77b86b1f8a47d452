"""Accounts with so much in them that no page can show it all."""

from sqlalchemy import select

from benchmarks.scale_data import LARGE, Filler
from tests.live.server import LiveServer
from transfer_service.models import accounts, files, webhooks


def make_files(server: LiveServer, account: str, count: int, *, name: str = "photo") -> None:
    """Finished files `NAME 000001.jpg` and so on at the top, the first one the oldest: rows only, which have no bytes.

    Once an account and server: the rows' ids are made of their numbers.
    """
    with server.services() as services, services.database.write_rows() as rows:
        own = rows.execute(select(accounts.Account.id).where(accounts.Account.name == account)).scalar_one()
        is_sqlite = services.database.is_sqlite
        filler = Filler(rows, is_sqlite, f"'{own.hex}'" if is_sqlite else f"'{own}'::uuid", LARGE)
        number = "substr('000000' || n, -6)" if is_sqlite else "lpad(n::text, 6, '0')"
        label = f"'{name} ' || {number} || '.jpg'"
        at = filler.at(f"n * {7000 / count}")
        whole = {
            "media_type": "'image/jpeg'", "holds_name": "true", "state": "'complete'", "length_declared": "true",
            "sha256": f"'{'0' * 64}'", "created_at": at, "updated_at": at, "completed_at": at,
            **dict.fromkeys(("length", "received_bytes", "reserved_bytes"), "1000 + n"),
        }  # fmt: skip
        filler.fill(
            files.File, count, id=filler.id("n"), account_id=filler.account, name=label, folded_name=label, **whole
        )


def make_accounts(server: LiveServer, count: int) -> None:
    """Accounts `person 00001` and so on, each with a kilobyte more than the one before; nobody can sign in to them."""
    with server.services() as services, services.database.write_rows() as rows:
        filler = Filler(rows, services.database.is_sqlite, "NULL", LARGE)
        number = "substr('00000' || n, -5)" if services.database.is_sqlite else "lpad(n::text, 5, '0')"
        name = f"'person ' || {number}"
        filler.fill(
            accounts.Account, count, id=filler.id("n"), name=name, folded_name=name, is_admin="false",
            used_bytes="n * 1000", password_hash="'none'", created_at=filler.at("n * 0.1"),
        )  # fmt: skip


def make_failed(server: LiveServer, webhook: str, count: int) -> None:
    """Events for a webhook that have failed with 503, the first one the earliest."""
    with server.services() as services, services.database.write_rows() as rows:
        filler = Filler(rows, services.database.is_sqlite, "NULL", LARGE)
        owner = f"'{webhook.replace('-', '')}'" if services.database.is_sqlite else f"'{webhook}'::uuid"
        filler.fill(
            webhooks.WebhookDelivery, count, message_id=filler.id("n"), webhook_id=owner, event="'file.completed'",
            subject="'file ' || n", body="'{}'", created_at=filler.at("n"), tries="8", error="'503'",
            failed_at=filler.at("n * 60"),
        )  # fmt: skip
