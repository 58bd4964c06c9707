//! From a sweep to judgements, from judgements to a reward, and from that to a sweep again; and what is refused on the way.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use support::{Desk, shipped};

/// A sweep of the smallest experiment.
fn swept() -> Desk {
    let desk = Desk::new();
    fs::copy(shipped("miniature.ron"), desk.path("small.ron")).unwrap();
    desk.moa(["sweep", "small.ron", "--quiet"]).success();
    desk
}

/// Does what is asked, and returns everything that it says.
fn said(desk: &Desk, words: &[&str]) -> String {
    let outcome = desk.moa(words);
    let stderr = outcome.stderr.clone();
    outcome.success() + &stderr
}

/// Judgements of a formula.
fn judged(desk: &Desk, count: &str) -> String {
    said(desk, &["rate", "results/small", "--prompts", "8", "-n", "3", "--simulate", count])
}

#[test]
fn judgements_become_a_reward_on_which_adapters_are_trained() {
    let desk = swept();
    let text = judged(&desk, "60");
    assert!(text.contains("60 answers of 1 rater") && text.contains("moa fit ratings"), "{text}");
    let pool: serde_json::Value = serde_json::from_slice(&fs::read(desk.path("ratings/pool.json")).unwrap()).unwrap();
    let images = pool["images"].as_array().unwrap();
    assert!(images.iter().any(|image| image["origin"]["name"] == "base"), "{images:?}");
    assert!(images.iter().any(|image| image["origin"]["name"] != "base"), "adapters draw, too");
    let held_out = desk.moa(["export", "results/small", "--what", "prompts"]).success();
    for image in images {
        assert!(!held_out.contains(image["prompt"].as_str().unwrap()), "only training prompts are judged: {image}");
    }
    // Going on draws nothing again.
    let text = said(&desk, &["rate", "ratings", "--simulate", "10"]);
    assert!(text.contains("70 answers"), "{text}");

    let text = said(&desk, &["fit", "ratings", "-o", "rewards/mine"]);
    assert!(text.contains("70 judgements of 1 rater") && text.contains("accuracy on other prompts"), "{text}");
    let card = fs::read_to_string(desk.path("rewards/mine/README.md")).unwrap();
    assert!(card.contains("emoji-32") && card.contains("simulated"), "{card}");
    let json = desk.moa(["fit", "ratings", "-o", "rewards/again", "--json"]).success();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["judgements"], 70);
    let model = |folder: &str| fs::read(desk.path(&format!("rewards/{folder}/model.safetensors"))).unwrap();
    assert_eq!(model("mine"), model("again"), "the same judgements give the same reward");

    let text = fs::read_to_string(shipped("miniature.ron")).unwrap();
    let from = text.find("rewards: [").unwrap();
    let to = from + text[from..].find("],\n").unwrap();
    let rewards = "rewards: [(kind: Preference(model: \"rewards/mine\", pessimism: 0.5)), (kind: Taste)";
    let own = format!("{}{rewards}{}", &text[..from], &text[to..]);
    desk.write("own.ron", &own);
    let table = desk.moa(["sweep", "own.ron", "--quiet"]).success();
    assert!(table.contains("preference") && table.contains("taste"), "{table}");
    // A reward of another CLIP would score nonsense.
    let file = desk.path("rewards/mine/model.safetensors");
    let whole = fs::read(&file).unwrap();
    let place = whole.windows(17).position(|bytes| bytes == b"embedding_sha256\\").unwrap() + 21;
    let mut other = whole.clone();
    other[place] = if other[place] == b'0' { b'1' } else { b'0' };
    fs::write(&file, other).unwrap();
    desk.moa(["sweep", "own.ron", "--out", "elsewhere", "--quiet"]).refusal(2, &["preference", "other weights"]);
    fs::write(&file, whole).unwrap();
    // Another reward of the same name makes other results.
    desk.moa(["rate", "ratings", "--simulate", "5"]).success();
    desk.moa(["fit", "ratings", "-o", "rewards/mine"]).success();
    desk.moa(["sweep", "own.ron", "--quiet"]).refusal(1, &["another `reward preference`", "--out"]);
}

