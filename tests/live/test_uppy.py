"""Uppy in a real browser, on a page of another origin: files and folders arrive, over a network that breaks too."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from tests.live import node
from tests.live.chromium import Page, browser
from tests.live.fault_proxy import Fault, FaultProxy
from tests.live.nginx import NginxSite, running_site
from tests.live.pages import serving
from tests.live.resumable import MIB, Way, way
from tests.live.server import wait_until

__all__ = ["way"]

SIZE = 6 * MIB
CUTS = [Fault(reset_at=2 * MIB + 500_000, toward="server")] * 4
"""More than one, since a browser opens connections that it then does not use; each takes one with it."""

_SCRIPT = """
import { Uppy } from "@uppy/core";
import { getDroppedFiles } from "@uppy/core/utils";
import Tus from "@uppy/tus";

// One random content for each name; it is told back by its SHA-256.
const makeFile = (size) => {
  const bytes = new Uint8Array(size);
  for (let start = 0; start < size; start += 65536) crypto.getRandomValues(bytes.subarray(start, start + 65536));
  return bytes;
};
const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

window.send = async ({ endpoint, headers, name, size }) => {
  const bytes = makeFile(size);
  const statuses = [];
  let fileId, fileName;
  const uppy = new Uppy({ autoProceed: false }).use(Tus, {
    endpoint, headers, chunkSize: 1048576, retryDelays: [0, 100, 300, 1000, 3000],
    onAfterResponse: (request, response) => {
      statuses.push([request.getMethod(), response.getStatus()]);
      fileId = response.getHeader("X-File-Id") ?? fileId;
      fileName = response.getHeader("X-File-Name") ?? fileName;
    },
  });
  uppy.addFile({ name, type: "image/png", data: new Blob([bytes], { type: "image/png" }) });
  const { successful, failed } = await uppy.upload();
  return {
    successful: successful.length, failed: failed.map((file) => file.error), statuses, fileId, fileName,
    digest: hex(await crypto.subtle.digest("SHA-256", bytes)),
  };
};

// What the Dashboard does with files that are dropped on it or chosen in it (addFiles, getDroppedFiles).
let arrived = [];
const describe = (file) => ({
  source: "Dashboard", name: file.name, type: file.type, data: file,
  meta: { relativePath: file.relativePath || file.webkitRelativePath || null },
});
window.onload = () => {
  const [drop, chosen] = [document.querySelector("div"), document.querySelector("input")];
  drop.ondragover = (event) => event.preventDefault();
  drop.ondrop = async (event) => {
    event.preventDefault();
    arrived = (await getDroppedFiles(event.dataTransfer)).map(describe);
  };
  chosen.onchange = () => (arrived = [...chosen.files].map(describe));
};
window.arrivedFiles = () => arrived.length;
window.sendArrived = async (options) => {
  const uppy = new Uppy({ autoProceed: false }).use(Tus, options);
  uppy.addFiles(arrived);
  const { successful, failed } = await uppy.upload();
  return { successful: successful.length, failed: failed.map((file) => file.error) };
};
"""


def bundle(target: Path) -> None:
    """Uppy and the script above as one file for a browser."""
    node.install()
    command = ["node_modules/.bin/esbuild", "--bundle", "--log-level=warning", f"--outfile={target}"]
    result = subprocess.run(command, cwd=node.FOLDER, input=_SCRIPT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of the page."""
    folder = tmp_path_factory.mktemp("pages")
    body = "<div style='width: 300px; height: 300px'>Drop here</div><input type=file webkitdirectory>"
    (folder / "index.html").write_text(f"<!doctype html><title>Uppy</title><script src='uppy.js'></script>{body}")
    bundle(folder / "uppy.js")
    with serving(folder) as origin:
        yield origin


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, origin: str) -> Iterator[NginxSite]:
    with running_site(tmp_path_factory.mktemp("uppy") / "data", "alice", TRANSFER_CORS_ORIGINS=origin) as site:
        yield site


@pytest.fixture(scope="module")
def page(origin: str) -> Iterator[Page]:
    """A tab with Uppy in it."""
    with browser() as page:
        page.open(f"{origin}/index.html")
        yield page


def test_a_file_arrives_from_another_origin_through_a_cut(page: Page, way: Way) -> None:
    before, name = way.files(), f"写真 {uuid.uuid4()}.png"
    with FaultProxy(way.port, CUTS) as proxy:
        order = {"endpoint": f"http://127.0.0.1:{proxy.port}/api/uploads", "headers": way.authorization}
        told = page.evaluate(f"send({json.dumps({**order, 'name': name, 'size': SIZE})})")
        assert (told["successful"], told["failed"]) == (1, [])
    assert (len(proxy.faults_done) >= 1, ["HEAD", 200] in told["statuses"]) == (True, True)
    assert (way.digest(told["fileId"]), unquote(told["fileName"])) == (told["digest"], name)
    assert (way.files() - before, way.unfinished()) == ({told["fileId"]}, [])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files, two of them the same but for their place; and an empty folder, of which browsers tell nothing."""
    folder = tmp_path / f"дні {uuid.uuid4().hex[:8]}"
    for name in ("a.jpg", "day 1/a.jpg", "day 1/deep/ü & b.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"the same")
    (folder / "empty").mkdir()
    return folder


def below(way: Way, top: str) -> dict[str, bytes]:
    """The files below a folder."""
    query: dict[str, str | int] = {"prefix": f"{top}/", "limit": 1000}
    files = way.alice.get(f"{way.server.url}/api/files", params=query, timeout=30).json()["files"]
    return {each["filename"]: way.download(each["file_id"]) for each in files}


@pytest.mark.parametrize("kind", ["dropped", "chosen"])
def test_a_folder_arrives_with_all_its_paths(page: Page, way: Way, folder: Path, kind: str) -> None:
    single = folder.with_name(f"{folder.name}.txt")
    single.write_bytes(b"single")
    if kind == "dropped":
        page.drop(10, 10, folder, single)
    else:
        page.choose("input", folder)
    count = 4 if kind == "dropped" else 3
    wait_until(lambda: page.evaluate("arrivedFiles()") == count)
    options = {"endpoint": f"http://127.0.0.1:{way.port}/api/uploads", "headers": way.authorization}
    assert page.evaluate(f"sendArrived({json.dumps(options)})") == {"successful": count, "failed": []}
    names = ("a.jpg", "day 1/a.jpg", "day 1/deep/ü & b.txt")
    assert below(way, folder.name) == {f"{folder.name}/{name}": b"the same" for name in names}
    alone = way.alice.get(f"http://127.0.0.1:{way.port}/download/{quote(single.name)}", timeout=30)
    assert (alone.status_code == 200, b"single" in alone.content) == (kind == "dropped", kind == "dropped")
