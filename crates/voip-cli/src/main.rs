//! The `voip` command.

fn main() {}
