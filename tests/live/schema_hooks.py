"""What schemathesis has to be told before it can explore openapi.yaml (SCHEMATHESIS_HOOKS)."""

from typing import Any
from urllib.parse import urlencode

import schemathesis

for media_type in ("application/offset+octet-stream", "application/partial-upload"):
    schemathesis.serializer.alias(media_type, "application/octet-stream")

LONGEST_QUERY = 7000
"""The request line has 8190 bytes: what is longer is 414 before any operation is asked, and told by none of them."""


@schemathesis.hook
def filter_query(_context: schemathesis.HookContext, query: dict[str, Any] | None) -> bool:
    """Leave out what fits no request line."""
    return query is None or len(urlencode(query, doseq=True, errors="surrogatepass")) <= LONGEST_QUERY
