"""What every suite is handed, and how it reports. The counterpart of node/check.js."""

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests

# The libraries insist on TLS; this server is on the loopback.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

ISSUER = os.environ["ISSUER"]
EMAIL = os.environ["EMAIL"]
PUBLIC_CLIENT = os.environ["PUBLIC_CLIENT"]
CONFIDENTIAL_CLIENT = os.environ["CONFIDENTIAL_CLIENT"]
CONFIDENTIAL_SECRET = os.environ["CONFIDENTIAL_SECRET"]

WEB_CALLBACK = "https://app.example/callback"
LOOPBACK_CALLBACK = "http://127.0.0.1:43210/callback"

failed = False


@contextmanager
def check(words):
    """One line per check. A failed one is reported and does not stop those after it."""
    global failed
    try:
        yield
        print(f"  ok    {words}", flush=True)
    except Exception as error:
        failed = True
        print(f"  FAIL  {words}\n        {type(error).__name__}: {error}", flush=True)


def equal(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


@contextmanager
def refused(kind, code):
    """The library reports this OAuth error."""
    try:
        yield
    except kind as error:
        equal(error.error, code)
    else:
        raise AssertionError(f"it was accepted, not {code}")


def authorize(url, callback):
    """The person signs in and approves; returns where the browser is sent."""
    script = Path(__file__).parent.parent / "node" / "authorize.js"
    answer = subprocess.run(["node", script, url, callback], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def answers(redirect, callback, state):
    """The redirect back to the client carries its state and says who answers (RFC 9207)."""
    assert redirect.startswith(f"{callback}?"), redirect
    query = parse_qs(urlsplit(redirect).query)
    equal(query["state"], [state])
    equal(query["iss"], [ISSUER])


def who_is(token):
    return requests.get(f"{ISSUER}/v1/auth/test", headers={"Authorization": f"Bearer {token}"})


def acts_for(token, client, scopes, email=EMAIL):
    """The token is accepted as this client's, for this person, with these scopes."""
    answer = who_is(token)
    equal(answer.status_code, 200)
    body = answer.json()
    assert body["authenticated"] is True
    equal(body["user"]["email"] if body["user"] else None, email)
    assert client in str(body["client"]), body["client"]
    equal(sorted(body["scopes"]), sorted(scopes))


def is_refused(token):
    """The token is refused as RFC 6750 §3 and RFC 9728 §5.1 ask."""
    answer = who_is(token)
    equal(answer.status_code, 401)
    equal(answer.json()["error"]["code"], "unauthorized")
    assert 'resource_metadata="' in answer.headers["WWW-Authenticate"]
