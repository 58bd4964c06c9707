//! The moa command.
fn main() {}
