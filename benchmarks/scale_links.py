"""Requests about links, and by links."""

from itertools import count
from typing import Any
from urllib.parse import urlsplit

from benchmarks.scale_cases import BYTES, Steps, case, deep_page, new_name, path_of, plain
from benchmarks.scale_client import Ask, Request, as_json
from benchmarks.scale_data import Size
from benchmarks.scale_files import TUS, appending, beginning, stored

plain("listLinks", "GET", "/api/links?limit=50")
case("listLinks", "cursor")(deep_page("/api/links"))
LINK_PASSWORD = as_json({"password": "open sesame"})


def shared(ask: Ask, **fields: Any) -> tuple[str, str, str]:
    """The id of a new link, its path, and the id of its file."""
    _, file_id = stored(ask)
    link = ask(Request("POST", "/api/links", expected=201, **as_json({"file_ids": [file_id], **fields}))).json()
    return link["id"], urlsplit(link["url"]).path, file_id


def _folder_with_a_file(ask: Ask) -> str:
    folder = new_name()
    ask(Request("PUT", path_of("api", "files", folder, "a.bin"), BYTES, expected=201))
    return folder


@case("createLink")
def _create_link(ask: Ask, _size: Size) -> Steps:
    body = as_json({"file_ids": [stored(ask)[1]]})
    while True:
        yield Request("POST", "/api/links", expected=201, **body)


@case("createLink", "of a folder")
def _create_link_of_folder(ask: Ask, _size: Size) -> Steps:
    body = as_json({"folders": [_folder_with_a_file(ask)]})
    while True:
        yield Request("POST", "/api/links", expected=201, **body)


@case("showLink")
def _show_link(ask: Ask, _size: Size) -> Steps:
    link_id, _, _ = shared(ask)
    while True:
        yield Request("GET", f"/api/links/{link_id}")


@case("revokeLink")
def _revoke_link(ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("DELETE", f"/api/links/{shared(ask)[0]}", expected=204)


@case("openLink")
def _open_link(ask: Ask, _size: Size) -> Steps:
    _, path, _ = shared(ask)
    while True:
        yield Request("GET", path)


@case("unlockLink")
def _unlock_link(ask: Ask, _size: Size) -> Steps:
    _, path, _ = shared(ask, password="open sesame")
    while True:
        yield Request("POST", f"{path}/unlock", expected=204, **LINK_PASSWORD)


def guests(ask: Ask, **fields: Any) -> str:
    """The path of the uploads of a new upload link."""
    link = ask(Request("POST", "/api/links", expected=201, **as_json({"upload": True, **fields}))).json()
    return f"{urlsplit(link['url']).path}/uploads"


def begun_by_guest(ask: Ask) -> str:
    """The path of a new upload by a new link."""
    return urlsplit(ask(beginning(1000, at=guests(ask))).headers["location"]).path


plain("linkUploadAbilities", "OPTIONS", "/s/unknown/uploads", headers=TUS, expected=204)
plain("oneLinkUploadsAbilities", "OPTIONS", "/s/unknown/uploads/unknown", headers=TUS, expected=204)


@case("beginLinkUpload")
def _begin_link_upload(ask: Ask, _size: Size) -> Steps:
    path = guests(ask, max_files=1_000_000, max_bytes=10**12)
    while True:
        yield beginning(1000, at=path)


@case("beginLinkUpload", "with all bytes")
def _begin_whole_link_upload(ask: Ask, _size: Size) -> Steps:
    path = guests(ask, folder=new_name())
    while True:
        yield beginning(len(BYTES), BYTES, at=path)


@case("beginLinkUpload", "Upload-Concat")
def _begin_final_link_upload(ask: Ask, _size: Size) -> Steps:
    path = guests(ask)
    while True:
        partial = beginning(len(BYTES), BYTES, at=path, **{"Upload-Concat": "partial"})
        part = urlsplit(ask(partial).headers["location"]).path
        yield Request("POST", path, expected=201, headers={**TUS, "Upload-Concat": f"final;{part}"})


@case("showLinkUpload")
def _show_link_upload(ask: Ask, _size: Size) -> Steps:
    path = begun_by_guest(ask)
    while True:
        yield Request("GET", path)


@case("probeLinkUpload")
def _probe_link_upload(ask: Ask, _size: Size) -> Steps:
    path = begun_by_guest(ask)
    while True:
        yield Request("HEAD", path, headers=TUS)


@case("appendToLinkUpload")
def _append_to_link_upload(ask: Ask, _size: Size) -> Steps:
    path = urlsplit(ask(beginning(1 << 30, at=guests(ask))).headers["location"]).path
    for number in count():
        yield appending(path, number)


@case("cancelLinkUpload")
def _cancel_link_upload(ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("DELETE", begun_by_guest(ask), expected=204, headers=TUS)


@case("downloadShared")
def _download_shared(ask: Ask, _size: Size) -> Steps:
    _, path, file_id = shared(ask)
    while True:
        yield Request("GET", f"{path}/files/{file_id}")


@case("downloadShared", "with a limit")
def _download_limited(ask: Ask, _size: Size) -> Steps:
    _, path, file_id = shared(ask, max_downloads=1_000_000)
    while True:
        yield Request("GET", f"{path}/files/{file_id}")


@case("showSharedPreview", "where there is none")
def _show_shared_preview(ask: Ask, _size: Size) -> Steps:
    _, path, file_id = shared(ask)
    while True:
        yield Request("GET", f"{path}/files/{file_id}/thumbnail?size=160", expected=404)


@case("downloadAllShared")
def _download_all_shared(ask: Ask, _size: Size) -> Steps:
    _, path, _ = shared(ask)
    while True:
        yield Request("GET", f"{path}/zip")
