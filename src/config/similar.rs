//! "Did you mean …?": the known name nearest to one that was mistyped. `file` and `load` call it for their messages.

/// The one of `known` that `name` probably means.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    known
        .map(|candidate| (distance(&name, &candidate.to_ascii_lowercase()), candidate))
        // A third of the letters may be wrong: beyond that it is another word.
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out or replaced (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_not() {
        let nearest = |name| nearest(name, ["listen", "data_dir", "jwt_secret"].into_iter());
        assert_eq!(nearest("lisen"), Some("listen"));
        assert_eq!(nearest("data-dir"), Some("data_dir"));
        assert_eq!(nearest("DATADIR"), Some("data_dir"));
        assert_eq!(nearest("port"), None);
    }
}
