"""The main flow in Chromium and Firefox, and in Chromium without a mouse."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright

from tests.live.chromium import PROGRAM
from tests.live.console.conftest import FLAGS, START_MILLISECONDS, OpenConsole
from tests.live.console.firefox import firefox
from tests.live.console.main_flow import main_flow
from tests.live.console.sample import MEBIBYTE, movie


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def browser(
    request: pytest.FixtureRequest, playwright: Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """One after the other."""
    if request.param == "firefox":
        with firefox(playwright, tmp_path_factory.mktemp("firefox"), timeout=START_MILLISECONDS) as browser:
            yield browser
    else:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS, timeout=START_MILLISECONDS)
        yield browser
        browser.close()


@pytest.fixture
def film(tmp_path: Path, browser: Browser) -> Path:
    path = tmp_path / f"Crane lift in {browser.browser_type.name}.webm"
    path.write_bytes(movie(6 * MEBIBYTE))
    return path


def test_a_film_is_sent_seen_and_shared(open_console: OpenConsole, film: Path) -> None:
    main_flow(open_console(account=None), film)
