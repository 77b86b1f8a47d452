"""Bodies of multipart/form-data, part by part, in the order that a test wants."""

from typing import Any

BOUNDARY = "a-boundary-of-the-tests"


def part(name: str, data: bytes, *, filename: bytes | None = None, media_type: str | None = None) -> bytes:
    """One part; with a `filename` it is a file."""
    disposition = b'Content-Disposition: form-data; name="' + name.encode() + b'"'
    if filename is not None:
        disposition += b'; filename="' + filename + b'"'
    head = disposition + (f"\r\nContent-Type: {media_type}".encode() if media_type else b"")
    return b"--" + BOUNDARY.encode() + b"\r\n" + head + b"\r\n\r\n" + data + b"\r\n"


def form(*parts: bytes) -> dict[str, Any]:
    """The arguments of a request whose body is these parts."""
    body = b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()
    return {"data": body, "content_type": f"multipart/form-data; boundary={BOUNDARY}"}


def file_form(data: bytes, filename: bytes = b"blob") -> dict[str, Any]:
    """The arguments of a request with one part `file`."""
    return form(part("file", data, filename=filename))
