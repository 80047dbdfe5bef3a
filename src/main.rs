//! Runs the command line and ends with its exit code.

use std::time::Duration;

/// How long a thread is waited for that nobody needs any more: a question that was not answered, a name server that
/// does not answer.
const LEFT_OVER: Duration = Duration::from_secs(1);

fn main() -> std::process::ExitCode {
    provision::secrets::harden_process();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = provision::error::Error::new(provision::error::Kind::Internal, "start").cause(error);
            provision::report::Output::of_process().error(&error);
            return std::process::ExitCode::from(provision::outcome::ExitCode::Bug as u8);
        }
    };
    let code = runtime.block_on(provision::command::main());
    runtime.shutdown_timeout(LEFT_OVER);
    provision::command::leave();
    std::process::ExitCode::from(code as u8)
}
