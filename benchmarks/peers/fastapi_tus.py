"""tuspyserver in a FastAPI application as its README shows it; less its middleware and hook, which only cost time."""

import os

from fastapi import FastAPI
from tuspyserver import create_tus_router

app = FastAPI()
app.include_router(create_tus_router(prefix="files", files_dir=os.environ["PEER_DATA_DIR"]))
