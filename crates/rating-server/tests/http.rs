//! The server over a real socket: what it refuses, and that two raters can use it at once.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use moa_preferences::{Image, Preferences};
use moa_rating::{Desk, Mode, Options, Pool, PoolImage, Random};
use moa_rating_server::{Handle, serve};
use serde_json::{Value, json};

const TOKEN: &str = "0123456789abcdef-token";

/// A PNG of one pixel, and a few bytes that make it another file; browsers are not asked here.
fn png(number: usize) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n".to_vec(), number.to_string().into_bytes()].concat()
}

fn pool(folder: &Path) -> Pool {
    Pool::new((0..12).map(|index| {
        let name = format!("{index}.png");
        fs::write(folder.join(&name), png(index)).unwrap();
        PoolImage {
            image: Image::of_file(folder, &name).unwrap(),
            prompt: format!("prompt {}", index / 6),
            origin: "adapter-x".into(),
            file: folder.join(name),
        }
    }))
}

struct Site {
    folder: tempfile::TempDir,
    socket: SocketAddr,
    desk: Desk,
    handle: Option<Handle>,
}

impl Site {
    fn new(mode: Mode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("preferences.jsonl");
        let pool = pool(folder.path());
        let desk = Desk::open(&path, pool, Box::new(Random::new(1)), Options::new(mode)).unwrap();
        let options = moa_rating_server::Options {
            token: Some(TOKEN.into()),
            largest_body: 4096,
            timeout: Duration::from_secs(2),
            ..Default::default()
        };
        let handle = serve(desk.clone(), options).unwrap();
        Self { folder, socket: handle.socket(), desk, handle: Some(handle) }
    }

    fn records(&self) -> usize {
        Preferences::begun(&self.folder.path().join("preferences.jsonl")).unwrap().records().count()
    }

