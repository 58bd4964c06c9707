//! How a judge is asked.

use crate::{JudgeError, Rubric};

/// How a judge is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The rater's name in the records, 1 to 64 characters. Default: the model's name.
    pub name: String,
    /// The model, as the service calls it.
    pub model: String,
    /// What the judge is told to look for. Default: moa's own rubric.
    pub rubric: Rubric,
    /// The environment variable with the service's address, such as `http://127.0.0.1:8000/v1`. Default: `MOA_AI_URL`.
    pub address_variable: String,
    /// The environment variable with the key, which may be unset. Default: `MOA_AI_KEY`.
    pub key_variable: String,
    /// Whether comparisons are asked in both orders, so that a preference for a position cancels. Default: yes.
    pub both_orders: bool,
    /// Questions at once, 1 to 64. Default: 4.
    pub in_flight: usize,
    /// How often a request is repeated where none answers, the service is busy (429), or fails (500 and more), 0 to 20. Default: 4.
    pub retries: u32,
    /// Seconds for a question, with its repetitions and both orders, 1 to 3,600. Default: 120.
    pub seconds_per_question: u64,
    /// Tokens of an answer, 16 to 32,768. Default: 1,024, which leaves room for thoughts.
    pub answer_tokens: u32,
    /// The temperature of sampling, 0 to 2. Default: 0.
    pub temperature: f64,
    /// Questions without an answer in a row after which the judge gives up, 1 to 1,000. Default: 5.
    pub most_failures: u32,
    /// What may be spent.
    pub budget: Budget,
}

/// What a judge may spend, from its making on; none is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Questions that are begun; both orders are one. Default: none.
    pub questions: Option<u64>,
    /// Tokens of questions and answers, as the service counts them. Requests that are under way when it is spent are finished.
    /// Default: none.
    pub tokens: Option<u64>,
    /// Seconds. Default: none.
    pub seconds: Option<u64>,
}

impl Settings {
    /// Returns the defaults for a model.
    pub fn new(model: impl Into<String>) -> Self {
        let model = model.into();
        let name = model.trim().chars().filter(|character| !character.is_control()).take(64).collect();
        Self {
            name,
            model,
            rubric: Rubric::default(),
            address_variable: "MOA_AI_URL".into(),
            key_variable: "MOA_AI_KEY".into(),
            both_orders: true,
            in_flight: 4,
            retries: 4,
            seconds_per_question: 120,
            answer_tokens: 1024,
            temperature: 0.0,
            most_failures: 5,
            budget: Budget::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), JudgeError> {
        let refused = |field: &str, value: String, accepted: &str| {
            Err(JudgeError::Setting { field: field.into(), value, accepted: accepted.into() })
        };
        let is_line = |text: &str, longest: usize| {
            !text.trim().is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control)
        };
        if !is_line(&self.name, 64) {
            return refused("the judge's name", format!("{:?}", self.name), "give 1 to 64 characters in one line");
        }
        if !is_line(&self.model, 500) {
            return refused("the model", format!("{:?}", self.model), "give its name, as the service has it");
        }
        if !(0.0..=2.0).contains(&self.temperature) {
            return refused("the temperature", self.temperature.to_string(), "give 0 to 2");
        }
        let ranges = [
            ("in_flight", self.in_flight as u64, 1, 64),
            ("retries", self.retries.into(), 0, 20),
            ("seconds_per_question", self.seconds_per_question, 1, 3600),
            ("answer_tokens", self.answer_tokens.into(), 16, 32_768),
            ("most_failures", self.most_failures.into(), 1, 1000),
        ];
        match ranges.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            Some((field, value, least, most)) => refused(field, value.to_string(), &format!("give {least} to {most}")),
            None => Ok(()),
        }
    }
}
