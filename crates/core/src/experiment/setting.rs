//! Values that stand in place of an experiment file's: `training.epochs=5`.
//!
//! They are written into the file's text before it is read, so that everything that is said of a field is said of them, too; the
//! messages name the setting in place of line and column.

use std::ops::Range;

use super::outline::{Entry, Outline, Token, Tokens};
use super::{Place, SpecError};

/// A value in place of an experiment file's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// What messages call it, e.g. `--set training.epochs`.
    origin: String,
    path: String,
    value: String,
}

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step<'a> {
    Field(&'a str),
    Index(usize),
}

impl Setting {
    /// Reads `PATH=VALUE`: a field's path such as `training.epochs` or `rewards[0].kl`, and its value as an experiment file has it.
    ///
    /// - `option`: what messages put before the path, e.g. `--set`
    ///
    /// # Errors
    /// Says what is wrong: no `=`, a path that names no field, or a value that is none or more than one.
    pub fn parse(option: &str, text: &str) -> Result<Self, String> {
        let (path, value) =
            text.split_once('=').ok_or("give a field's path and its value, such as training.epochs=5")?;
        let (path, value) = (path.trim(), value.trim());
        if steps(path).is_none() {
            return Err(format!("`{path}` names no field: give a path such as training.epochs or rewards[0].kl"));
        }
        if value.is_empty() {
            return Err(format!("{path} is given no value: write {path}=VALUE"));
        }
        if !is_one_value(value) {
            return Err(format!(
                "`{value}` is not one value: write it as in an experiment file, such as 5, Centre, [Corners, Centre] or \"a text\""
            ));
        }
        Ok(Self { origin: format!("{option} {path}"), path: path.into(), value: value.into() })
    }
}

/// Returns the steps of a path; nothing where it is none.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (field, indices) = part.split_at(part.find('[').unwrap_or(part.len()));
        if field.is_empty() || field.contains(|c: char| c.is_whitespace() || "(){}]\",:=".contains(c)) {
            return None;
        }
        steps.push(Step::Field(field));
        let mut rest = indices;
        while let Some(inside) = rest.strip_prefix('[') {
            let (digits, behind) = inside.split_once(']')?;
            steps.push(Step::Index(digits.parse().ok()?));
            rest = behind;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(steps)
}

/// Returns whether a text is one value: brackets that match, and no comma, colon or comment outside of them.
fn is_one_value(text: &str) -> bool {
    let (mut open, mut end, mut opened) = (Vec::new(), 0, false);
    for (token, range) in Tokens::new(text) {
        // What the tokens leave out is a comment, which would take in what stands behind.
        if !text[end..range.start].trim().is_empty() {
            return false;
        }
        match token {
            Token::Open(_) if open.is_empty() && opened => return false,
            Token::Open(bracket) => {
                opened = true;
                open.push(bracket);
            }
            Token::Close(bracket) => {
                if open.pop().and_then(super::outline::closing) != Some(bracket) {
                    return false;
                }
            }
            Token::Comma | Token::Colon if open.is_empty() => return false,
            Token::Word if open.is_empty() && end > 0 => return false,
            Token::Comma | Token::Colon | Token::Word => {}
        }
        end = range.end;
    }
    open.is_empty() && text[end..].trim().is_empty() && !is_open_text(text)
}

/// Returns whether a text in quotes has no end.
fn is_open_text(text: &str) -> bool {
    let last = Tokens::new(text).last().map_or("", |(_, range)| &text[range]);
    let Some(inside) = last.strip_prefix('"') else { return false };
    let Some(before) = inside.strip_suffix('"') else { return true };
    !(before.len() - before.trim_end_matches('\\').len()).is_multiple_of(2)
}

/// A stretch of the text that a setting has written.
#[derive(Clone, Debug)]
struct Edit {
    written: Range<usize>,
    /// How many bytes of the original it stands in place of; nothing where it stands within another edit.
    replaced: Option<usize>,
    origin: String,
}