    /// Sends bytes, and returns status, head and body.
    fn raw(&self, request: &[u8]) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(self.socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = stream.write_all(request);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(reply.len());
        let head = String::from_utf8_lossy(&reply[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, head, reply.get(end + 4..).unwrap_or_default().to_vec())
    }

    fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        let host = self.socket;
        self.raw(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
    }

    fn post(&self, call: &str, headers: &str, body: &str) -> (u16, Value) {
        let request = format!(
            "POST /api/{call} HTTP/1.1\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let (status, _, body) = self.raw(request.as_bytes());
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    fn call(&self, call: &str, body: &Value) -> (u16, Value) {
        self.post(call, &self.headers(), &body.to_string())
    }

    fn headers(&self) -> String {
        let host = self.socket;
        format!("Host: {host}\r\nOrigin: http://{host}\r\nContent-Type: application/json\r\nX-Moa-Token: {TOKEN}\r\n")
    }

    fn state(&self, who: &str) -> Value {
        let (status, state) = self.call("state", &json!({"who": who, "window": "w"}));
        assert_eq!(status, 200, "{state}");
        state
    }

    fn answer(&self, who: &str, question: &Value, outcome: &Value) -> (u16, Value) {
        let answer = json!({"id": question["id"], "images": question["images"], "outcome": outcome, "tags": []});
        self.call("answer", &json!({"who": who, "window": "w", "answer": answer}))
    }
}

#[test]
fn the_page_asks_no_other_server_and_runs_only_its_own_script() {
    let site = Site::new(Mode::Pairs);
    let address = site.handle.as_ref().unwrap().address().to_owned();
    assert_eq!(address, format!("http://{}/?token={TOKEN}", site.socket));
    let (status, head, body) = site.get(&format!("/?token={TOKEN}"));
    let (head, page) = (head.to_lowercase(), String::from_utf8(body).unwrap());
    assert_eq!(status, 200);
    for wanted in ["default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "frame-ancestors 'none'"] {
        assert!(head.contains(wanted), "{head}");
    }
    for wanted in ["nosniff", "referrer-policy: no-referrer", "cache-control: no-store"] {
        assert!(head.contains(wanted), "{head}");
    }
    assert!(!head.contains("access-control") && !head.contains("unsafe"), "{head}");
    assert!(!page.contains(TOKEN) && !page.contains("adapter-x") && !page.contains("//cdn"), "nothing is in the page");
    for tag in ["<script src", "<link rel=\"stylesheet", "https://"] {
        assert!(!page.contains(tag), "{tag}");
    }
}

#[test]
fn without_the_token_there_is_nothing() {
    let site = Site::new(Mode::Pairs);
    let id = site.state("ann")["questions"][0]["images"][0].as_str().unwrap().to_owned();
    for path in
        ["/".into(), "/?token=".into(), "/?token=wrong".into(), format!("/?token={TOKEN}x"), format!("/image/{id}")]
    {
        let (status, _, body) = site.get(&path);
        assert_eq!(status, 401, "{path}");
        assert!(String::from_utf8(body).unwrap().contains("open the address that moa printed"));
    }
    let headers = site.headers().replace(TOKEN, "0123456789abcdef-tokem");
    assert_eq!(site.post("state", &headers, r#"{"who":"ann","window":"w"}"#).0, 401);
    // A call's token is in a header, which other sites cannot set.
    let headers = site.headers().replace(&format!("X-Moa-Token: {TOKEN}\r\n"), "");
    assert_eq!(site.post(&format!("state?token={TOKEN}"), &headers, r#"{"who":"ann","window":"w"}"#).0, 401);
}

#[test]
fn other_hosts_and_origins_are_refused() {
    let site = Site::new(Mode::Pairs);
    let port = site.socket.port();
    let body = r#"{"who":"ann","window":"w"}"#;
    let good = site.headers();
    assert_eq!(site.post("state", &good, body).0, 200);
    // A port that was forwarded.
    let forwarded = good.replace(&site.socket.to_string(), "localhost:9");
    assert_eq!(site.post("state", &forwarded, body).0, 200);
    for (from, to) in [
        (format!("Host: 127.0.0.1:{port}"), format!("Host: evil.example:{port}")),
        (format!("Host: 127.0.0.1:{port}"), format!("Host: 127.0.0.1.evil.example:{port}")),
        (format!("Host: 127.0.0.1:{port}"), "Host: 127.0.0.1:1\r\nHost: evil.example".into()),
        (format!("Origin: http://127.0.0.1:{port}"), "Origin: http://evil.example".into()),
        (format!("Origin: http://127.0.0.1:{port}"), "Origin: null".into()),
        (format!("Origin: http://127.0.0.1:{port}"), "Origin: http://127.0.0.1:1".into()),
        (format!("Origin: http://127.0.0.1:{port}"), "Sec-Fetch-Site: cross-site".into()),
    ] {
        let (status, reply) = site.post("state", &good.replace(&from, &to), body);
        assert!([400, 403].contains(&status), "{to}: {status} {reply}");
    }
    let image = site.state("ann")["questions"][0]["images"][0].as_str().unwrap().to_owned();
    let foreign = format!(
        "GET /image/{image}?token={TOKEN} HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(site.raw(foreign.as_bytes()).0, 403);
}

#[test]
fn images_are_those_of_the_pool_alone() {
    let site = Site::new(Mode::Pairs);
    fs::write(site.folder.path().join("secret"), "secret").unwrap();
    let id = site.state("ann")["questions"][0]["images"][0].as_str().unwrap().to_owned();
    let (status, head, body) = site.get(&format!("/image/{id}?token={TOKEN}"));
    assert_eq!((status, &body[..4]), (200, &b"\x89PNG"[..]));
    assert!(head.to_lowercase().contains("content-type: image/png"), "{head}");
    for path in
        ["../secret", "..%2fsecret", "%2e%2e/secret", "0.png", "0", "", "ffffffffffffffff", "/etc/passwd", "..\\secret"]
    {
        let (status, _, body) = site.get(&format!("/image/{path}?token={TOKEN}"));
        assert!(
            [400, 404].contains(&status) && !String::from_utf8_lossy(&body).contains("secret\n"),
            "{path}: {status}"
        );
    }
    assert_eq!(site.get(&format!("/../secret?token={TOKEN}")).0, 404);
    // A file that is no longer what will be named in the record.
    let place = site.desk.pool().place(&id).unwrap();
    fs::write(&site.desk.pool().images()[place].file, png(99)).unwrap();
    let (status, _, body) = site.get(&format!("/image/{id}?token={TOKEN}"));
    let body = String::from_utf8(body).unwrap();
    assert!(status == 410 && body.contains("has changed") && !body.contains(".png"), "{status} {body}");
}

#[test]
fn bad_requests_get_one_clear_message_and_change_nothing() {
    let site = Site::new(Mode::Pairs);
    let state = site.state("ann");
    let question = &state["questions"][0];
    let base = json!({"who": "ann", "window": "w"});
    let with = |field: &str, value: Value| {
        let mut body = base.clone();
        body[field] = value;
        body.to_string()
    };
    let answer = |outcome: Value, tags: Value| {
        with("answer", json!({"id": question["id"], "images": question["images"], "outcome": outcome, "tags": tags}))
    };
    let image = question["images"][0].clone();
    for (call, body, wanted) in [
        ("state", "{".into(), 400),
        ("state", "[]".into(), 400),
        ("state", with("extra", json!(1)), 400),
        ("state", json!({"who": "", "window": "w"}).to_string(), 422),
        ("state", json!({"who": "a\nb", "window": "w"}).to_string(), 422),
        ("answer", base.to_string(), 400),
        ("answer", answer(json!("C"), json!([])), 400),
        ("answer", answer(json!("Good"), json!([])), 422),
        ("answer", answer(json!({"Ranks": [1, 2]}), json!([])), 422),
        ("answer", answer(json!("A"), json!(["x".repeat(65)])), 422),
        ("answer", with("answer", json!({"id": "1-ann-0", "images": [image, "nope"], "outcome": "A"})), 404),
        ("answer", with("answer", json!({"id": "1-ann-0", "images": [image, image], "outcome": "A"})), 404),
        ("answer", with("answer", json!({"id": "1-eve-0", "images": [image, image], "outcome": "A"})), 404),
        ("nothing", base.to_string(), 404),
        ("state", format!("{}{}", base, " ".repeat(5000)), 413),
    ] {
        let (status, reply) = site.post(call, &site.headers(), &body);
        assert_eq!(status, wanted, "{call} {body}: {reply}");
        assert!(reply["error"].as_str().is_some_and(|error| !error.is_empty()), "{reply}");
    }
    let plain = site.headers().replace("application/json", "text/plain");
    assert_eq!(site.post("state", &plain, &base.to_string()).0, 415);
    let chunked = format!(
        "POST /api/state HTTP/1.1\r\n{}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        site.headers()
    );
    let chunked = format!("{chunked}1770\r\n{}\r\n0\r\n\r\n", " ".repeat(6000));
    assert_eq!(site.raw(chunked.as_bytes()).0, 413, "a body whose length is not told");
    assert_eq!(site.raw(b"nonsense\r\n\r\n").0, 400);
    assert_eq!(site.get(&format!("/api/state?token={TOKEN}")).0, 401);
    assert_eq!(site.records(), 0);
}

/// Clients that stall do not keep a connection, nor the server.
#[test]
fn slow_clients_are_ended() {
    let site = Site::new(Mode::Pairs);
    let head = format!("POST /api/state HTTP/1.1\r\n{}Content-Length: 100\r\n\r\n{{", site.headers());
    let (status, _, _) = site.raw(head.as_bytes());
    assert_eq!(status, 408);
    let (status, _, body) = site.raw(b"GET / HTTP/1.1\r\nHost:");
    assert!(body.is_empty() && (status == 0 || status == 408), "{status}");
    site.state("ann");
}

#[test]
fn two_raters_answer_and_undo_at_once() {
    let site = Site::new(Mode::Pairs);
    std::thread::scope(|scope| {
        for who in ["ann", "bob"] {
            let site = &site;
            scope.spawn(move || {
                let mut state = site.state(who);
                for number in 0..10 {
                    let question = state["questions"][0].clone();
                    let (status, next) = site.answer(who, &question, &json!(["A", "B", "Tie", "Skip"][number % 4]));
                    assert_eq!(status, 200, "{next}");
                    assert_eq!(next["questions"][0], state["questions"][1], "what was prepared comes next");
                    // Sent again, as after a reply that was lost.
                    assert_eq!(site.answer(who, &question, &json!("B")).0, 200);
                    state = next;
                }
                let undone = json!({"who": who, "window": "w", "undo": state["last"]});
                assert_eq!(site.call("undo", &undone).0, 200);
                assert_eq!(site.call("undo", &undone).0, 200, "sent again");
            });
        }
    });
    let path = site.folder.path().join("preferences.jsonl");
    let kept = Preferences::read(&path).unwrap();
    assert_eq!((kept.records().count(), kept.standing().count()), (22, 18));
    let mut pairs: Vec<Vec<String>> = kept
        .standing()
        .map(|record| {
            let mut keys: Vec<String> = record.decision.images().iter().map(|image| image.key()).collect();
            keys.sort();
            keys
        })
        .collect();
    pairs.sort();
    pairs.dedup();
    assert_eq!(pairs.len(), 18, "no pair was asked of both");
    assert_eq!(site.state("ann")["progress"]["raters"].as_array().unwrap().len(), 2);
}

#[test]
fn nothing_tells_which_adapter_drew_an_image() {
    for mode in [Mode::Pairs, Mode::Ranking { images: 3 }, Mode::Labels, Mode::Scores { best: 5 }] {
        let site = Site::new(mode);
        let state = site.state("ann").to_string();
        assert!(!state.contains("adapter-x") && !state.contains(".png"), "{state}");
    }
}

#[test]
fn the_server_stops_and_frees_its_port() {
    let mut site = Site::new(Mode::Labels);
    let question = site.state("ann")["questions"][0].clone();
    assert_eq!(site.answer("ann", &question, &json!("Good")).0, 200);
    // A connection that is kept open does not hold it up.
    let idle = TcpStream::connect(site.socket).unwrap();
    site.handle.take().unwrap().stop();
    drop(idle);
    assert!(TcpStream::connect(site.socket).is_err());
    assert_eq!(site.records(), 1);
    // Pages go on with a server of the same port and token.
    let options =
        moa_rating_server::Options { token: Some(TOKEN.into()), port: site.socket.port(), ..Default::default() };
    site.handle = Some(serve(site.desk.clone(), options).unwrap());
    assert_eq!(site.state("ann")["progress"]["answered"], 1);
    let taken = moa_rating_server::Options { port: site.socket.port(), ..Default::default() };
    assert!(serve(site.desk.clone(), taken).unwrap_err().to_string().starts_with("listen on 127.0.0.1:"));
    let short = moa_rating_server::Options { token: Some("secret".into()), ..Default::default() };
    assert!(serve(site.desk.clone(), short).unwrap_err().to_string().contains("at least 16"));
    let random = || serve(site.desk.clone(), moa_rating_server::Options::default()).unwrap().address().to_owned();
    assert_ne!(random().split("token=").nth(1), random().split("token=").nth(1));
}
