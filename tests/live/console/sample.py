"""An installation that looks lived in: what pages show when they are tested as a whole, and in the pictures of docs."""

import base64
import io
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import av
import requests
from PIL import Image, ImageDraw

from tests.conftest import PASSWORD
from tests.games import complete_archive, make_zip
from tests.live.server import LiveServer
from tests.previewer.samples import encoded
from transfer_service.models.games import Game, GameData

MEBIBYTE = 1024 * 1024
PLAYED = {
    "index.html": b"<!doctype html><html lang=en><title>Lighthouse</title><link rel=stylesheet href=look.css>"
    b"<h1>Lighthouse</h1><p>Press any key to light the lamp.</p>",
    "look.css": b"body { background: #0b2530; color: #ffd58a; font: 20px sans-serif; text-align: center }",
}
NOTES = """# Harbour crane

- [x] survey the quay
- [x] order the cable
- [ ] book the diver for the 14th

The film of the old crane is in *Harbour project*.
"""
SAID = (
    "The diver is booked for the 14th.",
    "Morning! Did the drone make it over the quay?",
    "It did. Wind was fine until ten.",
)
GAMES = (
    ("Lighthouse", "Browser", "Northlight", date(2019, 4, 2), "Guide ships home through a storm."),
    ("Paper Gliders", "Browser", "Foldworks", date(2021, 9, 17), "Fly as far as a sheet of paper can."),
    ("Tide Pools", "Browser", "Salt & Sons", date(2016, 6, 30), "A quiet puzzle between two tides."),
    ("Signal Box", "Windows", "Branch Line", date(2012, 11, 8), "Keep forty trains from meeting."),
)


@dataclass
class Furnished:
    """Ids of what was made, where tests ask for them."""

    conversation: str
    group: str
    game: uuid.UUID
    link: str
    upload_link: str


def scene(seed: int, width: int = 1600, height: int = 1067) -> Image.Image:
    """A made-up landscape: sky, sun and hills in the colours of a time of day."""
    skies = [((250, 196, 140), (92, 124, 168)), ((180, 214, 236), (238, 244, 240)), ((38, 52, 92), (224, 132, 110))]
    low, high = skies[seed % len(skies)]
    column = Image.new("RGB", (1, height))
    for y in range(height):
        part = y / height
        column.putpixel((0, y), tuple(round(b + (a - b) * part) for a, b in zip(low, high, strict=True)))
    picture = column.resize((width, height))
    pen = ImageDraw.Draw(picture)
    sun = (width * (2 + seed * 3 % 7) // 10, height * 42 // 100)
    pen.ellipse((sun[0] - 70, sun[1] - 70, sun[0] + 70, sun[1] + 70), fill=(255, 236, 190))
    for layer in range(3):
        shade = tuple(round(c * (0.72 - 0.2 * layer)) for c in (58, 104 + 12 * (seed % 3), 112))
        top = height * (58 + 13 * layer) // 100
        hills = [(x, top + _wave(x, seed + layer, height)) for x in range(0, width + 40, 40)]
        pen.polygon([(0, height), *hills, (width, height)], fill=shade)
    return picture


def _wave(x: int, seed: int, height: int) -> int:
    bumps = ((x * (seed + 3) // 7) % 900, (x * (seed + 5) // 11) % 500)
    return sum(abs(bump - span) * height // 9000 for bump, span in zip(bumps, (450, 250), strict=True))


def photo(seed: int) -> bytes:
    """A picture, as large as those of a camera: behind its end stands nothing."""
    return encoded(scene(seed), "JPEG", quality=88) + bytes(2 * MEBIBYTE + seed * 412_345)


def document(title: str) -> bytes:
    """A PDF of one page."""
    text = f"BT /F1 24 Tf 72 720 Td ({title}) Tj ET".encode()
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(text), text), b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]  # fmt: skip
    whole, places = b"%PDF-1.4\n", []
    for number, part in enumerate(parts, 1):
        places.append(len(whole))
        whole += b"%d 0 obj%s endobj\n" % (number, part)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(parts) + 1, len(whole))
    return whole + b"xref\n0 %d\n0000000000 65535 f \n" % (len(parts) + 1) + table + end


def movie(size: int = 0) -> bytes:
    """A film of the sun going over the hills, two seconds long and of at least so many bytes."""
    target = io.BytesIO()
    with av.open(target, "w", format="webm") as writer:
        stream: Any = writer.add_stream("libvpx", rate=20)
        stream.width, stream.height, stream.pix_fmt, stream.options = 480, 320, "yuv420p", {"deadline": "realtime"}
        still = scene(2, 600, 320)
        for x in range(0, 120, 3):
            frame = av.VideoFrame.from_image(still.crop((x, 0, x + 480, 320)))  # type: ignore[no-untyped-call]
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode())
    left = max(size - len(target.getvalue()) - 9, 0)
    return target.getvalue() + b"\xec" + (left | 1 << 56).to_bytes(8) + bytes(left)  # of a void element


