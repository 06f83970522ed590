//! Errors of the session API, `/api/auth`.

use crate::pages::errors::Entry;

pub const ERRORS: &[Entry] = &[
    Entry {
        code: "INVALID_CREDENTIALS",
        meaning: "The email or the password is wrong. The answer does not say which.",
        place: "POST /api/auth/login",
        status: "401",
        retry: "With other credentials. After several wrong tries the answer is 429 for a while.",
        causes: &[
            "A typing error, or a password manager that filled in another account.",
            "There is no account with that email.",
            "The account was made on another server, such as staging.",
        ],
        steps: &[
            "Show the same sentence in every case, so that nobody can find out who has an account.",
            "Keep what was typed as the email, and let the person try again.",
        ],
        example: "HTTP/1.1 401 Unauthorized\n\n{\n  \"error\": {\n    \"code\": \"INVALID_CREDENTIALS\",\n    \"message\": \"Invalid email or password\"\n  }\n}",
        standard: "",
    },
    Entry {
        code: "REFRESH_FAILED",
        meaning: "The session's refresh token is not, or no longer, good.",
        place: "POST /api/auth/refresh",
        status: "401",
        retry: "No. The person has to sign in again.",
        causes: &[
            "It is an old one. Each refresh answers with a new one, and the old one is good only as a short retry.",
            "An old one was presented again, so the session was ended: somebody may have copied it.",
            "The person signed out, changed the password, or ended the session under Settings → Account.",
            "Something else was sent. It begins with v1.",
        ],
        steps: &[
            "Store the refresh_token of every answer at once, in one place for all tabs.",
            "Refresh in one tab at a time.",
            "Show the sign-in form.",
        ],
        example: "HTTP/1.1 401 Unauthorized\n\n{\n  \"error\": {\n    \"code\": \"REFRESH_FAILED\",\n    \"message\": \"Invalid or expired refresh token\"\n  }\n}",
        standard: "",
    },
    Entry {
        code: "USER_CREATION_FAILED",
        meaning: "The account could not be made, because the email is taken.",
        place: "POST /api/auth/register",
        status: "409",
        retry: "No. Sign in instead, or use another email.",
        causes: &[
            "There is an account with that email already. Upper and lower case do not matter.",
            "The form was sent twice, and the first one succeeded.",
        ],
        steps: &["Offer to sign in with that email.", "Disable the button once it was pressed."],
        example: "HTTP/1.1 409 Conflict\n\n{\n  \"error\": {\n    \"code\": \"USER_CREATION_FAILED\",\n    \"message\": \"an account with this email exists already\"\n  }\n}",
        standard: "",
    },
];
