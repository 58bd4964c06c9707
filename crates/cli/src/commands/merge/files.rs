//! Adapters that lie in files, outside of any experiment: merged as they are, without being measured.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use moa_adapter::Adapter;
use moa_core::Provenance;
use moa_core::experiment::BaseName;
use moa_core::provenance::{Ingredient, Made, Mixture};
use moa_zoo::ZooError;
use rayon::prelude::*;

use super::{Arguments, answer};
use crate::adapters::{self, NamedAdapter};
use crate::base;
use crate::error::CliError;
use crate::outgoing::Outgoing;
use crate::output::print;
use crate::text::count;

/// Shares that sum to 1 within this are meant to.
const TOLERANCE: f64 = 1e-6;

/// Merges the adapters of `--adapters`.
pub(super) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let parts: Vec<(PathBuf, Option<f64>)> = arguments.adapters.iter().map(|text| part(text)).collect();
    let shares = shares(&parts, arguments.extrapolate)?;
    let Some(folder) = &arguments.out else {
        return Err(CliError::usage("--adapters: where does the merged adapter go?").hint("add -o DIR"));
    };
    let layers = match arguments.base.as_deref().map(base::look_for) {
        Some(Ok(base)) => base.adaptable()?,
        // A model that is not here: its layers are not known, only its name.
        None | Some(Err(ZooError::UnknownBase(_))) => Vec::new(),
        Some(Err(error)) => return Err(error.into()),
    };
    let read = |(path, _): &(PathBuf, Option<f64>)| adapters::read_one(path, &layers);
    let adapters: Vec<NamedAdapter> = parts.par_iter().map(read).collect::<Result<_, _>>()?;
    if let Some(base) = arguments.base.as_deref().filter(|_| !layers.is_empty()) {
        adapters.iter().try_for_each(|adapter| adapter.check_fit(&layers, base))?;
    }
    let base = match &arguments.base {
        Some(base) => base.clone(),
        None => common_base(&adapters)?,
    };
    let merge = arguments.method.merge();
    let weighted: Vec<(&Adapter, f64)> =
        adapters.iter().map(|named| &named.adapter).zip(shares.iter().copied()).collect();
    let merged = merge.apply(&weighted).map_err(|error| {
        let mut error = CliError::usage(format!("failed to merge: {error}"));
        for (index, adapter) in adapters.iter().enumerate() {
            error = error.hint(format!("adapter {index} is {}", adapter.file().display()));
        }
        error
    })?;
    let ingredient = |(named, share): (&NamedAdapter, &f64)| {
        let provenance = named.provenance.as_ref().map(Provenance::digest);
        Ok(Ingredient { name: named.name.clone(), share: *share, sha256: named.sha256()?, provenance })
    };
    let taking = adapters.iter().zip(&shares).filter(|(_, share)| **share != 0.0);
    let ingredients = taking.map(ingredient).collect::<Result<_, CliError>>()?;
    let made = Made::Merged(Mixture { merge: merge.settings(), ingredients });
    let provenance = Provenance::now(BaseName::of(&base).for_others(), None, made);
    let formats = arguments.formats();
    let outgoing =
        Outgoing { adapter: &merged, provenance: &provenance, base: &base, formats: &formats, draw: None, worth: None };
    let written = outgoing.write(folder, arguments.force)?;
    let mut text = String::new();
    for ((path, _), share) in parts.iter().zip(&shares) {
        let _ = writeln!(text, "{share:>9.3}  {}", path.display());
    }
    let base = if base.is_empty() { "not named" } else { &base };
    let _ = writeln!(text, "rank {}, {}, base {base}", merged.rank, count(merged.layers.len() as u64, "layer"));
    text.push_str(&answer::files(folder, written));
    print(text)
}

/// Returns path and share of `PATH=SHARE` or `PATH`.
fn part(text: &str) -> (PathBuf, Option<f64>) {
    // A name may hold a `=` of its own.
    match text.rsplit_once('=').map(|(path, share)| (path, share.trim().parse::<f64>())) {
        Some((path, Ok(share))) if !Path::new(text).exists() => (path.into(), Some(share)),
        _ => (text.into(), None),
    }
}

/// Returns the shares, all alike where none is given.
fn shares(parts: &[(PathBuf, Option<f64>)], extrapolation: f64) -> Result<Vec<f64>, CliError> {
    if parts.iter().all(|(_, share)| share.is_none()) {
        return Ok(vec![1.0 / parts.len() as f64; parts.len()]);
    }
    let share = |(path, share): &(PathBuf, Option<f64>)| {
        let path = path.display();
        let share = share.ok_or_else(|| {
            CliError::usage(format!("--adapters: {path} has no share, others have one"))
                .hint("write PATH=SHARE for each adapter, or for none: then all shares are equal")
        })?;
        if (-extrapolation..=1.0 + extrapolation).contains(&share) {
            return Ok(share);
        }
        let error = CliError::usage(format!("--adapters: the share of {path} is {share}"));
        Err(error.hint(if extrapolation > 0.0 {
            format!("--extrapolate {extrapolation} allows {} to {}", -extrapolation, 1.0 + extrapolation)
        } else {
            "shares must be between 0 and 1; --extrapolate allows more".into()
        }))
    };
    let shares: Vec<f64> = parts.iter().map(share).collect::<Result<_, _>>()?;
    let sum: f64 = shares.iter().sum();
    if (sum - 1.0).abs() > TOLERANCE {
        return Err(CliError::usage(format!("--adapters: the shares sum to {sum}")).hint("shares sum to 1"));
    }
    Ok(shares)
}

/// Returns the base model that the files name, empty where none does.
fn common_base(adapters: &[NamedAdapter]) -> Result<String, CliError> {
    let mut named = adapters.iter().filter_map(|adapter| Some((adapter, adapter.base.as_deref()?)));
    let Some((first, base)) = named.next() else { return Ok(String::new()) };
    match named.find(|(_, other)| *other != base) {
        None => Ok(base.to_owned()),
        Some((other, found)) => Err(CliError::usage(format!(
            "{} was trained on {base}, {} on {found}: adapters of different base models cannot be merged",
            first.file().display(),
            other.file().display()
        ))
        .hint("if these are two names of one model, give --base NAME")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str], extrapolation: f64) -> Result<Vec<f64>, CliError> {
        shares(&texts.iter().map(|text| part(text)).collect::<Vec<_>>(), extrapolation)
    }

    #[test]
    fn shares_stand_behind_paths_or_are_equal() {
        assert_eq!(read(&["a", "b"], 0.0).unwrap(), [0.5, 0.5]);
        assert_eq!(read(&["a=0.25", "x=y/b=0.75"], 0.0).unwrap(), [0.25, 0.75]);
        assert_eq!(part("x=y/b"), (PathBuf::from("x=y/b"), None));
        assert_eq!(read(&["a=1.5", "b=-0.5"], 0.5).unwrap(), [1.5, -0.5]);
        for wrong in [&["a=0.5", "b"][..], &["a=0.5", "b=0.6"], &["a=1.5", "b=-0.5"], &["a=NaN", "b=1"]] {
            assert!(read(wrong, 0.0).is_err(), "{wrong:?}");
        }
    }
}
