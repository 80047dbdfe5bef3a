//! A public key as a file has it, for a line of `authorized_keys`.

use russh::keys::PublicKey;

/// The key in the text of a `.pub` file, as one line: its kind, the key, its comment.
/// `None` where the text is not one public key.
#[must_use]
pub fn public_key_line(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (line, None) = (lines.next()?, lines.next()) else { return None };
    let key = PublicKey::from_openssh(line).ok()?;
    let comment = String::from_utf8_lossy(key.comment().as_bytes()).into_owned();
    let bare = PublicKey::new(key.key_data().clone(), "").to_openssh().ok()?;
    Some(format!("{} {comment}", bare.trim()).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPgzDy1fXzCx/tms8FoIGAbEMCOBhwPX+J5ZWVtnxNAw";

    #[test]
    fn one_key_is_taken_and_nothing_else() {
        for text in [KEY.to_owned(), format!("{KEY} ci of koprogo\n"), format!("# a\r\n{KEY} ann@x\r\n")] {
            assert!(public_key_line(&text).unwrap().starts_with(KEY), "{text}");
        }
        assert_eq!(
            public_key_line(&format!("{KEY} ci of koprogo\n")).unwrap(),
            format!("{KEY} ci of koprogo")
        );
        let options = format!("command=\"sh\" {KEY}");
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
        for text in ["", "ssh-ed25519", &format!("{KEY}\n{KEY}\n"), &options, private] {
            assert_eq!(public_key_line(text), None, "{text}");
        }
    }
}
