//! Who may ask.

use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};

use crate::reply::Refusal;

/// The header that carries the page's token.
pub(crate) const TOKEN: &str = "x-moa-token";

/// Names of this machine for itself. Another name that points here is a foreign page's.
const HOSTS: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Refuses requests under another name than this machine's, and those that another site's page makes. A port that was forwarded
/// may differ from the server's.
pub(crate) fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name: &HeaderName| single(headers, name);
    let host = text(&HOST)?.ok_or(Refusal::forbidden("the request names no host"))?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if !HOSTS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Err(Refusal::forbidden("this server answers only to 127.0.0.1 and localhost"));
    }
    if text(&ORIGIN)?.is_some_and(|origin| origin.strip_prefix("http://") != Some(host)) {
        return Err(Refusal::forbidden("the request comes from another site"));
    }
    let site = text(&HeaderName::from_static("sec-fetch-site"))?;
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(Refusal::forbidden("the request comes from another site"));
    }
    Ok(())
}

/// Returns a header's text; refuses several.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::to_str);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(Refusal::forbidden("the request's headers are ambiguous")),
    }
}

/// Compares a token in a time that does not depend on where it differs.
pub(crate) fn is_token(token: &str, given: &str) -> bool {
    let different = token.bytes().zip(given.bytes()).fold(0, |different, (one, other)| different | (one ^ other));
    token.len() == given.len() && std::hint::black_box(different) == 0
}
