"""`pytest --growing tests/live`: what runs on one instance otherwise runs on three, with engines that they share."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

OPTION, SAMPLE, SEED = "--growing", "--growing-sample", "--growing-seed"
MARKER = "one_machine"
DEFAULT_SEED = 1
NOT_SAMPLED = "tests/live/console/"
"""The longest ones, minutes each, and what they ask of the engines others ask too: only whole runs have them."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        OPTION,
        action="store_true",
        help="run each service as three instances on PostgreSQL, Redis and an object store, each request at another",
    )
    parser.addoption(SAMPLE, type=int, metavar="N", help=f"with {OPTION}: only so many modules, chosen by the seed")
    parser.addoption(SEED, type=int, metavar="S", default=DEFAULT_SEED, help="which ones: the same ones for a seed")


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart(session: pytest.Session) -> Iterator[None]:
    """Start the engines, once for all processes of the run."""
    from tests.growing import installations

    if session.config.getoption(OPTION) and installations.engines() is None:
        running = ExitStack()
        running.enter_context(installations.running_engines())
        session.config.add_cleanup(running.close)
    return (yield)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """What repeats the choice of modules."""
    chosen = config.getoption(SAMPLE)
    return [f"growing: {chosen} modules, {SEED} {config.getoption(SEED)}"] if chosen else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """How long each module took, the longest first: what the size of the sample is chosen by."""
    if not config.getoption(OPTION):
        return
    seconds: dict[str, float] = defaultdict(float)
    for report in (each for kind in terminalreporter.stats.values() for each in kind):
        if isinstance(report, pytest.TestReport):
            seconds[_module(report.nodeid)] += report.duration
    terminalreporter.section(f"seconds by module ({OPTION})")
    for module, duration in sorted(seconds.items(), key=lambda each: -each[1]):
        terminalreporter.write_line(f"{duration:7.1f} {module}")


def pytest_sessionfinish() -> None:
    from tests.growing import installations

    installations.forget_all()


def choose_items(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Name what makes no sense on several machines, with its reason, and choose among the rest."""
    if not config.getoption(OPTION):
        return
    for item in items:
        if marker := item.get_closest_marker(MARKER):
            (reason,) = marker.args
            item.add_marker(pytest.mark.skip(reason=f"one machine: {reason}"))
    if count := config.getoption(SAMPLE):
        several = {_module(item.nodeid) for item in items if item.get_closest_marker(MARKER) is None}
        modules = {name for name in several if not name.startswith(NOT_SAMPLED)}
        chosen = choose(modules, count, seed=config.getoption(SEED))
        config.hook.pytest_deselected(items=[item for item in items if _module(item.nodeid) not in chosen])
        items[:] = [item for item in items if _module(item.nodeid) in chosen]


def choose(modules: set[str], count: int, *, seed: int) -> set[str]:
    """So many of them, the same ones for a seed; a new module takes the place of one at most."""
    return set(sorted(modules, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())[:count])


def _module(node: str) -> str:
    return node.partition("::")[0]
