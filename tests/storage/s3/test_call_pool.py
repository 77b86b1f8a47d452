"""Calls from the event loop, from gevent's pool, from plain threads, and after a fork: in programs of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.object_store import CREDENTIALS
from tests.faulty_store import FaultyStore, faulty_store

__all__ = ["faulty_store"]

REPOSITORY = Path(__file__).parents[3]
BEGIN = """
import os, sys, time
from transfer_service.storage.s3.objects import Objects
from transfer_service.wire.store_addresses import parse_store_address
address = parse_store_address(sys.argv[1])
objects, name, data = Objects(address), f"{address.prefix}/a", os.urandom(8 * 1024 * 1024)
"""
PATCHED = "from gevent import monkey; monkey.patch_all(); import gevent"


def run(url: str, *programs: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(programs), url],
        cwd=REPOSITORY, env=os.environ | CREDENTIALS, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return result.stdout


PLACES = {
    "loop": (PATCHED, "run = lambda work: work()"),
    "greenlets": (PATCHED, "run = lambda work: gevent.spawn(work).get()"),
    "pool": (PATCHED, "run = lambda work: gevent.get_hub().threadpool.apply(work)"),
    "plain": ("run = lambda work: work()",),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor",
        "run = lambda work: ThreadPoolExecutor(1).submit(work).result()",
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_calls_can_be_made_from_everywhere(object_store_url: str, place: str) -> None:
    use = """
def work():
    assert objects.put(name, [data])
    waits = [objects.begin(lambda own: own.get_whole(name, len(data))) for _ in range(4)]
    assert [wait() == data for wait in waits] == [True] * 4
    assert objects.begin(lambda own: own.begin(lambda inner: inner.head(name))().size)() == len(data)
for _ in range(3):
    run(work)
print("done")
"""
    assert run(object_store_url, *PLACES[place], BEGIN, use) == "done\n"


def test_nothing_is_loaded_opened_or_started_before_the_first_call_and_forks_begin_anew(object_store_url: str) -> None:
    use = """
import threading
from gevent._hub_local import get_hub_if_exists
from gevent.monkey import get_original
descriptors = os.listdir("/proc/self/fd")
assert not {"boto3", "botocore", "urllib3"} & set(sys.modules)
assert get_hub_if_exists() is None and len(os.listdir("/proc/self/task")) == 1
fork, wait = get_original("os", "fork"), get_original("os", "waitpid")
for turn in range(2):
    child = fork()
    if not child:
        assert objects.put(f"{name}{turn}", [data[:1000]])
        objects_of_child = Objects(address)
        second = fork()
        if not second:
            assert objects.get(f"{name}{turn}", 0, 9999) == data[:1000]
            os._exit(7)
        os._exit(wait(second, 0)[1] >> 8)
    assert wait(child, 0)[1] >> 8 == 7
print(os.listdir("/proc/self/fd") == descriptors)
"""
    assert run(object_store_url, PATCHED, BEGIN, use) == "True\n"


def test_whoever_is_killed_while_waiting_leaves_when_the_call_has_ended(object_store_url: str) -> None:
    use = """
buffer = bytearray(data)
def work():
    try:
        objects.put(name, [memoryview(buffer)])
    finally:
        buffer[:] = bytes(len(buffer))
objects.head(name)
greenlet = gevent.spawn(work)
gevent.sleep(0.002)
greenlet.kill()
assert objects.get(name, 0, len(data)) == data
print("done")
"""
    assert run(object_store_url, PATCHED, BEGIN, use) == "done\n"


@pytest.mark.alone
def test_the_loop_goes_on_while_bodies_are_sent_and_read(object_store_url: str) -> None:
    use = """
lags, ends = [], []
def tick():
    while not ends:
        began = time.perf_counter()
        gevent.sleep(0.001)
        lags.append(time.perf_counter() - began - 0.001)
objects.put(name, [data])
ticker = gevent.spawn(tick)
def work(number):
    for _ in range(3):
        objects.put(f"{name}{number}", [data])
        objects.get(f"{name}{number}", 0, len(data))
gevent.joinall([gevent.spawn(work, number) for number in range(8)], raise_error=True)
ends.append(True)
ticker.join()
lags.sort()
print(lags[len(lags) * 99 // 100])
"""
    assert float(run(object_store_url, PATCHED, BEGIN, use)) < 0.05


@pytest.mark.alone
@pytest.mark.parametrize("program", [PATCHED, ""], ids=["gevent", "plain"])
def test_a_store_that_went_away_is_503_within_seconds_and_used_again_when_it_is_back(
    faulty_store: FaultyStore, program: str
) -> None:
    use = """
import structlog
from concurrent.futures import ThreadPoolExecutor
from transfer_service.errors import StoreUnavailable
structlog.configure(logger_factory=structlog.PrintLoggerFactory(open(os.devnull, "w")))
def ask():
    began = time.monotonic()
    try:
        assert objects.get(name, 0, 5) == data[:5]
        return "there", time.monotonic() - began
    except StoreUnavailable:
        return "away", time.monotonic() - began
assert objects.put(name, [data])
people = ThreadPoolExecutor(40)
assert {state for state, _ in people.map(lambda _: ask(), range(40))} == {"there"}
print("gone?", flush=True)
input()
began = time.monotonic()
found = list(people.map(lambda _: ask(), range(200)))
assert {state for state, _ in found} == {"away"}, found
assert max(seconds for _, seconds in found) < 8 and time.monotonic() - began < 10
print("back?", flush=True)
input()
began = time.monotonic()
while ask()[0] == "away":
    time.sleep(0.1)
assert time.monotonic() - began < 15
assert {state for state, _ in people.map(lambda _: ask(), range(40))} == {"there"}
print("done", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", "\n".join([program, BEGIN, use]), faulty_store.url],
        cwd=REPOSITORY, env=os.environ | CREDENTIALS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    with process:
        assert process.stdout.readline() == "gone?\n"
        faulty_store.stop()
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "back?\n"
        faulty_store.start()
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n"
    assert process.returncode == 0
