//! The page: one file of HTML with its styles and script.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use sha2::{Digest, Sha256};

use crate::reply::{Reply, reply};

const TEMPLATE: &str = include_str!("../page/index.html");

const STYLES: [&str; 3] = [
    include_str!("../page/style/theme.css"),
    include_str!("../page/style/layout.css"),
    include_str!("../page/style/parts.css"),
];

/// In the order in which they run: each uses those before it.
const SCRIPTS: [&str; 9] = [
    include_str!("../page/script/dom.js"),
    include_str!("../page/script/server.js"),
    include_str!("../page/script/state.js"),
    include_str!("../page/script/progress.js"),
    include_str!("../page/script/tags.js"),
    include_str!("../page/script/question.js"),
    include_str!("../page/script/keys.js"),
    include_str!("../page/script/touch.js"),
    include_str!("../page/script/start.js"),
];

/// The page as it is sent.
#[derive(Debug)]
pub(crate) struct Page {
    html: String,
    policy: HeaderValue,
}

impl Page {
    /// Returns the page with this title.
    pub(crate) fn new(title: &str) -> Self {
        let script = format!("(() => {{\n\"use strict\";\n{}}})();\n", SCRIPTS.concat());
        let style = STYLES.concat();
        let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
        // Styles and script by their hashes: no other ones apply, whatever comes into the page. Only this server is asked.
        let policy = format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src 'self' data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(&script),
            hash(&style)
        );
        let policy = HeaderValue::from_str(&policy).unwrap_or_else(|_| unreachable!("hashes are ASCII"));
        let [head, rest] = parts(TEMPLATE, "{{title}}");
        let [middle, rest] = parts(rest, "{{style}}");
        let [body, end] = parts(rest, "{{script}}");
        let html = [head, &escaped(title), middle, &style, body, &script, end].concat();
        Self { html, policy }
    }

    pub(crate) fn reply(&self) -> Reply {
        let mut reply = reply("text/html; charset=utf-8", self.html.clone());
        reply.headers_mut().insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        reply
    }
}

fn parts<'a>(text: &'a str, place: &str) -> [&'a str; 2] {
    let (before, after) = text.split_once(place).unwrap_or_else(|| unreachable!("the template has this place"));
    [before, after]
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