def furnish(server: LiveServer, *, owner: str = "alice", friend: str = "bob", admin: str = "root") -> Furnished:
    """Give three accounts all that the console can show. `TRANSFER_TRASH_DAYS` has to be set."""
    person = server.sign_in(owner)
    _files(server, person)
    links = _links(server, person)
    conversation, group = _chat(server, person, server.sign_in(friend), friend)
    key = {"name": "Weather station", "scopes": ["upload"]}
    _ask(server, person, "POST", "/auth/keys", json=key)
    boss = server.sign_in(admin)
    hook = {"url": "https://hooks.example.com/files", "events": ["file.completed"]}
    _ask(server, boss, "POST", "/api/webhooks", json=hook)
    return Furnished(conversation, group, _games(server), *links)


def _ask(server: LiveServer, session: requests.Session, method: str, path: str, **how: Any) -> Any:
    answer = session.request(method, f"{server.url}{path}", timeout=60, **how)
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


def _files(server: LiveServer, person: requests.Session) -> None:
    for folder in ("Berlin trip", "Contracts/2026", "Harbour project", "Recordings"):
        _ask(server, person, "POST", "/api/folders", json={"path": folder})
    contents: Mapping[str, bytes] = {
        "Berlin trip/spree-evening.jpg": photo(0),
        "Contracts/2026/Lease.pdf": document("Lease"),
        "Harbour project/Old crane.webm": movie(3 * MEBIBYTE),
        "Quarterly report.pdf": document("Quarterly report"),
        "crane-north-side.jpg": photo(1),
        "sensor-042.csv": b"time,celsius\n"
        + b"".join(b"2026-11-%02d,%d.5\n" % (day, 4 + day % 6) for day in range(1, 29)),
        "Notes.md": NOTES.encode(),
        "harbour-at-dawn.jpg": photo(2),
        "Crane lift.webm": movie(8 * MEBIBYTE),
        "Site plan.dwg": os.urandom(2 * MEBIBYTE),
        "old draft.txt": b"not needed any more\n",
    }
    for name, content in contents.items():
        server.store(person, name, content)
    _ask(server, person, "DELETE", "/api/files/old%20draft.txt")
    name = base64.b64encode(b"Drone survey.mov").decode()
    started = {"Tus-Resumable": "1.0.0", "Upload-Length": str(40 * MEBIBYTE), "Upload-Metadata": f"filename {name}"}
    answer = person.post(f"{server.url}/api/uploads", headers=started, timeout=30)
    part = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert person.patch(answer.headers["Location"], headers=part, data=bytes(13 * MEBIBYTE), timeout=60).ok


def _links(server: LiveServer, person: requests.Session) -> tuple[str, str]:
    listed = _ask(server, person, "GET", "/api/files?limit=100")["files"]
    ids = {each["filename"]: each["file_id"] for each in listed}
    body: dict[str, Any] = {"file_ids": [ids["Crane lift.webm"], ids["harbour-at-dawn.jpg"]], "name": "Film and photo"}
    first = _ask(server, person, "POST", "/api/links", json=body)
    body = {"folders": ["Contracts"], "name": "Contracts for the notary", "password": PASSWORD, "max_downloads": 5}
    _ask(server, person, "POST", "/api/links", json=body)
    body = {"upload": True, "name": "Photos of the opening", "folder": "Berlin trip", "max_bytes": 2000 * MEBIBYTE}
    return first["url"], _ask(server, person, "POST", "/api/links", json=body)["url"]


def _chat(server: LiveServer, person: requests.Session, other: requests.Session, friend: str) -> tuple[str, str]:
    single = _ask(server, person, "POST", "/conversations/create", json={"email": friend})["conversation_id"]
    body = {"group_name": "Harbour project", "participants": [friend]}
    group = _ask(server, person, "POST", "/conversations/create/group", json=body)["conversation_id"]
    for session, conversation, text in zip((other, person, other), (group, single, single), SAID, strict=True):
        _ask(server, session, "POST", "/messages", json={"conversation_id": conversation, "content": text})
    form = {"conversation_id": single, "content": "Look at this light"}
    picture = {"file": ("quay.jpg", photo(0), "image/jpeg")}
    _ask(server, other, "POST", "/messages/upload", data=form, files=picture)
    body = {"conversation_id": single, "content": f"Lovely. I put the film in Files, {friend}."}
    message = _ask(server, person, "POST", "/messages", json=body)["message"]
    _ask(server, person, "PATCH", f"/messages/{message['_id']}", json={"pinned": True})
    return single, group


def _games(server: LiveServer) -> uuid.UUID:
    ids = []
    with server.services() as services:
        with services.database.write() as rows:
            for number, (title, platform, studio, released, text) in enumerate(GAMES, 1):
                ids.append(uuid.uuid4())
                rows.add(
                    Game(
                        id=ids[-1], title=title, platform=platform, developer=studio, description=text,
                        release_date=released.isoformat(), launch_command="index.html",
                    )
                )  # fmt: skip
                rows.flush()
                added = datetime(2026, 10, number, 12, tzinfo=UTC)
                size = 12 * MEBIBYTE + number
                rows.add(GameData(id=number, game_id=ids[-1], title=title, added_at=added, sha256="0" * 64, size=size))
        complete_archive(services, server.data_dir, 1, make_zip(PLAYED))
    return ids[0]
