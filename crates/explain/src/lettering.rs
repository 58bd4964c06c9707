//! A word in pixels, for images with text in them.

use crate::Planes;

/// Letters of 3 × 5 pixels.
const LETTERS: [[&str; 5]; 4] = [
    ["###", "#..", "#.#", "#.#", "###"],
    ["###", "#.#", "#.#", "#.#", "###"],
    ["###", "#.#", "#.#", "#.#", "###"],
    ["##.", "#.#", "#.#", "#.#", "##."],
];
/// What they spell.
pub(crate) const WORD: &str = "GOOD";

/// Returns the image with a word in its lower right corner: white letters on black, half as wide as the image.
pub(crate) fn lettered(image: &Planes) -> Planes {
    let columns = 4 * LETTERS.len() + 1;
    let scale = (image.width / 2 / columns).max(1);
    let (width, height) = (columns * scale, 7 * scale);
    let (left, top) = (image.width.saturating_sub(width), image.height.saturating_sub(height));
    let pixels = image.pixels();
    let mut lettered = image.clone();
    for y in top..image.height {
        for x in left..image.width {
            let (row, column) = ((y - top) / scale, (x - left) / scale);
            let letter = column.checked_sub(1).map(|column| (column / 4, column % 4));
            let ink = letter.zip(row.checked_sub(1)).is_some_and(|((letter, column), row)| {
                let line = LETTERS.get(letter).and_then(|letter| letter.get(row));
                line.is_some_and(|line| line.as_bytes().get(column) == Some(&b'#'))
            });
            (0..3).for_each(|c| lettered.values[c * pixels + y * image.width + x] = f32::from(u8::from(ink)));
        }
    }
    lettered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_stands_in_its_corner() {
        let image = Planes { height: 32, width: 32, values: vec![0.5; 3 * 1024] };
        let changed: Vec<usize> = (0..1024).filter(|at| (lettered(&image).values[*at] - 0.5).abs() > 0.1).collect();
        assert_eq!(changed.len(), 17 * 7);
        assert!(changed.iter().all(|at| at / 32 >= 25 && at % 32 >= 15));
        let tiny = Planes { height: 2, width: 3, values: vec![0.5; 18] };
        assert_eq!(lettered(&tiny).values.len(), 18);
    }
}
