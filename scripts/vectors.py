"""Write docs/vectors.json: examples of frames, digests and signatures with their bytes. With --check only compare.

They are worked out here from their definitions, and by nothing of the service or its clients: those are tested by them.
"""

import base64
import hashlib
import hmac
import json
import sys
import zlib
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs/vectors.json"
ABOUT = (
    "Examples of what Transfer Service takes and sends. data, frame, header, body and signed are bytes in hexadecimal; "
    "secrets and the values of header fields are as they are sent. Made by scripts/vectors.py."
)
EVERY_BYTE = bytes(range(256))
LONG_WIDTHS, SHORT_WIDTHS = (8, 8, 1), (4, 4, 4)

TOO_SHORT = "Chunk data too small to contain valid header"
REVERSED = "Invalid byte range (end_byte < start_byte)"
WRONG_LENGTH = "Chunk length does not match its header"
WRONG_LONG_SUM = "Checksum validation failed"
INVALID = "Invalid chunk format"
WRONG_SHORT_SUM = "Checksum verification failed"


def header(widths: tuple[int, int, int], start: int, end: int, checksum: int) -> bytes:
    """Start, inclusive end and checksum as big-endian integers of so many bytes."""
    return b"".join(value.to_bytes(width, "big") for value, width in zip((start, end, checksum), widths, strict=True))


def good(name: str, widths: tuple[int, int, int], start: int, data: bytes, *, checksum: int | None = None) -> Any:
    """A frame that is taken; its checksum is the sum modulo 256 unless it is given."""
    end = start + len(data) - 1
    checksum = sum(data) % 256 if checksum is None else checksum
    return {
        "name": name, "start": start, "end": end, "checksum": checksum, "data": data.hex(),
        "frame": (header(widths, start, end, checksum) + data).hex(), "content_range": f"bytes {start}-{end}/*",
    }  # fmt: skip


def bad(name: str, frame: bytes, detail: str) -> Any:
    """A frame that is refused with 400 and that detail."""
    return {"name": name, "frame": frame.hex(), "detail": detail}


def long_frames() -> Any:
    """Those of 17 bytes."""
    made = LONG_WIDTHS
    return {
        "header": "u64 start, u64 inclusive end, u8 sum of the data modulo 256; big-endian",
        "door": "POST /api/files/upload",
        "good": [
            good("hello at 0", made, 0, b"hello"),
            good("one byte", made, 0, b"\0"),
            good("a sum that passes 255", made, 256, b"\xff\xff"),
            good("every byte", made, 65536, EVERY_BYTE),
            good("past 4 GiB", made, 2**32, b"far away"),
        ],
        "bad": [
            bad("no bytes", b"", TOO_SHORT),
            bad("a header cut off", header(made, 0, 4, 0x14)[:16], TOO_SHORT),
            bad("no data", header(made, 0, 4, 0x14), WRONG_LENGTH),
            bad("the data cut off", header(made, 0, 4, 0x14) + b"hell", WRONG_LENGTH),
            bad("a byte too many", header(made, 0, 4, 0x14) + b"hello!", WRONG_LENGTH),
            bad("an exclusive end", header(made, 0, 5, 0x14) + b"hello", WRONG_LENGTH),
            bad("little-endian", bytes(8) + (4).to_bytes(8, "little") + b"\x14hello", WRONG_LENGTH),
            bad("an end before the start", header(made, 5, 4, 0x14) + b"hello", REVERSED),
            bad("another sum", header(made, 0, 4, 0x15) + b"hello", WRONG_LONG_SUM),
            bad("another byte", header(made, 0, 4, 0x14) + b"jello", WRONG_LONG_SUM),
        ],
    }


