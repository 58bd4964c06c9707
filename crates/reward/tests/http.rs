//! Rewards by HTTP services that behave, and by services that do not.

mod outside;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use moa_core::experiment::HttpSpec;
use moa_reward::RewardError;
use moa_reward::external::{Http, Problem};
use outside::{greys, score};
use serde_json::{Value, json};

/// What a service answers to its n-th request (from 0) with this body: a status and a body, or nothing at all.
type Behaviour = fn(usize, &Value) -> Option<(u16, String)>;

/// A service on this machine; it runs until the tests end.
struct Service {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl Service {
    fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/score", listener.local_addr().expect("an address"));
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counter = counter.clone();
                thread::spawn(move || serve(&stream, &counter, behaviour));
            }
        });
        Self { url, requests }
    }

    fn spec(&self) -> HttpSpec {
        HttpSpec { url: self.url.clone(), batch: 2, in_flight: 2, timeout_seconds: 30, retries: 0, range: None }
    }

    fn connect(&self) -> Http {
        Http::connect("bright", &self.spec()).expect("greets")
    }
}

fn serve(mut stream: &TcpStream, counter: &AtomicUsize, behaviour: Behaviour) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut length = 0;
    let mut first = String::new();
    reader.read_line(&mut first).expect("a request");
    assert!(first.starts_with("POST /score HTTP/1.1"), "{first}");
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).expect("a header");
        match header.trim().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().expect("a number"),
            Some(("content-type", value)) => assert_eq!(value, "application/json"),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let Some((status, answer)) = behaviour(counter.fetch_add(1, Ordering::SeqCst), &body) else {
        return thread::sleep(Duration::from_secs(20));
    };
    let length = answer.len();
    // A client that has read enough may have gone.
    let _ = write!(stream, "HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}");
}

/// Scores by the number that the prompt ends with; greets whoever greets.
#[expect(clippy::unnecessary_wraps, reason = "it is a behaviour")]
fn good(body: &Value) -> Option<(u16, String)> {
    let Some(prompts) = body["prompts"].as_array() else {
        assert_eq!(*body, json!({"protocol": 1, "reward": "bright"}));
        return Some((200, json!({"protocol": 1, "name": "length"}).to_string()));
    };
    assert_eq!(body["pictures"].as_array().expect("pictures").len(), prompts.len());
    let number = |prompt: &Value| prompt.as_str().and_then(|text| text.rsplit(' ').next()?.parse::<u32>().ok());
    let scores: Vec<_> = prompts.iter().map(number).collect();
    Some((200, json!({"id": body["id"], "scores": scores}).to_string()))
}

fn refusal(behaviour: Behaviour) -> Problem {
    let error = score(&Service::start(behaviour).connect(), &greys(&[0.5; 5], 2)).expect_err("misbehaves");
    let RewardError::External(error) = error else { panic!("{error}") };
    assert!(error.to_string().starts_with("reward `bright`: the service http://127.0.0.1:"), "{error}");
    error.problem
}

#[test]
fn pictures_are_scored_in_batches() {
    let service = Service::start(|_, body| good(body));
    let http = service.connect();
    assert_eq!(score(&http, &greys(&[0.5; 7], 2)).expect("scores"), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(service.requests.load(Ordering::SeqCst), 5);
}

#[test]
fn failures_of_the_service_are_repeated_and_those_of_the_request_are_not() {
    let flaky = Service::start(|count, body| if count == 1 { Some((503, "busy".into())) } else { good(body) });
    let http = Http::connect("bright", &HttpSpec { retries: 1, in_flight: 1, ..flaky.spec() }).expect("greets");
    assert_eq!(score(&http, &greys(&[0.5; 3], 2)).expect("scores"), [0.0, 1.0, 2.0]);
    assert_eq!(flaky.requests.load(Ordering::SeqCst), 4);

    let wrong =
        Service::start(|count, body| if count > 0 { Some((422, "{\"detail\": \"no\"}".into())) } else { good(body) });
    let http = Http::connect("bright", &HttpSpec { retries: 3, in_flight: 1, ..wrong.spec() }).expect("greets");
    let error = score(&http, &greys(&[0.5; 3], 2)).expect_err("refused").to_string();
    assert!(error.ends_with("answered with status 422 ({\"detail\": \"no\"})"), "{error}");
    assert_eq!(wrong.requests.load(Ordering::SeqCst), 2);

    let moved = refusal(|count, body| if count > 0 { Some((307, String::new())) } else { good(body) });
    assert!(matches!(moved, Problem::Status { status: 307, tries: 1, .. }), "{moved}");
}

#[test]
fn wrong_answers_are_refused() {
    let other = refusal(|_, body| {
        let (status, answer) = good(body)?;
        Some((status, answer.replace("\"id\":", "\"id\":9")))
    });
    assert!(matches!(other, Problem::OtherId { found: 90 | 91, .. }), "{other}");
    let few = refusal(|count, body| match count {
        0 => good(body),
        _ => Some((200, json!({"id": body["id"], "scores": []}).to_string())),
    });
    assert!(matches!(few, Problem::Count { found: 0, .. }), "{few}");
    let page = refusal(|count, body| if count > 0 { Some((200, "<html>Welcome</html>".into())) } else { good(body) });
    assert!(matches!(page, Problem::Nonsense { .. }), "{page}");
    let huge = refusal(|count, body| if count > 0 { Some((200, "7".repeat(2_000_000))) } else { good(body) });
    assert!(matches!(huge, Problem::TooLong { .. }), "{huge}");
}

#[test]
fn services_that_are_slow_or_not_there_are_given_up() {
    let slow = Service::start(|count, body| if count > 0 { None } else { good(body) });
    let http = Http::connect("bright", &HttpSpec { timeout_seconds: 1, ..slow.spec() }).expect("greets");
    let error = score(&http, &greys(&[0.5; 3], 2)).expect_err("slow").to_string();
    assert!(error.contains("gave no answer within 1 s: raise `timeout_seconds`"), "{error}");

    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let spec = HttpSpec { url: format!("http://127.0.0.1:{port}/"), retries: 1, ..slow.spec() };
    let error = Http::connect("bright", &spec).err().expect("no service is there").to_string();
    assert!(error.contains("cannot be reached, 2 times in a row: "), "{error}");
    assert!(error.ends_with("; is it running, and is `url` right?"), "{error}");
}
