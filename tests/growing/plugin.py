"""`pytest --growing tests/live`: what runs on one instance otherwise runs on three, with engines that they share."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

OPTION, SAMPLE, SEED = "--growing", "--growing-sample", "--growing-seed"
MARKER = "one_machine"
SEED_VARIABLE = "GROWING_SEED"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        OPTION,
        action="store_true",
        help="run each service as three instances on PostgreSQL, Redis and an object store, each request at another",
    )
    parser.addoption(SAMPLE, type=int, metavar="N", help=f"with {OPTION}: only so many modules, chosen by the seed")
    parser.addoption(SEED, type=int, metavar="S", help="which ones; without it others each day")


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart(session: pytest.Session) -> Iterator[None]:
    """Start the engines, once for all processes of the run."""
    from tests.growing import installations

    if session.config.getoption(OPTION) and installations.engines() is None:
        seed = session.config.getoption(SEED)
        os.environ[SEED_VARIABLE] = str(int(time.time() / 86400) if seed is None else seed)
        running = ExitStack()
        running.enter_context(installations.running_engines())
        session.config.add_cleanup(running.close)
    return (yield)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """What repeats the choice of modules."""
    chosen = config.getoption(SAMPLE)
    return [f"growing: {chosen} modules, {SEED} {os.environ[SEED_VARIABLE]}"] if chosen else []


def pytest_sessionfinish() -> None:
    from tests.growing import installations

    installations.forget_all()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Name what makes no sense on several machines, with its reason, and choose among the rest."""
    if not config.getoption(OPTION):
        return
    for item in items:
        if marker := item.get_closest_marker(MARKER):
            (reason,) = marker.args
            item.add_marker(pytest.mark.skip(reason=f"one machine: {reason}"))
    if count := config.getoption(SAMPLE):
        modules = sorted({_module(item) for item in items if item.get_closest_marker(MARKER) is None})
        chosen = set(random.Random(os.environ[SEED_VARIABLE]).sample(modules, min(count, len(modules))))
        config.hook.pytest_deselected(items=[item for item in items if _module(item) not in chosen])
        items[:] = [item for item in items if _module(item) in chosen]


def _module(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]
