"""Keeps what Schemathesis makes up from getting into its own way, or that of others.

What does not fit the document stays as it is; what fits, and would be refused for a reason that no schema can state, is
exchanged for what is accepted, so that more than refusals is seen.
"""

import re
from itertools import count

import schemathesis

# Nobody listens there: no webhook goes to other people's servers.
NOWHERE = "https://127.0.0.1:9/"
SCOPE = re.compile(r"[!#-\[\]-~]{1,64}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
IDEMPOTENCY_KEY = "Idempotency-Key"

numbers = count()


def are_texts(value, pattern=re.compile(".*", re.DOTALL)):
    return isinstance(value, list) and 0 < len(value) <= 50 and all(
        isinstance(item, str) and pattern.fullmatch(item) for item in value
    )


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if isinstance(body, dict):
        if isinstance(body.get("url"), str) and body["url"].lower().startswith(("http://", "https://")):
            body["url"] = NOWHERE
        for field in ("scopes", "default_scopes", "required_scopes"):
            if are_texts(body.get(field), SCOPE):
                body[field] = ["read"]
        if are_texts(body.get("redirect_uris")):
            body["redirect_uris"] = ["https://app.example/callback"]
        if isinstance(body.get("expires_at"), str) and MOMENT.fullmatch(body["expires_at"]):
            body["expires_at"] = "2099-01-01T00:00:00Z"
    # Its keys are often the same, and would only say again that they were used before.
    key = (case.headers or {}).get(IDEMPOTENCY_KEY)
    if isinstance(key, str) and key.isalnum() and key.isascii() and len(key) <= 255:
        case.headers[IDEMPOTENCY_KEY] = f"key-{next(numbers)}"
