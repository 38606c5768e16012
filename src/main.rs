//! Arguments to exit code, nothing else.

mod allocator;

fn main() -> std::process::ExitCode {
    allocator::give_back_soon();
    ninetail::shell::cli::main(std::env::args_os())
}
