//! What experiments are called: what the names of their seeds have in common.

use std::path::{Component, Path};

/// Returns what names have in common at their beginning and end, without separators, numbers that are cut, and a last "seed"; a single
/// name as it is, and the first one where nothing is common.
pub(super) fn common(names: &[String]) -> String {
    let Some((first, others)) = names.split_first() else { return String::new() };
    if others.iter().all(|name| name == first) {
        return first.clone();
    }
    let chars: Vec<Vec<char>> = names.iter().map(|name| name.chars().collect()).collect();
    let least = chars.iter().map(Vec::len).min().unwrap_or(0);
    let all = |at: &dyn Fn(&Vec<char>) -> char| chars.iter().all(|name| at(name) == at(&chars[0]));
    let head = (0..least).take_while(|i| all(&|name| name[*i])).count();
    let tail = (0..least - head).take_while(|i| all(&|name| name[name.len() - 1 - i])).count();
    let length = chars[0].len();
    let head = trimmed(&chars[0][..head].iter().collect::<String>());
    let tail: String = chars[0][length - tail..].iter().collect();
    let rest = tail.trim_start_matches(|c: char| c.is_ascii_digit());
    match (head.is_empty(), rest.trim_start_matches(SEPARATORS).is_empty()) {
        (true, true) => first.clone(),
        (false, true) => head,
        (true, false) => rest.trim_start_matches(SEPARATORS).into(),
        (false, false) => head + rest,
    }
}

const SEPARATORS: [char; 6] = ['-', '_', '.', '/', '=', ' '];

/// Returns a beginning without what leads to a seed's number.
fn trimmed(text: &str) -> String {
    let bare = text.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(SEPARATORS);
    for word in ["seed", "s"] {
        if let Some(before) = bare.strip_suffix(word)
            && (before.is_empty() || before.ends_with(SEPARATORS))
        {
            return before.trim_end_matches(SEPARATORS).into();
        }
    }
    bare.into()
}

/// Returns folders' names without the leading and last parts of the path that all of them share, one part at least.
pub(super) fn shortened(paths: &[String]) -> Vec<String> {
    let parts: Vec<Vec<String>> = paths
        .iter()
        .map(|path| {
            let parts = Path::new(path).components().filter(|part| *part != Component::CurDir);
            parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
        })
        .collect();
    let least = parts.iter().map(Vec::len).min().unwrap_or(0);
    if parts.len() < 2 || least < 2 {
        return parts.iter().map(|parts| parts.last().cloned().unwrap_or_default()).collect();
    }
    let same = |at: &dyn Fn(&Vec<String>) -> String| parts.iter().all(|path| at(path) == at(&parts[0]));
    let head = (0..least - 1).take_while(|i| same(&|path| path[*i].clone())).count();
    let tail = (0..least - 1 - head).take_while(|i| same(&|path| path[path.len() - 1 - i].clone())).count();
    parts.iter().map(|path| path[head..path.len() - tail].join("/")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_seeds_have_in_common() {
        let common = |names: &[&str]| common(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        for (names, expected) in [
            (&["pareto", "pareto"][..], "pareto"),
            (&["ddpo-seed1", "ddpo-seed2", "ddpo-seed10"], "ddpo"),
            (&["ddpo-s10", "ddpo-s11"], "ddpo"),
            (&["nft_1", "nft_2"], "nft"),
            (&["nfts1", "nfts2"], "nfts"),
            (&["seed1-awm", "seed2-awm"], "awm"),
            (&["out/seeds/seed-1/a", "out/seeds/seed-2/a"], "out/seeds/a"),
            (&["one", "two"], "one"),
            (&["seed-7"], "seed-7"),
        ] {
            assert_eq!(common(names), expected, "{names:?}");
        }
    }

    #[test]
    fn folders_are_named_by_where_they_part() {
        let shortened = |paths: &[&str]| shortened(&paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
        assert_eq!(shortened(&["/r/first/out", "/r/second/out"]), ["first", "second"]);
        assert_eq!(shortened(&["./results/a", "results/b"]), ["a", "b"]);
        assert_eq!(shortened(&["results/a"]), ["a"]);
        assert_eq!(shortened(&["/r/a", "/r/a/b"]), ["a", "a/b"]);
    }
}
