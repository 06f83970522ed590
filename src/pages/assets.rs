//! `GET /assets/…`: the stylesheet and the logo. Both are inside the binary.

use axum::http::header;
use axum::response::IntoResponse;

const STYLE: &str = include_str!("../../templates/assets/style.css");
const LOGO: &str = include_str!("../../templates/assets/logo.svg");

/// Part of the stylesheet's address: another stylesheet has another one, so browsers may keep each for a year.
pub const VERSION: u64 = fnv1a(STYLE.as_bytes());

pub async fn style() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, STYLE)
}

pub async fn logo() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, LOGO)
}

/// Not for secrets: a fingerprint that can be computed while compiling.
const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}
