//! A reward program for tests: scores images by their mean brightness, or misbehaves in the way that its first argument says;
//! its second names a file for what must be remembered.

use std::fs;
use std::io::{self, Write};
use std::process::{Command, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread::{sleep, spawn};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let behaviour = arguments.first().map_or("good", String::as_str);
    let file = arguments.get(1).cloned().unwrap_or_default();
    match behaviour {
        "sleep" | "never-greets" => sleep_for_ever(),
        "slow-start" => sleep(Duration::from_millis(1500)),
        "chatty" => (0..20_000).for_each(|line| eprintln!("line {line} of what nobody wants to know")),
        "fails-to-load" => {
            eprintln!("Traceback (most recent call last):\nModuleNotFoundError: No module named 'torch'");
            exit(1);
        }
        _ => {}
    }
    let mut hello = String::new();
    io::stdin().read_line(&mut hello).expect("a greeting");
    let hello: Value = serde_json::from_str(&hello).expect("JSON");
    assert_eq!(hello["protocol"], 1);
    let version = if behaviour == "other-version" { 2 } else { 1 };
    say(&json!({"protocol": version, "name": "brightness", "unit": "mean of all channels", "range": [0, 1]}));
    if behaviour == "counts" {
        return count(&file);
    }
    let mut lines = io::stdin().lines().map_while(Result::ok);
    match behaviour {
        "deaf" => sleep_for_ever(),
        #[expect(clippy::zombie_processes, reason = "whether it is killed by others is what is tested")]
        "parent" => {
            let own = std::env::current_exe().expect("a path");
            let child = Command::new(own).arg("sleep").spawn().expect("starts");
            fs::write(&file, child.id().to_string()).expect("written");
        }
        "reversed" => {
            let both: Vec<String> = (0..2).map(|_| lines.next().expect("two at once")).collect();
            both.iter().rev().for_each(|line| say(&scored(line)));
        }
        "stubborn" => fs::write(&file, std::process::id().to_string()).expect("written"),
        _ => {}
    }
    for line in lines {
        answer(behaviour, &file, &line);
    }
    if behaviour == "stubborn" {
        sleep_for_ever();
    }
}

/// Answers one request, or does not.
fn answer(behaviour: &str, file: &str, line: &str) {
    if behaviour == "careless" {
        // Reads the request, and looks at no image.
        let request: Value = serde_json::from_str(line).expect("a request");
        let count = request["pictures"].as_array().map_or(0, Vec::len);
        return say(&json!({"id": request["id"], "scores": vec![0.5; count]}));
    }
    let mut good = scored(line);
    match behaviour {
        "hangs" | "parent" => sleep_for_ever(),
        "dies" => {
            eprintln!("loading 1 %\rloading 100 %\nout of memory");
            exit(3);
        }
        // The second time all goes well.
        "dies-once" | "hangs-once" if fs::metadata(file).is_err() => {
            fs::write(file, "was here").expect("written");
            if behaviour == "hangs-once" { sleep_for_ever() } else { exit(3) }
        }
        "closes-stdout" => exit(0),
        "nan" => println!("{{\"id\": {}, \"scores\": [NaN]}}", good["id"]),
        "null" => good["scores"][1] = Value::Null,
        "too-few" => drop(good["scores"].as_array_mut().expect("scores").pop()),
        "too-many" => good["scores"].as_array_mut().expect("scores").push(json!(0.5)),
        "nonsense" => println!("Loading checkpoint shards: 100 %"),
        "other-id" => good["id"] = json!(good["id"].as_u64().expect("a number") + 7),
        "twice" => say(&good),
        "huge" => println!("{}", "7".repeat(2_000_000)),
        "reports" => good = json!({"id": good["id"], "error": "image 0 is too dark"}),
        _ => {}
    }
    say(&good);
}

/// Reads as fast as it can, answers slowly, and keeps in a file how many requests it held at most.
fn count(file: &str) {
    let (held, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (sender, requests) = channel();
    let counters = (held.clone(), most.clone());
    spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            counters.1.fetch_max(counters.0.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    for line in requests {
        sleep(Duration::from_millis(40));
        held.fetch_sub(1, Ordering::SeqCst);
        say(&scored(&line));
    }
    fs::write(file, most.load(Ordering::SeqCst).to_string()).expect("written");
}

fn scored(line: &str) -> Value {
    let request: Value = serde_json::from_str(line).expect("a request");
    let pictures = request["pictures"].as_array().expect("pictures");
    assert_eq!(pictures.len(), request["prompts"].as_array().expect("prompts").len());
    let scores: Vec<f64> = pictures.iter().map(|picture| brightness(picture.as_str().expect("base64"))).collect();
    json!({"id": request["id"], "scores": scores})
}

fn brightness(picture: &str) -> f64 {
    let file = STANDARD.decode(picture).expect("base64");
    let mut reader = png::Decoder::new(io::Cursor::new(file)).read_info().expect("a PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("a size")];
    reader.next_frame(&mut bytes).expect("an image");
    bytes.iter().map(|byte| f64::from(*byte)).sum::<f64>() / 255.0 / bytes.len() as f64
}

fn say(value: &Value) {
    println!("{value}");
    io::stdout().flush().expect("written");
}

fn sleep_for_ever() -> ! {
    loop {
        sleep(Duration::from_mins(1));
    }
}
