"""`/`: the page of a visitor, who has an address and wants to know what is there."""

from flask import Blueprint, Response, jsonify, make_response, render_template, request, url_for

from transfer_service.version import VERSION
from transfer_service.web.query import takes_any

NAME = "Transfer Service"
_PAGES = {
    "documentation": "health.docs",
    "description": "health.openapi",
    "alive": "health.alive",
    "ready": "health.ready",
}
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

blueprint = Blueprint("home", __name__, static_folder="static/home", static_url_path="/assets")


@blueprint.get("/")
@takes_any
def home() -> Response:
    """What this is, its version, and where its pages are: for people, or in JSON for whoever prefers that."""
    if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
        pages = {name: url_for(endpoint) for name, endpoint in _PAGES.items()}
        response = jsonify({"name": NAME, "version": VERSION, **pages})
    else:
        # The host is what the client says: it is shown as text, and nothing is fetched from it.
        page = render_template("home.html", name=NAME, version=VERSION, address=request.root_url.rstrip("/"))
        response = make_response(page)
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["Referrer-Policy"] = "same-origin"
    response.vary.add("Accept")
    return response
