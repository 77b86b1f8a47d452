"""Requests for files and uploads."""

import base64
import uuid
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import urlencode, urlsplit

from benchmarks.scale_cases import BYTES, Case, Steps, again, case, deep_page, new_name, path_of, plain
from benchmarks.scale_client import Ask, Request, as_json
from benchmarks.scale_data import FOLDER, RANGES, REPLACED, SLOT_BYTES, Size
from transfer_service.wire.chunk_frames import LONG_FRAME, SHORT_FRAME

IN_ALL_NAMES = "a rare part of a name is looked for in all of them"
TUS = {"Tus-Resumable": "1.0.0"}


def stored(ask: Ask) -> tuple[str, str]:
    """Name and id of a new file."""
    file = ask(Request("POST", f"/api/files?{urlencode({'filename': new_name()})}", BYTES, expected=201)).json()
    return file["filename"], file["file_id"]


@case("uploadFile")
def _upload_file(_ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("POST", f"/api/files?{urlencode({'filename': new_name()})}", BYTES, expected=201)


@case("uploadFile", "with a key")
def _upload_with_key(_ask: Ask, _size: Size) -> Steps:
    while True:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        path = f"/api/files?{urlencode({'filename': new_name()})}"
        yield Request("POST", path, BYTES, expected=201, headers=key)


@case("uploadFile", "again with its key")
def _upload_again(ask: Ask, _size: Size) -> Steps:
    path = f"/api/files?{urlencode({'filename': new_name()})}"
    again = Request("POST", path, BYTES, expected=201, headers={"Idempotency-Key": str(uuid.uuid4())})
    ask(again)
    while True:
        yield again


@case("uploadFile", "overwrite")
def _overwrite_file(ask: Ask, _size: Size) -> Steps:
    query = urlencode({"filename": stored(ask)[0], "overwrite": "true"})
    while True:
        yield Request("POST", f"/api/files?{query}", BYTES, expected=201)


@case("putFile")
def _put_file(ask: Ask, _size: Size) -> Steps:
    path = path_of("api", "files", stored(ask)[0])
    while True:
        yield Request("PUT", path, BYTES)


@case("renameFile")
def _rename_file(ask: Ask, _size: Size) -> Steps:
    path = path_of("api", "files", stored(ask)[1])
    while True:
        yield Request("PATCH", path, **as_json({"filename": new_name()}))


@case("deleteFile")
def _delete_file(ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("DELETE", path_of("api", "files", stored(ask)[0]))


@case("deleteFile", "for good")
def _delete_for_good(ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("DELETE", f"{path_of('api', 'files', stored(ask)[0])}?permanent=true")


plain("listTrash", "GET", "/api/trash?limit=50")
case("listTrash", "cursor")(deep_page("/api/trash"))
case("listTrash", "of one name, cursor")(deep_page("/api/trash", {"filename": REPLACED}))


def deleted(ask: Ask) -> str:
    """The id of a new file that is in the trash by now."""
    name, file_id = stored(ask)
    ask(Request("DELETE", path_of("api", "files", name)))
    return file_id


@case("restoreFile")
def _restore_file(ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("POST", f"/api/trash/{deleted(ask)}/restore")


@case("removeFromTrash")
def _remove_from_trash(ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("DELETE", f"/api/trash/{deleted(ask)}", expected=204)


for _operation, _method, _parts in (
    ("getFile", "GET", ("api", "files", "{id}")),
    ("getProgress", "GET", ("api", "files", "status", "{name}")),
    ("getReceivedRanges", "GET", ("status", "{name}")),
    ("downloadById", "GET", ("api", "files", "{id}", "download")),
    ("probeById", "HEAD", ("api", "files", "{id}", "download")),
    ("signFile", "POST", ("api", "files", "{id}", "url")),
    ("downloadByName", "GET", ("api", "files", "download", "{name}")),
    ("probeByName", "HEAD", ("api", "files", "download", "{name}")),
    ("downloadByNameOrId", "GET", ("download", "{id}")),
    ("probeByNameOrId", "HEAD", ("download", "{name}")),
):

    @case(_operation)
    def _read_file(ask: Ask, _size: Size, method: str = _method, parts: tuple[str, ...] = _parts) -> Steps:
        name, file_id = stored(ask)
        path = path_of(*(part.format(name=name, id=file_id) for part in parts))
        while True:
            yield Request(method, path)


for _operation, _method in (("showPreview", "GET"), ("probePreview", "HEAD")):

    @case(_operation, "of what has none")
    def _show_preview(ask: Ask, _size: Size, method: str = _method) -> Steps:
        _, file_id = stored(ask)
        while True:
            yield Request(method, f"/api/files/{file_id}/thumbnail?size=160", expected=404)


@case("uploadChunk")
def _upload_chunk(_ask: Ask, _size: Size) -> Steps:
    for number in count():
        query = urlencode({"filename": "chunks.bin", "total_size": str(1 << 40)})
        yield Request("POST", f"/api/files/upload?{query}", LONG_FRAME.format(number * len(BYTES), BYTES))


@case("uploadChunk", "amid many ranges")
def _upload_amid_ranges(_ask: Ask, size: Size) -> Steps:
    for number in count(1):
        start = size.ranges // 2 * SLOT_BYTES + number * len(BYTES)
        path = f"/api/files/upload?{urlencode({'filename': RANGES})}"
        yield Request("POST", path, LONG_FRAME.format(start, BYTES))


@case("uploadChunkWithContentRange")
def _upload_chunk_with_content_range(_ask: Ask, _size: Size) -> Steps:
    for number in count():
        start = number * len(BYTES)
        headers = {"Content-Range": f"bytes {start}-{start + len(BYTES) - 1}/{1 << 31}"}
        yield Request("POST", "/upload/windows.bin", SHORT_FRAME.format(start, BYTES), headers=headers)


def listing_cases(description: dict[str, Any]) -> Iterator[Case]:
    """Every order of the list of files, with every filter, and places far behind its beginning.

    Raises RuntimeError for a parameter that is new.
    """
    listed = description["paths"]["/api/files"]["get"]["parameters"]
    parameters = {each["name"]: each for each in listed if "name" in each}
    if unknown := parameters.keys() - {"limit", "sort", "order", "status", "search", "prefix", "folder"}:
        raise RuntimeError(f"Not measured: GET /api/files with {', '.join(unknown)}")
    orders = [
        (sort, order)
        for sort in parameters["sort"]["schema"]["enum"]
        for order in parameters["order"]["schema"]["enum"]
    ]
    filters = [{"status": status} for status in parameters["status"]["schema"]["enum"]]
    filters += [{"folder": path} for path in ("", FOLDER)]
    filters += [{name: words} for name in ("search", "prefix") for words in ("file", "needle", "nowhere")]
    for chosen in ({}, *filters):
        for sort, order in orders:
            query = {"sort": sort, "order": order, **chosen}
            title = " ".join(f"{name}={value}" for name, value in query.items())
            page = again(Request("GET", f"/api/files?{urlencode({**query, 'limit': '50'})}"))
            reads_all = IN_ALL_NAMES if chosen.get("search") in {"needle", "nowhere"} else None
            yield Case("listFiles", f"listFiles {title}", page, reads_all)
            if chosen in ({}, {"folder": ""}):
                yield Case("listFiles", f"listFiles {title} cursor", deep_page("/api/files", query))


@case("createFolder")
def _create_folder(_ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("POST", "/api/folders", expected=201, **as_json({"path": new_name()}))


def _made(ask: Ask) -> str:
    path: str = ask(Request("POST", "/api/folders", expected=201, **as_json({"path": new_name()}))).json()["path"]
    return path


@case("getFolder")
def _get_folder(ask: Ask, _size: Size) -> Steps:
    path = path_of("api", "folders", _made(ask))
    while True:
        yield Request("GET", path)


@case("moveFolder")
def _move_folder(ask: Ask, _size: Size) -> Steps:
    path = _made(ask)
    while True:
        new_path = new_name()
        yield Request("PATCH", path_of("api", "folders", path), **as_json({"path": new_path}))
        path = new_path


@case("deleteFolder")
def _delete_folder(ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("DELETE", path_of("api", "folders", _made(ask)), expected=204)


@case("uploadFile", "into a folder")
def _upload_into_folder(_ask: Ask, _size: Size) -> Steps:
    while True:
        query = urlencode({"filename": f"{FOLDER}/{new_name()}"})
        yield Request("POST", f"/api/files?{query}", BYTES, expected=201)


plain("listUploads", "GET", "/api/uploads?limit=50")
case("listUploads", "cursor")(deep_page("/api/uploads"))
plain("uploadAbilities", "OPTIONS", "/api/uploads", headers=TUS, expected=204)
plain("oneUploadsAbilities", "OPTIONS", f"/api/uploads/{uuid.UUID(int=1)}", headers=TUS, expected=204)


def beginning(length: int, body: bytes = b"", *, at: str = "/api/uploads", **headers: str) -> Request:
    """The request that begins an upload by tus."""
    name = base64.b64encode(new_name().encode()).decode()
    fields = {**TUS, "Upload-Length": str(length), "Upload-Metadata": f"filename {name}", **headers}
    if body:
        fields["Content-Type"] = "application/offset+octet-stream"
    return Request("POST", at, body, expected=201, headers=fields)


def begun(ask: Ask, length: int) -> str:
    """The path of a new upload."""
    return urlsplit(ask(beginning(length)).headers["location"]).path


@case("beginUpload")
def _begin_upload(_ask: Ask, _size: Size) -> Steps:
    while True:
        yield beginning(1000)


@case("beginUpload", "with all bytes")
def _begin_whole_upload(_ask: Ask, _size: Size) -> Steps:
    while True:
        yield beginning(len(BYTES), BYTES)


@case("beginUpload", "Upload-Concat")
def _begin_final_upload(ask: Ask, _size: Size) -> Steps:
    while True:
        part = urlsplit(ask(beginning(len(BYTES), BYTES, **{"Upload-Concat": "partial"})).headers["location"]).path
        yield Request("POST", "/api/uploads", expected=201, headers={**TUS, "Upload-Concat": f"final;{part}"})


@case("showUpload")
def _show_upload(ask: Ask, _size: Size) -> Steps:
    path = begun(ask, 1000)
    while True:
        yield Request("GET", path)


@case("probeUpload")
def _probe_upload(ask: Ask, _size: Size) -> Steps:
    path = begun(ask, 1000)
    while True:
        yield Request("HEAD", path, headers=TUS)


def appending(path: str, number: int) -> Request:
    """The append to an upload that so many have come before."""
    headers = {**TUS, "Upload-Offset": str(number * len(BYTES)), "Content-Type": "application/offset+octet-stream"}
    return Request("PATCH", path, BYTES, expected=204, headers=headers)


@case("appendToUpload")
def _append_to_upload(ask: Ask, _size: Size) -> Steps:
    path = begun(ask, 1 << 30)
    for number in count():
        yield appending(path, number)


@case("cancelUpload")
def _cancel_upload(ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("DELETE", begun(ask, 1000), expected=204, headers=TUS)
