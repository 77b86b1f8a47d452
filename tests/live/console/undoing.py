"""What can be undone for some seconds: until a test says so, as a busy machine would let them pass too soon."""

from playwright.sync_api import Page

_HOLD = """(() => {
  if (window.letUndoPass) return;
  const SECONDS = [6, 8];  // for which something is told, and can be undone
  const { setTimeout: begin, clearTimeout: end } = window;
  const held = new Map();
  let last = 0;
  window.setTimeout = (act, wait, ...rest) => {
    if (!SECONDS.includes(wait / 1000)) return begin(act, wait, ...rest);
    held.set((last -= 1), () => act(...rest));
    return last;
  };
  window.clearTimeout = (id) => held.delete(id) || end(id);
  window.letUndoPass = () => { for (const [id, act] of [...held]) if (held.delete(id)) act(); };
})()"""


def hold_undo(page: Page, *, until_reload: bool = False) -> None:
    """From now on what is told stays, and what can be undone can be until `let_undo_pass`."""
    if not until_reload:
        page.add_init_script(_HOLD)
    page.evaluate(_HOLD)


def let_undo_pass(page: Page) -> None:
    """Let the seconds be over."""
    page.evaluate("letUndoPass()")
