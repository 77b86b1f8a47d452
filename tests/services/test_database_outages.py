"""A database server that goes and comes back: who asks meanwhile is refused soon, and nobody has to be restarted."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest
from sqlalchemy import text

from benchmarks.postgres import Postgresql, postgresql
from benchmarks.servers import NotInstalled
from tests.missing import missing
from tests.silent_proxy import SilentProxy
from transfer_service.db import server as db_server
from transfer_service.db.database import Database, run_again
from transfer_service.db.server import connection_parameters, with_addresses
from transfer_service.errors import ServerAway, StoreUnavailable

SOON, AT_ONCE = 9.0, 0.5
BACK_SECONDS = 30.0


@pytest.fixture(scope="module")
def server() -> Iterator[Postgresql]:
    """One that these tests may stop."""
    try:
        with postgresql() as running:
            yield running
    except NotInstalled as error:
        missing(str(error))


@pytest.fixture
def proxy(server: Postgresql) -> Iterator[SilentProxy]:
    with SilentProxy(server.port) as running:
        yield running


def _database(port: int) -> Database:
    return Database(f"postgresql+psycopg://transfer@127.0.0.1:{port}/postgres")


@pytest.fixture
def database(proxy: SilentProxy) -> Iterator[Database]:
    """One that is reached by a proxy, and in use."""
    used = _database(proxy.port)
    assert _ask(used) == 1
    yield used
    proxy.speak()
    used.dispose()


def _ask(database: Database, statement: str = "SELECT 1") -> object:
    with database.write_rows() as rows:
        return rows.execute(text(statement)).scalar()


def _end_sessions(server: Postgresql) -> None:
    with psycopg.connect(f"{server.url}/postgres", autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'postgres'"
            " AND pid <> pg_backend_pid()"
        )


def test_a_session_that_ends_while_its_connection_rests_is_replaced(
    server: Postgresql, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db_server, "REST_SECONDS", 0.0)
    _end_sessions(server)
    assert _ask(database) == 1


def test_of_sessions_that_end_just_after_their_use_the_first_question_tells(
    server: Postgresql, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db_server, "REST_SECONDS", 60.0)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: _ask(database, "SELECT 1 FROM pg_sleep(0.3)"), range(4))) == [1] * 4
    _end_sessions(server)
    with pytest.raises(ServerAway):
        _ask(database)
    assert _ask(database) == 1


def test_what_rested_too_long_in_the_middle_is_undone_and_run_again(database: Database) -> None:
    sessions: list[int] = []

    @run_again
    def ask() -> int:
        with database.write_rows() as rows:
            sessions.append(rows.execute(text("SELECT pg_backend_pid()")).scalar_one())
            if len(sessions) == 1:  # a machine so busy that this process has no turn for seconds
                rows.execute(text("SET idle_in_transaction_session_timeout = '50ms'"))
                time.sleep(0.5)
            return int(rows.execute(text("SELECT 1")).scalar_one())

    assert ask() == 1
    assert len(set(sessions)) == 2


def _refused_after(database: Database, statement: str = "SELECT 1") -> float:
    """How long a question takes that is not answered."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        _ask(database, statement)
    return time.monotonic() - began


def _answers_within(database: Database, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            return _ask(database) == 1
        except ServerAway:
            time.sleep(0.1)
    return False


def test_a_server_that_is_away_is_back_for_everybody_when_it_is(
    server: Postgresql, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    server.stop()
    try:
        first, then = _refused_after(database), [_refused_after(database) for _ in range(50)]
    finally:
        server.start()
    assert (first < SOON, max(then[1:]) < AT_ONCE) == (True, True)
    assert _answers_within(database, BACK_SECONDS)
    told = [line for line in capsys.readouterr().out.splitlines() if "database_" in line]
    assert [line.split("database_")[1][:4] for line in told] == ["away", "back"]


def test_all_who_wait_for_a_server_that_falls_silent_are_refused_soon(database: Database, proxy: SilentProxy) -> None:
    """What was asked before, and many more than there are connections; what they send is acknowledged as ever."""
    with ThreadPoolExecutor(121) as pool:
        waits = [pool.submit(_refused_after, database, "SELECT pg_sleep(1)")]
        time.sleep(0.3)
        proxy.fall_silent()
        waits += [pool.submit(_refused_after, database) for _ in range(120)]
        longest = max(wait.result() for wait in waits)
    assert longest < SOON
    proxy.speak()
    assert _answers_within(database, BACK_SECONDS)


def test_a_long_question_to_a_server_that_is_there_is_waited_for(database: Database) -> None:
    assert _ask(database, "SELECT 7 FROM pg_sleep(4)") == 7
    assert _ask(database) == 1


def test_a_lost_connection_costs_nobody_else_anything(database: Database) -> None:
    losing = "SELECT pg_terminate_backend(pg_backend_pid())"
    with pytest.raises(ServerAway):
        _ask(database, losing)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: _ask(database), range(64))) == [1] * 64


def test_a_server_that_takes_no_more_connections_serves_by_those_it_has(server: Postgresql, database: Database) -> None:
    assert database._server is not None
    presence = database._server.presence
    with ExitStack() as stack:
        with pytest.raises(psycopg.OperationalError):
            while True:
                stack.enter_context(psycopg.connect(f"{server.url}/postgres"))
        with pytest.raises(ServerAway), presence.work():
            raise ServerAway  # as for who needed a new one
        time.sleep(1)  # it is looked after within half a second
        assert (presence.is_away, _ask(database)) == (False, 1)


def test_notices_come_again_after_a_silence(database: Database, proxy: SilentProxy) -> None:
    heard: list[str | None] = []
    database.notices.listen("news", heard.append)
    database.notices.begin()
    assert _until(lambda: heard == [None], 5)
    proxy.fall_silent()
    time.sleep(6)  # longer than a beat and its answer
    proxy.speak()
    assert _until(lambda: heard == [None, None], BACK_SECONDS)
    with database.write_rows() as rows:
        database.notices.notify(rows, "news", "here")
    assert _until(lambda: heard[-1] == "here", 5)


def test_names_are_looked_up_before_the_driver_could(server: Postgresql) -> None:
    parameters = connection_parameters(f"postgresql+psycopg://transfer@localhost:{server.port}/postgres")
    found = with_addresses(parameters)
    assert "127.0.0.1" in found["hostaddr"].split(",")
    assert found["host"].split(",") == ["localhost"] * len(found["hostaddr"].split(","))
    with psycopg.connect(**found) as connection:
        assert connection.info.port == server.port


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


@pytest.mark.parametrize("host", ["", "/var/run/postgresql", "one,two"])
def test_what_is_no_single_name_is_left_to_the_driver(host: str) -> None:
    assert with_addresses({"host": host}) == {"host": host}


def test_an_address_may_set_its_own_bounds() -> None:
    own = connection_parameters(
        "postgresql+psycopg://transfer@localhost/postgres?connect_timeout=20&keepalives_idle=60"
    )
    assert (own["connect_timeout"], own["keepalives_idle"], own["tcp_user_timeout"]) == ("20", "60", 5000)


def test_the_server_gives_up_a_client_that_is_frozen_in_a_transaction(database: Database) -> None:
    with database.read_rows() as rows:
        shown = rows.execute(text("SELECT current_setting('idle_in_transaction_session_timeout')")).scalar()
        keepalive = rows.execute(text("SELECT current_setting('tcp_keepalives_idle')")).scalar()
    assert (shown, keepalive) == ("4s", "2")
