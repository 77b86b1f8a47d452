"""Names of files: untrusted labels, joined by `/` into paths of folders, that never become paths of the disk."""

import hashlib
import re
import unicodedata
from urllib.parse import quote, unquote_to_bytes

from transfer_service.errors import InvalidName, NameTaken

MAX_LABEL_BYTES, MAX_NAME_BYTES, MAX_LABELS = 255, 1024, 16
LONGEST_DECOMPOSITION = 3
"""Bytes of UTF-8 that NFC may make one of, at the most (Unicode Standard Annex 15)."""
LONGEST_EXTENSION = 16
_BIDIRECTIONAL_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def parse_name(value: str) -> str:
    """The name in NFC: labels joined by `/`. Raises InvalidName where it breaks a rule of NAME (docs/folders.md)."""
    labels = value.split("/", MAX_LABELS)
    if len(labels) > MAX_LABELS:
        raise InvalidName(f"File name must have at most {MAX_LABELS} labels")
    if "" in labels[1:] or value.startswith("/"):
        raise InvalidName("File name must not begin or end with a slash, or have two in a row")
    name = "/".join(map(parse_label, labels))
    if len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidName(f"File name must have at most {MAX_NAME_BYTES} bytes")
    return name


def parse_label(value: str) -> str:
    """One label of a name, or a name of something that lies in no folder, in NFC. Raises InvalidName."""
    if len(value) > MAX_LABEL_BYTES * LONGEST_DECOMPOSITION:  # or composing it would take the square of its length
        raise InvalidName(f"File name must have 1 to {MAX_LABEL_BYTES} bytes")
    label = unicodedata.normalize("NFC", value)
    try:
        size = len(label.encode())
    except UnicodeEncodeError as error:  # lone surrogates: bytes that were not UTF-8
        raise InvalidName("File name is not valid UTF-8") from error
    if not 1 <= size <= MAX_LABEL_BYTES:
        raise InvalidName(f"File name must have 1 to {MAX_LABEL_BYTES} bytes")
    if label in {".", ".."} or any(_is_forbidden(character) for character in label):
        raise InvalidName
    return label


def label_of_title(title: str) -> str:
    """A label for what people call something: without what no label has, and short enough for a number or extension."""
    plain = "".join("_" if _is_forbidden(character) else character for character in unicodedata.normalize("NFC", title))
    short = plain.encode("utf-8", "replace")[: MAX_LABEL_BYTES - LONGEST_EXTENSION].decode(errors="ignore")
    return short if short.strip(". ") else "_"


def has_control(text: str) -> bool:
    """Whether there are control characters in a text, or such as change the direction of what follows them."""
    return any(map(_is_control, text))


def _is_control(character: str) -> bool:
    return character in _BIDIRECTIONAL_CONTROLS or unicodedata.category(character) == "Cc"


def _is_forbidden(character: str) -> bool:
    return character in "/\\" or _is_control(character)


def parse_name_in_folder(filename: str, relative_path: str | None) -> str:
    """The name that browsers and Uppy give a file of a folder: the relative path, where it ends in the file's name.

    `null` and empty are none, and one leading `/` does not count. Raises InvalidName.
    """
    name = parse_name(filename)
    path = (relative_path or "").removeprefix("/")
    label = path.rpartition("/")[2]
    if path in {"", "null"} or len(label) > MAX_LABEL_BYTES * LONGEST_DECOMPOSITION:
        return name
    return parse_name(path) if unicodedata.normalize("NFC", label) == name else name


def split_name(name: str) -> tuple[str, str]:
    """`a/b/photo.jpg` -> `a/b`, `photo.jpg`: the folder, empty for the top, and the last label."""
    folder, _, label = name.rpartition("/")
    return folder, label


