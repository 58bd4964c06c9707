//! A judge as a reward.

mod stub;

use std::sync::atomic::Ordering;
use std::time::Duration;

use moa_ai_judge::{AiScore, Budget, JudgeError, Settings};
use stub::{Reply, Stub, honest, png, settings};

#[test]
fn scores_are_from_0_to_1_in_order_and_asked_for_once() {
    let stub = Stub::new(|asked| Reply::Late(Duration::from_millis(50), Box::new(Reply::Say(honest(asked)))));
    let reward = AiScore::new(stub.judge(settings()));
    let images: Vec<Vec<u8>> = [0, 9, 3, 9, 6].into_iter().map(|quality| png(0, quality)).collect();
    let images: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
    let prompts = ["a cat"; 5];
    let scores = reward.scores(&prompts, &images).unwrap();
    assert_eq!(scores, [0.0, 1.0, 3.0 / 9.0, 1.0, 6.0 / 9.0]);
    assert_eq!(stub.requests(), 4, "two are the same image of the same prompt");
    assert!(stub.most.load(Ordering::SeqCst) > 1, "several at once");
    assert_eq!(reward.scores(&[" a cat "; 5], &images).unwrap(), scores);
    assert_eq!(stub.requests(), 4);
    reward.scores(&["a dog"], &images[..1]).unwrap();
    assert_eq!(stub.requests(), 5);
    assert_eq!(reward.scores(&[], &[]).unwrap(), [0.0; 0]);
    let tally = reward.judge().tally();
    assert_eq!((tally.questions, tally.answered, tally.tokens), (5, 5, 5000));
}

#[test]
fn there_is_no_score_in_place_of_a_failure() {
    let stub =
        Stub::new(
            |asked| if asked.taste[0] == 9 { Reply::Say("{\"score\": 11}".into()) } else { Reply::Say(honest(asked)) },
        );
    let reward = AiScore::new(stub.judge(Settings { in_flight: 1, ..settings() }));
    let (good, bad) = (png(0, 3), png(0, 9));
    let refused = reward.scores(&["a cat", "a cat"], &[&good, &bad]).unwrap_err();
    assert!(matches!(refused, JudgeError::Nonsense { .. }), "{refused}");
    let before = stub.requests();
    reward.scores(&["a cat"], &[&good]).unwrap();
    assert_eq!(stub.requests(), before, "what was scored before a failure is remembered");
    let refused = reward.scores(&["a cat"], &[b"no image"]).unwrap_err().to_string();
    assert_eq!(refused, "the image cannot be sent to a judge: it is no PNG, JPEG, WebP or GIF file");
    let refused = reward.scores(&["a cat"], &[]).unwrap_err().to_string();
    assert_eq!(refused, "the number of prompts is 1: give one for each of the 0 images");
    assert_eq!(stub.requests(), before);
}

#[test]
fn a_budget_bounds_a_reward_too() {
    let stub = Stub::honest();
    let budget = Budget { questions: Some(2), ..Budget::default() };
    let reward = AiScore::new(stub.judge(Settings { budget, ..settings() }));
    let images: Vec<Vec<u8>> = (0..5).map(|quality| png(0, quality)).collect();
    let images: Vec<&[u8]> = images.iter().map(Vec::as_slice).collect();
    let refused = reward.scores(&["a cat"; 5], &images).unwrap_err();
    assert!(matches!(refused, JudgeError::Spent { what: "questions" }), "{refused}");
    assert_eq!(stub.requests(), 2);
}
