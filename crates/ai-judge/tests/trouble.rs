//! Services that lie, hang, refuse and talk nonsense: one clear message, nothing lost, and no endless wait.

mod stub;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use moa_ai_judge::{Ended, JudgeError, Rubric, Settings};
use moa_core::NoiseKey;
use stub::{KEY, Reply, Sitting, Stub, honest, settings};

const PROMPTS: [&[u8]; 2] = [&[1, 4, 6, 9], &[2, 5, 8]];
const PAIRS: u64 = 6 + 3;

/// Lets a service judge until it is done or gives up; returns what ended it, the records, and the judge.
fn rate(stub: &Stub, settings: Settings) -> (Result<Ended, JudgeError>, Sitting, moa_ai_judge::Judge) {
    let sitting = Sitting::pairs(&PROMPTS);
    let judge = stub.judge(settings);
    let ended = judge.rate(&sitting.desk, &|_| {});
    (ended, sitting, judge)
}

fn message(stub: &Stub) -> String {
    let (ended, sitting, _) = rate(stub, settings());
    assert!(sitting.outcomes().iter().all(|(_, _, outcome, _)| outcome.is_none()), "nothing is answered");
    let message = ended.unwrap_err().to_string();
    assert!(!message.contains(KEY), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

#[test]
fn temporary_failures_are_repeated() {
    let stub = Stub::new(|asked| match asked.before {
        0 => Reply::Status(500, "", "broken".into()),
        2 => Reply::Status(429, "Retry-After: 1\r\n", "slow down".into()),
        4 => Reply::Raw(Vec::new()),
        6 => Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"choices\"".to_vec()),
        8 => Reply::Raw(b"\x00\xff\xfe nonsense\r\n\r\n".to_vec()),
        10 => Reply::Status(503, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n", String::new()),
        _ => Reply::Say(honest(asked)),
    });
    let (ended, sitting, judge) = rate(&stub, Settings { in_flight: 2, retries: 4, ..settings() });
    assert_eq!(ended.unwrap(), Ended::NothingNew);
    let tally = judge.tally();
    assert_eq!((tally.answered, tally.retries), (PAIRS, 6), "{tally:?}");
    assert_eq!(sitting.records().len() as u64, PAIRS);
}

#[test]
fn a_wait_that_the_service_asks_for_is_kept_and_bounded_by_the_time_of_a_question() {
    let stub = Stub::new(|asked| match asked.before {
        0 => Reply::Status(429, "retry-after: 2\r\n", String::new()),
        _ => Reply::Say(honest(asked)),
    });
    let judge = stub.judge(settings());
    let began = Instant::now();
    judge.score("a cat", &stub::png(0, 3)).unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2));
    let stub = Stub::new(|_| Reply::Status(429, "Retry-After: 86400\r\n", String::new()));
    let began = Instant::now();
    let refused = stub.judge(settings()).score("a cat", &stub::png(0, 3)).unwrap_err();
    assert!(matches!(refused, JudgeError::Unanswered { .. }), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(2), "a wait beyond the question's time is not begun");
}

#[test]
fn a_service_that_is_silent_is_given_up_in_time() {
    let stub = Stub::new(|asked| Reply::Late(Duration::from_mins(1), Box::new(Reply::Say(honest(asked)))));
    let began = Instant::now();
    let settings = Settings { seconds_per_question: 1, most_failures: 3, ..settings() };
    let (ended, sitting, _) = rate(&stub, settings);
    let message = ended.unwrap_err().to_string();
    assert!(
        message.contains("questions in a row got no answer; the last: the judge at http://127.0.0.1:"),
        "{message}"
    );
    assert!(
        message.contains("/v1/chat/completions gives no answer in the time of a question: raise seconds_per_question")
    );
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(sitting.records().is_empty(), "the questions go back to the desk");
    // And another judge answers them all.
    let other = Stub::honest();
    other.judge(Settings { name: "other".into(), ..stub::settings() }).rate(&sitting.desk, &|_| {}).unwrap();
    assert_eq!(sitting.records().len() as u64, PAIRS);
}

#[test]
fn a_body_that_drips_is_given_up_in_time() {
    let stub = Stub::new(|_| Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec()));
    let judge = stub.judge(Settings { retries: 0, ..settings() });
    let refused = judge.score("a cat", &stub::png(0, 3)).unwrap_err();
    assert!(matches!(refused, JudgeError::Unanswered { .. } | JudgeError::Nonsense { .. }), "{refused}");
}

