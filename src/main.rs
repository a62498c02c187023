//! The `parlor` program: the allocator and the way in. Everything else is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// Gives memory back after connections come and go, where glibc's keeps growing.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    parlor::cli::main()
}
