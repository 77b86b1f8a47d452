"""`/` and `/console/…`: one page, which shows the place that its address names. Programs get JSON at `/`."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    jsonify,
    make_response,
    render_template,
    request,
    send_from_directory,
)

from transfer_service.config import Settings
from transfer_service.version import VERSION
from transfer_service.web.addresses import own_path
from transfer_service.web.console.assets import STATIC, assets_path, digest
from transfer_service.web.console.languages import direction, wanted_language
from transfer_service.web.query import takes_any
from transfer_service.wire.store_addresses import StoreAddress

NAME = "Transfer Service"
KEPT_SECONDS = 365 * 24 * 60 * 60
_EXTENSION = "console"
_PAGES = {"documentation": "/docs", "description": "/openapi.yaml", "alive": "/healthz", "ready": "/readyz"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src {sources}; "
    "media-src {sources}; connect-src {sources}; frame-src {sources}; manifest-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class _Features:
    """What of the settings the page has to know."""

    has_trash: bool
    has_provider: bool
    policy: str


blueprint = Blueprint("console", __name__)


@blueprint.get("/")
@takes_any
def home() -> Response:
    """The console, or for whoever prefers JSON what this is, its version, and where its pages are."""
    if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
        response = jsonify({"name": NAME, "version": VERSION, **{name: own_path(at) for name, at in _PAGES.items()}})
    else:
        response = _page()
    response.vary.add("Accept")
    return response


@blueprint.get("/console/")
@blueprint.get("/console/<path:place>")
@takes_any
def place(place: str = "") -> Response:  # noqa: ARG001 - the page's script reads it
    """The same page. It shows what its address names as soon as it knows who is looking."""
    return _page()


@blueprint.get("/assets/<version>/<any(console, sharing, vendor):folder>/<path:filename>")
@takes_any
def asset(version: str, folder: str, filename: str) -> Response:
    """A file of the page. Another version than this process has gives what is there, and is not kept."""
    response = send_from_directory(STATIC / folder, filename, conditional=True)
    is_known = version == digest()
    response.headers["Cache-Control"] = f"public, max-age={KEPT_SECONDS}, immutable" if is_known else "no-cache"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def init_console(app: Flask, settings: Settings) -> None:
    """Configure what the page offers, and from where it may load: where an object store sends bytes, from there too."""
    sources = "'self'"
    if settings.s3_redirect and settings.store_address is not None:
        sources += f" {_origin_of(settings.store_address)}"
    app.extensions[_EXTENSION] = _Features(
        has_trash=settings.trash_days > 0,
        has_provider=settings.oidc_issuer is not None,
        policy=_POLICY.format(sources=sources),
    )


def _origin_of(store: StoreAddress) -> str:
    """Where signed addresses of a store lead to; Amazon's have the bucket and the region in the host."""
    if store.endpoint is None:
        return "https://*.amazonaws.com"
    endpoint = urlsplit(store.endpoint)
    return f"{endpoint.scheme}://{endpoint.netloc}"


def _page() -> Response:
    features: _Features = current_app.extensions[_EXTENSION]
    language = wanted_language()
    page = render_template(
        "console/page.html",
        name=NAME,
        version=VERSION,
        language=language,
        direction=direction(language),
        features=features,
        base=own_path(""),
        assets=assets_path(),
    )
    response = make_response(page)
    response.headers["Content-Security-Policy"] = features.policy
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-cache"
    response.vary.add("Accept-Language")
    return response
