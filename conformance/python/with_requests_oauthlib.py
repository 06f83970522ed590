"""A public client and a confidential one, with requests-oauthlib. It knows no discovery."""

import sys

import requests
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

import suite
from suite import (
    CONFIDENTIAL_CLIENT,
    CONFIDENTIAL_SECRET,
    ISSUER,
    LOOPBACK_CALLBACK,
    PUBLIC_CLIENT,
    WEB_CALLBACK,
    acts_for,
    answers,
    authorize,
    check,
    equal,
    is_refused,
    refused,
)

AUTHORIZE = f"{ISSUER}/oauth/authorize"
TOKEN = f"{ISSUER}/oauth/token"
REVOKE = f"{ISSUER}/oauth/revoke"

SCOPE = ["read", "write"]
BASIC = {"auth": HTTPBasicAuth(CONFIDENTIAL_CLIENT, CONFIDENTIAL_SECRET)}
SECRET = {"client_secret": CONFIDENTIAL_SECRET}

# How each kind of client proves itself: at the code, and at refresh and revocation.
CALLERS = [
    ("public", PUBLIC_CLIENT, LOOPBACK_CALLBACK, {"include_client_id": True}, {"client_id": PUBLIC_CLIENT}),
    ("confidential, Basic", CONFIDENTIAL_CLIENT, WEB_CALLBACK, BASIC, BASIC),
    (
        "confidential, POST body",
        CONFIDENTIAL_CLIENT,
        WEB_CALLBACK,
        {"include_client_id": True, **SECRET},
        {"client_id": CONFIDENTIAL_CLIENT, **SECRET},
    ),
]

for name, client, callback, at_code, proof in CALLERS:
    app = OAuth2Session(client, redirect_uri=callback, scope=SCOPE, pkce="S256")

    with check(f"{name}: the answer carries code, state and iss"):
        url, state = app.authorization_url(AUTHORIZE)
        redirect = authorize(url, callback)
        answers(redirect, callback, state)

    # The library warns, and here that is an error, when the scope in the answer is not what was asked.
    with check(f"{name}: the library checks the state and exchanges the code"):
        first = app.fetch_token(TOKEN, authorization_response=redirect, **at_code)
        equal(sorted(first.scopes), SCOPE)

    with check(f"{name}: the access token acts for the person at /v1"):
        acts_for(first["access_token"], client, SCOPE)
        equal(app.get(f"{ISSUER}/v1/auth/test").status_code, 200)

    with check(f"{name}: refreshing gives a new pair that works"):
        second = app.refresh_token(TOKEN, refresh_token=first["refresh_token"], **proof)
        assert second["refresh_token"] != first["refresh_token"]
        acts_for(second["access_token"], client, SCOPE)

    def revoke(kind):
        """The library prepares this request and leaves sending it to its caller."""
        parameters = {key: value for key, value in proof.items() if key != "auth"}
        url, headers, body = app._client.prepare_token_revocation_request(
            REVOKE, second[kind], token_type_hint=kind, **parameters
        )
        answer = requests.post(url, body, headers=headers, auth=proof.get("auth"))
        equal((answer.status_code, answer.json()), (200, {}))

    with check(f"{name}: a revoked access token is refused"):
        revoke("access_token")
        is_refused(second["access_token"])

    with check(f"{name}: a revoked refresh token is refused"):
        revoke("refresh_token")
        with refused(OAuth2Error, "invalid_grant"):
            app.refresh_token(TOKEN, refresh_token=second["refresh_token"], **proof)

for name, proof in [("Basic", BASIC), ("POST body", {"include_client_id": True, **SECRET})]:
    service = OAuth2Session(client=BackendApplicationClient(CONFIDENTIAL_CLIENT, scope=["write"]))

    with check(f"client credentials, secret by {name}"):
        token = service.fetch_token(TOKEN, **proof)
        assert "refresh_token" not in token
        acts_for(token["access_token"], CONFIDENTIAL_CLIENT, ["write"], email=None)

    with check(f"a scope that nobody knows is invalid_scope, {name}"):
        greedy = OAuth2Session(client=BackendApplicationClient(CONFIDENTIAL_CLIENT, scope=["everything"]))
        with refused(OAuth2Error, "invalid_scope"):
            greedy.fetch_token(TOKEN, **proof)

sys.exit(suite.failed)
