"""Apps that register themselves and sign people in, one with a secret and one with a key, with idpyoidc.

Not refreshing, for which the library never registers, nor pushed requests, of which it takes no answer but a 200.
"""

import logging
import sys
from urllib.parse import parse_qsl, urlsplit

from idpyoidc.client.rp_handler import RPHandler

import suite
from suite import EMAIL, ISSUER, WEB_CALLBACK, acts_for, answers, authorize, check, equal, is_refused

# What the library finds odd and takes all the same, and what it raises besides.
logging.disable()

HOME = "https://app.example"
SCOPE = ["openid", "email", "profile", "read"]
KEYS = [{"type": "RSA", "use": ["sig"]}, {"type": "EC", "crv": "P-256", "use": ["sig"]}]
ADD_ONS = {
    "pkce": {
        "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
        "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
    }
}
# The default ones leave sign-out out.
SERVICES = {
    name: {"class": f"idpyoidc.client.oidc.{path}"}
    for name, path in {
        "discovery": "provider_info_discovery.ProviderInfoDiscovery",
        "registration": "registration.Registration",
        "authorization": "authorization.Authorization",
        "access_token": "access_token.AccessToken",
        "refresh_access_token": "refresh_access_token.RefreshAccessToken",
        "userinfo": "userinfo.UserInfo",
        "end_session": "end_session.EndSession",
    }.items()
}


def relying_party(method, **preference):
    """An app as the library's documentation builds one: it is told the issuer and what it likes."""
    return RPHandler(
        base_url=HOME,
        key_conf={"key_defs": KEYS},
        services=SERVICES,
        client_configs={
            ISSUER: {
                "issuer": ISSUER,
                "client_type": "oidc",
                "redirect_uris": [WEB_CALLBACK],
                "client_name": "With idpyoidc",
                "client_authn_methods": [method],
                "preference": {
                    "response_types_supported": ["code"],
                    "token_endpoint_auth_methods_supported": [method],
                    **preference,
                },
                "add_ons": ADD_ONS,
            }
        },
    )


for method, preference in [
    ("client_secret_basic", {}),
    ("client_secret_post", {"id_token_signing_alg_values_supported": ["ES256"]}),
    ("private_key_jwt", {"token_endpoint_auth_signing_alg_values_supported": ["ES256"]}),
]:
    app = relying_party(method, **preference)

    with check(f"{method}: the app finds the provider, registers itself and sends the person to sign in"):
        client = app.init_client(ISSUER)
        client.do_provider_info()
        # The library says none of these by itself. Of a registered scope it takes back one word and no more.
        more = {"scope": "openid", "jwks": app.keyjar.export_jwks(), "post_logout_redirect_uris": [f"{HOME}/bye"]}
        client.do_client_registration(request_args=more)
        app.issuer2rp[ISSUER] = client
        # Nor does it sign in its own name when it has got that from the provider.
        client.client_id = client.get_client_id()
        registered = client.get_context().registration_response
        equal(registered["token_endpoint_auth_method"], method)
        url = app.begin(ISSUER, req_args={"scope": SCOPE})

    with check(f"{method}: the answer carries code, state and iss"):
        asked = dict(parse_qsl(urlsplit(url).query))
        redirect = authorize(url, WEB_CALLBACK)
        answers(redirect, WEB_CALLBACK, asked["state"])

    with check(f"{method}: the library takes the code, the ID token and userinfo"):
        session = app.finalize(ISSUER, dict(parse_qsl(urlsplit(redirect).query)))
        assert "error" not in session, session
        claims = session["id_token"]
        equal(claims.jws_header["alg"], "ES256" if "id_token_signing_alg_values_supported" in preference else "RS256")
        equal((session["userinfo"]["email"], session["userinfo"]["sub"]), (EMAIL, claims["sub"]))
        acts_for(session["token"], client.get_client_id(), SCOPE)

    with check(f"{method}: the app signs the person out, and gets them back"):
        leaving = app.logout(asked["state"], post_logout_redirect_uri=f"{HOME}/bye")["url"]
        answer = suite.requests.get(leaving, allow_redirects=False)
        assert answer.status_code in (302, 303), answer.text
        assert answer.headers["Location"].startswith(f"{HOME}/bye"), answer.headers["Location"]

sys.exit(suite.failed)
