//! Where the service is, and the key to it.

use std::fmt;

use crate::{JudgeError, Settings};

/// The path of the call.
const CALL: &str = "/chat/completions";

/// A service's address and key. The key is kept in memory alone, and is never shown.
#[derive(Clone)]
pub(crate) struct Endpoint {
    url: String,
    /// The address as it is shown: without user, password and query.
    shown: String,
    key: Option<String>,
    pub(crate) address_variable: String,
    pub(crate) key_variable: String,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("address", &self.shown).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Takes address and key from the environment, as `variable` returns it.
    pub(crate) fn new(settings: &Settings, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, JudgeError> {
        let name = &settings.address_variable;
        let refused = |field: &str, value: &str, accepted: &str| {
            Err(JudgeError::Setting { field: field.into(), value: value.into(), accepted: accepted.into() })
        };
        let example = "give the address of an OpenAI-compatible service, such as http://127.0.0.1:8000/v1";
        let Some(address) = variable(name).filter(|address| !address.trim().is_empty()) else {
            return refused(name, "not set", example);
        };
        let address = address.trim();
        if address.starts_with("https://") {
            return refused(
                name,
                "an address with https",
                "moa speaks http: run a proxy on this machine that adds TLS",
            );
        }
        let is_plain = address.bytes().all(|byte| byte.is_ascii_graphic());
        let Some(rest) = address.strip_prefix("http://").filter(|rest| is_plain && !rest.starts_with(['/', ':']))
        else {
            // What is in the variable by mistake may be a key.
            return refused(name, "no address", example);
        };
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let path = path.split('#').next().unwrap_or_default().trim_end_matches('/');
        let path = match path.strip_suffix(CALL) {
            Some(_) => path.to_owned(),
            None if path.contains('/') => format!("{path}{CALL}"),
            None => format!("{path}/v1{CALL}"),
        };
        let host = path.split('/').next().unwrap_or_default();
        let shown = match host.rsplit_once('@') {
            Some((user, _)) => format!("http://{}", &path[user.len() + 1..]),
            None => format!("http://{path}"),
        };
        let url = query.map_or_else(|| format!("http://{path}"), |query| format!("http://{path}?{query}"));
        let key = variable(&settings.key_variable).map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        if key.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic()) || key.len() > 4096) {
            return refused(&settings.key_variable, "not a key", "give one line of letters, digits and signs");
        }
        let (address_variable, key_variable) = (name.clone(), settings.key_variable.clone());
        Ok(Self { url, shown, key, address_variable, key_variable })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the address for messages.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Returns the header that carries the key.
    pub(crate) fn authorization(&self) -> Option<String> {
        self.key.as_ref().map(|key| format!("Bearer {key}"))
    }

    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
    }

    /// Returns what a service said in one line, shortened, and without the key where it repeats that.
    pub(crate) fn excerpt(&self, bytes: &[u8]) -> String {
        let start = &bytes[..bytes.len().min(4000)];
        let mut text = String::from_utf8_lossy(start).into_owned();
        if let Some(key) = &self.key {
            text = text.replace(key.as_str(), "…");
            // A key that is cut at the end.
            if bytes.len() > start.len()
                && let Some(length) = (4..key.len()).rev().find(|length| text.ends_with(&key[..*length]))
            {
                text.truncate(text.len() - length);
            }
        }
        let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let line: String = line.chars().filter(|character| !character.is_control()).collect();
        match line.char_indices().nth(200) {
            Some((end, _)) => format!("{:?}…", &line[..end]),
            None => format!("{line:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(address: &str, key: &str) -> Result<Endpoint, String> {
        let variable = |name: &str| match name {
            "MOA_AI_URL" => Some(address.to_owned()),
            "MOA_AI_KEY" => Some(key.to_owned()),
            _ => None,
        };
        Endpoint::new(&Settings::new("m"), &variable).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_of_host_base_and_call_are_the_same_call() {
        for (address, url) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/chat/completions"),
            ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1/chat/completions"),
            ("http://host/api/v3", "http://host/api/v3/chat/completions"),
            ("http://host/v1/chat/completions?version=2#x", "http://host/v1/chat/completions?version=2#x"),
        ] {
            let found = endpoint(address, "").unwrap();
            assert_eq!(found.url(), url);
        }
    }

    #[test]
    fn passwords_queries_and_keys_are_never_shown() {
        let found = endpoint("http://ann:secret@host:1/v1?token=secret", "sk-secret").unwrap();
        assert_eq!(found.shown(), "http://host:1/v1/chat/completions");
        assert!(!format!("{found:?}").contains("secret"));
        let body = format!("{} bad key sk-secret!", "x".repeat(100));
        assert!(!found.excerpt(body.as_bytes()).contains("secret"));
        let cut = format!("{}sk-secret", "é".repeat(1997));
        assert!(!found.excerpt(cut.as_bytes()).contains("sk-s"));
        for (address, key) in [("sk-secret", ""), ("http:///v1", ""), ("https://h", ""), ("http://h/secret\u{e9}", "")]
        {
            let refused = endpoint(address, key).unwrap_err();
            assert!(refused.starts_with("MOA_AI_URL is ") && !refused.contains("secret"), "{refused}");
        }
        let refused = endpoint("http://h", "secret\nX-Header: 1").unwrap_err();
        assert!(refused.starts_with("MOA_AI_KEY is not a key") && !refused.contains("secret"), "{refused}");
    }
}
