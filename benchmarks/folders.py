"""Folders, where there is much: lists, a move beside others, downloads far down, and uploads into new folders.

Rows are made by the database itself; only what is downloaded has bytes.
"""

import argparse
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import count
from pathlib import Path
from statistics import median

from sqlalchemy import select

from benchmarks.measure import progress, say, say_goal, say_table
from benchmarks.postgres import Postgresql, postgresql
from benchmarks.scale_client import Client, Request, as_json, cpu_nanoseconds
from benchmarks.scale_data import LARGE as SIZE
from benchmarks.scale_data import Filler, scaled
from benchmarks.servers import ACCOUNT, Server, service
from transfer_service.db.database import Database
from transfer_service.models import accounts, files

ALL, BIG, SMALL = 1_000_000, 100_000, 10
DEEP = "1/2/3/4/5/6/7"
BYTES = b"x" * 16 * 1024
TURNS, MOVES = 30, 4
MOVE_SECONDS, WAIT_SECONDS, DEPTH_RATIO, NEW_FOLDER_RATIO = 2.0, 1.0, 1.05, 1.1


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    share = 0.05 if arguments.quick else 1.0
    with (
        postgresql() if arguments.database == "postgresql" else nullcontext() as database,
        _installation(database, round(ALL * share), round(BIG * share)) as server,
    ):
        client = Client(server.port, server.token)
        client(Request("PUT", "/api/files/flat.bin", BYTES, expected=201))
        client(Request("PUT", f"/api/files/{DEEP}/deep.bin", BYTES, expected=201))
        _lists(client)
        _downloads(server, client)
        _uploads(server, client)
        _moves(server, client)
        client.close()


@contextmanager
def _installation(database: Postgresql | None, files_in_all: int, files_in_big: int) -> Iterator[Server]:
    url = database.create("folders") if database else None

    def prepare(data_dir: Path) -> None:
        began = time.monotonic()
        _fill(url or f"sqlite:///{data_dir / 'transfer.sqlite3'}", files_in_all, files_in_big)
        progress(f"{files_in_all:,} files in {time.monotonic() - began:.0f} s")

    with service("folders", prepare=prepare, **({"TRANSFER_DATABASE_URL": url} if url else {})) as server:
        yield server


