//! Where `huggingface_hub` keeps its downloads.

use std::ffi::OsString;
use std::path::PathBuf;

/// Returns the folder that holds `models--org--name`, by the process's environment.
pub(crate) fn cache() -> Option<PathBuf> {
    cache_folder(|name| std::env::var_os(name))
}

/// Returns the folder that holds `models--org--name`, by the environment that `variable` reads, as `huggingface_hub` finds
/// it: `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, and `~/.cache/huggingface/hub`. Nothing where
/// there is no home folder either.
fn cache_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let home = || variable("HOME").or_else(|| variable("USERPROFILE")).filter(|value| !value.is_empty());
    let folder = |name: &str| {
        let path = PathBuf::from(variable(name).filter(|value| !value.is_empty())?);
        // A variable set by a service or a container keeps its `~`.
        match path.strip_prefix("~") {
            Ok(rest) => Some(PathBuf::from(home()?).join(rest)),
            Err(_) => Some(path),
        }
    };
    folder("HF_HUB_CACHE")
        .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
        .or_else(|| Some(folder("HF_HOME")?.join("hub")))
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("huggingface/hub")))
        .or_else(|| Some(PathBuf::from(home()?).join(".cache/huggingface/hub")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(set: &[(&str, &str)]) -> Option<String> {
        let value = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        cache_folder(value).map(|path| path.display().to_string())
    }

    #[test]
    fn the_nearest_variable_wins() {
        assert_eq!(found(&[]), None);
        let mut set = vec![("HOME", "/home/ann")];
        assert_eq!(found(&set).as_deref(), Some("/home/ann/.cache/huggingface/hub"));
        set.push(("XDG_CACHE_HOME", "/cache"));
        assert_eq!(found(&set).as_deref(), Some("/cache/huggingface/hub"));
        set.push(("HF_HOME", "~/hf"));
        assert_eq!(found(&set).as_deref(), Some("/home/ann/hf/hub"));
        set.push(("HUGGINGFACE_HUB_CACHE", "/old"));
        assert_eq!(found(&set).as_deref(), Some("/old"));
        set.push(("HF_HUB_CACHE", "/hub"));
        assert_eq!(found(&set).as_deref(), Some("/hub"));
        assert_eq!(
            found(&[("HOME", "/home/bob"), ("HF_HOME", "")]).as_deref(),
            Some("/home/bob/.cache/huggingface/hub")
        );
    }
}
