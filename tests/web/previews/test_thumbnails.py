"""`…/thumbnail?size=` over HTTP: who may see it, how it is kept, and what there is while it is being made."""

import io
import uuid
from collections.abc import Callable, Iterator
from http import HTTPStatus

import pytest
from flask import Flask
from PIL import Image

from tests.conftest import Device
from tests.previewer.samples import film, picture
from tests.previewer.working import working
from tests.web.chat.bench import Chat
from tests.web.conftest import MakeApp, SignIn, signed_in
from transfer_service.bootstrap import Services
from transfer_service.services.previews.maker import Maker
from transfer_service.web.context import EXTENSION

UNCHANGING = "private, max-age=31536000, immutable"
FACTS = ("width", "height", "duration", "blurhash")
Work = Callable[[], object]


@pytest.fixture(scope="module")
def maker() -> Iterator[Maker]:
    maker = Maker()
    yield maker
    maker.stop()


@pytest.fixture(scope="module")
def worked(shared_app: Flask, maker: Maker) -> Iterator[Flask]:
    """An app beside which a worker works."""
    services: Services = shared_app.extensions[EXTENSION]
    with working(services.core, maker):
        yield shared_app


@pytest.fixture
def alice(worked: Flask) -> Device:
    return signed_in(worked, "alice")


@pytest.fixture(scope="module")
def chat(worked: Flask) -> Chat:
    return Chat(worked)


def sent(device: Device, data: bytes) -> str:
    """The address of the preview of a new file, without a size."""
    return f"/api/files/{device.store(data, f'{uuid.uuid4()}.jpg')['file_id']}/thumbnail"


@pytest.mark.parametrize(("size", "shown"), [(160, (160, 120)), (480, (480, 360)), (1280, (1280, 960))])
def test_a_picture_is_shown_at_once_in_each_size(alice: Device, size: int, shown: tuple[int, int]) -> None:
    answer = alice.get(f"{sent(alice, picture('JPEG', 2000, 1500))}?size={size}")
    assert (answer.status_code, answer.mimetype, answer.headers["Cache-Control"]) == (200, "image/webp", UNCHANGING)
    assert Image.open(io.BytesIO(answer.data)).size == shown
    assert answer.headers["Content-Disposition"].startswith("inline; filename=")
    assert answer.headers["Content-Disposition"].endswith('.webp"')


def test_conditions_and_ranges_are_those_of_all_downloads(alice: Device) -> None:
    address = f"{sent(alice, picture())}?size=480"
    whole = alice.get(address)
    tag = whole.headers["ETag"]
    assert alice.get(address, headers={"If-None-Match": tag}).status_code == HTTPStatus.NOT_MODIFIED
    assert alice.get(address, headers={"If-Match": '"other"'}).status_code == HTTPStatus.PRECONDITION_FAILED
    part = alice.get(address, headers={"Range": "bytes=4-9", "If-Range": tag})
    assert (part.status_code, part.data) == (206, whole.data[4:10])
    several = alice.get(address, headers={"Range": "bytes=0-1,4-5"})
    assert whole.data[4:6] in several.data
    head = alice.request("HEAD", address)
    assert (head.headers["ETag"], head.headers["Content-Length"], head.data) == (tag, str(len(whole.data)), b"")
    assert alice.get(address.replace("480", "160")).headers["ETag"] != tag


@pytest.mark.parametrize("query", ["", "?size=", "?size=161", "?size=0160", "?size=-160", "?size=160.0", "?size=big"])
def test_another_size_is_refused(alice: Device, query: str) -> None:
    answer = alice.get(sent(alice, picture()) + query)
    assert (answer.status_code, answer.get_json()) == (400, {"detail": "size must be one of 160, 480, 1280"})


def test_a_file_is_what_its_first_bytes_say(alice: Device) -> None:
    assert alice.get(f"{sent(alice, b'no picture')}?size=160").status_code == HTTPStatus.NOT_FOUND
    assert alice.get(f"{sent(alice, picture()[:300])}?size=160").status_code == HTTPStatus.NOT_FOUND
    assert alice.get(f"{sent(alice, b'<svg/>')}?size=160").get_json() == {"detail": "There is no preview of this file"}


def test_an_unfinished_file_has_none(alice: Device) -> None:
    file_id = alice.send_range("part.jpg", 0, picture()[:100], 5000).get_json()
    unfinished = alice.status("part.jpg")["file_id"]
    assert file_id is not None
    assert alice.get(f"/api/files/{unfinished}/thumbnail?size=160").status_code == HTTPStatus.NOT_FOUND


