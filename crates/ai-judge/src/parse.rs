//! What a model's answer says.

use moa_preferences::{Mark, Winner};
use serde_json::{Deserializer, Value};

/// Bytes of an answer that are looked at, from its end.
const LONGEST: usize = 64_000;
/// Braces at which an object may begin, from the last on.
const MOST_OPENS: usize = 500;
/// Characters of a reason.
const LONGEST_REASON: usize = 300;

/// What is asked, and the form in which it is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Form {
    Choice,
    Ranks { images: usize },
    Label,
    Score { best: u32 },
}

/// An answer in its form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Choice(Winner),
    Ranks(Vec<u32>),
    Label(Mark),
    Score(f64),
}

impl Form {
    /// Returns the form as the model is told it.
    pub(crate) fn described(self) -> String {
        match self {
            Self::Choice => {
                r#"a JSON object {"reason": "…", "choice": "first"}, whose choice is "first", "second" or "tie""#.into()
            }
            Self::Ranks { images } => {
                let example: Vec<String> = (1..=images).rev().map(|rank| rank.to_string()).collect();
                format!(
                    "a JSON object {{\"reason\": \"…\", \"ranks\": [{}]}} with the rank of each of the {images} images in the \
                     order in which they are shown; 1 is the best, and equal ranks are ties",
                    example.join(", ")
                )
            }
            Self::Label => r#"a JSON object {"reason": "…", "label": "good"}, whose label is "good" or "bad""#.into(),
            Self::Score { best } => format!(
                "a JSON object {{\"reason\": \"…\", \"score\": {}}}, whose score is a number from 1, the worst, to {best}, the best",
                best / 2
            ),
        }
    }

    fn field(self) -> &'static str {
        match self {
            Self::Choice => "choice",
            Self::Ranks { .. } => "ranks",
            Self::Label => "label",
            Self::Score { .. } => "score",
        }
    }

    /// Reads an answer and its reason: the last JSON object with the form's field, whatever is around it; none where its value is
    /// none.
    pub(crate) fn read(self, text: &str) -> Option<(Said, String)> {
        let mut start = text.len().saturating_sub(LONGEST);
        while !text.is_char_boundary(start) {
            start += 1;
        }
        let text = &text[start..];
        let mut opens: Vec<usize> = text.rmatch_indices('{').map(|(place, _)| place).take(MOST_OPENS).collect();
        opens.reverse();
        let (mut found, mut end) = (None, 0);
        // An object within another is none by itself.
        for open in opens {
            if open < end {
                continue;
            }
            let mut values = Deserializer::from_str(&text[open..]).into_iter::<Value>();
            if let Some(Ok(value)) = values.next() {
                end = open + values.byte_offset();
                found = if value.get(self.field()).is_some() { Some(value) } else { found };
            }
        }
        let found = found?;
        let reason = found.get("reason").and_then(Value::as_str).unwrap_or_default();
        let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        let reason = reason.chars().filter(|character| !character.is_control()).take(LONGEST_REASON).collect();
        Some((self.value(&found[self.field()])?, reason))
    }

    fn value(self, value: &Value) -> Option<Said> {
        let word = || value.as_str().map(|word| word.trim().to_ascii_lowercase());
        match self {
            Self::Choice => Some(Said::Choice(match &*word()? {
                "first" => Winner::A,
                "second" => Winner::B,
                "tie" => Winner::Tie,
                _ => return None,
            })),
            Self::Label => Some(Said::Label(match &*word()? {
                "good" => Mark::Good,
                "bad" => Mark::Bad,
                _ => return None,
            })),
            Self::Ranks { images } => {
                let ranks = value.as_array()?.iter().map(|rank| {
                    let rank = u32::try_from(rank.as_u64()?).ok()?;
                    (1..=images as u32).contains(&rank).then_some(rank)
                });
                let ranks: Vec<u32> = ranks.collect::<Option<_>>()?;
                (ranks.len() == images).then_some(Said::Ranks(ranks))
            }
            Self::Score { best } => {
                let score = value.as_f64()?;
                (1.0..=f64::from(best)).contains(&score).then_some(Said::Score(score))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: Form, text: &str) -> Option<Said> {
        form.read(text).map(|(said, _)| said)
    }

    #[test]
    fn reasons_are_one_short_line() {
        let text = format!("{{\"choice\": \"tie\", \"reason\": \"both\\n are \\u001b[31mfine {}\"}}", "x".repeat(1000));
        let (said, reason) = Form::Choice.read(&text).unwrap();
        assert_eq!(said, Said::Choice(Winner::Tie));
        assert!(reason.starts_with("both are [31mfine xxx") && reason.len() == 300, "{reason}");
    }

    #[test]
    fn answers_are_found_among_fences_thoughts_and_prose() {
        let first = Some(Said::Choice(Winner::A));
        for text in [
            r#"{"choice": "first", "reason": "sharper"}"#,
            "```json\n{\"reason\": \"a } brace\", \"choice\": \" First \"}\n```",
            "Let me think {about: this}. {\"choice\": \"second\"} no, better: {\"choice\": \"first\"} That is all {}",
            "<think>{\"a\": {\"choice\": 1}}</think>\n{ \"choice\" : \"FIRST\" , \"sure\": {\"choice\": \"second\"}}",
        ] {
            assert_eq!(read(Form::Choice, text), first, "{text}");
        }
    }

    #[test]
    fn what_has_no_valid_choice_is_nonsense() {
        for text in [
            "",
            "first",
            "{\"choice\": \"first",
            "{\"choice\": \"third\"}",
            "{\"choice\": 1}",
            "{\"choice\": [\"first\"]}",
            "{\"choice\": \"first\"} or rather {\"choice\": \"both\"}",
            "[\"choice\", \"first\"]",
            "{'choice': 'first'}",
        ] {
            assert_eq!(read(Form::Choice, text), None, "{text}");
        }
        // Takes no longer than the text is long.
        assert_eq!(read(Form::Choice, &"{\"a\":".repeat(200_000)), None);
        assert_eq!(read(Form::Choice, &"{".repeat(1_000_000)), None);
    }

    #[test]
    fn every_form_has_bounds() {
        let ranks = Form::Ranks { images: 3 };
        assert_eq!(read(ranks, r#"{"ranks": [2, 1, 2]}"#), Some(Said::Ranks(vec![2, 1, 2])));
        for text in ["[1, 2]", "[1, 2, 4]", "[0, 1, 2]", "[1, 2, \"3\"]", "[1.5, 2, 3]", "{}", "[1, 2, 3, 3]"] {
            assert_eq!(read(ranks, &format!("{{\"ranks\": {text}}}")), None, "{text}");
        }
        assert_eq!(read(Form::Label, r#"{"label": "Bad"}"#), Some(Said::Label(Mark::Bad)));
        assert_eq!(read(Form::Label, r#"{"label": true}"#), None);
        let score = Form::Score { best: 10 };
        assert_eq!(read(score, r#"{"score": 7.5}"#), Some(Said::Score(7.5)));
        for text in ["0", "10.1", "-3", "\"7\"", "null", "NaN", "1e400"] {
            assert_eq!(read(score, &format!("{{\"score\": {text}}}")), None, "{text}");
        }
        for form in [Form::Choice, ranks, Form::Label, score] {
            assert!(form.described().contains(&format!("\"{}\":", form.field())));
        }
    }
}
