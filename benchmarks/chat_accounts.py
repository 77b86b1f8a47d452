"""Accounts that can sign in nowhere and are signed in already: they go in through the models."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy import insert

from benchmarks.connection import Connection
from benchmarks.servers import Server
from transfer_service.db.database import Database
from transfer_service.models.accounts import Account, SignIn
from transfer_service.services.accounts.sign_ins import FamilyGrant
from transfer_service.web.accounts.tokens import init_tokens, make_tokens

TOKEN_HOURS = 10


@dataclass
class Accounts:
    """`count` accounts; `prepare` puts them into the database of a service, after which `tokens` are theirs."""

    count: int
    tokens: list[str] = field(default_factory=list)

    def prepare(self, data_dir: Path) -> None:
        """For `servers.service`."""
        now = datetime.now(UTC)
        ids = [uuid.uuid4() for _ in range(self.count)]
        grants = [FamilyGrant(_name(number), uuid.uuid4(), str(uuid.uuid4())) for number in range(self.count)]
        database = Database(f"sqlite:///{data_dir / 'transfer.sqlite3'}")
        with database.write() as session:
            accounts = [
                {"id": account_id, "name": grant.name, "password_hash": "none", "created_at": now}
                for account_id, grant in zip(ids, grants, strict=True)
            ]
            session.execute(insert(Account), accounts)
            sign_ins = [
                {
                    "id": grant.sign_in_id,
                    "account_id": account_id,
                    "created_at": now,
                    "expires_at": now + timedelta(hours=TOKEN_HOURS),
                }
                for account_id, grant in zip(ids, grants, strict=True)
            ]
            session.execute(insert(SignIn), sign_ins)
        database.dispose()
        self.tokens = _sign(grants, (data_dir / "secret_key").read_text().strip())


def create_group(server: Server, tokens: Sequence[str]) -> str:
    """A group of the accounts with these tokens, the first ones of all; its id."""
    names = [_name(number) for number in range(1, len(tokens))]
    body = json.dumps({"group_name": "bench", "participants": names}).encode()
    with Connection(server.port, tokens[0]) as connection:
        answer = connection.request("POST", "/conversations/create/group", body, media_type="application/json")
    return str(answer.expect(200).json()["conversation_id"])


def _name(number: int) -> str:
    return f"member-{number}"


def _sign(grants: Sequence[FamilyGrant], secret_key: str) -> list[str]:
    app = Flask(__name__)
    init_tokens(app, secrets=[secret_key.encode()], access_minutes=TOKEN_HOURS * 60, refresh_days=1)
    with app.app_context():
        return [make_tokens(grant)[0] for grant in grants]
