//! Runs the command line and ends with its exit code.

#[tokio::main]
async fn main() -> std::process::ExitCode {
    provision::secrets::harden_process();
    let code = provision::command::main().await;
    provision::report::leave_clean();
    std::process::ExitCode::from(code as u8)
}
