//! One call of the chat endpoint.

use std::io::{self, Read};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::clock::{Clock, SLICE};
use crate::endpoint::Endpoint;

/// Bytes of a reply.
const LONGEST_REPLY: u64 = 1_000_000;
/// Bytes of a reply's headers.
const LONGEST_HEADERS: usize = 65_536;
/// The longest wait that a service may ask for.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// What the model said.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The text; where the reply has none, what it is instead.
    pub(crate) text: Result<String, String>,
    /// Tokens of question and answer, where the service counts them.
    pub(crate) tokens: Option<u64>,
}

/// Why there is no reply; what is said reads after "the judge at …".
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Another try may go better, after a time that the service may name.
    Passing {
        problem: String,
        after: Option<Duration>,
    },
    /// This question is declined.
    Declined(String),
    /// All questions are refused.
    Refused(String),
    Stopped,
}

/// A reply's status, the wait that it asks for, its body, and whether that is complete.
type Raw = (u16, Option<Duration>, Vec<u8>, io::Result<()>);

/// Posts a request within the time that is left.
pub(crate) fn post(endpoint: &Endpoint, body: &[u8], clock: &Clock) -> Result<Reply, Trouble> {
    let whole_seconds = clock.left().as_secs() + 1;
    let mut request = minreq::post(endpoint.url())
        .with_header("Content-Type", "application/json")
        .with_header("Accept", "application/json")
        .with_body(body)
        .with_timeout(whole_seconds)
        .with_follow_redirects(false)
        .with_max_headers_size(LONGEST_HEADERS);
    if let Some(authorization) = endpoint.authorization() {
        request = request.with_header("Authorization", authorization);
    }
    // A thread of its own: a stop does not wait for the service. It ends with the request's time.
    let (sender, receiver) = mpsc::channel();
    let started = thread::Builder::new().name("judge".into()).spawn(move || {
        let _ = sender.send(exchange(request));
    });
    started.map_err(|error| passing(format!("cannot be asked: {error}")))?;
    let raw = loop {
        match receiver.recv_timeout(SLICE) {
            Ok(raw) => break raw,
            Err(RecvTimeoutError::Disconnected) => return Err(passing("cannot be asked: the request failed".into())),
            Err(RecvTimeoutError::Timeout) if clock.is_stopped() => return Err(Trouble::Stopped),
            Err(RecvTimeoutError::Timeout) if clock.left().is_zero() => return Err(passing(SILENT.into())),
            Err(RecvTimeoutError::Timeout) => {}
        }
    };
    let (status, after, body, read) = raw.map_err(|error| unreached(endpoint, error))?;
    if !(200..300).contains(&status) {
        return Err(of_status(endpoint, status, after, &body));
    }
    read.map_err(|error| unreached(endpoint, minreq::Error::IoError(error)))?;
    if body.len() as u64 > LONGEST_REPLY {
        return Err(Trouble::Declined(format!("replies with more than {} MB", LONGEST_REPLY / 1_000_000)));
    }
    Ok(reply(endpoint, &body))
}

const SILENT: &str = "gives no answer in the time of a question: raise seconds_per_question if it is slow";

fn passing(problem: String) -> Trouble {
    Trouble::Passing { problem, after: None }
}

fn exchange(request: minreq::Request) -> Result<Raw, minreq::Error> {
    let response = request.send_lazy()?;
    let status = response.status_code;
    let after = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    let after = after.and_then(|(_, seconds)| seconds.trim().parse().ok());
    let after = after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
    let length = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: u64 = length.and_then(|(_, length)| length.trim().parse().ok()).unwrap_or(0);
    let mut body = Vec::new();
    let mut read = response.take(LONGEST_REPLY + 1).read_to_end(&mut body).map(|_| ());
    if read.is_ok() && (body.len() as u64) < length.min(LONGEST_REPLY) {
        read = Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed before the end of its reply"));
    }
    Ok((status, after, body, read))
}

fn unreached(endpoint: &Endpoint, error: minreq::Error) -> Trouble {
    match error {
        minreq::Error::IoError(error)
            if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) =>
        {
            passing(SILENT.into())
        }
        other => {
            passing(format!("cannot be reached: {other}; is it running, and is {} right?", endpoint.address_variable))
        }
    }
}

fn of_status(endpoint: &Endpoint, status: u16, after: Option<Duration>, body: &[u8]) -> Trouble {
    let said = endpoint.excerpt(body);
    let key = &endpoint.key_variable;
    match status {
        401 | 403 if endpoint.has_key() => {
            Trouble::Refused(format!("refuses the key ({status}, {said}): set {key} to a valid one"))
        }
        401 | 403 => Trouble::Refused(format!("wants a key ({status}, {said}): set {key}")),
        404 | 405 => Trouble::Refused(format!(
            "has no chat endpoint there, or not this model ({status}, {said}): check {}, which is such as \
             http://127.0.0.1:8000/v1, and the model's name",
            endpoint.address_variable
        )),
        300..=399 => Trouble::Refused(format!(
            "redirects to another address ({status}), which moa does not follow: set {} to that address",
            endpoint.address_variable
        )),
        408 | 429 | 500.. => Trouble::Passing { problem: format!("is busy or fails ({status}, {said})"), after },
        _ => Trouble::Declined(format!("declines the question ({status}, {said})")),
    }
}

/// Takes text and tokens from a reply in OpenAI's form.
fn reply(endpoint: &Endpoint, body: &[u8]) -> Reply {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return Reply { text: Err(format!("{}, which is no JSON", endpoint.excerpt(body))), tokens: None };
    };
    let usage = &value["usage"];
    let parts = || Some(usage["prompt_tokens"].as_u64()?.saturating_add(usage["completion_tokens"].as_u64()?));
    let tokens = usage["total_tokens"].as_u64().or_else(parts);
    let text = match &value["choices"][0]["message"]["content"] {
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) => Ok(parts.iter().filter_map(|part| part["text"].as_str()).collect()),
        _ => Err(format!("{}, which has no choices[0].message.content", endpoint.excerpt(body))),
    };
    Reply { text, tokens }
}
