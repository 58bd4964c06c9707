//! Images as messages carry them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::JudgeError;

/// Bytes of an image.
const LARGEST: usize = 20_000_000;

/// Returns the data URL of a PNG, JPEG, WebP or GIF file.
pub(crate) fn data_url(bytes: &[u8]) -> Result<String, JudgeError> {
    let refused = |problem: String| Err(JudgeError::Image { problem });
    let kind = match bytes {
        [0x89, b'P', b'N', b'G', ..] => "png",
        [0xff, 0xd8, 0xff, ..] => "jpeg",
        [b'G', b'I', b'F', b'8', ..] => "gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
        _ => return refused("it is no PNG, JPEG, WebP or GIF file".into()),
    };
    if bytes.len() > LARGEST {
        return refused(format!("it is larger than {} MB", LARGEST / 1_000_000));
    }
    Ok(format!("data:image/{kind};base64,{}", BASE64_STANDARD.encode(bytes)))
}
