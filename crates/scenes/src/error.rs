//! What can go wrong.

/// What can go wrong when sprites or prompt sets are loaded; messages read after "failed to …".
#[derive(Debug, thiserror::Error)]
pub enum ScenesError {
    /// The atlas is no PNG.
    #[error("decode the sprite atlas: {0}")]
    Atlas(#[from] png::DecodingError),
    /// The atlas is a PNG of another form.
    #[error("read the sprite atlas: {field} is {found}, not {wanted}; run assets/pack_sprites.py again")]
    AtlasForm {
        /// What differs.
        field: &'static str,
        /// Its value.
        found: String,
        /// The value that this version reads.
        wanted: String,
    },
    /// The index is no JSON of the expected form.
    #[error("read the sprite index: {0}")]
    Index(#[from] serde_json::Error),
    /// The index describes other sprites than this version knows.
    #[error("read the sprite index: {field} is {found}, not {wanted}; run assets/pack_sprites.py again")]
    IndexForm {
        /// What differs.
        field: &'static str,
        /// Its value.
        found: String,
        /// The value that this version reads.
        wanted: String,
    },
    /// There is no prompt set with that name.
    #[error("find the prompt set {name:?}: the sets are {}", known.join(", "))]
    UnknownPromptSet {
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: Vec<&'static str>,
    },
}
