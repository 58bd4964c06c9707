//! A record as a line of JSON, both ways. `docs/preferences.md` is its contract.

use serde::Serialize;
use serde_json::Value;

use crate::fault::Fault;
use crate::image::{Drawn, ImageFile};
use crate::json::{Fields, Strict, shown, text};
use crate::record::VERSION;
use crate::{Decision, Image, Mark, Moment, Record, Winner};

const SKIP: &str = "Skip";

/// The fields in the order in which they are written.
#[derive(Serialize)]
struct Line<'a> {
    version: u32,
    id: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<&'a Image>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    undoes: Option<&'a str>,
    #[serde(skip_serializing_if = "is_empty")]
    tags: &'a [String],
    weight: f64,
    who: &'a str,
    when: String,
}

fn is_empty(tags: &[String]) -> bool {
    tags.is_empty()
}

impl Record {
    /// Returns the record as a line of JSON, without the line break.
    pub fn to_line(&self) -> String {
        let outcome = match &self.decision {
            Decision::Pair { outcome, .. } => Some(outcome.map(|winner| winner.name().into())),
            Decision::Ranking { outcome, .. } => Some(outcome.clone().map(Value::from)),
            Decision::Label { outcome, .. } => Some(outcome.map(|mark| mark.name().into())),
            Decision::Score { outcome, .. } => Some(outcome.map(Value::from)),
            Decision::Undo { .. } => None,
        };
        let undoes = if let Decision::Undo { record } = &self.decision { Some(&**record) } else { None };
        let line = Line {
            version: VERSION,
            id: &self.id,
            kind: self.decision.kind(),
            prompt: self.decision.prompt(),
            images: self.decision.images(),
            outcome: outcome.map(|outcome| outcome.unwrap_or_else(|| SKIP.into())),
            undoes,
            tags: &self.tags,
            weight: self.weight,
            who: &self.who,
            when: self.when.to_string(),
        };
        serde_json::to_string(&line).expect("a record holds texts and numbers alone")
    }

    /// Reads and checks a line.
    pub(crate) fn from_line(line: &str) -> Result<Self, Fault> {
        let Strict(value) = serde_json::from_str(line).map_err(|error| no_json(line, &error))?;
        if !value.is_object() {
            let way_out = "give one record per line, such as {\"version\": 1, …}: see docs/preferences.md";
            return Err(Fault::line(format!("{} is not a record", shown(&value)), way_out, None));
        }
        let mut fields = Fields::of("", value)?;
        let version = fields.required("version", "write \"version\": 1")?;
        if version.as_u64() != Some(u64::from(VERSION)) {
            let newer = version.as_u64().is_some_and(|version| version > u64::from(VERSION));
            let way_out = if newer { "this moa reads version 1: use a newer moa" } else { "write 1" };
            return Err(Fault::value("version", &shown(&version), way_out));
        }
        let record = read(fields)?;
        record.check()?;
        Ok(record)
    }
}

