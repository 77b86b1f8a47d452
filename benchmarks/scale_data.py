"""Databases with much in them, made by the database itself: one INSERT a table, from numbers.

An id follows from its number, scrambled, so that rows lie as far apart in their indexes as random ids do, and rows of
another table can name it. One function fills each feature's tables, all from the same numbers: hence the length.
"""

import uuid
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, func, insert, select, text

from benchmarks.servers import ACCOUNT
from transfer_service.db.database import Database
from transfer_service.models import (
    accounts,
    chat,
    events,
    files,
    games,
    idempotency,
    keys,
    links,
    sharing,
    upkeep,
    uploads,
    webhooks,
)
from transfer_service.models.base import Base
from transfer_service.storage.blobs import WHOLE
from transfer_service.storage.disk import DiskStore
from transfer_service.storage.rooms import ARCHIVES, FILES
from transfer_service.storage.zip_directory import Directory

SCRAMBLE, SPACE = 2654435761, 2**32
PAST = "(n % 100000) * 0.05"
"""Seconds from two hours ago on, and not into the future."""
RARE = 20
"""How many files have a name that few words find."""
FRIEND = "account 1"
FOLDER, REPLACED = "folder", "replaced.bin"
BUSY_GAME, ARCHIVE_GAME, ARCHIVE = 1, 2, 3
RANGES, SLOT_BYTES, RANGE_BYTES = "ranges.bin", 1 << 20, 1000
"""An upload with one range in the middle of each of its slots but the first, so that its prefix stays empty."""
MEMBER, PAGE = "data/level.txt", "example.org/index.html"


