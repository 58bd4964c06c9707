//! Tells the binary where LibTorch lies, so that it runs without `LD_LIBRARY_PATH`.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=LIBTORCH_LIB");
    println!("cargo:rerun-if-env-changed=LIBTORCH_USE_PYTORCH");
    if env::var_os("CARGO_FEATURE_LIBTORCH").is_none() || env::var("CARGO_CFG_TARGET_FAMILY").as_deref() != Ok("unix") {
        return;
    }
    if let Some(folder) = libraries() {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{}", folder.display());
    }
}

/// Returns the folder of LibTorch's libraries, found as torch-sys finds it.
fn libraries() -> Option<PathBuf> {
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        let script = "import os, torch; print(os.path.join(os.path.dirname(torch.__file__), 'lib'))";
        let said = Command::new("python3").args(["-c", script]).output().ok()?.stdout;
        return Some(PathBuf::from(String::from_utf8(said).ok()?.trim()));
    }
    let folder = env::var_os("LIBTORCH_LIB").or_else(|| env::var_os("LIBTORCH"))?;
    Path::new(&folder).join("lib").canonicalize().ok()
}