#[test]
fn nothing_is_listening() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let variable = |name: &str| (name == "MOA_AI_URL").then(|| format!("http://user:{KEY}@{address}"));
    let judge = moa_ai_judge::Judge::new(Settings { retries: 1, ..settings() }, &variable).unwrap();
    let message = judge.score("a cat", &stub::png(0, 3)).unwrap_err().to_string();
    assert!(
        message.starts_with(&format!("the judge at http://{address}/v1/chat/completions cannot be reached: ")),
        "{message}"
    );
    assert!(message.ends_with("is it running, and is MOA_AI_URL right? (2 tries)"), "{message}");
}

#[test]
fn nonsense_is_answered_with_a_reminder_and_then_skipped() {
    // Each question's first answer is none.
    let stub = Stub::new(|asked| match asked.body["messages"].as_array().unwrap().len() {
        2 => Reply::Say("I like both!".into()),
        _ => Reply::Say(honest(asked)),
    });
    let (ended, _, judge) = rate(&stub, settings());
    assert_eq!(ended.unwrap(), Ended::NothingNew);
    let tally = judge.tally();
    assert_eq!((tally.answered, tally.reminders, tally.skipped), (PAIRS, 2 * PAIRS, 0));
    let asked = stub.asked.lock().unwrap();
    let reminded = asked.iter().find(|asked| asked.body["messages"].as_array().unwrap().len() == 4).unwrap();
    assert_eq!(reminded.body["messages"][2]["content"], "I like both!");
    let reminder = reminded.body["messages"][3]["content"].as_str().unwrap();
    assert!(reminder.starts_with("That is no answer. Answer with nothing but a JSON object"), "{reminder}");
    drop(asked);

    // About the image 9 the model never says anything.
    let stub = Stub::new(|asked| {
        if asked.taste.contains(&9) { Reply::Say("{\"choice\": \"both\"}".into()) } else { Reply::Say(honest(asked)) }
    });
    let problems = Mutex::new(Vec::new());
    let sitting = Sitting::pairs(&PROMPTS);
    let judge = stub.judge(Settings { in_flight: 1, ..settings() });
    let ended = judge.rate(&sitting.desk, &|progress| problems.lock().unwrap().extend(progress.problem.clone()));
    assert_eq!(ended.unwrap(), Ended::NothingNew);
    assert_eq!((judge.tally().answered, judge.tally().skipped), (PAIRS - 3, 3));
    let skipped = sitting.outcomes().into_iter().filter(|(_, _, outcome, _)| outcome.is_none());
    assert_eq!(skipped.count(), 3, "a skip is in the file, and counts nowhere");
    let problems = problems.into_inner().unwrap();
    let wanted = r#"the judge answered "{\"choice\": \"both\"}" instead of a JSON object {"#;
    assert!(problems[0].starts_with(wanted), "{problems:?}");
}

#[test]
fn a_model_that_never_answers_is_given_up() {
    let stub = Stub::new(|_| Reply::Say(format!("the key is {KEY}, I think")));
    let message = message(&stub);
    assert!(
        message.contains("questions in a row got no answer; the last: the judge answered \"the key is …, I think\""),
        "{message}"
    );
    assert!(stub.requests() <= 4 * (5 + 4), "{}", stub.requests());
}