impl Winner {
    const NAMES: [(&'static str, Self); 3] = [("A", Self::A), ("B", Self::B), ("Tie", Self::Tie)];

    /// Returns what the outcome is called in a line.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }
}

impl Mark {
    const NAMES: [(&'static str, Self); 2] = [("Good", Self::Good), ("Bad", Self::Bad)];

    /// Returns what the outcome is called in a line.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }
}

fn read(mut fields: Fields) -> Result<Record, Fault> {
    let kind = fields.text("kind", "give one of Pair, Ranking, Label, Score, Undo")?;
    let id = fields.text("id", "give each record an id of its own")?;
    let who = fields.text("who", "name the rater")?.trim().to_owned();
    let when = fields.text("when", "give the time in UTC, such as \"2026-03-02T10:11:12Z\"")?;
    let when = Moment::parse(&when).ok_or_else(|| {
        Fault::value("when", &shown(&when.into()), "give a time with its offset, such as \"2026-03-02T10:11:12Z\"")
    })?;
    let weight = match fields.optional("weight") {
        None => 1.0,
        Some(Value::Number(number)) => number.as_f64().unwrap_or(f64::NAN),
        Some(other) => return Err(Fault::value("weight", &shown(&other), "give a number, 0 to 1000000")),
    };
    let tags = match fields.optional("tags") {
        None => Vec::new(),
        Some(value) => list("tags", value, "give a list of texts, such as [\"hands\"]")?
            .into_iter()
            .enumerate()
            .map(|(index, tag)| Ok(text(&format!("tags[{index}]"), tag)?.trim().to_owned()))
            .collect::<Result<_, Fault>>()?,
    };
    let decision = match &*kind {
        "Pair" => {
            let (prompt, images, outcome) = asked(&mut fields, "\"A\", \"B\", \"Tie\" or \"Skip\"")?;
            let [a, b] = exactly(images, "give two images, the first of which is A")?;
            let outcome = one_of(&outcome, &Winner::NAMES, "give \"A\", \"B\", \"Tie\" or \"Skip\"")?;
            Decision::Pair { prompt, a, b, outcome }
        }
        "Ranking" => {
            let (prompt, images, outcome) = asked(&mut fields, "each image's place, or \"Skip\"")?;
            Decision::Ranking { prompt, images, outcome: places(outcome)? }
        }
        "Label" => {
            let (prompt, images, outcome) = asked(&mut fields, "\"Good\", \"Bad\" or \"Skip\"")?;
            let [image] = exactly(images, "give one image")?;
            let outcome = one_of(&outcome, &Mark::NAMES, "give \"Good\", \"Bad\" or \"Skip\"")?;
            Decision::Label { prompt, image, outcome }
        }
        "Score" => {
            let (prompt, images, outcome) = asked(&mut fields, "a number or \"Skip\"")?;
            let [image] = exactly(images, "give one image")?;
            Decision::Score { prompt, image, outcome: score(&outcome)? }
        }
        "Undo" => Decision::Undo { record: fields.text("undoes", "name the id of an earlier record")? },
        other => return Err(Fault::unknown("kind", other, "", &Decision::KINDS)),
    };
    fields.finish(&format!("a {kind}").replace("a Undo", "an Undo"))?;
    Ok(Record { id, who, when, decision, tags, weight })
}

/// Takes what all questions have.
fn asked(fields: &mut Fields, outcomes: &str) -> Result<(String, Vec<Image>, Value), Fault> {
    let prompt = fields.text("prompt", "say what was to be drawn")?.trim().to_owned();
    let images = fields.required("images", "give a list of images")?;
    let images = list("images", images, "give a list of images")?;
    let images = images.into_iter().enumerate().map(|(index, value)| image(&format!("images[{index}]"), value));
    let images = images.collect::<Result<_, _>>()?;
    let outcome = fields.required("outcome", &format!("give {outcomes}"))?;
    Ok((prompt, images, outcome))
}

fn list(field: &str, value: Value, way_out: &str) -> Result<Vec<Value>, Fault> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(Fault::value(field, &shown(&other), way_out)),
    }
}

fn exactly<const N: usize>(images: Vec<Image>, way_out: &str) -> Result<[Image; N], Fault> {
    images
        .try_into()
        .map_err(|images: Vec<Image>| Fault::value("images", &format!("a list of {}", images.len()), way_out))
}

fn image(field: &str, value: Value) -> Result<Image, Fault> {
    let way_out = "give {\"File\": {…}} or {\"Drawn\": {…}}";
    let entry = match value {
        Value::Object(map) if map.len() == 1 => map.into_iter().next(),
        other => return Err(Fault::value(field, &shown(&other), way_out)),
    };
    let Some((kind, value)) = entry else { return Err(Fault::missing(field, way_out)) };
    let path = format!("{field}.{kind}");
    match &*kind {
        "File" => file(Fields::of(&path, value)?).map(Image::File),
        "Drawn" => drawn(Fields::of(&path, value)?).map(Image::Drawn),
        _ => Err(Fault::unknown("kind", &kind, field, &["File", "Drawn"])),
    }
}

fn file(mut fields: Fields) -> Result<ImageFile, Fault> {
    let path = fields.text("path", "name the image's file")?;
    let sha256 = fields.text("sha256", "give the SHA-256 of the image's file, as sha256sum does")?.to_ascii_lowercase();
    let within = fields.path_of("").trim_end_matches('.').to_owned();
    fields.finish(&within)?;
    Ok(ImageFile { path, sha256 })
}

fn drawn(mut fields: Fields) -> Result<Drawn, Fault> {
    let base = fields.text("base", "name the base model, such as \"emoji-32\"")?;
    let adapter = fields.optional_text("adapter")?;
    let adapter_sha256 = fields.optional_text("adapter_sha256")?.map(|hash| hash.to_ascii_lowercase());
    let seed = whole(&fields.path_of("seed"), &fields.required("seed", "give the seed of the noise")?)?;
    let noise = fields.optional_text("noise")?.unwrap_or_else(|| "sample".into());
    let place = match fields.optional("place") {
        None => [0, 0],
        Some(Value::Array(numbers)) if numbers.len() == 2 => {
            let field = fields.path_of("place");
            [whole(&format!("{field}[0]"), &numbers[0])?, whole(&format!("{field}[1]"), &numbers[1])?]
        }
        Some(other) => {
            let way_out = "give the numbers of prompt and image, such as [0, 3]";
            return Err(Fault::value(&fields.path_of("place"), &shown(&other), way_out));
        }
    };
    let steps = fields.required("steps", "give the number of the sampler's steps")?;
    let steps = u32::try_from(whole(&fields.path_of("steps"), &steps)?).unwrap_or(u32::MAX);
    let guidance = match fields.optional("guidance") {
        None => 1.0,
        Some(Value::Number(number)) => number.as_f64().unwrap_or(f64::NAN),
        Some(other) => {
            return Err(Fault::value(&fields.path_of("guidance"), &shown(&other), "give a number, 0 to 100"));
        }
    };
    let within = fields.path_of("").trim_end_matches('.').to_owned();
    fields.finish(&within)?;
    Ok(Drawn { base, adapter, adapter_sha256, seed, noise, place, steps, guidance })
}

fn whole(field: &str, value: &Value) -> Result<u64, Fault> {
    value.as_u64().ok_or_else(|| Fault::value(field, &shown(value), "give a whole number of at least 0"))
}

fn one_of<T: Copy>(value: &Value, names: &[(&'static str, T)], way_out: &str) -> Result<Option<T>, Fault> {
    let name = value.as_str();
    if name == Some(SKIP) {
        return Ok(None);
    }
    let found = names.iter().find(|(known, _)| name == Some(known));
    found.map(|(_, outcome)| Some(*outcome)).ok_or_else(|| Fault::value("outcome", &shown(value), way_out))
}

fn places(value: Value) -> Result<Option<Vec<u32>>, Fault> {
    let way_out = "give each image's place, from 1, which is the best, such as [2, 1, 3], or \"Skip\"";
    match value {
        Value::String(text) if text == SKIP => Ok(None),
        Value::Array(places) => {
            let place = |(index, value): (usize, &Value)| {
                let place = value.as_u64().and_then(|place| u32::try_from(place).ok());
                place.ok_or_else(|| Fault::value(&format!("outcome[{index}]"), &shown(value), way_out))
            };
            places.iter().enumerate().map(place).collect::<Result<_, _>>().map(Some)
        }
        other => Err(Fault::value("outcome", &shown(&other), way_out)),
    }
}

fn score(value: &Value) -> Result<Option<f64>, Fault> {
    match value {
        Value::String(text) if text == SKIP => Ok(None),
        Value::Number(number) => Ok(Some(number.as_f64().unwrap_or(f64::NAN))),
        other => Err(Fault::value("outcome", &shown(other), "give a finite number, or \"Skip\"")),
    }
}

/// Says why a line is no JSON, and at which field where its value is a number that JSON does not have.
fn no_json(line: &str, error: &serde_json::Error) -> Fault {
    let column = error.column();
    // The column counts bytes, and may be one behind what is wrong.
    let before = |byte: usize| line.get(..byte).unwrap_or_default();
    for byte in [column.saturating_sub(1), column.saturating_sub(2), column] {
        let rest = line.get(byte..).unwrap_or_default();
        let unsigned = rest.strip_prefix('-').unwrap_or(rest);
        if let Some(name) = ["NaN", "Infinity", "nan", "inf"].iter().find(|name| unsigned.starts_with(**name)) {
            let before = before(byte);
            let sign = if before.ends_with('-') || rest.starts_with('-') { "-" } else { "" };
            let field = before.trim_end_matches(['-', ' ', ':', '"']).rsplit('"').next().unwrap_or_default();
            let way_out = "JSON has no such number: give a finite one, or leave the line out";
            return Fault { column: Some(column), ..Fault::value(field, &format!("{sign}{name}"), way_out) };
        }
    }
    let problem = error.to_string();
    let problem = problem.split(" at line ").next().unwrap_or_default();
    if problem.ends_with("is given twice") {
        return Fault::line(problem, "keep one", Some(column));
    }
    let way_out = "give one record of JSON per line, or delete the line";
    Fault::line(format!("no JSON: {problem}"), way_out, Some(column))
}

/// Returns whether a line is the beginning of a record whose end was never written.
pub(crate) fn is_torn(line: &str) -> bool {
    line.starts_with('{') && serde_json::from_str::<Strict>(line).is_err_and(|error| error.is_eof())
}
