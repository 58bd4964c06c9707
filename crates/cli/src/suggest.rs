//! "Did you mean …?"

/// Returns the name that `found` was probably meant to be: the one with the fewest typing errors, at most one per three letters.
pub(crate) fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known.into_iter().map(|name| (distance(&found.to_lowercase(), &name.to_lowercase()), name));
    let (slips, name) = distances.min_by_key(|(slips, _)| *slips)?;
    let letters = found.chars().count().max(name.chars().count());
    (slips <= letters.div_ceil(3) && slips < letters).then_some(name)
}

/// Returns how many letters must be put in, left out, replaced or swapped with their neighbour to turn `a` into `b`
/// (the optimal string alignment distance).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Row i holds the distances of the first i letters of `a` to every beginning of `b`.
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (a, b, slips) in [("", "", 0), ("abc", "", 3), ("safety", "saftey", 1), ("kitten", "sitting", 3)] {
            assert_eq!(distance(a, b), slips, "{a} → {b}");
            assert_eq!(distance(b, a), slips, "{b} → {a}");
        }
    }

    #[test]
    fn close_names_are_suggested_and_far_ones_are_not() {
        let known = ["Aesthetics", "Alignment", "Safety", "Diversity"];
        for (found, meant) in [("Saftey", "Safety"), ("aesthetic", "Aesthetics"), ("Divercity", "Diversity")] {
            assert_eq!(did_you_mean(found, known), Some(meant), "{found}");
        }
        for found in ["Beauty", "", "x", "Compressibility"] {
            assert_eq!(did_you_mean(found, known), None, "{found}");
        }
    }
}
