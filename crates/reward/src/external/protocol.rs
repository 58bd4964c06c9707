//! The JSON that programs and services are sent, and what they answer. `docs/reward-protocol.md` is its contract.

use serde::{Deserialize, Serialize};

use super::error::{Problem, excerpt};

/// The version of the protocol.
pub const PROTOCOL: u64 = 1;

/// Bytes of an answer: a thousand scores take 20 kB.
pub(super) const LONGEST_ANSWER: u64 = 1_000_000;

/// What moa says first.
#[derive(Serialize)]
struct Hello<'a> {
    protocol: u64,
    reward: &'a str,
}

/// Returns moa's greeting for a reward, as one line without its end.
pub(super) fn hello(reward: &str) -> Vec<u8> {
    json(&Hello { protocol: PROTOCOL, reward })
}

/// What is answered to moa's greeting. Other fields are for people who read along.
#[derive(Deserialize)]
struct Greeting {
    protocol: u64,
}

/// Checks what is answered to moa's greeting.
///
/// # Errors
/// Refuses what is no greeting, and other versions of the protocol.
pub(super) fn check_greeting(answer: &[u8]) -> Result<(), Problem> {
    match parse(answer, "greeting such as {\"protocol\": 1}")? {
        Greeting { protocol: PROTOCOL } => Ok(()),
        Greeting { protocol: found } => Err(Problem::Version { found }),
    }
}

/// Images to score.
#[derive(Serialize)]
struct Request<'a> {
    id: u64,
    pictures: &'a [String],
    prompts: &'a [String],
}

/// Returns a request as one line without its end. `pictures` are PNG files in base64, with one prompt each.
pub(super) fn request(id: u64, pictures: &[String], prompts: &[String]) -> Vec<u8> {
    json(&Request { id, pictures, prompts })
}

/// What is answered to a request.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    /// The request that it answers.
    pub(super) id: u64,
    #[serde(default)]
    scores: Option<Vec<Option<f64>>>,
    #[serde(default)]
    error: Option<String>,
}

impl Answer {
    /// Reads an answer.
    ///
    /// # Errors
    /// Refuses what is no answer.
    pub(super) fn read(answer: &[u8]) -> Result<Self, Problem> {
        parse(answer, "answer such as {\"id\": 0, \"scores\": [0.5]}")
    }

    /// Returns the scores of the images with these prompts, `first` being the place of the first.
    ///
    /// # Errors
    /// Refuses errors, another number of scores than of images, and scores that are no finite numbers.
    pub(super) fn scores(self, first: usize, prompts: &[String]) -> Result<Vec<f32>, Problem> {
        if let Some(error) = self.error {
            return Err(Problem::Reported(error));
        }
        let scores = self.scores.unwrap_or_default();
        if scores.len() != prompts.len() {
            return Err(Problem::Count { found: scores.len(), wanted: prompts.len() });
        }
        let score = |(index, score): (usize, &Option<f64>)| match score.map(|score| score as f32) {
            Some(finite) if finite.is_finite() => Ok(finite),
            _ => Err(Problem::Score {
                found: score.map_or_else(|| "null".into(), |score| score.to_string()),
                picture: first + index,
                prompt: prompts[index].clone(),
            }),
        };
        scores.iter().enumerate().map(score).collect()
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| unreachable!("texts and whole numbers can be written as JSON"))
}

fn parse<'a, T: Deserialize<'a>>(answer: &'a [u8], wanted: &'static str) -> Result<T, Problem> {
    serde_json::from_slice(answer).map_err(|error| {
        let text = String::from_utf8_lossy(answer);
        let reason = if text.contains("NaN") || text.contains("Infinity") {
            "JSON has neither NaN nor Infinity: give finite scores, or answer with an error".into()
        } else if text.trim_start().starts_with('{') {
            error.to_string()
        } else {
            "answer only with JSON, and print everything else to stderr".into()
        };
        Problem::Nonsense { found: excerpt(answer), wanted, reason }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("prompt {index}")).collect()
    }

    fn refusal(answer: &str) -> String {
        let scores = Answer::read(answer.as_bytes()).and_then(|answer| answer.scores(4, &prompts(2)));
        scores.expect_err("refused").to_string()
    }

    #[test]
    fn lines_are_as_the_contract_says() {
        assert_eq!(hello("bright"), br#"{"protocol":1,"reward":"bright"}"#);
        let line = request(7, &["iVBO".into()], &["a \"cat\"\n".into()]);
        assert_eq!(line, br#"{"id":7,"pictures":["iVBO"],"prompts":["a \"cat\"\n"]}"#);
        let answer = Answer::read(br#"{"scores": [1, 0.25], "id": 7, "seconds": 0.1}"#).unwrap();
        assert_eq!((answer.id, answer.scores(0, &prompts(2)).unwrap()), (7, vec![1.0, 0.25]));
    }

    #[test]
    fn answers_that_are_refused() {
        for (answer, expected) in [
            (r#"{"id": 1, "scores": [0.5]}"#, "gave 1 scores for 2 images: give one for each image, in their order"),
            (r#"{"id": 1}"#, "gave 0 scores for 2 images: give one for each image, in their order"),
            (
                r#"{"id": 1, "scores": [0.5, null]}"#,
                "gave null for image 5 (prompt \"prompt 1\"): give a finite number, or answer with an error",
            ),
            (
                r#"{"id": 1, "scores": [1e300, 0]}"#,
                "for image 4 (prompt \"prompt 0\"): give a finite number, or answer with an error",
            ),
            (r#"{"id": 1, "error": "out of memory"}"#, "answered with an error: out of memory"),
            (
                r#"{"id": 1, "scores": [0.5, NaN]}"#,
                "JSON has neither NaN nor Infinity: give finite scores, or answer with an error",
            ),
            (r"loading …", "answer only with JSON, and print everything else to stderr"),
            (r#"{"scores": [0.5, 1]}"#, "missing field `id` at line 1 column 20"),
        ] {
            let found = refusal(answer);
            assert!(found.ends_with(expected), "{answer}: {found}");
        }
    }

    #[test]
    fn greetings_of_other_versions_are_refused_and_other_fields_are_not_read() {
        let greeting = br#"{"protocol": 1, "name": "brightness", "unit": "mean luma", "range": [0, null]}"#;
        assert!(check_greeting(greeting).is_ok());
        let other = check_greeting(br#"{"protocol": 2}"#).expect_err("refused").to_string();
        assert_eq!(other, "speaks version 2 of the protocol, and moa speaks 1: see docs/reward-protocol.md");
    }
}
