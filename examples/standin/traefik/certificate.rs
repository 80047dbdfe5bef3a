//! What Traefik shows of a certificate: names, serial number, end. Reads as much of DER as that needs.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A certificate's face.
#[derive(Debug, PartialEq)]
pub(super) struct Certificate {
    pub(super) name: String,
    /// Joined by commas.
    pub(super) alternatives: String,
    pub(super) serial: String,
    /// Seconds since 1970.
    pub(super) not_after: f64,
}

/// Reads the first certificate of a PEM file.
pub(super) fn read(path: &str) -> Result<Certificate, String> {
    let text = std::fs::read_to_string(path).map_err(|cause| cause.to_string())?;
    let body =
        text.split_once("-----BEGIN CERTIFICATE-----").and_then(|(_, rest)| rest.split_once("-----END"));
    let (body, _) = body.ok_or("no certificate in the file")?;
    let body: String = body.split_whitespace().collect();
    let der = BASE64_STANDARD.decode(body).map_err(|cause| cause.to_string())?;
    parse(&der).ok_or_else(|| "the certificate cannot be understood".to_owned())
}

/// One value of DER: its tag, its content, and what follows.
fn take(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (size, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (size.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn all(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let Some((tag, content, rest)) = take(bytes) {
        found.push((tag, content));
        bytes = rest;
    }
    found
}

const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ALTERNATIVES: [u8; 3] = [0x55, 0x1d, 0x11];

fn parse(der: &[u8]) -> Option<Certificate> {
    let (_, certificate, _) = take(der)?;
    let (_, body, _) = take(certificate)?;
    let mut fields = all(body);
    // The version, which the first edition did not have.
    if fields.first()?.0 == 0xa0 {
        fields.remove(0);
    }
    // serial, algorithm, issuer, validity, subject, key, extensions
    let serial = fields.first()?.1;
    let (_, not_after) = all(fields.get(3)?.1).into_iter().nth(1)?;
    let name = all(fields.get(4)?.1).into_iter().find_map(|(_, set)| {
        let (_, pair, _) = take(set)?;
        let pair = all(pair);
        (pair.first()?.1 == COMMON_NAME)
            .then(|| String::from_utf8_lossy(pair.get(1).map_or(&[][..], |it| it.1)).into_owned())
    });
    let extensions = fields.iter().find(|(tag, _)| *tag == 0xa3).and_then(|(_, content)| take(content));
    let alternatives = extensions.map_or_else(Vec::new, |(_, content, _)| {
        all(content)
            .into_iter()
            .map(|(_, extension)| all(extension))
            .filter(|extension| extension.first().is_some_and(|(_, id)| *id == ALTERNATIVES))
            .filter_map(|extension| take(extension.last()?.1).map(|(_, names, _)| all(names)))
            .flatten()
            // 0x82 is a DNS name.
            .filter(|(tag, _)| *tag == 0x82)
            .map(|(_, name)| String::from_utf8_lossy(name).into_owned())
            .collect()
    });
    Some(Certificate {
        name: name.unwrap_or_default(),
        alternatives: alternatives.join(","),
        serial: decimal(serial),
        not_after: moment(std::str::from_utf8(not_after).ok()?)?,
    })
}

/// A long number in decimal digits.
fn decimal(bytes: &[u8]) -> String {
    let mut digits = vec![0_u32];
    for byte in bytes {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            let value = *digit * 256 + carry;
            *digit = value % 10;
            carry = value / 10;
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    digits.iter().rev().filter_map(|digit| char::from_digit(*digit, 10)).collect()
}

/// `YYMMDDhhmmssZ`, or with four digits of the year.
#[allow(clippy::cast_precision_loss, reason = "seconds since 1970")]
fn moment(text: &str) -> Option<f64> {
    let text = if text.len() == 13 {
        format!("{}{text}", if text.as_bytes()[0] < b'5' { "20" } else { "19" })
    } else {
        text.to_owned()
    };
    let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `openssl req -x509 -newkey ec … -subj /O=Lab/CN=koprogo.lab -addext subjectAltName=DNS:koprogo.lab,DNS:www.koprogo.lab
    /// -set_serial 0x1234567890 -days 30`, on 24 November 2026.
    const PEM: &str = include_str!("certificate.pem");

    #[test]
    fn reads_what_openssl_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.pem");
        std::fs::write(&path, PEM).unwrap();
        let got = read(path.to_str().unwrap()).unwrap();
        assert_eq!(
            (got.name.as_str(), got.alternatives.as_str()),
            ("koprogo.lab", "koprogo.lab,www.koprogo.lab")
        );
        assert_eq!((got.serial.as_str(), got.not_after), ("78187493520", 1_798_120_270.0));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(read(path.to_str().unwrap()).is_err());
    }
}
