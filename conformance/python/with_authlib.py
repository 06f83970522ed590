"""A Flask application by discovery, its access tokens checked as a resource server does (RFC 9068), with Authlib."""

import sys
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2 import rfc8414, rfc9207
from authlib.oauth2.rfc6750.errors import InsufficientScopeError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from flask import Flask
from joserfc.jwk import KeySet

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

METADATA_URL = rfc8414.get_well_known_url(ISSUER, external=True)


def web_application(client, secret, callback):
    """An application as the library's documentation builds one: it is told where the metadata is and no more."""
    flask = Flask("conformance")
    flask.secret_key = "of this run only"
    countersign = OAuth(flask).register(
        "countersign",
        client_id=client,
        client_secret=secret,
        server_metadata_url=METADATA_URL,
        client_kwargs={"scope": "read write", "code_challenge_method": "S256"},
    )

    @flask.get("/login")
    def login():
        return countersign.authorize_redirect(callback)

    @flask.get("/callback")
    def arrive():
        return countersign.authorize_access_token()

    @flask.errorhandler(OAuthError)
    def refuse(error):
        return {"error": error.error}, 403

    return flask.test_client()


class ResourceServer(JWTBearerTokenValidator):
    """An API that trusts the server's published keys and asks it nothing else."""

    def get_jwks(self):
        return KeySet.import_key_set(requests.get(metadata["jwks_uri"]).json())

    def accepts(self, token, scope):
        self.validate_token(self.authenticate_token(token), [scope], request=None)


with check("the metadata is valid (RFC 8414, RFC 9207)"):
    metadata = rfc8414.AuthorizationServerMetadata(requests.get(METADATA_URL).json())
    equal(metadata["issuer"], ISSUER)
    metadata.validate(metadata_classes=[rfc9207.AuthorizationServerMetadata])

for name, client, secret, callback in [
    ("confidential", CONFIDENTIAL_CLIENT, CONFIDENTIAL_SECRET, WEB_CALLBACK),
    ("public", PUBLIC_CLIENT, None, LOOPBACK_CALLBACK),
]:
    browser = web_application(client, secret, callback)

    with check(f"{name}: the application sends the person to sign in, and the answer carries state and iss"):
        asked = browser.get("/login").headers["Location"]
        assert asked.startswith(metadata["authorization_endpoint"]), asked
        redirect = authorize(asked, callback)
        answers(redirect, callback, *parse_qs(urlsplit(asked).query)["state"])

    with check(f"{name}: the application checks the state and exchanges the code"):
        arrival = browser.get(f"/callback?{urlsplit(redirect).query}")
        equal(arrival.status_code, 200)
        first = arrival.get_json()
        equal(first["token_type"], "Bearer")
        equal(first["scope"], "read write")

    with check(f"{name}: the access token acts for the person at /v1"):
        acts_for(first["access_token"], client, ["read", "write"])

    with check(f"{name}: a resource server accepts it by the published keys, within its scope (RFC 9068)"):
        resource = requests.get(f"{ISSUER}/.well-known/oauth-protected-resource").json()
        equal(resource["authorization_servers"], [ISSUER])
        api = ResourceServer(issuer=ISSUER, resource_server=resource["resource"])
        claims = api.authenticate_token(first["access_token"])
        equal(claims.header["typ"], "at+jwt")
        equal(claims["client_id"], client)
        api.accepts(first["access_token"], "write")
        try:
            api.accepts(first["access_token"], "admin")
        except InsufficientScopeError:
            pass
        else:
            raise AssertionError("a scope was accepted that was never granted")

    session = OAuth2Session(client, secret, scope="read write")

    with check(f"{name}: refreshing gives a new pair that works"):
        second = dict(session.refresh_token(metadata["token_endpoint"], first["refresh_token"]))
        assert second["refresh_token"] != first["refresh_token"]
        acts_for(second["access_token"], client, ["read", "write"])

    with check(f"{name}: the old refresh token, retried at once, gives the same successor"):
        retried = session.refresh_token(metadata["token_endpoint"], first["refresh_token"])
        equal(retried["refresh_token"], second["refresh_token"])

    with check(f"{name}: after revocation both tokens are refused"):
        answer = session.revoke_token(metadata["revocation_endpoint"], second["refresh_token"], "refresh_token")
        equal((answer.status_code, answer.json()), (200, {}))
        is_refused(second["access_token"])
        with refused(OAuthError, "invalid_grant"):
            session.refresh_token(metadata["token_endpoint"], second["refresh_token"])

for method in ["client_secret_basic", "client_secret_post"]:
    service = OAuth2Session(
        CONFIDENTIAL_CLIENT, CONFIDENTIAL_SECRET, token_endpoint_auth_method=method, scope="read write"
    )

    with check(f"client credentials by {method}"):
        token = service.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        acts_for(token["access_token"], CONFIDENTIAL_CLIENT, ["read", "write"], email=None)

    with check(f"introspection by {method}, before and after revocation (RFC 7662)"):
        described = service.introspect_token(metadata["introspection_endpoint"], token["access_token"]).json()
        equal((described["active"], described["client_id"]), (True, CONFIDENTIAL_CLIENT))
        service.revoke_token(metadata["revocation_endpoint"], token["access_token"], "access_token")
        described = service.introspect_token(metadata["introspection_endpoint"], token["access_token"]).json()
        equal(described, {"active": False})
        is_refused(token["access_token"])

sys.exit(suite.failed)
