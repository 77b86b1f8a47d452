"""Uppy in a real browser, on a page of another origin: what its user drops there arrives over a network that breaks."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.live import node
from tests.live.chromium import Page, browser
from tests.live.fault_proxy import Fault, FaultProxy
from tests.live.nginx import NginxSite, running_site
from tests.live.pages import serving
from tests.live.resumable import MIB, Way, way

__all__ = ["way"]

SIZE = 6 * MIB
CUTS = [Fault(reset_at=2 * MIB + 500_000, toward="server")] * 4
"""More than one, since a browser opens connections that it then does not use; each takes one with it."""

_SCRIPT = """
import { Uppy } from "@uppy/core";
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
    (folder / "index.html").write_text("<!doctype html><title>Uppy</title><script src='uppy.js'></script>")
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