def numbered_name(name: str, number: int) -> str:
    """`photo.jpg`, 2 -> `photo (2).jpg`; the stem is shortened where the result would be too long.

    Raises NameTaken where the folder leaves no room for a number.
    """
    folder, _, label = name.rpartition("/")
    most = min(MAX_LABEL_BYTES, MAX_NAME_BYTES - (len(folder.encode()) + 1 if folder else 0))
    stem, dot, extension = label.rpartition(".")
    if not stem:
        stem, dot, extension = label, "", ""
    suffix = f" ({number}){dot}{extension}"
    room = most - len(suffix.encode())
    if room < 1:  # the "extension" fills the name: number the whole of it
        suffix = f" ({number})"
        stem, room = label, most - len(suffix)
    if room < 0:
        raise NameTaken("A file has this name")
    return name.removesuffix(label) + stem.encode()[:room].decode(errors="ignore") + suffix


_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.ASCII | re.DOTALL)
_QUOTED_NAME = re.compile(r'"(?:[^"\\]|\\.)*"\s*(?:;|$)|[^"]', re.DOTALL)
_EXTENDED = re.compile(r"utf-8'[^']*'(\S*)", re.ASCII | re.IGNORECASE)
_EXTENSION = re.compile(r"[A-Za-z0-9]{1,16}", re.ASCII)
_ATTR_CHARS = "!#$&+-.^_`|~"  # RFC 8187 attr-char besides letters and digits


def format_disposition(filename: str, *, kind: str = "attachment") -> str:
    """`attachment; filename="ascii"`, and `; filename*=UTF-8''exact` where that is not the whole name."""
    plain = _ascii_name(filename)
    exact = "" if plain == filename else f"; filename*=UTF-8''{quote(filename, safe=_ATTR_CHARS)}"
    return f'{kind}; filename="{plain}"{exact}'


def _ascii_name(name: str) -> str:
    """The name itself, or what ASCII can say of it: never empty or hidden, and another one for every other name.

    curl reads no `filename*`, and would write every file in Chinese over the one before.
    """
    if all(map(_is_safe, name)) and name.strip(" ") == name and not name.startswith("."):
        return name
    stem, dot, extension = name.rpartition(".")
    suffix = dot + extension
    if not stem or not _EXTENSION.fullmatch(extension):
        stem, suffix = name, ""
    suffix = f"-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}{suffix}"
    plain = "".join(map(_ascii_character, unicodedata.normalize("NFC", stem))).strip(" .")
    return (plain or "file")[: MAX_LABEL_BYTES - len(suffix)] + suffix


def _ascii_character(character: str) -> str:
    if unicodedata.combining(character):
        return ""
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain if plain and all(map(_is_safe, plain)) else "_"


def _is_safe(character: str) -> bool:
    """Whether everybody reads it alike between quotes; some decode `%41` there."""
    return " " <= character <= "~" and character not in '"\\/%'


def parse_filename(value: str) -> str | None:
    """The filename in a part's Content-Disposition, `filename*` first. Raises InvalidName where it is not UTF-8.

    Nothing is cut off: a path stays one, for the rules of names to refuse.
    """
    parameters: dict[str, str] = {}
    for match in _PARAMETER.finditer(value):
        if match[1].lower() == "filename" and _QUOTED_NAME.match(value, match.start(2)) is None:
            raise InvalidName("File name has no closing quote, or something behind it")
        parameters[match[1].lower()] = match[2].strip()
    if (extended := _EXTENDED.fullmatch(parameters.get("filename*", ""))) is not None:
        try:
            return unquote_to_bytes(extended[1]).decode()
        except UnicodeDecodeError as error:
            raise InvalidName("File name is not valid UTF-8") from error
    given = parameters.get("filename")
    if given is None or not given.startswith('"'):
        return given
    return re.sub(r'\\(["\\])', r"\1", given[1:-1])


def parse_form_filename(value: str) -> str | None:
    """The filename of a form's part, with what browsers encode in it decoded. Raises like `parse_filename`.

    They encode `"`, CR and LF and nothing else, not even `%` (https://html.spec.whatwg.org, multipart form data).
    """
    filename = parse_filename(value)
    if filename is None or "filename*" in value.lower():
        return filename
    return filename.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")