def _fill(url: str, files_in_all: int, files_in_big: int) -> None:
    """Files in `small`, `big` and `rest`."""
    database = Database(url)
    with database.write_rows() as rows:
        own = rows.execute(select(accounts.Account.id).where(accounts.Account.name == ACCOUNT)).scalar_one()
        account = f"'{own.hex}'" if database.is_sqlite else f"'{own}'::uuid"
        filler = Filler(rows, database.is_sqlite, account, scaled(SIZE, 0))
        first = 0
        for path, many in (("small", SMALL), ("big", files_in_big), ("rest", files_in_all - files_in_big - SMALL)):
            _folder(filler, path, first, many)
            first += many + 1
    with database.read_rows() as rows:
        rows.exec_driver_sql("ANALYZE" if not database.is_sqlite else "PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()


def _folder(filler: Filler, path: str, first: int, many: int) -> None:
    own = {"id": filler.id(f"n + {first}"), "account_id": filler.account}
    at = {"created_at": filler.at("n * 0.005"), "updated_at": filler.at("(CAST(n AS bigint) * 7919) % 7000")}
    name = {"name": f"'{path}'", "folded_name": f"'{path}'", "holds_name": "true", "media_type": "''"}
    empty = {"state": "'folder'", "length_declared": "false", "received_bytes": "0", "reserved_bytes": "0"}
    filler.fill(files.File, 1, **own, **at, **name, **empty)
    known = {"path": f"'{path}/'", "folded_path": f"'{path}/'", "is_kept": "true"}
    filler.fill(files.Folder, 1, **own, **known)
    length = dict.fromkeys(("length", "received_bytes", "reserved_bytes"), "1000 + n")
    whole = {"holds_name": "true", "state": "'complete'", "length_declared": "true", "sha256": f"'{'0' * 64}'"}
    label = {"name": "'IMG_' || n || '.jpg'", "folded_name": "'img_' || n || '.jpg'", "media_type": "'image/jpeg'"}
    place = {"account_id": filler.account, "folder_id": filler.id(f"{first + 1}"), "completed_at": filler.at("0")}
    filler.fill(files.File, many, id=filler.id(f"n + {first + 1}"), **place, **label, **whole, **at, **length)


def _milliseconds(work: Callable[[], object], turns: int = TURNS) -> float:
    spent = []
    for _ in range(turns):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return median(spent) * 1000


def _lists(client: Client) -> None:
    lines = []
    for path in ("small", "big", ""):
        for sort in ("created", "name", "size", "updated"):
            request = Request("GET", f"/api/files?folder={path}&sort={sort}&limit=100")
            lines.append([f"{path or 'top'} by {sort}", f"{_milliseconds(lambda: client(request)):.1f}"])  # noqa: B023
    everything = Request("GET", "/api/files?sort=name&limit=100")
    lines.append(["all files by name", f"{_milliseconds(lambda: client(everything)):.1f}"])
    counted = Request("GET", "/api/folders/big")
    lines.append(["GET /api/folders/big", f"{_milliseconds(lambda: client(counted), 5):.1f}"])
    say_table("A page of 100", ["", "ms"], lines)


def _by_turns(server: Server, ways: Sequence[Callable[[], object]], turns: int) -> list[tuple[float, float]]:
    """Median milliseconds, of the clock and of the server's CPU, for each way."""
    pids = list(server.roots) + [pid for root in server.roots for pid in _children(root)]
    spent: list[list[tuple[float, float]]] = [[] for _ in ways]
    for turn in range(turns):
        for number in sorted(range(len(ways)), reverse=bool(turn % 2)):
            before, began = cpu_nanoseconds(pids), time.perf_counter()
            for _ in range(10):
                ways[number]()
            wall = time.perf_counter() - began
            spent[number].append((wall * 100, (cpu_nanoseconds(pids) - before) / 1e7))
    return [(median(wall for wall, _ in each), median(cpu for _, cpu in each)) for each in spent]


def _children(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def _downloads(server: Server, client: Client) -> None:
    flat, deep = (Request("GET", f"/download/{name}") for name in ("flat.bin", f"{DEEP}/deep.bin"))
    (_, one), (_, eight) = _by_turns(server, [lambda: client(flat), lambda: client(deep)], TURNS)
    say()
    say(f"Download of 16 KiB by name, CPU: {one:.2f} ms at depth 1, {eight:.2f} ms at depth 8")
    say_goal(f"depth 8 at most {DEPTH_RATIO} of depth 1", f"{eight / one:.2f}", eight <= DEPTH_RATIO * one)


def _uploads(server: Server, client: Client) -> None:
    numbers = count()

    def put(folder: str) -> Callable[[], object]:
        def send() -> object:
            path = f"/api/files/{folder.format(next(numbers))}file {next(numbers)}".replace(" ", "%20")
            return client(Request("PUT", path, BYTES, expected=201))

        return send

    ways = [put(""), put("new{}/"), put("small/")]
    (top_wall, top), (new_wall, new), (old_wall, old) = _by_turns(server, ways, TURNS)
    say(
        f"Upload of 16 KiB, CPU: {top:.2f} ms at the top, {new:.2f} in a new folder, {old:.2f} in an old one;"
        f" on the clock {top_wall:.2f}, {new_wall:.2f} and {old_wall:.2f}"
    )
    say_goal(f"a new folder at most {NEW_FOLDER_RATIO} of the top", f"{new / top:.2f}", new <= NEW_FOLDER_RATIO * top)


def _moves(server: Server, client: Client) -> None:
    waits: list[float] = []
    is_over = threading.Event()

    def others() -> None:
        other = Client(server.port, server.token)
        for number in count():
            if is_over.is_set():
                break
            for request in (
                Request("GET", "/api/files?folder=small"),
                Request("PUT", f"/api/files/beside{number}", BYTES, expected=201),
            ):
                began = time.perf_counter()
                other(request)
                waits.append(time.perf_counter() - began)
        other.close()

    thread = threading.Thread(target=others)
    thread.start()
    spent = []
    for old, new in (("big", "a/b/moved"), ("a/b/moved", "big")) * (MOVES // 2):
        began = time.perf_counter()
        answer = client(Request("PATCH", f"/api/folders/{old}", **as_json({"path": new})))
        spent.append(time.perf_counter() - began)
    is_over.set()
    thread.join()
    say(f"Move of {answer.json()['files']:,} files: {', '.join(f'{each * 1000:.0f}' for each in spent)} ms")
    say_goal(f"a move at most {MOVE_SECONDS} s", f"{max(spent):.2f} s", max(spent) <= MOVE_SECONDS)
    say_goal(f"no other request longer than {WAIT_SECONDS} s", f"{max(waits):.2f} s", max(waits) <= WAIT_SECONDS)
