"""Attachments in a real browser: opened by themselves, as a person opens them in a tab of their own."""

import base64
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import requests

from tests.live.chromium import Page, browser
from tests.live.server import LiveServer, running

FILM = base64.b64decode("""
GkXfo59ChoEBQveBAULygQRC84EIQoKEd2VibUKHgQJChYECGFOAZwEAAAAAAALREU2bdLpNu4tTq4QVSalmU6yBoU27i1OrhBZUrmtTrIHYTbuMU6uE
ElTDZ1OsggEbTbuMU6uEHFO7a1OsggKp7AEAAAAAAABZAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAVSalmsirXsYMPQkBNgI1MYXZmNjIuMTIuMTAyV0GNTGF2ZjYyLjEyLjEwMkSJiECCwAAA
AAAAFlSua76uAQAAAAAAADXXgQFzxYhc+ZKjHpdfBZyBACK1nIN1bmSIgQCGhVZfVlA4g4EBI+ODhAX14QDghrCBILqBIBJUw2fYc3OgY8CAZ8iaRaOH
RU5DT0RFUkSHjUxhdmY2Mi4xMi4xMDJzc7JjwItjxYhc+ZKjHpdfBWfIoUWjiERVUkFUSU9ORIeTMDA6MDA6MDAuNjAwMDAwMDAwAB9DtnVBK+eBAKO/
gQAAgNACAJ0BKiAAIAAARwiFhYiFhIgCAgJ1qgP4AgghCD0A/v6KrH/u837eb9vN/w0f/1RN+qJv1RN/6m0Ao6+BAGQAEQIAARAQABgHOAghenLNQBE4
AP7upj//cMACY3b/7hh//kg9eTz8/8i2AKOtgQDIANEBAAEQEAAYAB5X9AwAD5gA/v9vVv/9USwyjhT/6om/+UpCpEFSTo8Ao5aBASwA0QEAARAQABgA
GF3oL+i4gwAAo76BAZCAEAMAnQEqIAAgAABHCIWFiIWEiAICAnWqA/gD+gIIWQy9AP7upj//cMACY3b/7hh//kg9eTz8/8i2AKOtgQH0ANEBAAEQEAAY
AB5X9AwAD5gA/v9vVv/9USwyjhT/6om/+UpCpEFSTo8AHFO7a6O7j7OBALeK94EB8YIBePCBA7uQs4IBkLeK94EB8YIBePCBvA==
""")
"""0.6 seconds of WebM, 32 pixels wide."""
PICTURE = base64.b64decode("R0lGODlhAQABAIAAAP8AAP///yH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==")
PAGE = b"<svg xmlns='http://www.w3.org/2000/svg'><script>document.title = 'ran'</script></svg>"
PLAY = """(async () => {
  const film = document.querySelector("video");
  film.muted = true;
  await film.play();
  return film.videoWidth;
})()"""


class Talk(NamedTuple):
    """A conversation, one who sends into it, and the browser of who reads it."""

    server: LiveServer
    alice: requests.Session
    bob: Page
    conversation_id: str

    def send(self, name: str, data: bytes, media_type: str) -> str:
        """The address of a new attachment."""
        fields, file = {"conversation_id": self.conversation_id}, {"file": (name, data, media_type)}
        answer = self.alice.post(f"{self.server.url}/messages/upload", data=fields, files=file, timeout=30)
        return self.server.url + str(answer.json()["message"]["media_url"])


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with running(tmp_path_factory.mktemp("talk") / "data", "alice", "bob") as server, browser() as bob:
        alice = server.sign_in("alice")
        made = alice.post(f"{server.url}/conversations/create", json={"email": "bob"}, timeout=30)
        bob.sign_in(server.url, "bob")
        yield Talk(server, alice, bob, made.json()["conversation_id"])


def test_a_film_that_is_opened_by_itself_plays(talk: Talk) -> None:
    talk.bob.open(talk.send("holiday.webm", FILM, "application/octet-stream"))
    assert talk.bob.evaluate(PLAY) == 32


def test_a_picture_that_is_opened_by_itself_shows(talk: Talk) -> None:
    talk.bob.open(talk.send("photo", PICTURE, "image/gif"))
    assert talk.bob.evaluate("document.images[0].naturalWidth") == 1


@pytest.mark.parametrize(("name", "media_type"), [("a.svg", "image/svg+xml"), ("a.webm.html", "text/html")])
def test_what_could_run_does_not(talk: Talk, name: str, media_type: str) -> None:
    url = talk.send(name, PAGE, media_type)
    talk.bob.call("Page.navigate", url=url)  # it becomes a download, and the page stays what it was
    assert talk.bob.evaluate(f"location.href === {url!r} || document.title === 'ran'") is False
