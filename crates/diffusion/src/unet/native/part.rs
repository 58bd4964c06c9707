//! Parts of a batch, which threads take.

use std::ops::Range;

/// Most rows of a part.
const PART: usize = 8;

/// Some rows of one adapter, and the texts that they are conditioned on.
#[derive(Debug)]
pub(super) struct Part {
    /// The adapter.
    pub(super) member: usize,
    /// Rows of the batch.
    pub(super) rows: Range<usize>,
    /// Text states, `[texts, tokens, width]`: those that differ, or every row's own.
    pub(super) texts: Vec<f32>,
    /// Which of them each row has.
    pub(super) text_of: Vec<usize>,
    /// How many they are.
    pub(super) text_count: usize,
}

/// Cuts a batch into parts; `None` when its rows do not divide among the adapters. With `shares`, rows of one text have one copy of
/// it; without, each row has its own, so that each row's gradient is its own.
pub(super) fn parts(rows: usize, members: usize, context: &[f32], shares: bool) -> Option<Vec<Part>> {
    if !rows.is_multiple_of(members) || !context.len().is_multiple_of(rows) {
        return None;
    }
    let (share, text) = (rows / members, context.len() / rows);
    let count = share.div_ceil(PART);
    let parts = (0..members).flat_map(|member| (0..count).map(move |part| (member, part)));
    let part = |(member, part): (usize, usize)| {
        let rows = member * share + part * share / count..member * share + (part + 1) * share / count;
        let (mut texts, mut text_of) = (Vec::new(), Vec::new());
        for row in rows.clone() {
            let own = &context[row * text..][..text];
            let same = |other: &[f32]| shares && other == own;
            let found = texts.chunks_exact(text).position(same);
            text_of.push(found.unwrap_or(texts.len() / text));
            if found.is_none() {
                texts.extend_from_slice(own);
            }
        }
        Part { member, rows, text_count: texts.len() / text, texts, text_of }
    };
    Some(parts.map(part).collect())
}
