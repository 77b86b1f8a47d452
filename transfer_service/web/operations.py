"""`/healthz`, `/readyz`, and the description of the API."""

from flask import Blueprint, Response, jsonify, render_template, send_file

from transfer_service.patience import one_patience
from transfer_service.shipped import shipped
from transfer_service.web.context import services
from transfer_service.web.query import takes_any

READY_WAIT_SECONDS = 5.0  # for a lock: whoever asks has a time limit too

blueprint = Blueprint("health", __name__, static_folder="static/swagger-ui", static_url_path="/docs/assets")


@blueprint.get("/healthz")
def alive() -> Response:
    """200 while the process lives."""
    return jsonify({"status": "ok"})


@blueprint.get("/readyz")
def ready() -> Response:
    """200 when the database and the store can be written, or only read where that is all they should, and belong
    together. Raises StoreUnavailable.
    """
    with one_patience(READY_WAIT_SECONDS):
        services().database.check()
        if services().database.is_read_only:
            services().recovery.ensure()
            services().store.mark.read()
        else:
            services().store.check()
        services().gate.enter()
    return jsonify({"status": "degraded" if services().redis.is_away() else "ready"})


@blueprint.get("/openapi.yaml")
@takes_any
def openapi() -> Response:
    """The description of every route."""
    response = send_file(shipped("openapi.yaml"), mimetype="application/yaml")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/docs")
@takes_any
def docs() -> Response:
    """The same as a page; everything it loads comes from here."""
    response = Response(render_template("docs.html"))
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; frame-ancestors 'none'"
    )
    return response
