//! Arguments to exit code, nothing else.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ninetail::shell::cli::main(std::env::args_os())
}
