"""Accounts with so much in them that no page can show it all."""

from sqlalchemy import select

from benchmarks.scale_data import LARGE, Filler
from tests.live.server import LiveServer
from transfer_service.models import accounts, files


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