/// An experiment file's text with settings written into it.
#[derive(Clone, Debug, Default)]
pub(super) struct Edited {
    pub(super) text: String,
    original: String,
    edits: Vec<Edit>,
}

impl Edited {
    /// Writes settings into a text, in their order.
    ///
    /// - `defaults`: the experiment of the file alone with every field written; empty where it is none
    ///
    /// # Errors
    /// Names the setting whose path leads nowhere; what else is wrong with it is found when the text is read.
    pub(super) fn new(original: &str, settings: &[Setting], defaults: &str) -> Result<Self, SpecError> {
        let mut edited = Self { text: original.into(), original: original.into(), edits: Vec::new() };
        let known = Outline::new(defaults);
        for setting in settings {
            edited.set(setting, |path| known.find(path).map(|entry| &defaults[entry.value.clone()]))?;
        }
        Ok(edited)
    }

    fn set<'a>(&mut self, setting: &Setting, default: impl Fn(&str) -> Option<&'a str>) -> Result<(), SpecError> {
        let steps = steps(&setting.path).unwrap_or_default();
        // Each turn writes one step more of the path.
        for _ in 0..=steps.len() {
            let outline = Outline::new(&self.text);
            let Some((depth, entry)) = (0..=steps.len())
                .rev()
                .find_map(|depth| Some((depth, outline.find(&path_of(&steps[..depth]))?.clone())))
            else {
                // An empty text, which is refused as such.
                return Ok(());
            };
            if depth == steps.len() {
                self.write(entry.value, &setting.value, &setting.origin);
                return Ok(());
            }
            let is_last = depth + 1 == steps.len();
            let value = match default(&path_of(&steps[..=depth])) {
                _ if is_last => &setting.value,
                Some(map) if map.starts_with('{') => "{}",
                // Variants and lists as they are by default; of structs, what is set alone.
                Some(value) if !value.starts_with('(') => value,
                _ => "()",
            };
            self.insert(&entry, steps[depth], value, setting, is_last)?;
            if is_last {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Writes a value that is not there yet into the one around it.
    fn insert(
        &mut self,
        around: &Entry,
        step: Step<'_>,
        value: &str,
        setting: &Setting,
        is_last: bool,
    ) -> Result<(), SpecError> {
        let wrong = |state: String, way_out: &str| {
            Err(SpecError::Invalid {
                place: Place { file: setting.origin.clone(), position: None },
                field: setting.path.clone(),
                value: state,
                way_out: way_out.into(),
            })
        };
        let holder = if around.path.is_empty() { "the experiment" } else { &around.path };
        let inside = &self.text[around.value.clone()];
        let opened = Tokens::new(inside).find_map(|(token, range)| match token {
            Token::Open(bracket) => Some((bracket, around.value.start + range.end)),
            _ => None,
        });
        match (step, opened) {
            (Step::Field(name), Some(('(', at))) => self.write(at..at, &format!("{name}: {value}, "), &setting.origin),
            (Step::Field(name), Some(('{', at))) => {
                self.write(at..at, &format!("{name:?}: {value}, "), &setting.origin);
            }
            (Step::Field(name), None) if inside.starts_with(char::is_alphabetic) => {
                let at = around.value.end;
                self.write(at..at, &format!("({name}: {value})"), &setting.origin);
            }
            (Step::Field(name), _) => {
                return wrong(
                    format!("a path that leads nowhere: {holder} has no field `{name}`"),
                    "give the path of a field",
                );
            }
            (Step::Index(index), Some(('[', at))) => {
                let outline = Outline::new(&self.text);
                let is_there = |place: &usize| outline.find(&format!("{}[{place}]", around.path)).is_some();
                let count = (0..self.text.len()).take_while(is_there).count();
                if index != count || !is_last {
                    let known = match count {
                        0 => "it is empty".to_owned(),
                        1 => "its only entry is [0]".to_owned(),
                        _ => format!("its entries are [0] to [{}]", count - 1),
                    };
                    return wrong(format!("no entry of {holder}"), &known);
                }
                // One more at its end.
                let end = around.value.end - 1;
                let before = self.text[at..end].trim_end();
                let comma = if before.is_empty() || before.ends_with(',') { "" } else { ", " };
                self.write(end..end, &format!("{comma}{value}"), &setting.origin);
            }
            (Step::Index(_), _) => return wrong(format!("an entry of {holder}, which is not a list"), "leave [ ] out"),
        }
        Ok(())
    }

    /// Replaces a stretch of the text.
    fn write(&mut self, range: Range<usize>, new: &str, origin: &str) {
        let within = self.edits.iter().any(|edit| edit.written.start <= range.start && range.end <= edit.written.end);
        let replaced = (!within).then(|| self.original(range.end) - self.original(range.start));
        self.text.replace_range(range.clone(), new);
        self.edits.retain(|edit| !(range.start <= edit.written.start && edit.written.end <= range.end) || within);
        let moved = |at: usize| at + new.len() - range.len();
        for edit in &mut self.edits {
            if edit.written.start >= range.end && edit.written != range {
                edit.written = moved(edit.written.start)..moved(edit.written.end);
            } else if edit.written.end >= range.end {
                edit.written.end = moved(edit.written.end);
            }
        }
        self.edits.push(Edit { written: range.start..range.start + new.len(), replaced, origin: origin.into() });
    }

    /// Returns what stands at a byte of the text: a setting, or a byte of the original.
    fn original(&self, offset: usize) -> usize {
        let before = self.edits.iter().filter(|edit| edit.written.end <= offset);
        let pairs = before.filter_map(|edit| Some((edit.written.len(), edit.replaced?)));
        pairs.fold(offset, |offset, (written, replaced)| offset + replaced - written)
    }

    /// Returns the place of a byte of the text in what the user wrote.
    pub(super) fn place(&self, file: &str, offset: usize) -> Place {
        let holds = |edit: &&Edit| edit.written.contains(&offset);
        if let Some(edit) = self.edits.iter().filter(holds).min_by_key(|edit| edit.written.len()) {
            return Place { file: edit.origin.clone(), position: None };
        }
        let before = &self.original[..self.original(offset).min(self.original.len())];
        let line = before.rsplit('\n').next().unwrap_or_default();
        let position = (before.matches('\n').count() as u32 + 1, line.chars().count() as u32 + 1);
        Place { file: file.into(), position: Some(position) }
    }
}

fn path_of(steps: &[Step<'_>]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Field(name) if path.is_empty() => path.push_str(name),
            Step::Field(name) => path.extend([".", name]),
            Step::Index(index) => path.extend(["[", &index.to_string(), "]"]),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::super::ExperimentSpec;
    use super::*;

    const TEXT: &str =
        "(\n    // Two.\n    rewards: [(kind: Safety), (kind: Contrast, kl: 2)],\n    lora: (rank: 2),\n)";

    fn read(settings: &[&str]) -> Result<ExperimentSpec, SpecError> {
        let settings: Vec<Setting> = settings.iter().map(|text| Setting::parse("--set", text).unwrap()).collect();
        ExperimentSpec::from_ron_with(TEXT, "x.ron", &settings)
    }

    fn refused(settings: &[&str]) -> String {
        read(settings).expect_err("it is refused").to_string()
    }

    #[test]
    fn values_are_set_where_the_file_has_them_and_where_it_has_not() {
        let spec = read(&[
            "lora.rank=7",
            "training.epochs=5",
            "training.probe.every=3",
            "rewards[0].kl=3",
            "rewards[1].kl=0.5",
            "training.method.train_steps=2",
            "weightings[1]=List([{\"safety\": 1, \"contrast\": 3}])",
            "hypervolume.best.safety=0.9",
            "soups=[]",
            "name=\"a, (strange) name\"",
        ])
        .unwrap();
        assert_eq!((spec.lora.rank, spec.training.epochs, spec.training.probe.every), (7, 5, 3));
        assert_eq!([spec.rewards[0].kl, spec.rewards[1].kl], [Some(3.0), Some(0.5)]);
        assert!(spec.training.method.name().contains("policy") || spec.to_ron().contains("train_steps: 2"));
        assert_eq!(spec.weightings().len(), 3);
        assert_eq!(spec.hypervolume.best["safety"].to_bits(), 0.9f64.to_bits());
        assert!(spec.soups.is_empty());
        assert_eq!(spec.name.as_deref(), Some("a, (strange) name"));
    }

    #[test]
    fn the_later_of_two_settings_counts_and_an_entry_may_be_added() {
        let spec = read(&["training.epochs=5", "training.epochs=6", "soups[1]=Lattice(divisions: 3)"]).unwrap();
        assert_eq!((spec.training.epochs, spec.soups.len()), (6, 2));
        let spec = read(&["training.epochs=5", "training=(kl: 2)", "training.epochs=4"]).unwrap();
        assert_eq!((spec.training.epochs, spec.training.kl.to_bits()), (4, 2.0f64.to_bits()));
    }

    #[test]
    fn messages_name_the_setting_and_of_the_file_line_and_column() {
        for (settings, message) in [
            (&["training.epochs=0"][..], "--set training.epochs: training.epochs is 0: give 1 to 100000"),
            (&["training.epochs=5x"], "--set training.epochs: training.epochs is 5x: give a whole number, 1 to 100000"),
            (&["training.epoch=5"], "--set training.epoch: unknown field `epoch` in training: known fields are epochs"),
            (&["lora.rnak=5"], "--set lora.rnak: unknown field `rnak` in lora: known fields are rank"),
            (&["lroa.rank=5"], "--set lroa.rank: unknown field `lroa`"),
            (
                &["rewards[5].kl=3"],
                "--set rewards[5].kl: rewards[5].kl is no entry of rewards: its entries are [0] to [1]",
            ),
            (&["rewards[0].kind=Saftey"], "--set rewards[0].kind: unknown reward kind `Saftey`"),
            (&["base=emoji-32"], "--set base: base is emoji-32: give a text in quotes"),
            (
                &["lora.rank.x=1"],
                "--set lora.rank.x: lora.rank.x is a path that leads nowhere: lora.rank has no field `x`",
            ),
            (
                &["training.pictures_per_prompt=3"],
                "--set training.pictures_per_prompt: training.pictures_per_prompt is a field of earlier",
            ),
            (&["lora.rank=7", "lora.alpha=-1"], "--set lora.alpha: lora.alpha is -1: give more than 0"),
        ] {
            let found = refused(settings);
            assert!(found.starts_with(message), "{settings:?}: {found}");
        }
        // What the file has wrong is still told by line and column of the file.
        let settings =
            ["rewards[0].name=\"a\"", "training.epochs=5"].map(|text| Setting::parse("--set", text).unwrap());
        let text = TEXT.replace("rank: 2", "rnak: 2");
        let found = ExperimentSpec::from_ron_with(&text, "x.ron", &settings).unwrap_err().to_string();
        assert!(found.starts_with("x.ron:4:12: unknown field `rnak`"), "{found}");
    }

    #[test]
    fn a_setting_is_one_value_at_one_path() {
        for wrong in [
            "training.epochs",
            "=5",
            "training..epochs=5",
            "training.epochs=",
            "rewards[x].kl=1",
            "rewards[0=1",
            "training.epochs=5, kl: 3",
            "training.epochs=5 // more",
            "soups=[AtWeightings",
            "soups=AtWeightings]",
            "name=\"open",
            "name=\"open\\\"",
            "training.epochs=5 6",
            "a b=1",
        ] {
            assert!(Setting::parse("--set", wrong).is_err(), "{wrong}");
        }
        for right in [
            "name=\"a // text, with: all\"",
            "weightings=[List([{\"safety\": 1}])]",
            " lora.rank = 3 ",
            "name=\"\\\\\"",
        ] {
            assert!(Setting::parse("--set", right).is_ok(), "{right}");
        }
    }
}
