"""The service's own pages in a real browser: whole, on phones too, and with nothing from elsewhere."""

import json
from collections.abc import Iterator

import pytest

from tests.live.chromium import Page, browser
from tests.live.server import LiveServer, wait_until

CONTRAST = """(() => {
  const light = (color) => {
    const [red, green, blue] = color.match(/[\\d.]+/g).slice(0, 3).map((each) => each / 255)
      .map((each) => (each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" && element.parentElement ? ground(element.parentElement) : color;
  };
  return Math.min(...[...document.querySelectorAll("h1, h2, p, a, code, strong, span")].map((element) => {
    const [one, other] = [light(getComputedStyle(element).color), light(ground(element))];
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  }));
})()"""
"""The least contrast of a text to what is behind it (WCAG 2.2 section 1.4.3)."""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as page:
        yield page


def look(page: Page, *, width: int, scheme: str) -> None:
    """Be a screen so wide, of a visitor who prefers dark or light."""
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


def complaints(page: Page) -> list[str]:
    """What the browser has to say against a page: of its policy, of missing parts, of scripts that fail."""
    told = [each for each in page.events if each["method"] in {"Log.entryAdded", "Runtime.exceptionThrown"}]
    return [json.dumps(each["params"]) for each in told]


@pytest.mark.parametrize("width", [360, 1280])
def test_the_documentation_is_whole(server: LiveServer, page: Page, width: int) -> None:
    look(page, width=width, scheme="light")
    page.open(f"{server.url}/docs")
    wait_until(lambda: page.evaluate("document.querySelectorAll('.opblock').length") > 40)
    assert all(url.startswith((f"{server.url}/", "data:")) for url in page.responses())
    assert (set(page.responses().values()) - {304}, complaints(page)) == ({200}, [])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
