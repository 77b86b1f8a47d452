"""Debian's Firefox as Playwright wants it: run as a program, it starts Firefox and stands between the two.

Playwright speaks WebDriver BiDi with a Firefox that is newer than Debian's, which does not know every command. What it
does not know is answered here, as if it had been done; all else passes.
"""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web
from playwright.sync_api import Browser, Playwright

from tests.missing import missing

PROGRAM = "/usr/bin/firefox-esr"
REPOSITORY = Path(__file__).parents[3]
LISTENING = re.compile(rb"WebDriver BiDi listening on (ws://\S+)")
UNKNOWN = {"emulation.setMediaFeaturesOverride"}
"""Commands that Firefox 153 does not know: colours and motion are what the machine asks for."""


@contextmanager
def firefox(playwright: Playwright, folder: Path, *, timeout: float) -> Iterator[Browser]:
    """A running Firefox; `folder` is for the program that starts it, which has so many milliseconds."""
    if shutil.which(PROGRAM) is None:
        missing("firefox-esr is not installed")
    program = folder / "firefox"
    program.write_text(f'#!/bin/sh\ncd {str(REPOSITORY)!r}\nexec {sys.executable!r} -m {__name__} "$@"\n')
    program.chmod(0o755)
    browser = playwright.firefox.launch(executable_path=program, channel="moz-firefox", timeout=timeout)
    try:
        yield browser
    finally:
        browser.close()


async def _run(arguments: list[str]) -> int:
    """Start Firefox, tell our address in place of its own, and end with it."""
    browser = await asyncio.create_subprocess_exec(PROGRAM, *arguments, stderr=asyncio.subprocess.PIPE)
    assert browser.stderr is not None
    runner = None
    async for line in browser.stderr:
        if found := LISTENING.search(line):
            runner, address = await _listen(found[1].decode())
            line = f"WebDriver BiDi listening on {address}\n".encode()
        sys.stderr.buffer.write(line)
        sys.stderr.flush()
    if runner is not None:
        await runner.cleanup()
    return await browser.wait()


async def _listen(target: str) -> tuple[web.AppRunner, str]:
    async def serve(request: web.Request) -> web.WebSocketResponse:
        client = web.WebSocketResponse(max_msg_size=0)
        await client.prepare(request)
        async with ClientSession() as session, session.ws_connect(target + request.path, max_msg_size=0) as server:
            back = asyncio.create_task(_answer(server, client))
            async for message in client:
                if message.type is WSMsgType.TEXT:
                    await _ask(message.data, server, client)
            back.cancel()
        return client

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"ws://127.0.0.1:{runner.addresses[0][1]}"


async def _ask(text: str, server: ClientWebSocketResponse, client: web.WebSocketResponse) -> None:
    command = json.loads(text)
    if command["method"] in UNKNOWN:
        await client.send_str(json.dumps({"type": "success", "id": command["id"], "result": {}}))
    else:
        await server.send_str(text)


async def _answer(server: ClientWebSocketResponse, client: web.WebSocketResponse) -> None:
    async for message in server:
        if message.type is WSMsgType.TEXT:
            await client.send_str(message.data)
    await client.close()


if __name__ == "__main__":
    os._exit(asyncio.run(_run(sys.argv[1:])))
