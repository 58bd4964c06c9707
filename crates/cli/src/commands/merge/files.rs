//! Adapters that lie in files, outside of any experiment: merged as they are, without being measured.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use moa_adapter::{Adapter, MergeError};
use moa_core::Provenance;
use moa_core::experiment::BaseName;
use moa_core::provenance::{Ingredient, Made, Mixture};
use moa_diffusion::BaseParameters;
use moa_zoo::ZooError;

use super::{Arguments, answer};
use crate::adapters::{self, NamedAdapter};
use crate::base;
use crate::blocks::Blocks;
use crate::error::CliError;
use crate::outgoing::{Outgoing, reduced};
use crate::output::print;

/// Merges the adapters of `--adapters`.
pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let parts: Vec<(PathBuf, Option<f64>)> = arguments.adapters.iter().map(|text| part(text)).collect();
    arguments.adapters.iter().try_for_each(|text| check_weight(text))?;
    let weights = weights(&parts)?;
    let Some(folder) = &arguments.out else {
        return Err(CliError::usage("--adapters: where does the merged adapter go?").hint("add -o DIR"));
    };
    let parameters = match arguments.base.as_deref().map(base::look_for) {
        Some(Ok(base)) => Some(base.parameters()?),
        // A model that is not here: its layers are not known, only its name.
        None | Some(Err(ZooError::UnknownBase(_))) => None,
        Some(Err(error)) => return Err(error.into()),
    };
    let paths: Vec<PathBuf> = parts.iter().map(|(path, _)| path.clone()).collect();
    let mut adapters = adapters::read_each(&paths, arguments.alpha)?;
    if let (Some(parameters), Some(base)) = (&parameters, arguments.base.as_deref()) {
        adapters.iter().try_for_each(|adapter| adapter.check_fit(parameters, base))?;
    }
    let base = match &arguments.base {
        Some(base) => base.clone(),
        None => common_base(&adapters)?,
    };
    let blocks = Blocks::read(&arguments.block, adapters.len())?;
    let hashes = adapters.iter().map(NamedAdapter::sha256).collect::<Result<Vec<_>, _>>()?;
    for (index, adapter) in adapters.iter_mut().enumerate() {
        if let Some(parameters) = &parameters {
            adapter.adapter = resolved(adapter, parameters, &base)?;
        }
        blocks.note(index, &adapter.adapter.names().collect::<Vec<_>>());
        adapter.adapter = adapter.adapter.scaled(|layer| blocks.factor(index, layer));
    }
    blocks.check_used()?;
    let merge = arguments.method.merge();
    let weighted: Vec<(&Adapter, f64)> =
        adapters.iter().map(|named| &named.adapter).zip(weights.iter().copied()).collect();
    let merged = merge.sum(&weighted).map_err(|error| {
        let mut refusal = CliError::usage(format!("failed to merge: {error}"));
        if matches!(error, MergeError::Empty) {
            refusal =
                CliError::usage("--adapters: nothing is left of the adapters").hint("give one a weight that is not 0");
        }
        for (index, adapter) in adapters.iter().enumerate() {
            refusal = refusal.hint(format!("adapter {} is {}", index + 1, adapter.file().display()));
        }
        refusal
    })?;
    if merged.names().next().is_none() {
        return Err(CliError::usage("--adapters: nothing is left of the adapters")
            .hint("give a --block that leaves some layers"));
    }
    let (merged, lost) = reduced(merged, arguments.reduce);
    let ingredient = |(index, (named, share)): (usize, (&NamedAdapter, &f64))| Ingredient {
        name: named.name.clone(),
        share: *share,
        sha256: hashes[index].clone(),
        provenance: named.provenance.as_ref().map(Provenance::digest),
        blocks: blocks.of(index),
    };
    let taking = adapters.iter().zip(&weights).enumerate().filter(|(_, (_, share))| **share != 0.0);
    let ingredients = taking.map(ingredient).collect();
    let made = Made::Merged(Mixture { merge: merge.settings(), ingredients });
    let provenance = Provenance::now(BaseName::of(&base).for_others(), None, made);
    let formats = arguments.formats(&merged);
    let outgoing =
        Outgoing { adapter: &merged, provenance: &provenance, base: &base, formats: &formats, draw: None, worth: None };
    let written = outgoing.write(folder, arguments.force)?;
    let mut text = String::new();
    for ((path, _), share) in parts.iter().zip(&weights) {
        let _ = writeln!(text, "{share:>9.3}  {}", path.display());
    }
    let base = if base.is_empty() { "not named" } else { &base };
    let _ = writeln!(text, "{}, base {base}", adapters::size(&merged));
    text.push_str(&lost);
    text.push_str(&answer::files(folder, written));
    print(text)
}

