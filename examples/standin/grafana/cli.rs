//! `grafana cli admin reset-admin-password --password-from-stdin`, the one command that a deploy needs.

use std::io::BufRead;

use super::account::Account;
use super::settings::Settings;

/// Runs the words behind `cli`. Flags of `cli` itself (`--homepath`, `--config`) may stand before `admin`.
pub(super) fn run(words: &[String], settings: &Settings, mut input: impl BufRead) -> Result<(), String> {
    let command = words.iter().position(|word| word == "admin").map_or(&[][..], |at| &words[at + 1..]);
    match command {
        [name, flag] if name == "reset-admin-password" && flag == "--password-from-stdin" => {
            let mut line = String::new();
            input.read_line(&mut line).map_err(|cause| format!("cannot read the password: {cause}"))?;
            Account::reset(&settings.data, line.trim_end_matches(['\n', '\r']))?;
            println!("Admin password changed successfully ✔ (this is a stand-in for Grafana)");
            Ok(())
        }
        // The real one takes a password as an argument too, where `ps` shows it. Nobody should use that.
        _ => Err("usage: grafana cli admin reset-admin-password --password-from-stdin".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_line_from_stdin() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("grafana.ini");
        std::fs::write(&config, format!("[paths]\ndata = {}\n", folder.path().display())).unwrap();
        let settings = Settings::load(&config, |_| None).unwrap();
        Account::load_or_create(&settings.data, "admin", "the first").unwrap();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let reset = words("--homepath /usr/share/grafana admin reset-admin-password --password-from-stdin");
        run(&reset, &settings, &b"a new one\n"[..]).unwrap();
        assert!(Account::load(&settings.data).unwrap().unwrap().admits("admin", "a new one"));
        assert!(run(&words("admin reset-admin-password secret"), &settings, &b""[..]).is_err());
        assert!(run(&reset, &settings, &b""[..]).unwrap_err().contains("too short"));
    }
}