def short_frames() -> Any:
    """Those of 12 bytes."""
    made = SHORT_WIDTHS
    return {
        "header": "u32 start, u32 inclusive end, u32 sum of the data modulo 256 or modulo 2^32; big-endian",
        "door": "POST /upload/{file_id}",
        "good": [
            good("hello at 0", made, 0, b"hello"),
            good("one byte", made, 0, b"\0"),
            good("a sum that passes 255", made, 256, b"\xff\xff"),
            good("every byte", made, 65536, EVERY_BYTE),
            good("near 4 GiB", made, 2**32 - 8, b"far away"),
        ],
        "good_plain_sums": [
            good("hello at 0", made, 0, b"hello", checksum=sum(b"hello")),
            good("every byte", made, 65536, EVERY_BYTE, checksum=sum(EVERY_BYTE)),
        ],
        "bad": [
            bad("no bytes", b"", INVALID),
            bad("a header cut off", header(made, 0, 4, 0x14)[:11], INVALID),
            bad("no data", header(made, 0, 4, 0x14), INVALID),
            bad("the data cut off", header(made, 0, 4, 0x14) + b"hell", INVALID),
            bad("a byte too many", header(made, 0, 4, 0x14) + b"hello!", INVALID),
            bad("an exclusive end", header(made, 0, 5, 0x14) + b"hello", INVALID),
            bad("an end before the start", header(made, 5, 4, 0x14) + b"hello", INVALID),
            bad("another sum", header(made, 0, 4, 0x15) + b"hello", WRONG_SHORT_SUM),
            bad("another byte", header(made, 0, 4, 0x14) + b"jello", WRONG_SHORT_SUM),
            bad("a plain sum of other data", header(made, 0, 4, sum(b"hello") + 256) + b"hello", WRONG_SHORT_SUM),
        ],
    }


def digests(name: str, data: bytes) -> Any:
    """What bytes add up to, and the header fields that say so."""
    sums = {
        "sha1": hashlib.sha1(data, usedforsecurity=False).digest(),
        "sha256": hashlib.sha256(data).digest(),
        "crc32": zlib.crc32(data).to_bytes(4, "big"),
    }
    encoded = {algorithm: base64.b64encode(value).decode() for algorithm, value in sums.items()}
    sha512 = base64.b64encode(hashlib.sha512(data).digest()).decode()
    return {
        "name": name,
        "data": data.hex(),
        "sha256": sums["sha256"].hex(),
        "crc32": sums["crc32"].hex(),
        "upload_checksum": {algorithm: f"{algorithm} {value}" for algorithm, value in encoded.items()},
        "repr_digest": {"sha-256": f"sha-256=:{encoded['sha256']}:", "sha-512": f"sha-512=:{sha512}:"},
    }


def webhook(name: str, secret: bytes, message_id: str, timestamp: int, body: str) -> Any:
    """A message of Standard Webhooks: what is signed, by which key, and the header field."""
    signed = f"{message_id}.{timestamp}.{body}".encode()
    signature = base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
    return {
        "name": name,
        "secret": f"whsec_{base64.b64encode(secret).decode()}",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "body": body.encode().hex(),
        "signed": signed.hex(),
        "webhook-signature": f"v1,{signature}",
    }


def vectors() -> Any:
    """All of them."""
    test = '{"type":"webhook.test","timestamp":"2026-11-29T06:02:28.113Z","data":{}}'
    stored = (
        '{"type":"file.completed","timestamp":"2026-11-29T06:02:28.113Z",'
        '"data":{"filename":"Tag/Grüße 文件.txt","size":5}}'
    )
    first, second = "0c4f5c5c-1d53-4b0e-8d1f-35c1f0f6a0de", "6d1b0a52-9a4e-4d52-8f55-0f1d9a7f3a10"
    counted = bytes(range(32))
    return {
        "about": ABOUT,
        "frames": {"17": long_frames(), "12": short_frames()},
        "digests": [
            digests("no bytes", b""),
            digests("hello", b"hello"),
            digests("the check value of CRC-32", b"123456789"),
            digests("every byte", EVERY_BYTE),
            digests("longer than a block of SHA-256", b"0123456789abcdef" * 20),
            digests("padding that needs a block of its own", b"x" * 56),
        ],
        "webhooks": [
            webhook("a test", counted, first, 1795932148, test),
            webhook("the next try of it", counted, first, 1795932153, test),
            webhook("a name beyond ASCII", b"\xff" * 32, second, 1795932148, stored),
        ],
    }


def main() -> None:
    """Write the page, or compare."""
    text = json.dumps(vectors(), indent=1, ensure_ascii=True) + "\n"
    if sys.argv[1:] == ["--check"]:
        if PAGE.read_text() != text:
            sys.exit(f"{PAGE.name} is not what {Path(__file__).name} makes: run it")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
