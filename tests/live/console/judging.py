"""What a page is judged by: axe-core for accessibility, and whether it fits into its window."""

from functools import cache
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Page

from tests.live import node

TOOLS = Path(__file__).parent / "javascript"
PHONE = 360
_SETTLED = """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))).then(() => {
  const ending = document.getAnimations().filter((each) => each instanceof CSSTransition);
  return Promise.allSettled(ending.map((each) => each.finished)).then(() => null);
})"""
_SIDEWAYS = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const wide = [...document.querySelectorAll("body *")].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.width > 0 && (box.right > width + 0.5 || box.left < -0.5);
  });
  const told = wide.slice(-5).map((each) => each.outerHTML.slice(0, 160));
  return [`${document.documentElement.scrollWidth} of ${width} pixels`, ...told];
}"""


@cache
def _axe_source() -> str:
    node.install(TOOLS)
    return (TOOLS / "node_modules/axe-core/axe.min.js").read_text()


def axe(page: Page, *rules: str) -> list[str]:
    """What axe-core finds wrong with a page as it is now, by these rules or all: each, and the first elements."""
    if not page.evaluate("typeof globalThis.axe === 'object'"):
        page.evaluate(_axe_source())  # by the debugger, which no Content-Security-Policy forbids
    options: dict[str, Any] = {"resultTypes": ["violations"], **({"runOnly": rules} if rules else {})}
    found: list[dict[str, Any]] = page.evaluate("options => axe.run(options).then((all) => all.violations)", options)
    return [f"{each['id']}: {each['help']}: {_places(each['nodes'])}" for each in found]


def _places(nodes: list[dict[str, Any]]) -> str:
    return " | ".join(f"{each['html'][:200]} ({each['failureSummary'][:200]})" for each in nodes[:3])


def sideways(page: Page) -> list[str]:
    """What makes a page wider than its window: nothing, or its width and the innermost elements that stick out."""
    found: list[str] = page.evaluate(_SIDEWAYS)
    return found


def judge(page: Page) -> None:
    """Fail where axe-core finds anything, light or dark, or a phone would have to scroll sideways."""
    assert axe(page) == []
    in_colours(page, "dark")
    assert axe(page, "color-contrast") == []  # all else is the same in both
    in_colours(page, "light")
    size = page.viewport_size or {"width": 1280, "height": 800}
    at_width(page, PHONE)
    assert sideways(page) == []
    at_width(page, size["width"], size["height"])


def in_colours(page: Page, scheme: Literal["light", "dark"]) -> None:
    """Show the page so; what fades has done so when this returns."""
    page.emulate_media(color_scheme=scheme)
    page.evaluate(_SETTLED)


def at_width(page: Page, width: int, height: int = 740) -> None:
    """Make the window so wide; what follows it has done so when this returns."""
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate(_SETTLED)
