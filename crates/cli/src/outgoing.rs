//! Adapters on their way into a folder: never over another adapter unsaid, and with images that are theirs.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use moa_adapter::contents::Contents;
use moa_adapter::{Adapter, AdapterFormat};
use moa_analysis::card::{Card, CardFile, Worth};
use moa_core::Provenance;
use moa_core::experiment::BaseName;
use moa_core::provenance::Made;
use moa_store::{ADAPTER_CONFIG, PICTURES, write_atomically, write_atomically_with};

use crate::adapters::TENSORS;
use crate::card;
use crate::error::CliError;
use crate::text::count;

/// Draws the images of an adapter into a file.
pub(crate) type Draw<'a> = dyn Fn(&Path) -> Result<(), CliError> + 'a;

/// An adapter with what is written of it.
pub(crate) struct Outgoing<'a> {
    pub(crate) adapter: &'a Adapter,
    /// Where it comes from.
    pub(crate) provenance: &'a Provenance,
    /// Its base model, as experiments call it.
    pub(crate) base: &'a str,
    pub(crate) formats: &'a [AdapterFormat],
    /// Draws its images into a file; nothing where it was not measured.
    pub(crate) draw: Option<&'a Draw<'a>>,
    /// What it was measured to be worth, where it was; its model card says so.
    pub(crate) worth: Option<Worth>,
}

/// What became of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It holds the adapter now.
    New,
    /// It held this adapter already, in all formats that were asked for.
    Unchanged,
    /// It held another one, which is gone.
    Replaced,
}

