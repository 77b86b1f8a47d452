"""Reading the catalogue of games."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.wire.game_catalogue import (
    Catalogue,
    GameDataEntry,
    GameEntry,
    InvalidCatalogue,
    parse_catalogue,
)

GAME_ID = "0b8bd5ab-2f5c-4b3c-a3d5-2f2fd2c6d1f0"
GAME = {"id": GAME_ID, "title": "Pong"}
DATA = {
    "id": 12345,
    "gameId": GAME_ID,
    "title": "Pong, the first",
    "dateAdded": "2024-05-01T12:00:00Z",
    "sha256": "ab" * 32,
    "size": 1000,
}
NOT_A_UUID = "must be a UUID, such as 0b8bd5ab-2f5c-4b3c-a3d5-2f2fd2c6d1f0"
NOT_A_DATE = "must be a date of ISO 8601 from 1970 on, such as 2024-05-01T12:00:00Z"
NOT_AN_ID = "must be a whole number from 0 to 9223372036854775807"
NOT_A_SIZE = "must be a whole number from 1 to 9007199254740992"
NO_TITLE = "must be text that is not empty"

TITLES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=1000).filter(str.strip)
DATES = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
LINES = st.none() | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=50)
TEXTS = LINES | st.just("two\n\tlines\r\n")
FACTS = ("platform", "developer", "publisher", "releaseDate", "description", "launchCommand", "tags")
GAMES = st.builds(
    GameEntry,
    id=st.uuids(),
    title=TITLES,
    platform=LINES,
    developer=LINES,
    publisher=LINES,
    release_date=LINES,
    description=TEXTS,
    launch_command=TEXTS,
    tags=st.none() | st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=9), max_size=3),
)
GAME_DATA = st.builds(
    GameDataEntry,
    id=st.integers(0, 2**63 - 1),
    game_id=st.uuids(),
    title=TITLES,
    added_at=DATES,
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    size=st.integers(1, 2**53),
)
CATALOGUES = st.builds(
    Catalogue,
    games=st.lists(GAMES, unique_by=lambda entry: entry.id, max_size=5).map(tuple),
    game_data=st.lists(GAME_DATA, unique_by=lambda entry: entry.id, max_size=5).map(tuple),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(GAME_ID),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.sampled_from([*DATA, *FACTS, "games", "gameData", "x"]), children)
    ),
)
ROWS = st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys([*DATA, *FACTS], JSON)) | JSON, max_size=4)


def encode(**parts: Any) -> bytes:
    """A file; the parts that are not given are a good one's."""
    return json.dumps({"games": [GAME], "gameData": [DATA], **parts}).encode()


def printed(catalogue: Catalogue, *, capitals: bool) -> bytes:
    """A file that describes `catalogue`; hexadecimal digits may come in capitals."""

    def digits(text: str) -> str:
        return text.upper() if capitals else text

    games = [
        {
            "id": digits(str(game.id)),
            "title": game.title,
            "platform": game.platform,
            "developer": game.developer,
            "publisher": game.publisher,
            "releaseDate": game.release_date,
            "description": game.description,
            "launchCommand": game.launch_command,
            "tags": game.tags,
        }
        for game in catalogue.games
    ]
    data = [
        {
            "id": entry.id,
            "gameId": digits(str(entry.game_id)),
            "title": entry.title,
            "dateAdded": entry.added_at.isoformat(),
            "sha256": digits(entry.sha256),
            "size": entry.size,
        }
        for entry in catalogue.game_data
    ]
    return encode(games=games, gameData=data)


def mistakes(text: bytes) -> list[str]:
    """What is wrong with a file."""
    with pytest.raises(InvalidCatalogue) as caught:
        parse_catalogue(text)
    return str(caught.value).split("\n")


@given(catalogue=CATALOGUES, capitals=st.booleans())
def test_a_printed_catalogue_is_read_again(catalogue: Catalogue, capitals: bool) -> None:
    assert parse_catalogue(printed(catalogue, capitals=capitals)) == catalogue


@pytest.mark.unmeasured
@given(games=JSON | ROWS, data=JSON | ROWS)
def test_any_json_is_a_catalogue_or_has_mistakes(games: Any, data: Any) -> None:
    try:
        catalogue = parse_catalogue(encode(games=games, gameData=data))
    except InvalidCatalogue as error:
        assert str(error)
    else:
        assert (len(catalogue.games), len(catalogue.game_data)) == (len(games), len(data))


