//! A password as PostgreSQL stores it, so that the server never sees the password itself.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};

/// PostgreSQL's own number (`scram_iterations`).
const ITERATIONS: u32 = 4096;

/// The SCRAM verifier of `password`, the value of the secret `name`, as `ALTER ROLE … PASSWORD` takes it in
/// place of the password (RFC 5803): `SCRAM-SHA-256$4096:SALT$StoredKey:ServerKey`. It is a secret still, as
/// it can be tried against guesses.
///
/// # Errors
/// Usage: a password with other characters than printable ASCII, which SCRAM would first have to normalise.
pub fn scram_verifier(name: &str, password: &SecretString, salt: &[u8; 16]) -> Result<SecretString> {
    let password = password.expose_secret();
    if !password.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(Error::usage(format!("derive the verifier of `{name}`"))
            .cause("it has characters that are not printable ASCII")
            .hint(format!("Make another: `provision secrets set ENVIRONMENT {name} --generate`.")));
    }
    let mut salted = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, ITERATIONS, &mut *salted);
    let client_key = hmac(&*salted, b"Client Key")?;
    let stored_key = Sha256::digest(*client_key);
    let server_key = hmac(&*salted, b"Server Key")?;
    Ok(SecretString::from(format!(
        "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored_key),
        STANDARD.encode(*server_key)
    )))
}

fn hmac(key: &[u8], text: &[u8]) -> Result<Zeroizing<[u8; 32]>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|error| Error::new(Kind::Internal, "derive a verifier").cause(error))?;
    mac.update(text);
    Ok(Zeroizing::new(mac.finalize().into_bytes().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &str) -> Vec<u8> {
        STANDARD.decode(text).unwrap()
    }

    /// The exchange of RFC 7677, section 3: user `user`, password `pencil`, 4096 iterations.
    #[test]
    fn the_verifier_accepts_the_exchange_of_the_rfc() {
        let salt: [u8; 16] = decode("W22ZaJ0SNY7soEsUEjb6gQ==").try_into().unwrap();
        let verifier = scram_verifier("a", &"pencil".into(), &salt).unwrap();
        let verifier = verifier.expose_secret();
        let keys = verifier.strip_prefix("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$").unwrap();
        let (stored_key, server_key) = keys.split_once(':').unwrap();
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let message = format!(
            "n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}"
        );
        let signature = *hmac(&decode(stored_key), message.as_bytes()).unwrap();
        let proof = decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let client_key: Vec<u8> = proof.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        assert_eq!(Sha256::digest(client_key).to_vec(), decode(stored_key));
        let server = hmac(&decode(server_key), message.as_bytes()).unwrap();
        assert_eq!(server.to_vec(), decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    }

    #[test]
    fn what_scram_would_have_to_normalise_is_refused() {
        let error = scram_verifier("a", &"pässword".into(), &[0; 16]).unwrap_err();
        insta::assert_snapshot!(error, @"derive the verifier of `a`: it has characters that are not printable ASCII");
    }
}