impl Outgoing<'_> {
    /// Writes the adapter into a folder. A folder that is new appears with everything in it, or not at all; in one that is there, the
    /// configuration, without which peft's layout is not read, leaves first and comes last.
    ///
    /// - `force`: whether another adapter in the folder is replaced
    ///
    /// # Errors
    /// Refuses a folder with another adapter, and says which file cannot be written, or what a format cannot say.
    pub(crate) fn write(&self, folder: &Path, force: bool) -> Result<Written, CliError> {
        let failed = |path: &Path, error: std::io::Error| {
            CliError::failure(format!("failed to write {}: {error}", path.display()))
        };
        if !folder.exists() {
            let name = folder.file_name().map_or_else(|| "adapter".into(), |name| name.to_string_lossy().into_owned());
            let aside = folder.with_file_name(format!(".{name}.{}.moa-new", std::process::id()));
            let staged = fs::create_dir_all(&aside).map_err(|error| failed(&aside, error));
            let staged = staged.and_then(|()| self.fill(&aside, &name));
            let moved = staged.and_then(|()| fs::rename(&aside, folder).map_err(|error| failed(folder, error)));
            if moved.is_err() {
                let _ = fs::remove_dir_all(&aside);
            }
            return moved.map(|()| Written::New);
        }
        let others: Vec<PathBuf> = self.others_in(folder)?;
        if let Some(other) = others.first().filter(|_| !force) {
            return Err(CliError::usage(format!("{} is another adapter, and would be replaced", other.display()))
                .hint("name another folder with -o, or replace it with --force"));
        }
        if others.is_empty() && self.formats.iter().all(|format| folder.join(format.file_name()).is_file()) {
            self.add_images(folder)?;
            return Ok(Written::Unchanged);
        }
        if !others.is_empty() {
            // What belongs to the other one; its configuration first, so that nothing is read as one adapter that is two.
            let names = [ADAPTER_CONFIG, PICTURES].map(|name| folder.join(name));
            for path in names.iter().chain(&others) {
                match fs::remove_file(path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(path, error)),
                    _ => {}
                }
            }
        }
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.fill(folder, &name)?;
        Ok(if others.is_empty() { Written::New } else { Written::Replaced })
    }

    /// Returns a folder that holds this adapter, or none: the one that is wanted, else one whose name ends in the beginning of the adapter's
    /// hash.
    pub(crate) fn free(&self, wanted: PathBuf) -> Result<PathBuf, CliError> {
        if !wanted.exists() || self.others_in(&wanted)?.is_empty() {
            return Ok(wanted);
        }
        let hash = self.adapter.sha256().map_err(|error| CliError::failure(format!("failed to write: {error}")))?;
        let name = wanted.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(wanted.with_file_name(format!("{name}-{}", &hash[..8])))
    }

    fn fill(&self, folder: &Path, name: &str) -> Result<(), CliError> {
        let base = BaseName::of(self.base).for_others();
        let mut configuration = None;
        for format in self.formats {
            let files = self
                .adapter
                .outgoing(*format, &base, Some(self.provenance))
                .map_err(|error| CliError::failure(format!("failed to write: {error}")))?;
            write_atomically_with(&folder.join(format.file_name()), |out| files.write(out))?;
            configuration = files.config.or(configuration);
        }
        if let Some(configuration) = configuration {
            write_atomically(&folder.join(ADAPTER_CONFIG), configuration.as_bytes())?;
        }
        card::write(folder, &self.card(name))?;
        self.add_images(folder)
    }

    /// Returns what the card of an adapter says.
    fn card(&self, name: &str) -> Card {
        let Self { adapter, provenance, base, formats, worth, .. } = self;
        let file = |format: &AdapterFormat| match format {
            AdapterFormat::Peft => CardFile::Peft,
            AdapterFormat::Diffusers => CardFile::Diffusers,
            AdapterFormat::Kohya => CardFile::Kohya,
        };
        let mut card = Card {
            name: name.to_owned(),
            base: (*base).to_owned(),
            files: formats.iter().map(file).collect(),
            is_transformer: adapter.names().any(|layer| layer.starts_with("transformer_blocks.")),
            rank: adapter.rank(),
            layers: adapter.layers.len(),
            experiment: provenance.experiment.clone(),
            measured: worth.clone(),
            ..Card::default()
        };
        let mut set = |name: &str, value: String| card.settings.push((name.to_owned(), value));
        match &provenance.made {
            Made::Trained(run) => {
                set("run", run.run.to_string());
                run.weighting
                    .iter()
                    .for_each(|(reward, share)| set(&format!("share of {reward}"), format!("{share:.3}")));
                set("method of training", run.method.clone());
                set("epochs", run.epochs.to_string());
                set("fingerprint", run.fingerprint());
            }
            Made::Merged(mixture) => {
                card.method = Some(mixture.merge.to_string());
                card.parts = mixture.ingredients.iter().map(|part| (part.name.clone(), part.share)).collect();
            }
            Made::Elsewhere(file) => set("made by another program", file.file.clone()),
        }
        card.settings.push(("moa".into(), provenance.moa.clone()));
        card
    }

    /// Returns whether an adapter that was read from a file is this one as that file's format says it.
    fn is_written_as(&self, found: &Adapter, path: &Path) -> bool {
        let format = self.formats.iter().find(|format| path.ends_with(format.file_name()));
        let files = format.and_then(|format| self.adapter.to_files(*format, "").ok());
        let Some(files) = files else { return found == self.adapter };
        let again = Contents::read(&files.tensors, files.config.as_deref()).and_then(|contents| contents.adapter());
        again.is_ok_and(|again| again == *found)
    }

    fn add_images(&self, folder: &Path) -> Result<(), CliError> {
        self.draw.map_or(Ok(()), |draw| draw(&folder.join(PICTURES)))
    }

    /// Returns the adapter files in a folder that hold another adapter, or none that can be read.
    fn others_in(&self, folder: &Path) -> Result<Vec<PathBuf>, CliError> {
        let failed = |path: &Path, error: std::io::Error| {
            CliError::failure(format!("failed to read {}: {error}", path.display()))
        };
        let configuration = match fs::read_to_string(folder.join(ADAPTER_CONFIG)) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            read => Some(read.map_err(|error| failed(&folder.join(ADAPTER_CONFIG), error))?),
        };
        let mut others = Vec::new();
        for path in TENSORS.iter().map(|name| folder.join(name)).filter(|path| path.is_file()) {
            let bytes = fs::read(&path).map_err(|error| failed(&path, error))?;
            let found = Contents::read(&bytes, configuration.as_deref()).and_then(|contents| contents.adapter());
            if !found.is_ok_and(|found| self.is_written_as(&found, &path)) {
                others.push(path);
            }
        }
        Ok(others)
    }
}

/// Brings differences to factors of a rank, where one is given, and says what is lost.
pub(crate) fn reduced(adapter: Adapter, rank: Option<u32>) -> (Adapter, String) {
    let Some(rank) = rank else { return (adapter, String::new()) };
    let (reduced, lost) = adapter.reduced(rank as usize);
    let Some(most) = lost.iter().max_by(|one, other| one.share.total_cmp(&other.share)) else {
        return (reduced, String::new());
    };
    let mean = lost.iter().map(|lost| lost.share).sum::<f64>() / lost.len() as f64;
    let text = format!(
        "{} brought to rank {rank}: of their norm {:.2} % is lost on average, at most {:.2} % ({})\n",
        count(lost.len() as u64, "difference"),
        100.0 * mean,
        100.0 * most.share,
        most.layer
    );
    (reduced, text)
}