@pytest.mark.unmeasured
@given(text=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_catalogue_or_have_mistakes(text: bytes) -> None:
    try:
        assert isinstance(parse_catalogue(text), Catalogue)
    except InvalidCatalogue as error:
        assert str(error)


def test_values_come_out_in_one_form() -> None:
    data = {**DATA, "gameId": GAME_ID.upper(), "sha256": "AB" * 32, "dateAdded": "2024-05-01T14:00:00.123456+02:00"}
    assert parse_catalogue(encode(gameData=[data])).game_data == (
        GameDataEntry(
            id=12345,
            game_id=uuid.UUID(GAME_ID),
            title="Pong, the first",
            added_at=datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC),
            sha256="ab" * 32,
            size=1000,
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"\xef\xbb\xbf" + encode(), id="byte-order-mark"),
        pytest.param(encode(version=2, games=[{**GAME, "rating": "E"}]), id="unknown-keys"),
        pytest.param(encode(games=[{**GAME, **dict.fromkeys(FACTS)}]), id="optional-keys-that-are-null"),
        pytest.param(encode(games=[{"title": "Pong", "id": GAME_ID}]), id="another-order"),
    ],
)
def test_what_does_not_matter(text: bytes) -> None:
    assert parse_catalogue(text) == parse_catalogue(encode())


def test_an_empty_catalogue_is_one() -> None:
    assert parse_catalogue(encode(games=[], gameData=[])) == Catalogue(games=(), game_data=())


def test_data_may_belong_to_a_game_that_is_not_in_the_file() -> None:
    assert [entry.game_id for entry in parse_catalogue(encode(games=[])).game_data] == [uuid.UUID(GAME_ID)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"", "The catalogue is not JSON: line 1, column 1: Expecting value", id="nothing"),
        pytest.param(b'{"games": [],', "The catalogue is not JSON: line 1, column 14: ", id="cut-off"),
        pytest.param(b'{"games": "\xff"}', "The catalogue is not UTF-8: byte 11 cannot be read", id="not-utf-8"),
        pytest.param(encode().decode().encode("utf-16"), "The catalogue is not UTF-8: byte 0 ", id="utf-16"),
        pytest.param(b"[" * 200_000, "The catalogue is nested too deeply", id="too-deep"),
        pytest.param(b'{"games":' * 200_000, "The catalogue is nested too deeply", id="too-deep-objects"),
        pytest.param(b"[]", "The catalogue must be a JSON object with games and gameData", id="list"),
        pytest.param(b"null", "The catalogue must be a JSON object with games and gameData", id="null"),
    ],
)
def test_what_is_no_catalogue_is_told_in_one_line(text: bytes, expected: str) -> None:
    (mistake,) = mistakes(text)
    assert mistake.startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"{}", ["games: is missing", "gameData: is missing"], id="empty"),
        pytest.param(encode(games={}), ["games: must be a list"], id="an-object-of-games"),
        pytest.param(encode(gameData=None), ["gameData: must be a list"], id="null"),
        pytest.param(
            encode(games=["Pong"], gameData=[DATA, 5]),
            ["games[0]: must be an object", "gameData[1]: must be an object"],
            id="rows-that-are-no-objects",
        ),
        pytest.param(encode(games=[{}]), ["games[0].id: is missing", "games[0].title: is missing"], id="empty-game"),
        pytest.param(encode(gameData=[{}]), [f"gameData[0].{key}: is missing" for key in DATA], id="empty-data"),
        pytest.param(
            encode(games=[GAME, {"id": GAME_ID.upper(), "title": "Pong 2"}]),
            ["games[1].id: is the same as that of games[0]"],
            id="a-game-twice",
        ),
        pytest.param(
            encode(gameData=[DATA, {**DATA, "id": 1}, DATA, DATA]),
            [f"gameData[{place}].id: is the same as that of gameData[0]" for place in (2, 3)],
            id="data-three-times",
        ),
        pytest.param(
            encode(games=[{**GAME, "title": ""}], gameData=[DATA, {**DATA, "id": -1, "sha256": "x"}]),
            [
                f"games[0].title: {NO_TITLE}",
                f"gameData[1].id: {NOT_AN_ID}",
                "gameData[1].sha256: must be 64 hexadecimal digits",
            ],
            id="several-rows",
        ),
    ],
)
def test_every_bad_row_is_named(text: bytes, expected: list[str]) -> None:
    assert mistakes(text) == expected


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        pytest.param("id", True, NOT_AN_ID, id="id-bool"),
        pytest.param("id", 1.0, NOT_AN_ID, id="id-float"),
        pytest.param("id", "1", NOT_AN_ID, id="id-text"),
        pytest.param("id", None, NOT_AN_ID, id="id-null"),
        pytest.param("id", -1, NOT_AN_ID, id="id-negative"),
        pytest.param("id", 2**63, NOT_AN_ID, id="id-too-large"),
        pytest.param("size", 0, NOT_A_SIZE, id="size-zero"),
        pytest.param("size", 2**53 + 1, NOT_A_SIZE, id="size-too-large"),
        pytest.param("size", True, NOT_A_SIZE, id="size-bool"),
        pytest.param("size", float("nan"), NOT_A_SIZE, id="size-nan"),
        pytest.param("title", "", NO_TITLE, id="title-empty"),
        pytest.param("title", " \u3000", NO_TITLE, id="title-blank"),
        pytest.param("title", 5, NO_TITLE, id="title-number"),
        pytest.param("title", "x" * 1001, "must have at most 1000 characters", id="title-long"),
        pytest.param("title", "a\tb", "must not have control characters", id="title-tab"),
        pytest.param("title", "a\x00b", "must not have control characters", id="title-nul"),
        pytest.param("title", "a\x85b", "must not have control characters", id="title-c1"),
        pytest.param("title", "a\ud800b", "must not have control characters", id="title-surrogate"),
        pytest.param("sha256", "ab" * 31, "must be 64 hexadecimal digits", id="sha256-short"),
        pytest.param("sha256", "xy" * 32, "must be 64 hexadecimal digits", id="sha256-letters"),
        pytest.param("sha256", "ab" * 32 + "\n", "must be 64 hexadecimal digits", id="sha256-line-end"),
        pytest.param("sha256", 5, "must be 64 hexadecimal digits", id="sha256-number"),
        pytest.param("gameId", GAME_ID.replace("-", ""), NOT_A_UUID, id="game-without-dashes"),
        pytest.param("gameId", f"{{{GAME_ID}}}", NOT_A_UUID, id="game-in-braces"),
        pytest.param("gameId", GAME_ID + "\n", NOT_A_UUID, id="game-line-end"),
        pytest.param("gameId", 5, NOT_A_UUID, id="game-number"),
        pytest.param("dateAdded", 1714564800000, NOT_A_DATE, id="date-number"),
        pytest.param("dateAdded", "yesterday", NOT_A_DATE, id="date-word"),
        pytest.param("dateAdded", "1969-12-31T23:59:59.999999Z", NOT_A_DATE, id="date-before-1970"),
        pytest.param("dateAdded", "1970-01-01T00:00:00+01:00", NOT_A_DATE, id="date-before-1970-in-utc"),
        pytest.param("dateAdded", "9999-12-31T23:00:00-05:00", NOT_A_DATE, id="date-after-9999"),
    ],
)
def test_a_bad_value_is_named(key: str, value: object, expected: str) -> None:
    assert mistakes(encode(gameData=[{**DATA, key: value}])) == [f"gameData[0].{key}: {expected}"]


