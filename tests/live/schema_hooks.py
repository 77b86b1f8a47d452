"""What schemathesis has to be told before it can explore openapi.yaml (SCHEMATHESIS_HOOKS)."""

from typing import Any
from urllib.parse import urlencode

import schemathesis
from schemathesis.checks import CheckContext, not_a_server_error

PENDING = "The preview is not made yet, try again later"

for media_type in ("application/offset+octet-stream", "application/partial-upload"):
    schemathesis.serializer.alias(media_type, "application/octet-stream")

LONGEST_QUERY = 7000
"""The request line has 8190 bytes: what is longer is 414 before any operation is asked, which few of them tell."""


@schemathesis.hook
def filter_query(_context: schemathesis.HookContext, query: dict[str, Any] | None) -> bool:
    """Leave out what fits no request line."""
    return query is None or len(urlencode(query, doseq=True, errors="surrogatepass")) <= LONGEST_QUERY


@schemathesis.check
def no_fault_of_the_server(
    ctx: CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> bool | None:
    """As `not_a_server_error`, but a preview that takes longer than it is waited for says when to ask again."""
    is_late = case.operation.path.endswith("/thumbnail") and response.status_code == 503
    if is_late and response.json() == {"detail": PENDING} and "retry-after" in response.headers:
        return None
    return not_a_server_error(ctx, response, case)
