//! A server that is killed between answers loses none that it acknowledged.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use moa_preferences::Preferences;
use serde_json::{Value, json};

/// Returns the example, which cargo builds with the tests, beside them.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let example = test.parent().unwrap().parent().unwrap().join("examples/serve_pool");
    assert!(example.exists(), "build the examples with the tests: cargo test -p moa-rating-server");
    example
}

fn start(folder: &std::path::Path) -> (Child, String, String) {
    let mut child = Command::new(example())
        .args([folder.to_str().unwrap(), "pairs"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let (host, token) = line.trim().strip_prefix("http://").unwrap().split_once("/?token=").unwrap();
    (child, host.to_owned(), token.to_owned())
}

fn call(host: &str, token: &str, call: &str, body: &Value) -> Option<Value> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(host).ok()?;
    let length = body.len();
    write!(
        stream,
        "POST /api/{call} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nX-Moa-Token: {token}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    let (head, body) = reply.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200"), "{reply}");
    serde_json::from_str(body).ok()
}

#[test]
fn a_kill_loses_no_answer_and_repeats_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("preferences.jsonl");
    let mut acknowledged = Vec::new();
    // What the page holds when the server dies: it is sent to the next one.
    let mut unsent: Option<Value> = None;
    for round in 0..5 {
        let (mut child, host, token) = start(folder.path());
        let base = json!({"who": "ann", "window": "w"});
        if let Some(body) = unsent.take() {
            call(&host, &token, "answer", &body).expect("a new server takes the old one's answer");
            acknowledged.push(body["answer"]["id"].clone());
        }
        let mut state = call(&host, &token, "state", &base).unwrap();
        assert_eq!(state["last"].as_str(), acknowledged.last().and_then(Value::as_str));
        for number in 0..6 {
            let mut body = base.clone();
            let question = &state["questions"][0];
            body["answer"] = json!({"id": question["id"], "images": question["images"], "outcome": "A"});
            if number == 5 {
                // The kill and the answer race: it may be in the file, or not.
                let (host, token, sent) = (host.clone(), token.clone(), body.clone());
                let racing =
                    std::thread::spawn(move || std::panic::catch_unwind(|| call(&host, &token, "answer", &sent)));
                child.kill().unwrap();
                let _ = racing.join();
                unsent = Some(body);
                break;
            }
            state = call(&host, &token, "answer", &body).unwrap();
            acknowledged.push(body["answer"]["id"].clone());
        }
        child.wait().unwrap();
        let kept = Preferences::read(&path).unwrap();
        let ids: Vec<Value> = kept.records().map(|record| record.id.clone().into()).collect();
        assert!(ids.starts_with(&acknowledged) && ids.len() <= acknowledged.len() + 1, "round {round}");
        if round % 2 == 1 {
            // As of a machine that lost power.
            OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"version\":1,\"id\":\"9-ann").unwrap();
        }
    }
}