#[test]
fn refusals_are_one_message_each_and_asked_about_no_further() {
    let cases: [(u16, &'static str, &str, &str); 6] = [
        (401, "", "bad key", "refuses the key (401, \"bad key sk\"…"),
        (403, "", "no", "refuses the key (403, \"no\"): set MOA_AI_KEY to a valid one"),
        (
            404,
            "",
            "no such model",
            "has no chat endpoint there, or not this model (404, \"no such model\"): check MOA_AI_URL",
        ),
        (
            302,
            "Location: http://127.0.0.1:9/v1\r\n",
            "",
            "redirects to another address (302), which moa does not follow",
        ),
        (308, "Location: /other\r\n", "", "redirects to another address (308)"),
        (400, "", "this model takes no images", "declines the question (400, \"this model takes no images\")"),
    ];
    for (status, headers, body, wanted) in cases {
        let body = if status == 401 { format!("bad key {KEY}") } else { body.to_owned() };
        let wanted = if status == 401 {
            "refuses the key (401, \"bad key …\"): set MOA_AI_KEY to a valid one"
        } else {
            wanted
        };
        let stub = Stub::new(move |_| Reply::Status(status, headers, body.clone()));
        let message = message(&stub);
        assert!(message.contains(wanted), "{wanted}\nis not in\n{message}");
        // Of each thread one at most, or as many as are allowed to fail.
        assert!(stub.requests() <= if status == 400 { 5 + 3 } else { 4 }, "{}", stub.requests());
    }
}

#[test]
fn a_key_that_is_missing_is_asked_for() {
    let stub = Stub::new(|_| Reply::Status(401, "", "{\"error\": \"no key\"}".into()));
    let variable = |name: &str| (name == "URL").then(|| stub.address.clone());
    let settings = Settings { address_variable: "URL".into(), key_variable: "MY_KEY".into(), ..settings() };
    let judge = moa_ai_judge::Judge::new(settings, &variable).unwrap();
    let message = judge.score("a cat", &stub::png(0, 1)).unwrap_err().to_string();
    assert!(message.ends_with("wants a key (401, \"{\\\"error\\\": \\\"no key\\\"}\"): set MY_KEY"), "{message}");
    assert!(!stub.asked.lock().unwrap()[0].head.contains("Authorization"));
}

#[test]
fn replies_of_another_form_are_no_answers() {
    for (body, wanted) in [
        ("<html>welcome</html>", "\"<html>welcome</html>\", which is no JSON"),
        ("{\"choices\": []}", "\"{\\\"choices\\\": []}\", which has no choices[0].message.content"),
        ("[1, 2]", "\"[1, 2]\", which has no choices"),
        ("{\"error\": {\"message\": \"out of memory\"}}", "out of memory"),
        ("{\"choices\": [{\"message\": {\"content\": null}}]}", "which has no choices"),
    ] {
        let body = body.to_owned();
        let stub = Stub::new(move |_| Reply::Status(200, "", body.clone()));
        let message = message(&stub);
        assert!(message.contains(wanted), "{wanted}\nis not in\n{message}");
    }
    let endless = message(&Stub::new(|_| Reply::Endless));
    assert!(endless.contains("replies with more than 1 MB"), "{endless}");
    let headers = Stub::new(|_| Reply::Raw([b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 200_000]].concat()));
    let message = headers.judge(Settings { retries: 0, ..settings() }).score("", &stub::png(0, 1)).unwrap_err();
    assert!(matches!(message, JudgeError::Unanswered { .. }), "{message}");
}

#[test]
fn content_in_parts_and_replies_without_usage_are_read() {
    let stub = Stub::new(|asked| {
        let content = serde_json::json!([{"type": "text", "text": honest(asked)}]);
        Reply::Status(200, "", serde_json::json!({"choices": [{"message": {"content": content}}]}).to_string())
    });
    let judge = stub.judge(settings());
    assert!((judge.score("a cat", &stub::png(0, 9)).unwrap() - 1.0).abs() < 1e-9);
    let tally = judge.tally();
    assert!(tally.uncounted == 1 && (1000..2000).contains(&tally.tokens), "{tally:?}");
}

/// Whatever bytes come, there is an answer or an error, and never a panic.
#[test]
fn random_replies_are_survived() {
    let stub = Stub::new(|asked| {
        let key = NoiseKey::new(5).with(asked.before as u64);
        let good = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {{}}\r\n\r\n{{\"choices\":[{{\"message\":{{\"content\":{:?}}}}}]}}",
            honest(asked)
        );
        let mut bytes = good.into_bytes();
        for change in 0..=key.below(0, 6) as u64 {
            let place = key.below(2 * change + 1, bytes.len());
            bytes[place] = key.below(2 * change + 2, 256) as u8;
        }
        bytes.truncate(key.below(99, 2 * bytes.len()).max(1));
        Reply::Raw(bytes)
    });
    for number in 0..150 {
        let judge = stub.judge(Settings { retries: 0, ..settings() });
        match judge.score("a cat", &stub::png(number, 3)) {
            Ok(score) => assert!((0.0..=1.0).contains(&score)),
            Err(error) => assert!(error.to_string().len() < 2000),
        }
    }
}

#[test]
fn rubrics_are_read_and_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rubric.md");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Rubric::read(&path).map_err(|error| error.to_string().replace(folder.path().to_str().unwrap(), ""))
    };
    let rubric = read(b" Prefer cats.\n").unwrap();
    assert_eq!(rubric.text(), "Prefer cats.");
    assert_eq!(read(b" \n").unwrap_err(), "/rubric.md: the rubric is empty: write what the judge should look for");
    assert_eq!(read(b"caf\xe9").unwrap_err(), "/rubric.md: the rubric is not UTF-8 text");
    assert_eq!(read(&vec![b'x'; 100_001]).unwrap_err(), "/rubric.md: the rubric is larger than 100 kB: shorten it");
    assert!(
        Rubric::read(folder.path()).unwrap_err().to_string().contains("the rubric cannot be read: this is not a file")
    );
    let stub = Stub::honest();
    stub.judge(Settings { rubric, ..settings() }).score("a cat", &stub::png(0, 1)).unwrap();
    let asked = stub.asked.lock().unwrap();
    assert!(
        asked[0].body["messages"][0]["content"].as_str().unwrap().starts_with("Prefer cats.\n\nAnswer with a JSON")
    );
}
