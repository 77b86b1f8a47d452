"""Work off the event loop, in a process that gevent has patched, and inline in one that it has not."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent.monkey import get_original

from transfer_service.services.events.actors import Actor, as_actor, present_actor
from transfer_service.threads import begin_offload, offload

REPOSITORY = Path(__file__).parents[1]
PATCHED = """
from gevent import monkey
monkey.patch_all()
import json, sys
from tests import test_threads
print(json.dumps(getattr(test_threads, sys.argv[1])()))
"""


def patched(scenario: Callable[[], object]) -> Any:
    """What a function of this module returns in a patched process, which prints nothing else."""
    command = [sys.executable, "-c", PATCHED, scenario.__name__]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


class Gate:
    """Work that ends when it is let go: it blocks its thread as a slow disk does."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self.has_ended = False

    def work(self) -> str:
        os.read(self._reader, 1)
        self.has_ended = True
        return "result"

    def let_go(self) -> None:
        os.write(self._writer, b"x")


class Fault(Exception):
    """What work raises."""


def fail() -> None:
    raise Fault


def give_a_result() -> list[object]:
    thread_id = get_original("_thread", "get_ident")
    return [offload(lambda: "result"), offload(thread_id) != thread_id()]


def give_a_result_from_within_the_pool() -> bool:
    thread_id = get_original("_thread", "get_ident")
    return bool(offload(lambda: offload(thread_id) == thread_id()))


def give_who_acts() -> list[str | None]:
    with as_actor(Actor(None, "alice", None)):
        waiting = begin_offload(lambda: present_actor().name)
    return [waiting(), offload(lambda: present_actor().name)]


def give_an_exception() -> str:
    try:
        offload(fail)
    except Fault as error:
        return type(error).__name__
    return "nothing"


def go_on_meanwhile() -> list[object]:
    gate = Gate()
    working = gevent.spawn(offload, gate.work)
    gevent.spawn(gate.let_go)  # runs on the loop, which the work must not hold up
    return [working.get(timeout=10), gate.has_ended]


def be_killed() -> list[object]:
    gate = Gate()
    working = gevent.spawn(offload, gate.work)
    gevent.idle()
    working.kill(timeout=0.3)
    early = working.ready()
    gate.let_go()
    working.join(timeout=10)
    return [early, gate.has_ended, type(working.value).__name__]


def be_killed_and_timed_out() -> list[object]:
    gate = Gate()

    def work() -> None:
        with gevent.Timeout(0.1):
            offload(gate.work)

    working = gevent.spawn(work)
    gevent.idle()
    working.kill(timeout=0.3)
    early = working.ready()
    gate.let_go()
    working.join(timeout=10)
    return [early, gate.has_ended, type(working.value).__name__]


def be_late() -> list[object]:
    gate, timeout = Gate(), gevent.Timeout(0.05)

    def let_go_when_it_is_late() -> None:
        while timeout.pending:
            gevent.sleep(0.01)
        gate.let_go()

    try:
        with timeout:
            gevent.spawn(let_go_when_it_is_late)
            offload(gate.work)
    except gevent.Timeout as late:
        return [gate.has_ended, late is timeout]
    return [gate.has_ended, "no timeout"]


def be_killed_in_work_that_fails() -> list[object]:
    gate = Gate()

    def work() -> None:
        gate.work()
        raise Fault

    working = gevent.spawn(offload, work)
    gevent.idle()
    working.kill(block=False)
    gevent.idle()
    gate.let_go()
    working.join(timeout=10)
    return [gate.has_ended, type(working.value).__name__]


@pytest.mark.parametrize(
    ("scenario", "outcome"),
    [
        pytest.param(give_a_result, ["result", True], id="a-result-from-another-thread"),
        pytest.param(give_a_result_from_within_the_pool, True, id="in-the-pool-inline"),
        pytest.param(give_who_acts, ["alice", None], id="who-acts"),
        pytest.param(give_an_exception, "Fault", id="an-exception-and-no-traceback"),
        pytest.param(go_on_meanwhile, ["result", True], id="others-go-on-meanwhile"),
        pytest.param(be_killed, [False, True, "GreenletExit"], id="killed-ends-when-the-work-has"),
        pytest.param(be_killed_and_timed_out, [False, True, "GreenletExit"], id="killed-and-then-timed-out"),
        pytest.param(be_killed_in_work_that_fails, [True, "GreenletExit"], id="killed-in-work-that-fails"),
        pytest.param(be_late, [True, True], id="a-timeout-comes-when-the-work-has-ended"),
    ],
)
def test_in_a_patched_process(scenario: Callable[[], object], outcome: object) -> None:
    assert patched(scenario) == outcome


def test_without_patches_work_runs_inline() -> None:
    assert offload(threading.get_ident) == threading.get_ident()
    with pytest.raises(Fault):
        offload(fail)
