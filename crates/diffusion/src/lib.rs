//! A text-to-image pipeline in the diffusers layout.
