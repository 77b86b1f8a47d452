"""A reference service for 17-byte chunks, the way such services are usually written.

FastAPI on uvicorn, aiofiles, one file a chunk, the builtin `sum` for the checksum, put together when the last is there;
whole files by `request.stream()` or `UploadFile`. To its advantage it has no accounts, keeps its facts in memory and
flushes nothing. It stores under `PEER_DATA_DIR`.
"""

import hashlib
import os
import struct
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiofiles
import aiofiles.os
from fastapi import FastAPI, HTTPException, Request
from starlette.datastructures import UploadFile

HEADER = struct.Struct(">QQB")
COPY_BYTES = 1024 * 1024
DATA_DIR = Path(os.environ["PEER_DATA_DIR"])

app = FastAPI()


@dataclass
class Upload:
    """What is known about one file. `stops` maps the start of each chunk to its end."""

    name: str
    file_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    total: int | None = None
    stops: dict[int, int] = field(default_factory=dict)
    received: int = 0
    next_expected: int = 0
    sha256: str | None = None

    @property
    def path(self) -> Path:
        """Where the finished file lies."""
        return DATA_DIR / self.file_id

    def part(self, start: int) -> Path:
        """Where the chunk that begins at `start` lies."""
        return DATA_DIR / f"{self.file_id}.{start}.part"

    def add(self, start: int, stop: int) -> bool:
        """Count a chunk, and tell whether it was the last one."""
        if start in self.stops:
            return False
        self.stops[start] = stop
        self.received += stop - start
        while self.next_expected in self.stops:
            self.next_expected = self.stops[self.next_expected]
        return self.received == self.total

    def to_json(self) -> dict[str, Any]:
        """The answer to a client."""
        return {
            "filename": self.name,
            "file_id": self.file_id,
            "status": "complete" if self.sha256 else "partial",
            "bytes_received": self.received,
            "total_bytes": self.total,
            "next_expected_byte": self.next_expected,
            "sha256": self.sha256,
        }


uploads: dict[str, Upload] = {}


@app.post("/api/files/upload")
async def upload_chunk(request: Request, filename: str, total_size: int | None = None) -> dict[str, Any]:
    """Take one chunk, raw or as the part `file` of a form."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        frame = await (await _file_part(request)).read()
    else:
        frame = await request.body()
    if len(frame) < HEADER.size:
        raise HTTPException(400, "Chunk data too small to contain valid header")
    start, end, checksum = HEADER.unpack_from(frame)
    data = frame[HEADER.size :]
    if end < start:
        raise HTTPException(400, "Invalid byte range (end_byte < start_byte)")
    if len(data) != end - start + 1:
        raise HTTPException(400, "Chunk length does not match its header")
    if sum(data) % 256 != checksum:
        raise HTTPException(400, "Checksum validation failed")
    upload = uploads.setdefault(filename, Upload(filename))
    upload.total = total_size if total_size is not None else upload.total
    async with aiofiles.open(upload.part(start), "wb") as file:
        await file.write(data)
    if upload.add(start, end + 1):
        await _assemble(upload)
    return upload.to_json()


async def _assemble(upload: Upload) -> None:
    digest = hashlib.sha256()
    async with aiofiles.open(upload.path, "wb") as whole:
        for start in sorted(upload.stops):
            async with aiofiles.open(upload.part(start), "rb") as part:
                data = await part.read()
            digest.update(data)
            await whole.write(data)
            await aiofiles.os.remove(upload.part(start))
    upload.sha256 = digest.hexdigest()


@app.post("/api/files", status_code=201)
async def upload_file(request: Request, filename: str) -> dict[str, Any]:
    """Take a whole file, raw or as the part `file` of a form."""
    upload = Upload(filename)
    digest = hashlib.sha256()
    async with aiofiles.open(upload.path, "wb") as whole:
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            part = await _file_part(request)
            while block := await part.read(COPY_BYTES):
                digest.update(block)
                await whole.write(block)
                upload.received += len(block)
        else:
            async for block in request.stream():
                digest.update(block)
                await whole.write(block)
                upload.received += len(block)
    upload.total = upload.next_expected = upload.received
    upload.sha256 = digest.hexdigest()
    uploads[filename] = upload
    return upload.to_json()


async def _file_part(request: Request) -> UploadFile:
    part = (await request.form()).get("file")
    if not isinstance(part, UploadFile):
        raise HTTPException(400, "Missing file part")
    return part


@app.get("/api/files/status/{name}")
async def status(name: str) -> dict[str, Any]:
    """How far a file got."""
    if name not in uploads:
        raise HTTPException(404, f"File {name} not found")
    return uploads[name].to_json()


@app.delete("/api/files/{name}")
async def delete_file(name: str) -> dict[str, str]:
    """Delete a finished file."""
    upload = uploads.pop(name, None)
    if upload is None:
        raise HTTPException(404, f"File {name} not found")
    await aiofiles.os.remove(upload.path)
    return {"detail": f"File {name} deleted successfully"}
