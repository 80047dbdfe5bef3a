use clap::Parser;
use secrecy::ExposeSecret;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(subcommand)]
    command: SecretsCommand,
}

fn parse(line: &str) -> std::result::Result<SecretsCommand, clap::Error> {
    Line::try_parse_from(std::iter::once("secrets").chain(line.split(' '))).map(|line| line.command)
}

async fn run(root: &Path, line: &str) -> Result<Said> {
    let identity = root.join("key.txt");
    let mut around = Around { root, identity: Some(&identity), names: &[], again: &mut |_| false };
    parse(line).unwrap().run(&mut around).await
}

fn text(said: Result<Said>) -> String {
    match said.unwrap() {
        Said::Text(text) => text,
        Said::Secret(_) => panic!("a secret"),
    }
}

fn secret(said: Result<Said>) -> String {
    match said.unwrap() {
        Said::Text(text) => panic!("{text}"),
        Said::Secret(secret) => secret.expose_secret().to_owned(),
    }
}

#[test]
fn a_value_is_never_an_argument() {
    parse("set prod name value").unwrap_err();
    parse("set prod Name").unwrap_err();
    parse("set prod _fingerprint_key").unwrap_err();
    parse("set prod name --generate=8").unwrap_err();
    for (line, length) in [
        ("set prod name", None),
        ("set --generate prod name", Some(32)),
        ("set prod name --generate=64", Some(64)),
    ] {
        let SecretsCommand::Set { generate, .. } = parse(line).unwrap() else { panic!("{line}") };
        assert_eq!(generate, length);
    }
    assert!(!parse("keygen").unwrap().needs_project());
    assert!(parse("view prod").unwrap().needs_project());
}

#[tokio::test]
async fn from_a_new_key_to_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let said = text(run(root, &format!("keygen --file {}", root.join("key.txt").display())).await);
    let public = said.lines().find(|line| line.starts_with("age1")).unwrap();
    let shown = said.replace(public, "PUBLIC").replace(root.to_str().unwrap(), "FOLDER");
    insta::assert_snapshot!(shown, @r"
    Your new key is in FOLDER/key.txt. Keep it to yourself and keep a copy: without it you cannot open the secrets.
    Its public half:
    PUBLIC
    In a new project: `provision secrets recipients add` with that line. Where there are secrets already, somebody
    who can open them has to do it.
    ");

    std::fs::create_dir(root.join("secrets")).unwrap();
    std::fs::write(root.join("secrets/recipients.txt"), public).unwrap();
    insta::assert_snapshot!(text(run(root, "set prod smtp_password --generate").await), @"Added `smtp_password` in secrets/prod.yml.age.");
    let first = secret(run(root, "view prod smtp_password").await);
    assert_eq!(first.len(), 32);
    insta::assert_snapshot!(text(run(root, "set prod smtp_password --generate=40").await), @"Changed `smtp_password` in secrets/prod.yml.age.");
    let second = secret(run(root, "view prod smtp_password").await);
    assert_eq!(second.len(), 40);
    let whole = secret(run(root, "view prod").await);
    assert!(whole.contains(&second) && !whole.contains(&first));
    let error = run(root, "view prod smtp").await.unwrap_err();
    insta::assert_snapshot!(format!("{error} → {}", error.hints().join(" ")), @"show the secret `smtp` of prod: there is no such secret → There are: smtp_password.");
}

#[test]
fn debug_of_what_is_said_hides_a_secret() {
    assert!(!format!("{:?}", Said::Secret("hunter2".into())).contains("hunter2"));
}
