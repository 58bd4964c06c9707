//! Files that are never half-written.

use std::io::{self, Write as _};
use std::path::Path;

use crate::PlotError;

/// Writes a file under a temporary name beside its place, and renames it when it is whole; makes its folder if need be.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), PlotError> {
    replace(path, bytes).map_err(|source| PlotError::Write { path: path.to_owned(), source })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".plot-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // As an ordinary file would be: the process's umask still applies.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    std::fs::create_dir_all(folder)?;
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}
