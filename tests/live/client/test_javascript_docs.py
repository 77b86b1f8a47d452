"""docs/javascript.md by its own word: each example is run as printed, the page for browsers in a real one."""

import hashlib
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PASSWORD
from tests.live import node
from tests.live.chromium import Page, browser
from tests.live.client.javascript import PACKAGE, app, install
from tests.live.doc_examples import blocks
from tests.live.fault_proxy import Fault, FaultProxy, Trickle
from tests.live.pages import serving
from tests.live.server import LiveServer, running

PAGE = "javascript.md"
ADDRESS = "https://files.example.com"
MIB = 1024 * 1024
TALK = """
import { blobSink, folderSink, TransferClient } from "transfer-service-client";
const sha256 = async (blob) => {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
};
const client = new TransferClient("ADDRESS", { storage: localStorage });
Object.assign(window, { blobSink, client, folderSink, sha256 });
"""
(MAP,) = re.findall(r"<script type=\"importmap\">.*?</script>", blocks(PAGE, "html")[0], re.DOTALL)
EMPTY = f"<!doctype html>{MAP}<script type=module>{TALK}</script>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install(tmp_path)
    (tmp_path / "film.mp4").write_bytes(os.urandom(3 * MIB))
    return tmp_path


def test_the_examples_do_what_they_say(server: LiveServer, folder: Path) -> None:
    code = "\n".join(blocks(PAGE, "js")).replace(ADDRESS, server.url)
    imports = "\n".join(line for line in code.splitlines() if line.startswith("import "))
    rest = "\n".join(line for line in code.splitlines() if not line.startswith("import "))
    begin = 'console.log = (...words) => print("log", words); const { name, password } = { name: "alice", ...given };\n'
    with app(folder, begin + rest + '\nprint("done");', before=imports, url=server.url) as examples:
        examples.wait("done")
        told = examples.heard("log")
    film = (folder / "film.mp4").read_bytes()
    digest = hashlib.sha256(film).hexdigest()
    expected = [["alice"], ["Films/film.mp4", digest], ["file", "Films/film.mp4"], ["alice", "Look at this"]]
    assert [line for line in expected if line not in told] == []
    assert ((folder / "copy.mp4").read_bytes() == film, (folder / "from-chat.mp4").read_bytes() == film) == (True, True)
    assert told[-1] == ["ApiError", "not_found", "File not found"]


def test_an_app_that_installs_the_folder_as_printed_finds_what_the_package_imports(tmp_path: Path) -> None:
    node.install()
    (tmp_path / "node_modules").symlink_to(node.FOLDER / "node_modules")  # what the registry would put into the app
    application = tmp_path / "app"
    application.mkdir()
    (application / "package.json").write_text("{}")  # else npm takes the folder above
    (line,) = [each for each in "\n".join(blocks(PAGE, "text")).splitlines() if each.startswith("npm install")]
    options = [word for word in shlex.split(line) if word.startswith("--")]
    command = ["npm", "install", *options, "--offline", "--no-audit", "--no-package-lock", str(PACKAGE)]
    subprocess.run(command, cwd=application, check=True, capture_output=True, timeout=120)
    code = """
import { TransferClient } from "transfer-service-client";
const upload = new TransferClient("http://127.0.0.1:9", { key: "tsk_1", patienceSeconds: 0.1 })
  .upload(new Blob([new Uint8Array(300 * 1024)]), { name: "film" });
await upload.done.catch((error) => console.log(error.name));
"""
    (application / "app.mjs").write_text(code)
    node_run = subprocess.run(["node", "app.mjs"], cwd=application, check=False, capture_output=True, timeout=60)
    assert (node_run.stdout, node_run.stderr) == (b"Unavailable\n", b"")


def test_every_name_of_the_package_is_told() -> None:
    text = (Path(__file__).parents[3] / "docs" / PAGE).read_text()
    types = (Path(__file__).parents[3] / "client/javascript/index.d.ts").read_text()
    told = re.findall(r"^export (?:class|function) (\w+)", types, flags=re.MULTILINE)
    assert [name for name in told if name not in text] == []


class Site:
    """A page of another origin than the service, which is reached by a line that a test may break."""

    def __init__(self, server: LiveServer, line: FaultProxy, folder: Path, page: Page, origin: str) -> None:
        self.server, self.line, self.folder, self.page, self.origin = server, line, folder, page, origin

    def show(self, html: str) -> None:
        """Open a page."""
        address = f"http://127.0.0.1:{self.line.port}"
        (self.folder / "index.html").write_text(html.replace(ADDRESS, address).replace("ADDRESS", address))
        self.page.open(self.origin)

    def run(self, code: str) -> Any:
        """What a function of the page gives."""
        return self.page.evaluate(f"(async () => {{ {code} }})()")


