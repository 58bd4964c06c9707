//! Images by file and hash, or by what draws them again.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};

/// An image that was judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Image {
    /// A file that is kept.
    File(ImageFile),
    /// An image that the same model draws again.
    Drawn(Drawn),
}

/// A file of an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImageFile {
    /// The file; a relative path counts from the folder of the file of preferences.
    pub path: String,
    /// The SHA-256 of its bytes, 64 hexadecimal digits in lower case. Files of equal hash are one image.
    pub sha256: String,
}

/// What draws an image again, by the deterministic sampler that evaluations and `moa sample` use. Images are one and the same
/// where all fields are equal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drawn {
    /// The base model: `emoji-32`, `hf:org/name`, or a folder, whose relative path counts from the folder of the file of
    /// preferences.
    pub base: String,
    /// The adapter on it: a run's or soup's folder in results, or an adapter file; a relative path counts as the base's does.
    /// Default: none, the base alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// The SHA-256 of the adapter's file (of a folder the `adapter.safetensors` in it), which detects that it was trained again.
    /// Default: not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter_sha256: Option<String>,
    /// The seed of the noise.
    pub seed: u64,
    /// The name of the noise under that seed: `sample` of `moa sample`, `evaluation` of a sweep's images. Default: `sample`.
    pub noise: String,
    /// The prompt's and the image's number in that noise, from 0: image `i` of prompt `p` starts from
    /// `NoiseKey::new(seed).named(noise).with(p).with(i)`. Default: `[0, 0]`.
    pub place: [u64; 2],
    /// Steps of the sampler, 1 to 1000.
    pub steps: u32,
    /// The scale of classifier-free guidance, 0 to 100; 1 or less is none. Default: 1.
    pub guidance: f64,
}

impl Image {
    /// Returns the image of a file, with its hash; `path` counts from `folder`, that of the file of preferences.
    ///
    /// # Errors
    /// What the system says where the file cannot be read.
    pub fn of_file(folder: &Path, path: &str) -> io::Result<Self> {
        let sha256 = sha256_of(&folder.join(path))?;
        Ok(Self::File(ImageFile { path: path.to_owned(), sha256 }))
    }

    /// Returns what is equal for one and the same image, and different for different ones.
    pub fn key(&self) -> String {
        match self {
            Self::File(file) => file.sha256.clone(),
            Self::Drawn(drawn) => serde_json::to_string(drawn).unwrap_or_else(|_| format!("{drawn:?}")),
        }
    }
}

/// Returns the SHA-256 of a file's bytes.
pub(crate) fn sha256_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    // A pipe or device might never end.
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no file"));
    }
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => digest.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(hexadecimal(&digest.finalize()))
}

/// Returns the SHA-256 of bytes as records name it: 64 hexadecimal digits in lower case.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(2 * digest.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
