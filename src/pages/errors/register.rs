//! Errors of the registration endpoint (RFC 7591 §3.2.2).

use crate::pages::errors::Entry;

pub const ERRORS: &[Entry] = &[
    Entry {
        code: "invalid_redirect_uri",
        meaning: "A redirect URI is missing, or is not one that people can be sent to safely.",
        place: "/oauth/register",
        status: "400",
        retry: "No. The redirect URI has to change.",
        causes: &[
            "redirect_uris is missing, or not a list of texts.",
            "http with a host other than localhost, 127.0.0.1 or [::1].",
            "A fragment, a user name or a wildcard in it.",
            "A scheme that is no app's own, such as javascript: or data:.",
        ],
        steps: &[
            "Read error_description: it names the URI and what is wrong with it.",
            "For an app on the person's own machine register http://127.0.0.1/callback: any port will do afterwards.",
        ],
        example: "HTTP/1.1 400 Bad Request\n\n{\n  \"error\": \"invalid_redirect_uri\",\n  \"error_description\": \"'http://app.example/cb' has a host but must use https, unless the host is loopback\",\n  \"error_uri\": \"https://auth.example.com/errors/invalid_redirect_uri\"\n}",
        standard: "RFC 7591 §3.2.2",
    },
    Entry {
        code: "invalid_client_metadata",
        meaning: "Something that the app says of itself cannot be registered, and could not be left out either.",
        place: "/oauth/register",
        status: "400",
        retry: "No. What the app says has to change.",
        causes: &[
            "The body is not a JSON object, or not sent as application/json.",
            "token_endpoint_auth_method is not one that this server offers.",
            "grant_types holds nothing with which an app acts for a person.",
            "grant_types and response_types contradict each other.",
            "jwks and jwks_uri stand there together, or jwks holds a private key.",
            "An answer is wanted encrypted, or signed, that this server does not encrypt or sign.",
            "A change leaves client_id out, or names a client_secret that is not the app's.",
        ],
        steps: &[
            "Read error_description: it names the field.",
            "Compare with /.well-known/oauth-authorization-server. Unknown fields, scopes and grant types do no harm: they are left out.",
            "Read the answer of a registration: it says what was registered, and not what was asked for.",
        ],
        example: "HTTP/1.1 400 Bad Request\n\n{\n  \"error\": \"invalid_client_metadata\",\n  \"error_description\": \"jwks and jwks_uri exclude each other\",\n  \"error_uri\": \"https://auth.example.com/errors/invalid_client_metadata\"\n}",
        standard: "RFC 7591 §3.2.2, RFC 7592 §2.2",
    },
    Entry {
        code: "unapproved_software_statement",
        meaning: "The app sent a software statement. This server accepts nobody's.",
        place: "/oauth/register",
        status: "400",
        retry: "Yes, without software_statement.",
        causes: &["The app is made for servers that belong to a federation."],
        steps: &["Leave software_statement out, and say in plain fields what it says."],
        example: "HTTP/1.1 400 Bad Request\n\n{\n  \"error\": \"unapproved_software_statement\",\n  \"error_description\": \"software statements are not accepted\",\n  \"error_uri\": \"https://auth.example.com/errors/unapproved_software_statement\"\n}",
        standard: "RFC 7591 §3.2.2",
    },
];
