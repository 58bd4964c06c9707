//! From the parser's errors to messages with field, value and hint.

use ron::Error;
use ron::error::SpannedError;

use super::finding::{Finding, Source};
use super::form;
use super::moved;
use super::outline::closing;
use super::{Place, SpecError};

/// Turns what the RON parser says into a message about the field concerned.
pub(super) fn explain(source: &Source, error: SpannedError) -> SpecError {
    if source.outline.is_empty() {
        let way_out = form::way_out("").unwrap_or_default();
        return source.error(Finding::state("", "empty", way_out));
    }
    // Strings and comments that do not end swallow the brackets behind them.
    if !matches!(error.code, Error::ExpectedStringEnd | Error::UnclosedBlockComment)
        && let Some(message) = bracket_message(source)
    {
        return message;
    }
    let offset = source.next_token(source.offset(error.span.start.line, error.span.start.col));
    let place = match error.code {
        Error::UnclosedBlockComment => source.place(source.text[..offset].rfind("/*").unwrap_or(offset)),
        _ => source.place(offset),
    };
    let entry = source.outline.around(offset);
    let path = entry.map(|entry| entry.path.clone()).unwrap_or_default();
    let value_place = entry.map_or(place.clone(), |entry| source.place(entry.value.start));
    match error.code {
        Error::NoSuchEnumVariant { expected, found, outer } => SpecError::Unknown {
            place: value_place,
            what: sort_of(outer.as_deref()),
            found,
            within: String::new(),
            known: owned(expected),
        },
        Error::NoSuchStructField { expected, found, .. } => {
            let within: String = path.strip_suffix(&found).unwrap_or(&path).trim_end_matches('.').into();
            let field = if within.is_empty() { found.clone() } else { format!("{within}.{found}") };
            if let Some(today) = moved::today(&field) {
                return SpecError::Moved { place, field, today };
            }
            SpecError::Unknown { place, what: "field", found, within, known: owned(expected) }
        }
        Error::MissingStructField { field, .. } => {
            let field = if path.is_empty() { field.into() } else { format!("{path}.{field}") };
            let way_out = form::way_out(&field).unwrap_or_else(|| "write it".into());
            SpecError::Missing { place: value_place, field, way_out }
        }
        Error::DuplicateStructField { .. } => source.error_at(offset, Finding::state(path, "given twice", "keep one")),
        code => match wrong_form(source, &code, offset) {
            Some(finding) => source.error(finding),
            None => malformed(place, &code),
        },
    }
}

/// Says which bracket is left open, which the parser notices much later if at all.
fn bracket_message(source: &Source) -> Option<SpecError> {
    let fault = source.outline.bracket_fault.as_ref()?;
    let (bracket, opened_at, path) = &fault.opened;
    let opened = source.place(*opened_at).position.map_or(String::new(), |(line, column)| format!("{line}:{column}"));
    let of = if path.is_empty() { String::new() } else { format!(" of {path}") };
    let close = closing(*bracket)?;
    let (at, found) = match fault.found {
        Some((found, at)) => (at, format!("`{found}` is here instead")),
        None => (source.text.trim_end().len(), "the file ends here".into()),
    };
    let problem = format!("the `{bracket}`{of} at {opened} is not closed with `{close}`: {found}");
    Some(SpecError::Malformed { place: source.place(at), problem })
}

/// Finds the value that is written in the wrong form, where the parser's words mean that.
fn wrong_form(source: &Source, code: &Error, offset: usize) -> Option<Finding> {
    let offset = match code {
        // The variant is read already, and its fields are missing.
        Error::ExpectedStructLike => source.text[..offset].trim_end().len().saturating_sub(1),
        _ => offset,
    };
    let entry = source.outline.around(offset)?;
    let of_value = match code {
        Error::ExpectedArray
        | Error::ExpectedBoolean
        | Error::ExpectedFloat
        | Error::ExpectedInteger
        | Error::IntegerOutOfBounds
        | Error::InvalidIntegerDigit { .. }
        | Error::UnderscoreAtBeginning
        | Error::FloatUnderscore
        | Error::ExpectedMap
        | Error::ExpectedString
        | Error::ExpectedStructLike
        | Error::ExpectedNamedStructLike(_)
        | Error::ExpectedDifferentStructName { .. }
        | Error::ExpectedDifferentLength { .. }
        | Error::InvalidValueForType { .. }
        | Error::SuggestRawIdentifier(_)
        | Error::ExpectedIdentifier => true,
        // A value goes on where its form should have ended: `1.5` for a whole number, `Safety(3)`.
        Error::ExpectedComma => {
            let read = source.text.get(entry.value.start..offset).unwrap_or(" ");
            !read.is_empty() && !read.contains(char::is_whitespace)
        }
        _ => false,
    };
    let way_out = form::way_out(&entry.path).filter(|_| of_value && entry.value.contains(&offset))?;
    Some(Finding::value(&entry.path, String::new(), way_out))
}

fn malformed(place: Place, code: &Error) -> SpecError {
    let problem = match code {
        Error::ExpectedComma => "expected a comma or a closing bracket".into(),
        Error::ExpectedMapColon => "expected a `:` behind the name".into(),
        Error::ExpectedStringEnd => "this text has no closing quote".into(),
        Error::ExpectedString => "expected a name in quotes".into(),
        Error::UnclosedBlockComment => "this comment is not closed with `*/`".into(),
        Error::TrailingCharacters => "expected the end of the file: the experiment's bracket is closed already".into(),
        Error::ExpectedIdentifier => "expected a field's name, without quotes".into(),
        other => {
            let words = other.to_string();
            let mut letters = words.chars();
            letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
        }
    };
    SpecError::Malformed { place, problem }
}

fn sort_of(outer: Option<&str>) -> &'static str {
    match outer {
        Some("RewardKind") => "reward kind",
        Some("WeightingsSpec") => "kind of weightings",
        Some("SoupsSpec") => "kind of mixtures",
        Some("Ingredients") => "kind of ingredients",
        Some("PromptSource") => "prompt source",
        Some("SamplerKind") => "sampler kind",
        Some("MethodSpec") => "training method",
        Some("Through") => "kind of differentiated steps",
        Some("Window") => "kind of window",
        Some("Guard") => "kind of guard",
        Some("Spread") => "kind of spread",
        Some("OnnxLayout") => "layout",
        Some("OnnxChannels") => "channel order",
        Some("Reduce") => "reduction",
        Some("OnnxActivation") => "activation",
        Some("Onto") => "kind of start",
        Some("Tie") => "kind of tie",
        Some("Combine") => "kind of combination",
        _ => "name",
    }
}

fn owned(names: &[&str]) -> Box<[String]> {
    names.iter().map(|&name| name.to_owned()).collect()
}