/// Returns an adapter as it is on a base; see [`BaseParameters::resolve`].
pub(crate) fn resolved(named: &NamedAdapter, parameters: &BaseParameters, base: &str) -> Result<Adapter, CliError> {
    let failed =
        |error| CliError::failure(format!("{} does not fit the base model {base}: {error}", named.file().display()));
    parameters.resolve(&named.adapter).map_err(failed)
}

/// Returns path and weight of `PATH=WEIGHT` or `PATH`.
fn part(text: &str) -> (PathBuf, Option<f64>) {
    // A name may hold a `=` of its own.
    match text.rsplit_once('=').map(|(path, weight)| (path, weight.trim().parse::<f64>())) {
        Some((path, Ok(weight))) if !Path::new(text).exists() => (path.into(), Some(weight)),
        _ => (text.into(), None),
    }
}

/// Refuses a weight that is no number, behind a path that is there.
fn check_weight(text: &str) -> Result<(), CliError> {
    match text.rsplit_once('=') {
        Some((path, weight))
            if !Path::new(text).exists() && weight.trim().parse::<f64>().is_err() && Path::new(path).exists() =>
        {
            Err(CliError::usage(format!("--adapters: the weight of {path} is {weight:?}"))
                .hint("give a number with a point, e.g. 0.7; 1 is at full strength"))
        }
        _ => Ok(()),
    }
}

/// Returns the weights; where none is given, all alike with the sum 1.
fn weights(parts: &[(PathBuf, Option<f64>)]) -> Result<Vec<f64>, CliError> {
    if parts.iter().all(|(_, weight)| weight.is_none()) {
        return Ok(vec![1.0 / parts.len() as f64; parts.len()]);
    }
    let weight = |(path, weight): &(PathBuf, Option<f64>)| {
        let path = path.display();
        let weight = weight.ok_or_else(|| {
            CliError::usage(format!("--adapters: {path} has no weight, others have one"))
                .hint("write PATH=WEIGHT for each adapter, or for none: then the mean is made")
        })?;
        if (-MOST..=MOST).contains(&weight) {
            return Ok(weight);
        }
        let message = format!("--adapters: the weight of {path} is {weight}");
        Err(CliError::usage(message).hint(format!("give -{MOST} to {MOST}; 1 is at full strength")))
    };
    parts.iter().map(weight).collect()
}

/// The largest weight: beyond it images are noise.
const MOST: f64 = 100.0;

/// Returns the base model that the files name, empty where none does.
///
/// # Errors
/// Refuses adapters of different families, and of bases of different names.
fn common_base(adapters: &[NamedAdapter]) -> Result<String, CliError> {
    let refusal = |one: &NamedAdapter, is: &str, other: &NamedAdapter, of: &str| {
        let message = format!(
            "{} is for {is}, {} for {of}: adapters of different base models cannot be merged",
            one.file().display(),
            other.file().display()
        );
        CliError::usage(message).hint("if these are two names of one model, give --base NAME")
    };
    let families = || adapters.iter().flat_map(|named| named.families.iter().map(move |family| (named, family)));
    for (one, (family, why)) in families() {
        if let Some((other, (next, reason))) = families().find(|(_, (next, _))| !family.agrees(*next)) {
            return Err(refusal(one, &format!("{family} ({why})"), other, &format!("{next} ({reason})")));
        }
    }
    let mut named = adapters.iter().filter_map(|adapter| Some((adapter, adapter.base.as_deref()?)));
    let Some((first, base)) = named.next() else { return Ok(String::new()) };
    match named.find(|(_, other)| *other != base) {
        None => Ok(base.to_owned()),
        Some((other, found)) => Err(refusal(first, base, other, found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<Vec<f64>, CliError> {
        weights(&texts.iter().map(|text| part(text)).collect::<Vec<_>>())
    }

    #[test]
    fn weights_stand_behind_paths_as_they_are_or_make_the_mean() {
        assert_eq!(read(&["a", "b"]).unwrap(), [0.5, 0.5]);
        assert_eq!(read(&["a=1", "x=y/b=0.75"]).unwrap(), [1.0, 0.75]);
        assert_eq!(part("x=y/b"), (PathBuf::from("x=y/b"), None));
        assert_eq!(read(&["a=-1"]).unwrap(), [-1.0]);
        for wrong in [&["a=0.5", "b"][..], &["a=1e9", "b=0.6"], &["a=inf"], &["a=NaN", "b=1"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
