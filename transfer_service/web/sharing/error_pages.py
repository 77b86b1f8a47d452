"""What went wrong at the address of a link, as a page for people. Everybody else is told in JSON."""

from http import HTTPStatus

from flask import Response, make_response, render_template, request

from transfer_service.web.addresses import own_path
from transfer_service.web.console.assets import assets_path
from transfer_service.web.console.wording import wording

PREFIX = "/s/"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Of every page of a link: nothing from elsewhere, nothing inline, in nobody's frame."""


def is_page_wanted() -> bool:
    """Whether the request is for an address of a link, by who says that he reads HTML before JSON."""
    if not request.path.startswith(PREFIX):
        return False
    return request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"


def page(template: str, *, status: int = HTTPStatus.OK, **values: object) -> Response:
    """A page of a link, in the language of its visitor."""
    words = wording()
    shown = render_template(f"sharing/{template}", words=words, t=words.text, assets=assets_path(), **values)
    response = make_response(shown, status)
    response.vary.add("Accept-Language")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def error_page(detail: str, status: int) -> Response:
    """The page for an error. `detail` is what JSON would say."""
    link = "/".join(request.path.split("/")[:3])
    response = page("error.html", status=status, detail=detail, code=status, link=own_path(link))
    response.vary.add("Accept")
    return response
