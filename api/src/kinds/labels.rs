//! What request kinds are for, as the list of data vending machine kinds says.

const LABELS: [(i32, &str); 19] = [
    (5000, "Text extraction"),
    (5001, "Summarization"),
    (5002, "Translation"),
    (5050, "Text generation"),
    (5100, "Image generation"),
    (5200, "Video conversion"),
    (5201, "Video translation"),
    (5202, "Image-to-video conversion"),
    (5250, "Text-to-speech"),
    (5300, "Content discovery"),
    (5301, "People discovery"),
    (5302, "Content search"),
    (5303, "People search"),
    (5400, "Event count"),
    (5500, "Malware scanning"),
    (5900, "Event timestamping"),
    (5901, "OP_RETURN creation"),
    (5905, "Event publish schedule"),
    (5970, "Event proof of work"),
];

/// What the kind is for; `None` where the list does not say.
pub(crate) fn label(kind: i32) -> Option<&'static str> {
    let found = LABELS.binary_search_by_key(&kind, |(labelled, _)| *labelled);
    found.ok().map(|place| LABELS[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_so_that_each_is_found() {
        assert!(LABELS.is_sorted());
        assert_eq!(label(5050), Some("Text generation"));
        assert_eq!(label(5051), None);
    }
}