@pytest.fixture
def site(tmp_path: Path, folder: Path) -> Iterator[Site]:
    (folder / "lib").symlink_to(folder / "node_modules")
    with (
        serving(folder) as origin,
        running(tmp_path / "data", "alice", "bob", TRANSFER_CORS_ORIGINS=origin) as server,
        FaultProxy(server.port) as line,
        browser() as page,
    ):
        yield Site(server, line, folder, page, origin)


def test_the_page_signs_in_and_sends_a_film(site: Site) -> None:
    (html,) = blocks(PAGE, "html")
    site.show(html)
    site.run(f"""
      const {{ name, password }} = document.forms[0];
      [name.value, password.value] = ["alice", "{PASSWORD}"];
      document.forms[0].requestSubmit();
    """)
    site.page.until("document.querySelector('output').value === 'Signed in'")
    site.page.choose("[name=film]", site.folder / "film.mp4")
    site.page.until("document.querySelector('output').value === 'film.mp4 is there'")
    stored = site.server.sign_in("alice").get(f"{site.server.url}/api/files/status/film.mp4", timeout=30).json()
    assert stored["sha256"] == hashlib.sha256((site.folder / "film.mp4").read_bytes()).hexdigest()
    assert site.page.evaluate("document.querySelector('progress').value") == 1


def test_a_browser_goes_on_after_reloads_and_shares_its_sign_in(site: Site) -> None:
    site.show(EMPTY)
    site.run(f'await client.signIn("alice", "{PASSWORD}")')
    film = """
      const bytes = new Uint8Array(2e7).map((_, at) => (at * at) >> 7);
      const film = new File([bytes], "film.bin", { lastModified: 1 });
    """
    site.line.plan.extend([Fault(trickle=Trickle(256 * 1024, 0.03), toward="server")] * 9)
    site.run(f"{film} window.upload = client.upload(film, {{ onProgress: (sent) => {{ window.sent = sent; }} }})")
    site.page.until("window.sent > 6e6")
    site.line.plan.clear()
    site.page.open(site.origin)
    went_on = site.run(f"""
      {film}
      const sent = [];
      const file = await client.upload(film, {{ onProgress: (each) => sent.push(each) }}).done;
      return {{ file, first: sent[0], isSame: file.sha256 === await sha256(film) }};
    """)
    assert (went_on["first"] > 0, went_on["isSame"]) == (True, True)
    fetched = site.run("""
      const folder = await navigator.storage.getDirectory();
      const controller = new AbortController();
      const file = await client.find("film.bin");
      const stop = (received) => received > 1e7 && controller.abort();
      await client.download(file, folderSink(folder), { signal: controller.signal, onProgress: stop }).catch(() => {});
      const received = [];
      const sink = folderSink(folder);
      const blob = await client.download(file, sink, { onProgress: (each) => received.push(each) });
      const isSame = await sha256(blob) === file.sha256;
      await sink.clear();
      const left = [];
      for await (const each of folder.keys()) left.push(each);
      const held = await sha256(await client.download(file, blobSink()));
      return { first: received[0], isSame, left, isHeld: held === file.sha256 };
    """)
    assert fetched == {"first": 8 * MIB, "isSame": True, "left": [], "isHeld": True}
    other = site.page.another_tab()
    other.open(site.origin)
    site.run("""
      const key = Object.keys(localStorage).find((each) => each.endsWith("tokens"));
      const tokens = JSON.parse(localStorage.getItem(key));
      localStorage.setItem(key, JSON.stringify({ ...tokens, accessToken: "eyJ.ended.token" }));
    """)
    site.page.open(site.origin)
    ask = "Promise.all(Array.from({ length: 5 }, () => client.account().then(({ name }) => name)))"
    site.page.evaluate(f"void (window.asked = {ask})")
    assert (other.evaluate(ask), site.page.evaluate("asked")) == (["alice"] * 5, ["alice"] * 5)
    count = "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/auth/refresh')).length"
    assert site.page.evaluate(count) + other.evaluate(count) == 1
    other.close()


def test_a_browser_follows_a_conversation(site: Site) -> None:
    site.show(EMPTY)
    conversation = site.run(f"""
      await client.signIn("alice", "{PASSWORD}");
      window.heard = [];
      const conversation = await client.chat.open("bob");
      await client.chat.follow(conversation, (messages) => heard.push(...messages.map(({{ content }}) => content)));
      await client.chat.connect();
      await new Promise((resolve) => client.chat.on("connect", resolve));
      await client.chat.send(conversation, "Hello");
      return conversation;
    """)
    body = {"conversation_id": conversation, "content": "Hello to you"}
    site.server.sign_in("bob").post(f"{site.server.url}/messages", json=body, timeout=30)
    site.page.until("window.heard.length >= 2")
    assert site.page.evaluate("heard") == ["Hello", "Hello to you"]
