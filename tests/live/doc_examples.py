"""The code blocks of a documentation page, and what runs them: Node.js, Chromium, Python and a shell."""

import contextlib
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
import simple_websocket

from tests.live import node
from tests.live.client import javascript
from tests.live.server import REPOSITORY, wait_until
from tests.missing import missing

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ESBUILD = node.FOLDER / "node_modules/.bin/esbuild"
IMPORT = re.compile(r"^[ \t]*import [^\n(]*;$", flags=re.MULTILINE)
PATIENCE_SECONDS = 60.0


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of one language, in order."""
    text = (REPOSITORY / "docs" / page).read_text("utf-8")
    return [match[1] for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)]


def run_node(code: str, folder: Path) -> Any:
    """Run an ES module in Node.js, with the JavaScript client and its own packages there, and give its `result`.

    Imports may stand anywhere in the code, and more than once.
    """
    javascript.install(folder)
    program = folder / "examples.mjs"
    imports, rest = _parted(code)
    program.write_text(f"{imports}\n{rest}\nconsole.log(JSON.stringify(result)); process.exit(0);\n")
    return json.loads(_output("node", str(program)))


def _parted(code: str) -> tuple[str, str]:
    """The imports of a module, each once, and the rest of it."""
    return "\n".join(dict.fromkeys(each.strip() for each in IMPORT.findall(code))), IMPORT.sub("", code)


def as_function(code: str, name: str, *parameters: str, gives: str) -> str:
    """A program for pages as an async function, whose parameters are the names that it does not say the values of.

    It gives an expression, in which `told` is what the program has logged. All calls share one `localStorage`.
    """
    return f"""const {name} = (() => {{
  const kept = new Map();
  const localStorage = {{
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  }};
  return async ({", ".join(parameters)}) => {{
    const told = [];
    const console = {{ log: (...each) => void told.push(each) }};
{code}
    return {gives};
  }};
}})();
"""


def run_python(code: str, folder: Path, *arguments: str) -> Any:
    """Run a Python program and give the JSON it prints."""
    program = folder / "examples.py"
    program.write_text(code)
    return json.loads(_output(sys.executable, "-W", "error", str(program), *arguments))


def run_shell(code: str, folder: Path, **environment: str) -> str:
    """Run a shell script and give what it prints."""
    assignments = "".join(f"{name}='{value}'\n" for name, value in environment.items())
    return _output("bash", "-euo", "pipefail", "-c", assignments + code, folder=folder)


def _output(*command: str, folder: Path | None = None) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


class Browser:
    """A headless Chromium, led by its DevTools protocol."""

    def __init__(self, port: int, app: Path) -> None:
        self._tools = f"http://127.0.0.1:{port}"
        self._app = app

    def run(self, code: str, origin: str) -> Any:
        """Run an ES module's code, bundled with what it imports, in a new page of `origin`, and give its `result`."""
        page = requests.put(f"{self._tools}/json/new?{origin}/healthz", timeout=PATIENCE_SECONDS).json()
        connection = simple_websocket.Client(page["webSocketDebuggerUrl"])
        try:
            wait_until(lambda: _evaluate(connection, "location.href") == f"{origin}/healthz")
            _evaluate(connection, self._bundled(code) + "; undefined")
            return _evaluate(connection, "outcome")
        finally:
            connection.close()
            requests.get(f"{self._tools}/json/close/{page['id']}", timeout=PATIENCE_SECONDS)

    def _bundled(self, code: str) -> str:
        imports, rest = _parted(code)
        program = f"{imports}\nglobalThis.outcome = (async () => {{ {rest}\nreturn result; }})();"
        command = [str(ESBUILD), "--bundle", "--format=iife", "--log-level=warning"]
        result = subprocess.run(command, cwd=self._app, input=program, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout


_numbers = itertools.count(1)


def _evaluate(connection: Any, expression: str) -> Any:
    number = next(_numbers)
    parameters = {"expression": expression, "awaitPromise": True, "returnByValue": True}
    connection.send(json.dumps({"id": number, "method": "Runtime.evaluate", "params": parameters}))
    while (received := connection.receive(timeout=PATIENCE_SECONDS)) is not None:
        answer = json.loads(received)
        if answer.get("id") == number:
            assert "exceptionDetails" not in answer["result"], answer
            return answer["result"]["result"].get("value")
    raise AssertionError("the page did not answer")


@contextlib.contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own. Skips the test where there is none."""
    javascript.install(folder / "app")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        missing("chromium is not installed")
    profile, port_file = folder / "profile", folder / "profile/DevToolsActivePort"
    command = [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += ["--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until(lambda: port_file.exists() and port_file.read_text().count("\n") == 1, seconds=PATIENCE_SECONDS)
        yield Browser(int(port_file.read_text().splitlines()[0]), folder / "app")
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_SECONDS)
