"""Downloads the way they are usually written with Flask, without accounts: the files of `PEER_DATA_DIR`."""

import os
from pathlib import Path

from flask import Flask, Response, send_file

DATA_DIR = Path(os.environ["PEER_DATA_DIR"])

app = Flask(__name__)


@app.get("/files/<name>")
def send(name: str) -> Response:
    """A file, also in ranges."""
    return send_file(DATA_DIR / name, conditional=True)
