//! What a host answers, changed again and again (`crate::fuzz`).

use std::collections::BTreeMap;

use super::broken::{Login, broken};
use super::{history, kept, lock, log, measure, probe, status, texts};
use crate::fuzz::run;
use crate::plan::ReleaseId;
use crate::ssh::Output;

fn output(data: &[u8]) -> Output {
    Output { stdout: data.to_vec(), stderr: data.to_vec(), status: 1 }
}

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

#[test]
fn probes() {
    let seeds = [&b"provision-probe 1\nsystemd yes\nhostkey ssh-ed25519 AAAA\nfree remote 1024 7\nfree docker 2048 -\ncurrent 0123\n\
        digest dd\nfile aa prometheus/a b.yml\nscript bb lib.sh\nfingerprint smtp ff\nunsealed yes\nowner a b\ndocker 26.1.5\n\
        container {\"service\":\"db\",\"name\":\"/x-db-1\",\"id\":\"1\",\"image\":\"i:1\",\"state\":\"running\",\"health\":\"\",\
        \"restarts\":0,\"exit_code\":0,\"digest\":null,\"pid\":77,\"network\":\"host\",\"ports\":{\"80/tcp\":[{\"HostIp\":\"::\",\"HostPort\":\"8080\"}]}}\n\
        listen 0100007F 0BB9 11\nlisten 00000000000000000000000000000000 238C 12\nholds 77\nholds 77 12\n\
        holder process 7, release 0a, since 2026-11-28T05:00:00Z, by {\"user\":\"ann\"}\nend\n"[..],
        b"sudo: a password is required\n"];
    let login = Login { user: "deploy".to_owned(), by_hand: "ssh deploy@vps true".to_owned() };
    run("probe", &seeds.map(<[u8]>::to_vec), &|data| {
        let _ = probe::parse(&output(data), &login);
        let _ = broken("look at the host", &login, &output(data));
    });
}

#[test]
fn logs_of_activations() {
    let seeds = [
        &b"started\t0123abcd\t1795500000"[..],
        b"compose\tup\t Container koprogo-grafana-1  Started",
        b"error\tlocked\tprocess 7, release 0a, since 2026-11-28T05:00:00Z, by {\"user\":\"ann\",\"commit\":\"01\"}",
        b"returning\tnothing",
    ];
    run("activation log", &seeds.map(<[u8]>::to_vec), &|data| {
        let text = text(data);
        text.lines().for_each(|line| drop(log::parse("vps", line)));
        let _ = lock::holder(&text);
    });
}

#[test]
fn statuses_and_histories() {
    let seeds = [
        &b"provision-status 1\nnow 100\nkept 0a 50\ngone 0a web example/web:1\nservice web ff 0\nstarted web 2026-11-24T00:00:00Z\n\
           memory web 1024\nunit unseal activating provision: age\nrecords 12\nend\n"[..],
        b"provision-overhead 1\ncpus 2\nmemory loki 100\ndisk v 4096\ncpu loki 5000\nseconds 10.03\nend\n",
        b"provision-log-drivers 1\ndriver a journald\nend\n",
        br#"{"time":1763900000,"release":"0a","from":"","outcome":"deployed","seconds":7,"by":{"user":"ann","from":"laptop","commit":null}}"#,
    ];
    run("status", &seeds.map(<[u8]>::to_vec), &|data| {
        let _ = status::parse(&output(data));
        let _ = measure::parse(&output(data));
        let _ = measure::drivers(&output(data));
        text(data).lines().for_each(|line| drop(history::record(line)));
    });
}

#[test]
fn files_and_kept_releases() {
    let release =
        br#"{"project":"p","compose_file":"c.yml","sealed":{},"services":{},"volumes":[],"networks":[]}"#;
    let packed = |text: &[u8]| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packer, text).unwrap();
        packer.finish().unwrap()
    };
    let seeds = [
        b"3 a b\nx\ny\n0 c\n\n".to_vec(),
        packed(b"3 a b\nx\ny\n0 c\n\n"),
        release.to_vec(),
        b"file\taa\tx y.yml\nsealed\tdd\n".to_vec(),
    ];
    run("files", &seeds, &|data| {
        let _ = texts::read(data);
        let _ = texts::read(&packed(data));
        let records = |manifest: &[u8], release: &[u8], checks: &[u8]| {
            BTreeMap::from([
                ("manifest".to_owned(), manifest.to_vec()),
                ("release.json".to_owned(), release.to_vec()),
                ("checks.json".to_owned(), checks.to_vec()),
            ])
        };
        for records in [records(data, release, b"[]"), records(b"", data, b"[]"), records(b"", release, data)]
        {
            let _ = kept::read(&ReleaseId("0a".to_owned()), &records);
        }
    });
}
