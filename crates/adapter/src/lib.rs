//! LoRA layers, adapter banks, adapter files and merge methods.
