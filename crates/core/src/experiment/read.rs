//! Reading and writing experiment files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ron::extensions::Extensions;
use ron::ser::PrettyConfig;

use super::bounds::LARGEST_FILE;
use super::finding::{Finding, Source};
use super::setting::Edited;
use super::{ExperimentSpec, FeedbackFrom, Setting, SpecError, base, given, moved, parse_error, validate};

/// `Some(3)` is written `3`, and `Program((command: …))` is written `Program(command: …)`.
fn options() -> ron::Options {
    let extensions = Extensions::IMPLICIT_SOME | Extensions::UNWRAP_VARIANT_NEWTYPES;
    ron::Options::default().with_default_extension(extensions)
}

impl ExperimentSpec {
    /// Reads and checks an experiment file; the file's stem names the experiment where its text does not, and the paths of
    /// base, rewards and preferences, which count from the file's folder, are made absolute.
    ///
    /// # Errors
    /// Refuses files that are missing, empty, no UTF-8 or larger than 1 MB, and what [`ExperimentSpec::from_ron`] does.
    pub fn load(path: &Path) -> Result<Self, SpecError> {
        Self::load_with(path, &[])
    }

    /// Reads and checks an experiment file with some values in place of its own.
    ///
    /// # Errors
    /// See [`ExperimentSpec::load`]; a message about a value that was set names its setting.
    pub fn load_with(path: &Path, settings: &[Setting]) -> Result<Self, SpecError> {
        Self::load_text(path, settings, |text| text)
    }

    fn load_text(path: &Path, settings: &[Setting], read_as: impl FnOnce(String) -> String) -> Result<Self, SpecError> {
        let file = path.display().to_string();
        let text =
            text_of(path, LARGEST_FILE).map_err(|problem| SpecError::Unreadable { file: file.clone(), problem })?;
        let text = read_as(text);
        let mut spec = Self::from_ron_with(&text, &file, settings)?;
        spec.base = base::located(&spec.base, path);
        if spec.name.is_none() {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            validate::check_stem(&stem).map_err(|finding| Source::new(&file, &text).error(finding))?;
            spec.name = Some(stem);
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let folder = std::path::absolute(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
            .map_err(|error| SpecError::Unreadable { file, problem: format!("its folder cannot be found: {error}") })?;
        let of_phases = spec.phases.iter_mut().filter_map(|phase| phase.rewards.as_mut()).flatten();
        spec.adapters.iter_mut().for_each(|path| *path = given::located(path, &folder));
        spec.rewards.iter_mut().chain(of_phases).for_each(|reward| reward.kind.anchor(&folder));
        match spec.feedback.as_mut().map(|feedback| &mut feedback.from) {
            Some(FeedbackFrom::Ai(ai)) => ai.anchor(&folder),
            Some(FeedbackFrom::Follow { file }) => *file = folder.join(&*file),
            _ => {}
        }
        if let Some(online) = &mut spec.online {
            online.inbox = folder.join(&online.inbox);
        }
        if let Some(file) = spec.training.method.preferences_mut() {
            file.path = folder.join(&file.path);
        }
        Ok(spec)
    }

    /// Reads and checks the experiment that is kept beside its results.
    ///
    /// # Errors
    /// See [`ExperimentSpec::load`]; says so where an earlier version of moa made the results.
    pub fn load_kept(path: &Path) -> Result<Self, SpecError> {
        Self::load_text(path, &[], |text| moved::with_todays_names(&text)).map_err(|error| match error {
            SpecError::Moved { place, field, .. } => SpecError::EarlierResults { place, field },
            error => error,
        })
    }

    /// Parses and checks the text of an experiment file; `file` names it in messages.
    ///
    /// # Errors
    /// Refuses texts that are no RON, unknown fields and names, and impossible values; says line, column, field and what
    /// would be accepted.
    pub fn from_ron(text: &str, file: &str) -> Result<Self, SpecError> {
        Self::from_source(&Source::new(file, without_mark(text)))
    }

    /// Parses and checks a text with some values in place of its own.
    ///
    /// # Errors
    /// See [`ExperimentSpec::load_with`].
    pub(super) fn from_ron_with(text: &str, file: &str, settings: &[Setting]) -> Result<Self, SpecError> {
        if settings.is_empty() {
            return Self::from_ron(text, file);
        }
        let text = without_mark(text);
        // A file that is none by itself may become one by what is set.
        let defaults = options().from_str::<Self>(text).map_or_else(|_| String::new(), |spec| spec.to_ron());
        let edited = Edited::new(text, settings, &defaults)?;
        Self::from_source(&Source::edited(file, &edited))
    }

    fn from_source(source: &Source) -> Result<Self, SpecError> {
        let spec: Self = options().from_str(source.text).map_err(|error| parse_error::explain(source, error))?;
        if let Some(entry) = source.outline.duplicate() {
            let finding = Finding::state(&entry.path, "given twice", "keep one");
            return Err(source.error_at(entry.start, finding));
        }
        spec.check().map_err(|finding| source.error(finding))?;
        Ok(spec)
    }

    /// Returns the experiment as RON with every field written, as kept beside its results.
    pub fn to_ron(&self) -> String {
        let text = options().to_string_pretty(self, PrettyConfig::new().new_line("\n"));
        text.expect("an experiment holds nothing that RON cannot write") + "\n"
    }
}

/// Returns a text without the mark that some editors put before it.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Returns the text of a file of at most `largest` bytes, or what is wrong with the file, with a hint.
pub(super) fn text_of(path: &Path, largest: u64) -> Result<String, String> {
    let explain = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "no such file: check the path, which counts from the current folder".into(),
        std::io::ErrorKind::IsADirectory => "this is a folder: name a file in it".into(),
        _ => format!("cannot be read: {error}"),
    };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(largest + 1).read_to_end(&mut bytes)).map_err(explain)?;
    if bytes.len() as u64 > largest {
        return Err(format!("larger than {} MB, which cannot be meant: name another file", largest / 1_000_000));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| format!("not UTF-8 text (byte {}): save it as UTF-8", error.utf8_error().valid_up_to() + 1))?;
    if text.trim().is_empty() {
        return Err("empty: write something into it, or name another file".into());
    }
    Ok(text)
}
