//! Errors of the authorization endpoint (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).

use crate::pages::errors::Entry;

const PLACE: &str = "/oauth/authorize, in the address the browser returns to";
const REFERENCE_PLACE: &str =
    "/oauth/authorize, on a page: nothing beside a request_uri counts, not even a redirect URI";
const STATUS: &str = "303 to the redirect URI";

pub const ERRORS: &[Entry] = &[
    Entry {
        code: "access_denied",
        meaning: "The person said no, or may not say yes.",
        place: "/oauth/authorize, in the address the browser returns to; /oauth/token, with a device code",
        status: "303 to the redirect URI; 400 with JSON",
        retry: "Only when the person asks for it again.",
        causes: &[
            "They pressed Deny on the consent page, or on the page for devices.",
            "They unticked every scope.",
            "They belong to no organization for which they may allow apps.",
        ],
        steps: &[
            "Return to where they started and say, without blame, that nothing was connected.",
            "Offer a way to try again. Do not send them back by yourself: that traps them in a loop.",
            "If many people deny, ask for fewer scopes, or ask for the rest when they are first needed.",
        ],
        example: "https://app.example.com/callback?error=access_denied\n  &error_description=the+person+denied+the+request\n  &error_uri=https%3A%2F%2Fauth.example.com%2Ferrors%2Faccess_denied\n  &state=af0ifjsldkj&iss=https%3A%2F%2Fauth.example.com",
        standard: "RFC 6749 §4.1.2.1",
    },
    Entry {
        code: "unsupported_response_type",
        meaning: "The response_type is not one that this server offers. It offers code.",
        place: PLACE,
        status: STATUS,
        retry: "No. The request itself has to change.",
        causes: &[
            "A library is set to the implicit or hybrid flow: response_type=token, id_token, or code id_token.",
        ],
        steps: &[
            "Set response_type=code, and switch the library to the authorization code flow with PKCE.",
            "Read the tokens from the answer of /oauth/token, not from the address of the callback.",
        ],
        example: "https://app.example.com/callback?error=unsupported_response_type\n  &error_description=response_type+must+be+code\n  &state=af0ifjsldkj&iss=https%3A%2F%2Fauth.example.com",
        standard: "RFC 6749 §4.1.2.1; the implicit flow was removed by RFC 9700 §2.1.2",
    },
    Entry {
        code: "login_required",
        meaning: "The app asked for an answer without any page, or for one person, and that is not who is signed in.",
        place: PLACE,
        status: STATUS,
        retry: "Yes, without prompt=none: the person can then sign in.",
        causes: &[
            "prompt=none, and the browser has no session here, or it has ended.",
            "prompt=none with max_age, and the person signed in longer ago than that.",
            "id_token_hint, or sub in claims, names somebody else than the person who is or has just signed in.",
            "The request ran in a hidden frame, where the browser keeps this server's cookie back.",
        ],
        steps: &[
            "Send the whole browser window to /oauth/authorize without prompt=none.",
            "Replace silent renewal in a hidden frame by a refresh token.",
        ],
        example: "https://app.example.com/callback?error=login_required\n  &state=af0ifjsldkj&iss=https%3A%2F%2Fauth.example.com",
        standard: "OpenID Connect Core §3.1.2.6",
    },
    Entry {
        code: "consent_required",
        meaning: "The app asked for an answer without any page, and the person has not allowed all of it yet.",
        place: PLACE,
        status: STATUS,
        retry: "Yes, without prompt=none: the person is then asked.",
        causes: &[
            "prompt=none on the first visit, before any consent.",
            "The request asks for a scope or a resource that was not allowed before.",
            "The person took the app's access back under Settings → Connected apps.",
        ],
        steps: &[
            "Send the person to /oauth/authorize without prompt=none.",
            "Ask with prompt=none only for scopes that an earlier token answer listed in scope.",
        ],
        example: "https://app.example.com/callback?error=consent_required\n  &state=af0ifjsldkj&iss=https%3A%2F%2Fauth.example.com",
        standard: "OpenID Connect Core §3.1.2.6",
    },
    Entry {
        code: "invalid_request_object",
        meaning: "The signed request object is not one that this server accepts.",
        place: "/oauth/authorize and /oauth/par",
        status: "400, on a page or as JSON; 303 to the redirect URI in the object, if its signature is right",
        retry: "No. The app has to sign another object.",
        causes: &[
            "It is not signed, or with alg none or a shared secret. Only signatures with the app's own keys count.",
            "The key is not in the app's jwks or at its jwks_uri, or kid names another one.",
            "client_id is missing in it, or is not the one beside it; iss is not the app, or aud not this server's issuer.",
            "It has expired, or an object with this jti led to an answer before.",
            "typ says that it is another kind of JWT. oauth-authz-req+jwt, JWT and none at all are fine.",
        ],
        steps: &[
            "Read error_description: it names what is wrong.",
            "Put all parameters into the object, and send only client_id and request in the address.",
            "Sign a new object, with a jti of its own, for each attempt.",
        ],
        example: "https://auth.example.com/oauth/authorize?client_id=cli_…&request=eyJ0eXAiOiJvYXV0aC1hdXRoei1yZXErand0Ii…",
        standard: "RFC 9101 §7",
    },
    Entry {
        code: "invalid_request_uri",
        meaning: "What the request_uri refers to is not, or no longer, there.",
        place: REFERENCE_PLACE,
        status: "400, on a page",
        retry: "No. Push the request again, and send the person with the new request_uri.",
        causes: &[
            "The person came more than 90 seconds after the request was pushed, often because the link was made long before it was used.",
            "The person took more than 30 minutes over signing in and deciding.",
            "The request was answered before: the address was opened again from the history, or in a second tab.",
            "client_id is not that of the app which pushed the request.",
        ],
        steps: &[
            "Push the request when the person wants to go, and redirect at once.",
            "Push anew for each attempt: a request_uri is good for one answer.",
        ],
        example: "https://auth.example.com/oauth/authorize?client_id=cli_…\n  &request_uri=urn:ietf:params:oauth:request_uri:…",
        standard: "RFC 9101 §7, RFC 9126 §4",
    },
    Entry {
        code: "request_uri_not_supported",
        meaning: "The request_uri is not one that this server gave, and it fetches no requests from elsewhere.",
        place: REFERENCE_PLACE,
        status: "400, on a page",
        retry: "No. The request itself has to change.",
        causes: &[
            "The app keeps its request object at an address of its own, and sends that as request_uri.",
        ],
        steps: &[
            "Push the request to /oauth/par, and send the request_uri of the answer.",
            "Or send the object itself as request.",
        ],
        example: "https://auth.example.com/oauth/authorize?client_id=cli_…\n  &request_uri=https://app.example.com/request.jwt",
        standard: "RFC 9101 §7",
    },
    Entry {
        code: "unmet_authentication_requirements",
        meaning: "The app asked for a way of signing in that this server does not have.",
        place: PLACE,
        status: STATUS,
        retry: "No. The request itself has to change.",
        causes: &[
            "claims asks for an acr as essential, with values of which none is in acr_values_supported of the metadata.",
            "acr_values names none of them either, in a request without the scope openid.",
        ],
        steps: &[
            "Ask for one of the acr_values_supported that /.well-known/openid-configuration lists.",
            "If the app only prefers one, send it in acr_values beside the scope openid: it is then a wish.",
        ],
        example: "https://app.example.com/callback?error=unmet_authentication_requirements\n  &state=af0ifjsldkj&iss=https%3A%2F%2Fauth.example.com",
        standard: "RFC 9470 §5, OpenID Connect Core §5.5.1.1",
    },
    Entry {
        code: "interaction_required",
        meaning: "The app asked for an answer without any page, and a page is needed for another reason than signing in or consent.",
        place: PLACE,
        status: STATUS,
        retry: "Yes, without prompt=none.",
        causes: &[
            "A step on a page stands between the person and the answer, such as a second factor.",
            "This server says login_required or consent_required instead where one of them fits.",
        ],
        steps: &["Send the whole browser window to /oauth/authorize without prompt=none."],
        example: "https://app.example.com/callback?error=interaction_required\n  &state=af0ifjsldkj&iss=https%3A%2F%2Fauth.example.com",
        standard: "OpenID Connect Core §3.1.2.6",
    },
    Entry {
        code: "account_selection_required",
        meaning: "The app asked for an answer without any page, and the person has to choose first.",
        place: PLACE,
        status: STATUS,
        retry: "Yes, without prompt=none: the person can then choose.",
        causes: &[
            "The person could be meant by several accounts or organizations, and has not chosen one for this app.",
            "This server says login_required or consent_required instead where one of them fits.",
        ],
        steps: &[
            "Send the person to /oauth/authorize without prompt=none.",
            "Leave login_hint out if the app does not mind which account is used.",
        ],
        example: "https://app.example.com/callback?error=account_selection_required\n  &state=af0ifjsldkj&iss=https%3A%2F%2Fauth.example.com",
        standard: "OpenID Connect Core §3.1.2.6",
    },
    Entry {
        code: "server_error",
        meaning: "Something failed on this server. Nothing in the request is known to be wrong.",
        place: "/oauth/authorize, and the JSON of the other OAuth endpoints",
        status: "303 to the redirect URI; 500 with JSON",
        retry: "Once, after a moment. If it happens again, later will hardly be better.",
        causes: &["A fault of this server. Its log has the cause, under the request id."],
        steps: &[
            "Try once more. A code or refresh token that was sent is best sent again as it is: a retry within the retry window gets the same answer.",
            "If it stays, send the operator the X-Request-Id of the answer.",
        ],
        example: "{\n  \"error\": \"server_error\",\n  \"error_uri\": \"https://auth.example.com/errors/server_error\"\n}",
        standard: "RFC 6749 §4.1.2.1",
    },
    Entry {
        code: "temporarily_unavailable",
        meaning: "This server cannot answer at the moment: its database is away, or it is being restarted.",
        place: "/oauth/authorize, and the JSON of the other OAuth endpoints",
        status: "303 to the redirect URI; 503 with JSON and Retry-After",
        retry: "Yes, after the seconds in Retry-After.",
        causes: &["Maintenance, a restart, or a lost connection to the database."],
        steps: &[
            "Wait as long as Retry-After says, then send the same request again.",
            "Keep the tokens that the app has. This error says nothing about them, so do not sign people out because of it.",
        ],
        example: "{\n  \"error\": \"temporarily_unavailable\",\n  \"error_uri\": \"https://auth.example.com/errors/temporarily_unavailable\"\n}",
        standard: "RFC 6749 §4.1.2.1",
    },
];
