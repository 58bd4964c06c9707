//! What layers are called: diffusers' names, and those that they have elsewhere. Tables and their inverses, without files.

pub(crate) mod transformer;
pub(crate) mod unet;

/// Puts dots between the parts of a name that has lost them: parts of the list, the longest first, and numbers.
pub(crate) fn segments(flat: &str, known: &[&str]) -> Option<String> {
    let mut rest = flat;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let ends_there =
            |part: &&&str| rest.strip_prefix(**part).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'));
        let length = known.iter().filter(ends_there).map(|part| part.len()).max().or_else(|| {
            let digits = rest.find('_').unwrap_or(rest.len());
            (digits > 0 && rest[..digits].bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
        })?;
        parts.push(&rest[..length]);
        rest = &rest[length..];
        rest = rest.strip_prefix('_').unwrap_or(rest);
    }
    (!parts.is_empty()).then(|| parts.join("."))
}
