//! The page as a whole: complete in itself, and safe whatever it is told.

mod results;

use moa_analysis::attack::{self, AttackLog, AttackReport, GoalOutcome, Head, LevelOutcome, SafeOutcome};
use moa_analysis::{FrontReport, Scales};
use moa_pareto::Bootstrap;
use moa_report::{Limits, Report, ReportError, Sheet, Source};
use results::Results;
use serde_json::Value;

const LIMITS: Limits = Limits { bytes: 15_000_000, points: 200, prompts: 8 };

fn front(results: &Results) -> FrontReport {
    let scales = Scales::of(&results.spec, &results.snapshot.evaluations);
    FrontReport::of(&results.snapshot, &results.spec, scales).unwrap()
}

fn source<'a>(results: &'a Results, front: &'a FrontReport) -> Source<'a> {
    Source { layout: &results.layout, snapshot: &results.snapshot, spec: &results.spec, front, folder: "results/my" }
}

fn page(results: &Results) -> String {
    let front = front(results);
    Report::new(source(results, &front), LIMITS).page().unwrap().html
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

fn data(html: &str) -> Value {
    serde_json::from_str(between(html, r#"id="data">"#, "</script>")).unwrap()
}

#[test]
fn the_page_refers_to_nothing_outside_of_itself() {
    let html = page(&Results::new(&["aesthetics", "safety"], 40));
    // Data may say what they like; only elements and styles fetch.
    let markup = html.replace(between(&html, r#"id="data">"#, "</script>"), "");
    for attribute in ["src=\"", "href=\"", "action=\"", "srcset=\"", "poster=\""] {
        for value in markup.split(attribute).skip(1) {
            assert!(value.starts_with(['#', 'd']), "{attribute}{}", &value[..40]);
        }
    }
    for word in
        ["@import", "url(", "fetch(", "XMLHttpRequest", "WebSocket", "import(", "sendBeacon", "innerHTML", "eval("]
    {
        assert!(!markup.contains(word), "{word}");
    }
    let policy = between(&html, "http-equiv=\"Content-Security-Policy\" content=\"", "\"");
    assert!(
        policy.starts_with("default-src 'none'; img-src data:;") && policy.contains("script-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("script-src 'unsafe-inline'"), "{policy}");
}

#[test]
fn hostile_names_prompts_and_notes_are_text() {
    let hostile = "</script><script>alert(1)</script><!-- \u{2028} {{data}} \"'&";
    let mut results = Results::new(&["aesthetics", "safety"], 40);
    results.spec.name = Some(hostile.into());
    results.prompts(hostile);
    results.note(hostile);
    let html = page(&results);
    assert_eq!(html.matches("<script").count(), 2, "the data and the page's own script");
    assert_eq!(html.matches("</script>").count(), 2);
    assert!(!html.contains("alert(1)</script>") && !html.contains("<!-- \u{2028}"));
    let data = data(&html);
    assert_eq!((data["title"].as_str(), data["notes"][0].as_str()), (Some(hostile), Some(hostile)));
    assert!(data["prompts"][0].as_str().unwrap().contains(hostile));
    assert!(html.contains("<title>&lt;/script&gt;&lt;script&gt;"));
}

/// What an attack found out: half of 40 goals are broken.
fn attacked(victim: &str, prompt: &str) -> AttackLog {
    let image = |place: usize| Some(if place.is_multiple_of(2) { [0.9, 0.9] } else { [0.1, 0.9] });
    let goal = |place: usize| GoalOutcome {
        goal: "a knife".into(),
        concept: ["knife", "bomb <b>"][place / 20].into(),
        levels: vec![
            LevelOutcome { passes: 150, prompt: None, images: Vec::new() },
            LevelOutcome { passes: 600, prompt: Some(prompt.into()), images: vec![image(place); 2] },
        ],
    };
    let head = Head {
        format: attack::FORMAT,
        victim: victim.into(),
        kind: "trained".into(),
        attack: "evolution".into(),
        access: "black box".into(),
        budget: 600,
        images: 2,
        seed: 0,
        blocked: Vec::new(),
        facts: String::new(),
        adapter: String::new(),
    };
    AttackLog { head, goals: (0..40).map(goal).collect(), safe: Vec::new(), is_stale: false }
}

#[test]
fn what_attacks_found_out_is_a_section_and_the_prompts_found_are_text() {
    let results = Results::new(&["aesthetics", "safety"], 40);
    assert!(!page(&results).contains("id=\"attacks\""), "nothing was attacked");
    let hostile = "a kn1fe</td></table><script>alert(1)</script><img src=x onerror=alert(2)> {{data}}";
    let mut safe = attacked("safety", "");
    (safe.head.attack, safe.goals) = (attack::SAFE.into(), Vec::new());
    let outcome =
        SafeOutcome { prompt: "a cat".into(), withheld: 0.25, harm: 0.0, scores: [("<i>".to_owned(), 0.5)].into() };
    safe.safe = vec![outcome; 8];
    let mut base = safe.clone();
    base.head.victim = "base".into();
    let mut front = front(&results);
    let logs = [attacked("safety", hostile), safe, base];
    front.attacks = Some(AttackReport::of(&logs, &Bootstrap::seeded(1)).unwrap());
    let html = Report::new(source(&results, &front), LIMITS).page().unwrap().html;
    let section = between(&html, "<section id=\"attacks\"", "</section>");
    for wanted in
        ["Safety under attack", "50 %", "evolution", "black box, 600 passes", "<polyline", ">150<", "25 %", "40 goals"]
    {
        assert!(section.contains(wanted), "`{wanted}` is not in {section}");
    }
    assert!(
        section.contains("<q>a kn1fe&lt;/td&gt;")
            && section.contains("bomb &lt;b&gt;")
            && section.contains("&lt;i&gt;")
    );
    assert!(!section.contains("<script") && !section.contains("<img") && !section.contains("<i>"), "{section}");
    assert_eq!(html.matches("<script").count(), 2, "the data and the page's own script");
}

#[test]
fn gains_stand_with_their_intervals_and_soups_are_expected() {
    let results = Results::new(&["aesthetics", "safety"], 96);
    let data = data(&page(&results));
    let point = data["points"].as_array().unwrap().iter().find(|point| point["id"] == "safety").unwrap();
    let gain: Vec<f64> = point["gains"][1].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    assert!((gain[0] - 0.1).abs() < 0.02 && gain[1] < gain[0] && gain[0] < gain[2], "{gain:?}");
    let mixtures = &data["mixtures"];
    assert_eq!((mixtures["divisions"].as_u64(), mixtures["parts"].as_array().unwrap().len()), (Some(100), 101));
    let middle = mixtures["expected"][50][1][0].as_f64().unwrap();
    assert!((0.0..gain[0]).contains(&middle), "between the corners: {middle}");
    assert_eq!(data["curves"][0]["title"], "Gains at probes");
}

#[test]
fn what_is_not_there_yet_is_left_out() {
    let mut results = Results::new(&["aesthetics"], 4);
    results.snapshot.evaluations.truncate(1);
    let html = page(&results);
    let data = data(&html);
    assert_eq!(data["points"].as_array().unwrap().len(), 1);
    assert!(data["mixtures"].is_null() && data["origin"]["receipt"].as_array().unwrap().is_empty());
    // Too few prompts for intervals.
    assert!(data["points"][0]["levels"][0][1].is_null(), "{}", data["points"][0]["levels"]);
    assert!(data["warnings"].to_string().contains("not complete"), "{}", data["warnings"]);
    std::fs::write(results.layout.receipt_file(), "{").unwrap();
    let front = front(&results);
    let error = Report::new(source(&results, &front), LIMITS).page().unwrap_err().to_string();
    assert!(error.contains("receipt.json"), "{error}");
}

#[test]
fn images_come_in_as_far_as_there_is_room_the_most_important_ones_first() {
    let results = Results::new(&["aesthetics", "safety"], 40);
    results.images();
    let front = front(&results);
    let whole = Report::new(source(&results, &front), LIMITS).page().unwrap();
    assert_eq!((whole.shown, whole.left_out, whole.points), (4, 0, 4));
    let size = data(&whole.html)["sheets"][0]["src"].as_str().unwrap().len();
    let bytes = whole.html.len() - 2 * size;
    let less = Report::new(source(&results, &front), Limits { bytes, ..LIMITS }).page().unwrap();
    assert!(
        less.html.len() <= bytes && (1..4).contains(&less.shown) && less.shown + less.left_out == 4,
        "{}",
        less.shown
    );
    assert!(data(&less.html)["points"][0]["sheet"].is_u64(), "the base is evaluated first");
    let error = Report::new(source(&results, &front), Limits { bytes: 1000, ..LIMITS }).page().unwrap_err();
    assert!(matches!(error, ReportError::TooLarge { .. }), "{error}");
}

#[test]
fn mixtures_that_are_drawn_stand_beside_the_evaluated_ones() {
    let results = Results::new(&["aesthetics", "safety"], 40);
    results.images();
    let front = front(&results);
    let mut report = Report::new(source(&results, &front), LIMITS);
    let wanted = report.undrawn(4).unwrap();
    assert_eq!(wanted, [[0.75, 0.25], [0.25, 0.75]], "corners and the centre are evaluated");
    for shares in wanted {
        report.add_mixture(shares, Sheet::new((2, 2), &[vec![9; 12], vec![7; 12]], 1).unwrap());
    }
    let data = data(&report.page().unwrap().html);
    let drawn = data["mixtures"]["drawn"].as_array().unwrap();
    assert_eq!(drawn.len(), 5);
    assert_eq!(drawn.iter().filter(|drawn| drawn["point"].is_null()).count(), 2);
}
