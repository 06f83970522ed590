"""An app that registers itself and signs people in, with pyoidc (the package `oic`)."""

import logging
import sys
from urllib.parse import urlsplit

from oic import rndstr
from oic.oauth2.message import ErrorResponse
from oic.oic import Client
from oic.oic.message import AuthorizationResponse
from oic.utils.authn.client import CLIENT_AUTHN_METHOD

import suite
from suite import EMAIL, ISSUER, WEB_CALLBACK, acts_for, answers, authorize, check, equal, is_refused

# What the library finds odd and takes all the same, and what it raises besides.
logging.disable()

SCOPE = ["openid", "email", "profile", "read"]


def accepted(answer):
    """The library gives back the error that it was answered."""
    assert not isinstance(answer, ErrorResponse), answer.to_dict()
    return answer


def refused(answer, code):
    assert isinstance(answer, ErrorResponse), f"it was accepted, not {code}"
    equal(answer["error"], code)


for method, algorithm in [("client_secret_basic", None), ("client_secret_post", "ES256")]:
    name = f"{method}, {algorithm or 'RS256 by default'}"
    client = Client(client_authn_method=CLIENT_AUTHN_METHOD, config={"code_challenge": {"length": 64, "method": "S256"}})

    with check(f"{name}: discovery finds the provider, and its keys"):
        client.provider_config(ISSUER)
        equal(client.provider_info["issuer"], ISSUER)
        assert client.keyjar[ISSUER]

    with check(f"{name}: the app registers itself"):
        wanted = {"id_token_signed_response_alg": algorithm} if algorithm else {}
        registered = client.register(
            client.provider_info["registration_endpoint"],
            redirect_uris=[WEB_CALLBACK],
            client_name="With pyoidc",
            # By itself the library asks for the code alone.
            grant_types=["authorization_code", "refresh_token"],
            token_endpoint_auth_method=method,
            **wanted,
        )
        equal(registered["token_endpoint_auth_method"], method)

    with check(f"{name}: the answer carries code, state and iss"):
        state, nonce = rndstr(), rndstr()
        challenge, verifier = client.add_code_challenge()
        request = client.construct_AuthorizationRequest(
            request_args={
                "response_type": "code",
                "scope": SCOPE,
                "redirect_uri": WEB_CALLBACK,
                "state": state,
                "nonce": nonce,
                **challenge,
            }
        )
        redirect = authorize(request.request(client.authorization_endpoint), WEB_CALLBACK)
        answers(redirect, WEB_CALLBACK, state)
        answer = accepted(client.parse_response(AuthorizationResponse, urlsplit(redirect).query, "urlencoded"))

    with check(f"{name}: the code gives tokens, and the library accepts the ID token"):
        tokens = accepted(
            client.do_access_token_request(
                state=state,
                request_args={"code": answer["code"], "redirect_uri": WEB_CALLBACK, "code_verifier": verifier},
                authn_method=method,
            )
        )
        claims = tokens["id_token"]
        equal((claims["nonce"], claims["aud"]), (nonce, [client.client_id]))
        equal(claims.jws_header["alg"], algorithm or "RS256")
        acts_for(tokens["access_token"], client.client_id, SCOPE)

    with check(f"{name}: userinfo tells of the same person"):
        told = accepted(client.do_user_info_request(state=state))
        equal((told["sub"], told["email"]), (claims["sub"], EMAIL))

    with check(f"{name}: refreshing gives a new pair that works"):
        second = accepted(client.do_access_token_refresh(state=state, authn_method=method))
        assert second["refresh_token"] != tokens["refresh_token"]
        equal(second["id_token"]["sub"], claims["sub"])
        acts_for(second["access_token"], client.client_id, SCOPE)

    with check(f"{name}: a code that is used twice is refused and takes its tokens with it"):
        again = client.do_access_token_request(
            state=state,
            request_args={"code": answer["code"], "redirect_uri": WEB_CALLBACK, "code_verifier": verifier},
            authn_method=method,
        )
        refused(again, "invalid_grant")
        is_refused(second["access_token"])

sys.exit(suite.failed)
