"""What schemathesis has to be told before it can explore openapi.yaml (SCHEMATHESIS_HOOKS)."""

import schemathesis

for media_type in ("application/offset+octet-stream", "application/partial-upload"):
    schemathesis.serializer.alias(media_type, "application/octet-stream")