@dataclass(frozen=True)
class Size:
    """How many rows of each kind. `files`, `unfinished` and `conversations` are the account's own, and one of these has
    the `messages`; `others` is how much there is of everything else.
    """

    files: int
    unfinished: int
    messages: int
    conversations: int
    others: int

    @property
    def ranges(self) -> int:
        """How many slots the upload with ranges has."""
        return self.others // 10

    @property
    def games(self) -> int:
        """How many games the catalogue has."""
        return max(40, self.others // 10)


SMALL = Size(files=400, unfinished=120, messages=400, conversations=120, others=400)
LARGE = Size(files=100_000, unfinished=1_000, messages=10_000, conversations=1_000, others=100_000)


def scaled(size: Size, share: float) -> Size:
    """A part of a size, for a quick look; no smaller than what fills a page."""
    names = ("files", "unfinished", "messages", "conversations", "others")
    return replace(size, **{name: max(getattr(SMALL, name), round(getattr(size, name) * share)) for name in names})


def uuid_of(number: int) -> uuid.UUID:
    """The UUID that rows number `number` have."""
    return uuid.UUID(hex=f"{number * SCRAMBLE % SPACE:08x}{number:024x}")


def chat_id_of(number: int) -> str:
    """The id that conversations and messages number `number` have."""
    return f"{number * SCRAMBLE % SPACE:08x}{number:016x}"


@dataclass(frozen=True)
class Filler:
    """Inserts into one database, for the account that is measured. SQL expressions differ in dialect."""

    rows: Connection
    is_sqlite: bool
    account: str
    size: Size

    def fill(self, model: type[Base], count: int, **columns: str) -> None:
        """Rows number 1 to `count`; `columns` are expressions in which that number is `n`."""
        numbers = f"SELECT CAST(1 AS bigint) AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}"
        names, values = ", ".join(f'"{name}"' for name in columns), ", ".join(columns.values())
        self.rows.execute(
            text(
                f"INSERT INTO {model.__tablename__} ({names})"
                f" WITH RECURSIVE numbers AS ({numbers}) SELECT {values} FROM numbers"
            )
        )

    @property
    def people(self) -> int:
        """How many other accounts there are."""
        return max(10, self.size.others // 100)

    @property
    def stranger(self) -> str:
        """One of them."""
        return self.id(f"2 + n % {self.people - 1}")

    def id(self, of: str) -> str:
        """`uuid_of`."""
        return self._digits(of, 24) if self.is_sqlite else f"({self._digits(of, 24)})::uuid"

    def chat_id(self, of: str) -> str:
        """`chat_id_of`."""
        return self._digits(of, 16)

    def _digits(self, of: str, width: int) -> str:
        number = f"CAST({of} AS bigint)"
        scrambled = f"({number} * {SCRAMBLE}) % {SPACE}"
        if self.is_sqlite:
            return f"printf('%08x%0{width}x', {scrambled}, {number})"
        return f"(lpad(to_hex({scrambled}), 8, '0') || lpad(to_hex({number}), {width}, '0'))"

    def at(self, seconds: str) -> str:
        """So many seconds after two hours ago."""
        if self.is_sqlite:
            return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-2 hours', ({seconds}) || ' seconds')"
        return f"(now() - interval '2 hours' + ({seconds}) * interval '1 second')"

    def bytes(self, of: str) -> str:
        """Sixteen bytes."""
        return (
            f"CAST({self._digits(of, 8)} AS BLOB)" if self.is_sqlite else f"convert_to({self._digits(of, 8)}, 'UTF8')"
        )


def fill(url: str, data_dir: Path, size: Size, *, add_more: Callable[["Filler"], None] | None = None) -> int:
    """Fill a migrated database in which the account is, and put one archive of a game in its place. The rows there are
    then. `add_more` adds others, and is there where no folder has the bytes.
    """
    database = Database(url)
    with database.write_rows() as rows:
        own = rows.execute(select(accounts.Account.id).where(accounts.Account.name == ACCOUNT)).scalar_one()
        filler = Filler(rows, database.is_sqlite, f"'{own.hex}'" if database.is_sqlite else f"'{own}'::uuid", size)
        for part in (_accounts, _files, _folders, _trash, _uploads, _chat, _games, _webhooks):
            part(filler)
        _archive(rows, data_dir)
        if add_more is not None:
            add_more(filler)
        else:
            store = DiskStore(data_dir / "blobs", FILES)
            with store.open_writer(uuid_of(0), WHOLE, create=True, wait_seconds=0) as blob:
                blob.write(size.ranges * SLOT_BYTES - 1, [b"x"])
    with database.read_rows() as rows:
        rows.exec_driver_sql("ANALYZE" if not database.is_sqlite else "PRAGMA wal_checkpoint(TRUNCATE)")
        tables = Base.metadata.sorted_tables
        count = sum(rows.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)
    database.dispose()
    return int(count)


def _accounts(filler: Filler) -> None:
    count, own = filler.size.others, max(4, filler.size.others // 100)
    filler.fill(
        accounts.Account, filler.people, id=filler.id("n"), name="'account ' || n", is_admin="false", used_bytes="0",
        password_hash=f"(SELECT password_hash FROM accounts WHERE id = {filler.account})", created_at=filler.at("0"),
    )  # fmt: skip
    filler.fill(
        accounts.SignIn, count, id=filler.id("n"), created_at=filler.at("0"), expires_at=filler.at("864000"),
        account_id=f"CASE WHEN n <= {own} THEN {filler.account} ELSE {filler.stranger} END",
    )  # fmt: skip
    filler.fill(accounts.RefreshToken, count, jti="'token ' || n", sign_in_id=filler.id("n"))
    filler.fill(
        keys.AccountKey, count, id=filler.id("n"), name="'device ' || n", digest=filler.bytes("n"), scopes="'upload'",
        account_id=f"CASE WHEN n % 2 = 0 THEN {filler.account} ELSE {filler.stranger} END", created_at=filler.at(PAST),
        has_quota="false",
    )  # fmt: skip
    filler.fill(
        links.Link, count, id=filler.id("n"), kind="'download'", token_hash="'token ' || n", downloads="0",
        sealed_token=f"'{'0' * 48}'",
        account_id=f"CASE WHEN n % 2 = 0 THEN {filler.account} ELSE {filler.stranger} END",
        created_at=filler.at(PAST), expires_at=filler.at("864000"),
    )  # fmt: skip
    filler.fill(links.LinkFile, count, link_id=filler.id("n"), file_id=filler.id("n"), position="0")
    filler.fill(
        sharing.Allotment, count, id=filler.id("n"), gives_back="false", ends_at=filler.at("864000"), used_bytes="0",
        account_id=f"CASE WHEN n % 2 = 0 THEN {filler.account} ELSE {filler.stranger} END", used_files="0",
        received_bytes="0", received_files="0",
    )  # fmt: skip
    for permission in ("games.download", "activities.read"):
        filler.fill(accounts.AccountPermission, 1, account_id=filler.account, permission=f"'{permission}'")
    filler.rows.execute(text(f"UPDATE accounts SET is_admin = true WHERE id = {filler.account}"))


def _webhooks(filler: Filler) -> None:
    filler.fill(
        webhooks.Webhook, 1, id=filler.id("n"), url="'https://hook.example/'", events="' '", state="'active'",
        sealed_secret="''", created_at=filler.at("0"),
    )  # fmt: skip
    filler.fill(
        webhooks.WebhookDelivery, filler.size.others, message_id=filler.id("n"), webhook_id=filler.id("1"),
        event="'file.deleted'", subject="'file ' || n", body="'{}'", created_at=filler.at(PAST), tries="8",
        error="'503'", failed_at=filler.at(PAST),
    )  # fmt: skip


def _files(filler: Filler) -> None:
    size = filler.size
    name = f"CASE WHEN n <= {RARE} THEN 'needle ' ELSE 'file ' END || n || '.bin'"
    length = "1000 + n"
    common = {
        "media_type": "'application/octet-stream'", "length_declared": "true", "created_at": filler.at(PAST),
        "updated_at": filler.at("(n * 7919) % 7000"), "folded_name": name, "name": name,
    }  # fmt: skip
    whole = {
        **common, "holds_name": "true", "state": "'complete'", "length": length, "received_bytes": length,
        "reserved_bytes": length, "sha256": f"'{'0' * 64}'", "completed_at": filler.at(PAST),
    }  # fmt: skip
    filler.fill(files.File, size.files, id=filler.id("n"), account_id=filler.account, **whole)
    filler.fill(files.File, size.others, id=filler.id(f"n + {size.files}"), account_id=filler.stranger, **whole)
    filler.rows.execute(
        text("INSERT INTO received_ranges (file_id, start, stop) SELECT id, 0, received_bytes FROM files")
    )
    part = {**common, "state": "'receiving'", "length": "100000", "reserved_bytes": "100000", "received_bytes": "9000"}
    first = size.files + size.others
    part |= {"account_id": filler.account, "updated_at": filler.at("n")}
    chunked = {**part, "name": "'part ' || n", "folded_name": "'part ' || n", "holds_name": "true"}
    filler.fill(files.File, size.unfinished, id=filler.id(f"n + {first}"), **chunked)
    for start in (0, 10_000):
        ranges = {"start": str(start), "stop": str(start + 4500)}
        filler.fill(files.ReceivedRange, size.unfinished, file_id=filler.id(f"n + {first}"), **ranges)
    name, length = f"'{RANGES}'", f"CAST({size.ranges} AS bigint) * {SLOT_BYTES}"
    received = f"{(size.ranges - 1) * RANGE_BYTES}"
    ranges = {**chunked, "name": name, "length": length, "reserved_bytes": length, "received_bytes": received}
    filler.fill(files.File, 1, id=filler.id("0"), **ranges)
    filler.fill(
        files.ReceivedRange, size.ranges - 1, file_id=filler.id("0"), start=f"CAST(n AS bigint) * {SLOT_BYTES}",
        stop=f"CAST(n AS bigint) * {SLOT_BYTES} + {RANGE_BYTES}",
    )  # fmt: skip
    filler.fill(files.File, size.unfinished, id=filler.id(f"n + {first + size.unfinished}"), holds_name="false", **part)


def _folders(filler: Filler) -> None:
    """One with a tenth of the files in it, and as many empty ones."""
    size, first = filler.size, 2 * filler.size.files + filler.size.others + 2 * filler.size.unfinished
    count = max(10, size.files // 10)
    path = f"CASE WHEN n = 1 THEN '{FOLDER}' ELSE 'folder ' || n END"
    place = {"name": path, "folded_name": path, "holds_name": "true", "state": "'folder'", "media_type": "''"}
    none = {"length_declared": "false", "received_bytes": "0", "reserved_bytes": "0"}
    own = {"id": filler.id(f"n + {first}"), "account_id": filler.account}
    filler.fill(files.File, count, created_at=filler.at("n"), updated_at=filler.at("n"), **own, **place, **none)
    filler.fill(files.Folder, count, path=f"{path} || '/'", folded_path=f"{path} || '/'", is_kept="true", **own)
    is_in = f"account_id = {filler.account} AND state = 'complete' AND received_bytes % 10 = 0"
    folder = f"(SELECT id FROM folders WHERE path = '{FOLDER}/')"
    filler.rows.execute(text(f"UPDATE files SET folder_id = {folder} WHERE {is_in}"))


def _trash(filler: Filler) -> None:
    """As many as there are files, half of them versions of one name."""
    size, first = filler.size, 10 * (filler.size.files + filler.size.others)
    filler.fill(
        files.TrashedFile, size.files, id=filler.id(f"n + {first}"), account_id=filler.account, length="n",
        name=f"CASE WHEN n % 2 = 0 THEN '{REPLACED}' ELSE 'gone ' || n END", reserved_bytes="n",
        media_type="'application/octet-stream'", length_declared="true", sha256=f"'{'0' * 64}'", reason="'deleted'",
        created_at=filler.at(PAST), deleted_at=filler.at(PAST), expires_at=filler.at("864000"),
    )  # fmt: skip


def _uploads(filler: Filler) -> None:
    size, common = filler.size, {"protocol": "'tus'", "kind": "'whole'", "overwrite": "false", "ends": "true"}
    first = size.files + size.others + size.unfinished
    filler.fill(
        uploads.ResumableUpload, size.unfinished, id=filler.id(f"n + {first}"), account_id=filler.account,
        created_at=filler.at("n"), **common,
    )  # fmt: skip
    filler.fill(
        uploads.ResumableUpload, size.others, id=filler.id(f"n + {first + size.unfinished}"),
        account_id=filler.stranger, created_at=filler.at("0"), ended_at=filler.at(PAST), **common,
    )  # fmt: skip
    filler.fill(  # of the time to come, as after a clock was turned back: so that nobody removes them here
        uploads.RetiredDate, size.others, id=filler.id("n"), account_id=filler.account, name="'file ' || n",
        modified_at=filler.at("86400"),
    )  # fmt: skip
    filler.fill(  # of a clock that was ahead, so that nobody removes them here
        idempotency.IdempotentRequest, size.others, account_id=filler.account, key="'key ' || n", holder=filler.id("n"),
        held_until=filler.at(PAST), is_wanted="false", fingerprint=f"'{'0' * 64}'", status="201", body="'{}'",
        answered_at=filler.at("86400"),
    )  # fmt: skip
    filler.fill(upkeep.DiscardedBytes, size.others // 10, name=filler.chat_id("n"), discarded_at=filler.at("7200"))


def _chat(filler: Filler) -> None:
    size = filler.size
    count = size.conversations + size.others // 10
    said = f"({size.others} - n + 1) / {count - 1} + 1"
    filler.fill(
        chat.Conversation, count, id=filler.chat_id("n"), created_at=filler.at("0"),
        kind="CASE WHEN n = 1 THEN 'group' ELSE 'dm' END", owner_id=f"CASE WHEN n = 1 THEN {filler.account} END",
        group_name="CASE WHEN n = 1 THEN 'everybody' END", pair_key="CASE WHEN n > 1 THEN 'pair ' || n END",
        last_seq=f"CASE WHEN n = 1 THEN {size.messages} ELSE {said} END",
        last_change=f"CASE WHEN n = 1 THEN {size.messages} ELSE {said} END",
        last_message_at=filler.at("(n * 7919) % 7000"),
    )  # fmt: skip
    for position, account in (
        ("1", f"CASE WHEN n <= {size.conversations} THEN {filler.account} ELSE {filler.stranger} END"),
        ("2", filler.id("1")),
    ):
        filler.fill(
            chat.Participant, count, conversation_id=filler.chat_id("n"), account_id=account, position=position,
            joined_at=filler.at("0"), read_seq="0",
        )  # fmt: skip
    words = {"type": "'text'", "content": "'what is said ' || n", "created_at": filler.at(PAST)}
    filler.fill(
        chat.Message, size.messages, id=filler.chat_id("n"), conversation_id=filler.chat_id("1"), seq="n",
        change="n", sender_id=filler.id("1"), **words,
    )  # fmt: skip
    filler.fill(
        chat.Message, size.others, id=filler.chat_id(f"n + {size.messages}"), sender_id=filler.id("1"),
        conversation_id=filler.chat_id(f"2 + (n - 1) % {count - 1}"), seq=f"1 + (n - 1) / {count - 1}",
        change=f"1 + (n - 1) / {count - 1}", **words,
    )  # fmt: skip


def _games(filler: Filler) -> None:
    size = filler.size
    count, jobs = size.games, size.others // 2
    filler.fill(
        games.Game, count, id=filler.id("n"), title="'game ' || n", title_key="'game ' || n",
        search_text="'game ' || n", release_key="CAST(1970 + n % 50 AS VARCHAR(4))", added_at=filler.at("n"),
    )  # fmt: skip
    filler.fill(
        games.GameData, 2 * count, id="n", game_id=filler.id("(n + 1) / 2"), title="'archive ' || n", size="1000",
        sha256=f"'{'0' * 64}'", added_at=filler.at("0"),
    )  # fmt: skip
    filler.fill(  # half of them of one game, and failed; of the others every tenth is completed
        games.RemoteDownload, jobs,
        game_id=filler.id(f"CASE WHEN n % 2 = 0 THEN {BUSY_GAME} ELSE 3 + n % {count - 2} END"),
        game_data_id=f"CASE WHEN n % 2 = 0 THEN {2 * BUSY_GAME} ELSE 2 * (3 + n % {count - 2}) END",
        state="CASE WHEN n % 2 = 1 AND n % 10 = 1 THEN 'completed' ELSE 'error' END", username=f"'{ACCOUNT}'",
        account_id=filler.account, sha256=f"'{'0' * 64}'", total_bytes="1000", bytes_downloaded="1000", speed="0",
        source_index="0", started_at=filler.at("0"), updated_at=filler.at("0"), finished_at=filler.at(PAST),
    )  # fmt: skip
    filler.fill(
        events.Activity, size.others, username=f"'{ACCOUNT}'", action="'download.started'",
        resource="'games'", resource_id="'some game'", details="'{\"gameTitle\": \"some game\"}'",
        created_at=filler.at(PAST),
    )  # fmt: skip
    filler.fill(
        games.ArchiveMember, size.others, game_data_id=f"{ARCHIVE} + n % 5", name_digest=filler.bytes("n"),
        header_offset="n", compressed_bytes="10", length="10", crc32="0", method="0",
    )  # fmt: skip


def _archive(rows: Connection, data_dir: Path) -> None:
    """An archive that was downloaded."""
    path = data_dir / "games" / f"{ARCHIVE}.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in (MEMBER, f"content/{PAGE}"):
            archive.writestr(name, name * 10)
    with closing(DiskStore(path.parent, ARCHIVES).open_reader(path.name)) as archive:
        members = [each for batch in Directory(archive, max_member_bytes=1000).batches(10) for each in batch]
    rows.execute(insert(games.ArchiveMember), [{"game_data_id": ARCHIVE, **each._asdict()} for each in members])
    now = func.now() if rows.dialect.name != "sqlite" else text("strftime('%Y-%m-%d %H:%M:%f000', 'now')")
    rows.execute(
        insert(games.RemoteDownload).values(
            game_id=uuid_of(ARCHIVE_GAME), game_data_id=ARCHIVE, username=ACCOUNT, state=games.DownloadState.COMPLETED,
            sha256="0" * 64, total_bytes=path.stat().st_size, member_count=len(members), started_at=now,
            updated_at=now, finished_at=now,
        )
    )  # fmt: skip