def test_it_is_seen_by_who_may_read_the_file(worked: Flask, alice: Device) -> None:
    address = f"{sent(alice, picture())}?size=160"
    nobody = Device(worked.test_client(use_cookies=False), {})
    assert [each.get(address).status_code for each in (alice, signed_in(worked, "bob"), nobody)] == [200, 404, 401]


def test_a_file_tells_what_is_seen_in_it(alice: Device) -> None:
    address = sent(alice, film())
    before = alice.get(address.removesuffix("/thumbnail")).get_json()
    assert set(FACTS) < before.keys()
    alice.get(f"{address}?size=160")
    facts = alice.get(address.removesuffix("/thumbnail")).get_json()
    assert (facts["width"], facts["height"], round(facts["duration"], 1)) == (320, 200, 2.4)
    assert isinstance(facts["blurhash"], str)


def test_an_attachment_is_shown_to_who_takes_part(chat: Chat) -> None:
    group = chat.group("bob")
    message = chat.send(group, picture(), b"a.jpg")
    address = f"/uploads/chats/{message['_id']}/thumbnail?size=160"
    answers = [chat[name].get(address) for name in ("alice", "bob", "root")]
    assert [answer.status_code for answer in answers] == [200, 200, 403]
    assert answers[1].headers["Cache-Control"] == UNCHANGING
    chat["alice"].delete(f"/messages/{message['_id']}")
    assert chat["bob"].get(address).status_code == HTTPStatus.NOT_FOUND


def test_who_is_too_early_is_asked_to_come_again(make_app: MakeApp, sign_in: SignIn, maker: Maker) -> None:
    app = make_app()
    services: Services = app.extensions[EXTENSION]
    services.previews.wait_seconds = 0.1
    device = sign_in(app, "alice")
    address = f"{sent(device, picture())}?size=160"
    answer = device.get(address)
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
    with working(services.core, maker):
        services.previews.wait_seconds = 10
        assert device.get(address).status_code == HTTPStatus.OK


def test_without_them_there_is_none(make_app: MakeApp, sign_in: SignIn) -> None:
    device = sign_in(make_app(previews=False), "alice")
    address = sent(device, picture())
    assert device.get(f"{address}?size=160").status_code == HTTPStatus.NOT_FOUND
    assert [device.get(address.removesuffix("/thumbnail")).get_json()[name] for name in FACTS] == [None] * 4


def test_files_from_before_there_were_any_are_looked_at_when_they_are_asked_for(
    make_app: MakeApp, sign_in: SignIn, maker: Maker
) -> None:
    address = sent(sign_in(make_app(previews=False), "alice"), picture())
    app = make_app(joins=True)
    services: Services = app.extensions[EXTENSION]
    with working(services.core, maker):
        assert sign_in(app, "alice").get(f"{address}?size=160").status_code == HTTPStatus.OK


def test_one_whose_bytes_are_lost_is_made_again(worked: Flask, alice: Device) -> None:
    address = f"{sent(alice, picture())}?size=160"
    first = alice.get(address)
    services: Services = worked.extensions[EXTENSION]
    services.core.previews.delete(uuid.UUID(address.split("/")[3]))
    assert alice.get(address).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert alice.get(address).data == first.data


def test_a_message_has_the_address_from_the_first_and_the_facts_later(chat: Chat) -> None:
    group = chat.group("bob")
    sent_at_once = chat.send(group, picture("JPEG", 2000, 1500), b"a.bin")["media"]
    assert chat.send(group, b"no picture", b"a.jpg")["media"]["thumbnail_url"] is None
    address = sent_at_once["thumbnail_url"]
    assert ([sent_at_once[name] for name in FACTS], address[-19:]) == ([None] * 4, "/thumbnail?size=480")
    assert Image.open(io.BytesIO(chat["bob"].get(address).data)).size == (480, 360)
    media = chat.history(group)[1]["media"]
    assert ([media[name] for name in FACTS[:3]], media["thumbnail_url"]) == ([2000, 1500, None], address)
    assert len(media["blurhash"]) > 6


def test_what_cannot_be_read_has_no_address_in_the_end(chat: Chat) -> None:
    group = chat.group("bob")
    address = chat.send(group, picture()[:400], b"a.jpg")["media"]["thumbnail_url"]
    assert chat["bob"].get(address).status_code == HTTPStatus.NOT_FOUND
    assert chat.history(group)[0]["media"]["thumbnail_url"] is None
