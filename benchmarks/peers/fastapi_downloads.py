"""Downloads the way they are usually written with FastAPI, without accounts: the files of `PEER_DATA_DIR`."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiofiles
from fastapi import FastAPI
from fastapi.responses import FileResponse, StreamingResponse

DATA_DIR = Path(os.environ["PEER_DATA_DIR"])
BLOCK_BYTES = 8 * 1024

app = FastAPI()


@app.get("/files/{name}")
async def send(name: str) -> FileResponse:
    """A file, also in ranges."""
    return FileResponse(DATA_DIR / name)


@app.get("/streamed/{name}")
async def stream(name: str) -> StreamingResponse:
    """A file by a generator, always whole. To its advantage it says the length, so nothing is sent in chunks."""
    path = DATA_DIR / name
    return StreamingResponse(
        _blocks(path), media_type="application/octet-stream", headers={"Content-Length": str(path.stat().st_size)}
    )


async def _blocks(path: Path) -> AsyncIterator[bytes]:
    async with aiofiles.open(path, "rb") as file:
        while block := await file.read(BLOCK_BYTES):
            yield block
