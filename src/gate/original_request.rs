//! The request that a proxy asks about (forward-auth, contract §6): its method and where it goes.

use std::borrow::Cow;

use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::header;

use crate::gate::client_address;
use crate::gate::client_address::ClientAddress;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;

/// The names of Caddy and Traefik, and those usual with nginx.
const METHOD: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-method"), HeaderName::from_static("x-original-method")];
const URI: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-uri"), HeaderName::from_static("x-original-uri")];

const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalRequest {
    pub method: Method,
    /// Without its query, in which some callers send their credentials. `None` if the proxy did not say.
    pub path: Option<String>,
    /// Only to be compared.
    pub query: Option<String>,
    /// Scheme and host. `None` if no proxy that is trusted said so.
    pub origin: Option<String>,
}

/// As the proxy says in headers; `own` is the method of the asking request, which stands where it says nothing.
///
/// Two that do not agree are refused: the proxy sets one of them, and has passed on another that its caller made up.
/// Otherwise they count whoever sends them: they ask for nothing that `scope=` could not ask for.
pub fn told(headers: &HeaderMap, own: &Method, address: ClientAddress) -> Result<OriginalRequest, ApiError> {
    let method = match agreed(headers, &METHOD)? {
        None => own.clone(),
        Some(value) => Method::from_bytes(value.as_bytes())
            .map_err(|_| ApiErrorCode::BadRequest.because("The original method is no method"))?,
    };
    let uri = agreed(headers, &URI)?.map(|value| String::from_utf8_lossy(value.as_bytes()));
    let path = uri.as_ref().map(|uri| uri.split(['?', '#']).next().unwrap_or_default().to_owned());
    let query = uri.as_ref().and_then(|uri| uri.split_once('?')).map(|(_, query)| query.to_owned());
    Ok(OriginalRequest { method, path, query, origin: origin(headers, address) })
}

/// Only a proxy that is trusted knows where its caller meant to go.
pub fn origin(headers: &HeaderMap, address: ClientAddress) -> Option<String> {
    if !address.is_proxied {
        return None;
    }
    let scheme = client_address::values(headers, &client_address::PROTO).pop()?;
    Some(format!("{scheme}://{}", host(headers, address)?))
}

/// The host that was asked. A proxy that does not say passes its caller's on.
pub fn host(headers: &HeaderMap, address: ClientAddress) -> Option<&str> {
    let forwarded = if address.is_proxied { client_address::values(headers, &HOST).pop() } else { None };
    forwarded.or_else(|| headers.get(header::HOST)?.to_str().ok())
}

fn agreed<'a>(headers: &'a HeaderMap, names: &[HeaderName; 2]) -> Result<Option<&'a HeaderValue>, ApiError> {
    let mut agreed = None;
    for name in names {
        let mut values = headers.get_all(name).iter();
        match (agreed, values.next(), values.next()) {
            (_, None, _) => {}
            (None, Some(value), None) => agreed = Some(value),
            (Some(other), Some(value), None) if other == value => {}
            _ => {
                let message = format!("{} and {} must agree, and each come once", names[0], names[1]);
                return Err(ApiErrorCode::BadRequest.because(Cow::Owned(message)));
            }
        }
    }
    Ok(agreed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_by(headers: &[(&'static str, &str)]) -> Option<(String, Option<String>)> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let original = told(&map, &Method::PUT, peer(false)).ok()?;
        Some((original.method.to_string(), original.path))
    }

    fn peer(is_proxied: bool) -> ClientAddress {
        ClientAddress { ip: [127, 0, 0, 1].into(), is_secure: true, is_proxied }
    }

    fn request(method: &str, path: Option<&str>) -> (String, Option<String>) {
        (method.to_owned(), path.map(str::to_owned))
    }

    #[test]
    fn a_proxy_says_what_it_asks_about() {
        assert_eq!(told_by(&[]), Some(request("PUT", None)));
        assert_eq!(told_by(&[("x-forwarded-method", "GET")]), Some(request("GET", None)));
        assert_eq!(told_by(&[("x-original-method", "get")]), Some(request("get", None)));
        assert_eq!(
            told_by(&[("x-original-method", "DELETE"), ("x-forwarded-uri", "/v1/contacts?key=secret#x")]),
            Some(request("DELETE", Some("/v1/contacts")))
        );
        assert_eq!(
            told_by(&[("x-forwarded-method", "GET"), ("x-original-method", "GET")]),
            Some(request("GET", None))
        );
    }

    #[test]
    fn only_a_trusted_proxy_says_where_its_caller_meant_to_go() {
        let told = |is_proxied, headers: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            origin(&map, peer(is_proxied))
        };
        let headers =
            [("host", "inside:3000"), ("x-forwarded-proto", "http"), ("x-forwarded-proto", "https")];
        let with_host = [&headers[..], &[("x-forwarded-host", "evil.example, api.example:8443")]].concat();

        assert_eq!(told(true, &with_host).as_deref(), Some("https://api.example:8443"));
        assert_eq!(told(true, &headers).as_deref(), Some("https://inside:3000"));
        assert_eq!(told(true, &with_host[3..]), None, "no scheme");
        assert_eq!(told(false, &with_host), None);
    }

    #[test]
    fn two_answers_to_one_question_are_none() {
        for headers in [
            [("x-forwarded-method", "GET"), ("x-original-method", "DELETE")],
            [("x-forwarded-method", "GET"), ("x-original-method", "get")],
            [("x-forwarded-method", "GET"), ("x-forwarded-method", "GET")],
            [("x-original-uri", "/a"), ("x-original-uri", "/a")],
            [("x-forwarded-uri", "/a"), ("x-original-uri", "/b")],
        ] {
            assert_eq!(told_by(&headers), None, "{headers:?}");
        }
        for method in ["", "GET, POST", "GET POST", "G\u{e9}T"] {
            assert_eq!(told_by(&[("x-forwarded-method", method)]), None, "{method}");
        }
    }
}
