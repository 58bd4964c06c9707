//! The embedded emoji-32 base model, its CLIP and judges, and what pre-trains them.
