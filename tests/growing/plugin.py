"""`pytest --growing tests/live`: what runs on one instance otherwise runs on three, with engines that they share."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

OPTION = "--growing"
MARKER = "one_machine"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        OPTION,
        action="store_true",
        help="run each service as three instances on PostgreSQL, Redis and an object store, each request at another",
    )


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart(session: pytest.Session) -> Iterator[None]:
    """Start the engines, once for all processes of the run."""
    from tests.growing import installations

    if session.config.getoption(OPTION) and installations.engines() is None:
        running = ExitStack()
        running.enter_context(installations.running_engines())
        session.config.add_cleanup(running.close)
    return (yield)


def pytest_sessionfinish() -> None:
    from tests.growing import installations

    installations.forget_all()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Name what makes no sense on several machines, with its reason."""
    if not config.getoption(OPTION):
        return
    for item in items:
        if marker := item.get_closest_marker(MARKER):
            (reason,) = marker.args
            item.add_marker(pytest.mark.skip(reason=f"one machine: {reason}"))