#[test]
fn the_page_answers_at_the_address_that_is_printed_and_a_kill_loses_nothing() {
    let desk = swept();
    judged(&desk, "3");
    let mut child = desk.start(["rate", "ratings"]);
    let mut address = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
    let (host, token) = address.trim().trim_start_matches("http://").split_once("/?token=").unwrap();
    let asked = |token: &str| {
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET /?token={token} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let page = asked(token);
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("<html"), "{page}");
    assert!(!page.contains("http://127") && !page.contains("https://"), "the page asks no other server");
    assert!(asked("0123456789abcdef").starts_with("HTTP/1.1 401"));
    child.kill().unwrap();
    child.wait().unwrap();
    let lines = fs::read_to_string(desk.path("ratings/preferences.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 3);
}

#[test]
fn mistakes_are_named() {
    let desk = swept();
    judged(&desk, "4");
    desk.moa(["rate", "results/other"]).refusal(2, &["results/other", "folder of ratings"]);
    desk.moa(["rate", "ratings", "--overlap", "2"]).refusal(1, &["overlap is 2"]);
    desk.moa(["rate", "ratings", "--clip", "nowhere", "--simulate", "1"]).refusal(1, &["nowhere", "no such folder"]);
    desk.moa(["rate", "ratings", "--by-model", "x"]).refusal(1, &["MOA_AI_URL"]);
    desk.moa(["fit", "nothing", "-o", "x"]).refusal(2, &["nothing", "moa rate"]);
    desk.moa(["fit", "ratings", "-o", "small.ron"]).refusal(2, &["small.ron", "it is a file"]);
    desk.moa(["fit", "ratings", "-o", "x", "--by", "nobody"]).refusal(1, &["nobody", "simulated"]);
    desk.moa(["ratings", "import", "small.ron"]).refusal(1, &["small.ron"]);
    assert!(!desk.path("x").exists(), "nothing is written");

    // A line that a kill left torn is passed over; one that says something else is named.
    let file = desk.path("ratings/preferences.jsonl");
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{whole}{{\"version\": 1, \"id\": \"x")).unwrap();
    desk.moa(["fit", "ratings", "-o", "y"]).success();
    fs::write(&file, format!("{whole}{{\"version\": 1, \"kind\": \"Opinion\"}}\n")).unwrap();
    desk.moa(["fit", "ratings", "-o", "z"]).refusal(1, &["preferences.jsonl", "5"]);
    fs::write(&file, &whole).unwrap();
    // An image that was changed since it was judged is not what was judged.
    let image = fs::read_dir(desk.path("ratings/images")).unwrap().next().unwrap().unwrap().path();
    let images: Vec<_> =
        fs::read_dir(desk.path("ratings/images")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in &images {
        fs::write(path, fs::read(&image).unwrap()).unwrap();
    }
    desk.moa(["fit", "ratings", "-o", "z"]).refusal(1, &["preferences.jsonl", "images/"]);
    fs::write(desk.path("ratings/pool.json"), "{\"version\": 9}").unwrap();
    desk.moa(["rate", "ratings"]).refusal(1, &["pool.json", "newer moa"]);
}

#[test]
fn judgements_are_exported_and_imported() {
    let desk = swept();
    judged(&desk, "12");
    desk.moa(["ratings", "export", "ratings", "--format", "csv", "-o", "ratings/pairs.csv"]).success();
    let text = said(&desk, &["ratings", "import", "ratings/pairs.csv", "--into", "copy"]);
    assert!(text.contains("12 judgements") && text.contains("csv"), "{text}");
    desk.moa(["fit", "copy", "-o", "rewards/copy"]).success();
    desk.moa(["ratings", "export", "ratings", "--format", "word", "-o", "x"]).refusal(2, &["pick-a-pic"]);
}

#[test]
fn a_reward_that_was_fitted_while_it_was_trained_is_explained_by_its_last_version() {
    let desk = Desk::new();
    let text = fs::read_to_string(shipped("miniature.ron")).unwrap();
    let from = text.find("rewards: [").unwrap();
    let to = from + text[from..].find("],\n").unwrap();
    let rewards = "feedback: (from: Simulated(), first: 6, prompts: 2, images_per_prompt: 3), rewards: [(kind: Feedback()), (kind: Taste)";
    desk.write("online.ron", format!("{}{rewards}{}", &text[..from], &text[to..]));
    desk.moa(["check", "online.ron"]).success();
    desk.moa(["explain", "online.ron", "--images", "4", "--maps", "1"])
        .refusal(1, &["feedback", "nothing was judged yet"]);
    desk.moa(["sweep", "online.ron", "--quiet"]).success();
    let options = ["--reward", "feedback", "--images", "4", "--maps", "1", "--json", "--quiet"];
    let card = desk.moa(["explain", "results/online"].into_iter().chain(options)).success();
    let card: serde_json::Value = serde_json::from_str(&card).unwrap();
    assert_eq!(card["cards"][0]["has_gradient"], true, "{card}");
}
