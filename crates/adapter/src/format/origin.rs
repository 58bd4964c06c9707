//! Where an adapter file says that it comes from, and the hash of its factors, which does not depend on that.

use std::io::Write;

use moa_core::Provenance;
use safetensors::SafeTensors;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::AdapterFileError;
use super::file::{METADATA, header_bytes};
use crate::{Adapter, ParametersError};

/// Returns where a safetensors file says that its adapter comes from; nothing where it does not say.
///
/// # Errors
/// Refuses files that are not safetensors files, and names what makes no sense in its header.
pub fn provenance_of(tensors: &[u8]) -> Result<Option<Provenance>, AdapterFileError> {
    let (_, header) = SafeTensors::read_metadata(tensors).map_err(ParametersError::from)?;
    let texts = header.metadata().as_ref();
    let get = |key: &str| texts.and_then(|texts| texts.get(key)).map(String::as_str);
    Ok(Provenance::from_header(get)?)
}

/// Returns the SHA-256 of a file as it is without its provenance: the [`Adapter::sha256`] of the adapter in it, where moa
/// wrote the file.
///
/// # Errors
/// Refuses files that are not safetensors files.
pub fn sha256_of_file(tensors: &[u8]) -> Result<String, AdapterFileError> {
    let (length, metadata) = SafeTensors::read_metadata(tensors).map_err(ParametersError::from)?;
    let is_own = |key: &String| key.starts_with(Provenance::PREFIX);
    if !metadata.metadata().as_ref().is_some_and(|texts| texts.keys().any(is_own)) {
        return Ok(hexadecimal(&Sha256::digest(tensors)));
    }
    // The library has found the header whole and sound.
    let start = size_of::<u64>();
    let mut header: Map<String, Value> =
        serde_json::from_slice(&tensors[start..start + length]).map_err(AdapterFileError::Header)?;
    if let Some(Value::Object(texts)) = header.get_mut(METADATA) {
        let others = std::mem::take(texts).into_iter().filter(|(key, _)| !is_own(key));
        *texts = others.collect();
    }
    let mut hash = Sha256::new();
    hash.update(header_bytes(header));
    hash.update(&tensors[start + length..]);
    Ok(hexadecimal(&hash.finalize()))
}

impl Adapter {
    /// Returns the SHA-256 of the adapter's numbers, in hexadecimal: that of its safetensors file in its own format, without a word on where it
    /// comes from. The same adapter has the same whatever it was read from. α is not in it where that is peft's, which keeps it in
    /// `adapter_config.json`.
    ///
    /// # Errors
    /// Fails when the tensors cannot be serialised.
    pub fn sha256(&self) -> Result<String, AdapterFileError> {
        /// A hash that a file is written into.
        struct Sink(Sha256);
        impl Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.update(bytes);
                Ok(bytes.len())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut sink = Sink(Sha256::new());
        self.file(self.own_format(), None)?
            .write(&mut sink)
            .unwrap_or_else(|_| unreachable!("a hash takes every byte"));
        Ok(hexadecimal(&sink.0.finalize()))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