@pytest.mark.parametrize("key", FACTS)
@pytest.mark.parametrize("value", [5, True, {"a": "b"}, [5], ["a", None]])
def test_an_optional_field_of_another_kind_is_named(key: str, value: object) -> None:
    kind = "a list of texts" if key == "tags" else "text"
    assert mistakes(encode(games=[{**GAME, key: value}])) == [f"games[0].{key}: must be {kind}"]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        pytest.param("tags", "action", "must be a list of texts", id="tags-in-one-text"),
        pytest.param("tags", ["x"] * 1001, "must have at most 1000 of them", id="tags-too-many"),
        pytest.param("tags", ["x" * 1001], "must have at most 1000 characters", id="tag-long"),
        pytest.param("tags", ["a\nb"], "must not have control characters", id="tag-of-two-lines"),
        pytest.param("platform", ["Flash"], "must be text", id="platform-list"),
        pytest.param("platform", "a\nb", "must not have control characters", id="platform-of-two-lines"),
        pytest.param("releaseDate", "x" * 1001, "must have at most 1000 characters", id="date-long"),
        pytest.param("description", "x" * 100_001, "must have at most 100000 characters", id="description-long"),
        pytest.param("description", "a\0b", "must not have control characters", id="description-nul"),
        pytest.param("launchCommand", "a\ud800b", "must not have control characters", id="command-surrogate"),
    ],
)
def test_an_optional_field_that_is_bad_is_named(key: str, value: object, expected: str) -> None:
    assert mistakes(encode(games=[{**GAME, key: value}])) == [f"games[0].{key}: {expected}"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("id", 0, id="smallest-id"),
        pytest.param("id", 2**63 - 1, id="largest-id"),
        pytest.param("size", 1, id="smallest-size"),
        pytest.param("size", 2**53, id="largest-size"),
        pytest.param("title", "\U0001f579" * 1000, id="longest-title"),
    ],
)
def test_a_value_at_the_edge_is_taken(key: str, value: object) -> None:
    (entry,) = parse_catalogue(encode(gameData=[{**DATA, key: value}])).game_data
    assert getattr(entry, key) == value


def test_a_number_of_many_digits_is_only_too_large() -> None:
    text = encode().replace(b"12345", b"9" * 100_000)
    assert mistakes(text) == [f"gameData[0].id: {NOT_AN_ID}"]


def test_of_many_mistakes_the_first_fifty_are_shown() -> None:
    shown = mistakes(encode(games=[5] * 60))
    assert shown[:50] == [f"games[{place}]: must be an object" for place in range(50)]
    assert shown[50:] == ["… and 10 more"]


def test_fifty_mistakes_are_all_shown() -> None:
    assert mistakes(encode(games=[5] * 50))[-1] == "games[49]: must be an object"
