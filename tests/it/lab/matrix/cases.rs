//! The cases. Each deploys a release that changes three services (two are made anew, one reloads), unless it says
//! otherwise.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::look::Look;
use super::stack::Shape;
use super::{Case, End, Matrix, Random, Size, faults};
use crate::lab::interruptions::until;
use crate::lab::{container, image_of, lock_is_free_at, vps, wait_for, way};
use faults::RECORDS;

/// What the program says when a step begins, in order.
const STEPS: [&str; 8] =
    ["pull ", "place ", "unseal ", "units", "up ", "signal ", "settle ", "waits for its confirmation"];

pub(super) fn all(size: Size, random: &mut Random) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for number in 1..=size.kills {
        cases.push(killed_at_an_instant(number, random.below(1100)));
    }
    let steps = |quick: &'static [&'static str]| if size.every_step { &STEPS[..] } else { quick };
    cases.extend(steps(&[]).iter().map(|step| killed_at(step)));
    cases.extend(steps(&["settle "]).iter().map(|step| cut_for_a_while(step)));
    cases.extend(steps(&["up "]).iter().map(|step| cut_for_good(step)));
    for _ in 0..if size.every_step { 12 } else { 1 } {
        cases.push(stream_cut(4_000 + random.below(100_000)));
    }
    cases.push(stream_cut_at_each_member());
    cases.extend(of_connections(size));
    cases.extend(of_the_host(size));
    cases.extend(of_releases(size));
    cases.extend(of_plans());
    if size.every_step {
        cases.push(pinned_by_digest());
    }
    cases.push(many_in_a_row(size.deploys));
    cases
}

fn killed_at_an_instant(number: usize, part: u64) -> Case {
    let name = format!("{number}: kill -9 after {}.{} % of a deploy", part / 10, part % 10);
    Case::new(name, &[-9, 0], End::Either, move |matrix| {
        let mut child = matrix.spawn();
        sleep(matrix.whole.mul_f64(f64::from(u32::try_from(part).unwrap()) / 1000.0));
        kill(&mut child)
    })
}

fn killed_at(step: &'static str) -> Case {
    // The word that keeps it may be on its way.
    let end = if step.starts_with("waits") { End::Either } else { End::Old };
    Case::new(format!("kill -9 at {step}"), &[-9, 0], end, move |matrix| {
        let mut child = matrix.spawn();
        until(&mut child, step);
        kill(&mut child)
    })
}

fn cut_for_a_while(step: &'static str) -> Case {
    Case::new(format!("network cut for 5 s at {step}"), &[0], End::New, move |matrix| {
        let mut child = matrix.spawn();
        until(&mut child, step);
        faults::cut();
        sleep(Duration::from_secs(5));
        faults::plug_in();
        code(child)
    })
    .shaped(|shape| Shape { patience: 40, ..shape })
}

/// The host is looked at while nobody can reach it. Of the controller: [`of_connections`].
fn cut_for_good(step: &'static str) -> Case {
    let end = if step.starts_with("waits") { End::Either } else { End::Old };
    Case::new(format!("network cut for good at {step}"), &[-9], end, move |matrix| {
        let mut child = matrix.spawn();
        until(&mut child, step);
        faults::cut();
        wait_for("the host to have decided", Duration::from_secs(60), || lock_is_free_at(RECORDS));
        kill(&mut child)
    })
}

/// The connection breaks off after so many bytes, and nobody answers any more: most often in the middle of a release of
/// 100 KB that is being sent.
fn stream_cut(bytes: u64) -> Case {
    Case::new(format!("the connection breaks off after {bytes} bytes"), &[3, 5, 6], End::Old, move |matrix| {
        way::go_by(matrix.project.path(), way::narrow(bytes));
        let run = matrix.deploy();
        matrix.go_straight();
        run.code
    })
    .shaped(|shape| Shape { bulk: 120_000, ..shape })
}

/// What `tar` unpacks without an error: the stream ends where one of its members does. The host's own script is asked,
/// since a cut of an encrypted connection cannot be placed so exactly; it takes nothing of such a stream.
fn stream_cut_at_each_member() -> Case {
    Case::new("a stream cut at each member's end", &[0], End::Old, |_| {
        let whole = faults::packed(&["bin/lib.sh", "release/manifest", "release/forward", "release/back"]);
        for members in 0..whole.ends.len() - 1 {
            let cut = whole.until(members);
            let said = faults::receive(&cut, whole.archive.len(), &whole.digest());
            let arrived = format!("error\tstream\t{} of {} bytes arrived", cut.len(), whole.archive.len());
            assert_eq!(said, format!("{arrived}\noutcome\trefused\n"), "after {members} members");
            // As long as it was announced, too.
            let said = faults::receive(&cut, cut.len(), &whole.digest());
            assert!(said.contains("the digest of the stream is wrong"), "after {members} members: {said}");
        }
        0
    })
}

fn of_connections(size: Size) -> Vec<Case> {
    let mut cases = vec![Case::new("a release that breaks the login", &[5], End::Old, |matrix| {
        let mut child = matrix.spawn();
        until(&mut child, "up ");
        faults::break_login();
        code(child)
    })];
    if size.every_step {
        cases.extend([
            Case::new("connections reset for good at settle", &[6], End::Old, |matrix| {
                let mut child = matrix.spawn();
                until(&mut child, "settle ");
                faults::reset_connections();
                code(child)
            }),
            Case::new("network cut for good, the controller's end", &[6], End::Old, |matrix| {
                let mut child = matrix.spawn();
                until(&mut child, "settle ");
                faults::cut();
                code(child)
            }),
            Case::new("sshd stopped at settle", &[5], End::Old, |matrix| {
                let mut child = matrix.spawn();
                until(&mut child, "settle ");
                faults::stop_sshd();
                code(child)
            }),
            Case::new("Ctrl-C at settle", &[130], End::Old, |matrix| {
                let mut child = matrix.spawn();
                until(&mut child, "settle ");
                let pid = child.id().to_string();
                assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
                code(child)
            }),
        ]);
    }
    cases
}

fn of_the_host(size: Size) -> Vec<Case> {
    let mut cases = vec![Case::new("disk full when the release is sent", &[5], End::Old, |matrix| {
        faults::fill_disk(0);
        matrix.deploy().code
    })];
    if size.every_step {
        cases.extend([
            Case::new("disk full when it is unpacked", &[5], End::Old, |matrix| {
                faults::fill_disk(400);
                let run = matrix.deploy();
                run.ends_with(5, &["unpacked"]);
                run.code
            })
            .shaped(|shape| Shape { bulk: 400_000, ..shape }),
            Case::new("the supervisor killed at settle", &[6], End::Old, |matrix| {
                let mut child = matrix.spawn();
                until(&mut child, "settle ");
                vps("pkill -9 -f '[a]ctivate.sh /opt/koprogo/matrix'");
                code(child)
            }),
            Case::new("dockerd stopped at settle, for 20 s", &[6], End::Old, |matrix| {
                let mut child = matrix.spawn();
                until(&mut child, "settle ");
                faults::stop_docker();
                let code = code(child);
                sleep(Duration::from_secs(20));
                code
            })
            .restarting(),
            rebooted("settle ", "in the middle of the activation", |shape| shape),
            rebooted("up ", "while the containers are made", |shape| shape),
            rebooted("return: going back", "in the middle of the way back", dies),
        ]);
    }
    cases
}

fn rebooted(step: &'static str, when: &str, shape: fn(Shape) -> Shape) -> Case {
    Case::new(format!("reboot {when}"), &[5, 6], End::Old, move |matrix| {
        let mut child = matrix.spawn();
        until(&mut child, step);
        faults::reboot();
        matrix.remember_secrets();
        code(child)
    })
    .shaped(shape)
    .restarting()
}

/// `third` with other lines in place of its own.
fn third(shape: &Shape, lines: &str) -> Shape {
    Shape { third: lines.to_owned(), ..shape.clone() }
}

fn dies(shape: Shape) -> Shape {
    third(&Shape { settle: 3, ..shape }, "image: IMAGE\n    entrypoint: [/bin/sh, -c, \"sleep 2; exit 3\"]")
}

/// Releases with a mistake in them.
fn of_releases(size: Size) -> Vec<Case> {
    let failing = |name: &str, texts: &'static [&'static str], shape: fn(Shape) -> Shape| {
        Case::new(name, &[5], End::Old, move |matrix: &mut Matrix| {
            let run = matrix.deploy();
            run.ends_with(5, texts);
            run.code
        })
        .shaped(shape)
    };
    let mut cases = vec![
        failing("`up` fails on the third of five services", &["no-such-program"], |shape| {
            third(&shape, "image: IMAGE\n    entrypoint: [/no-such-program]")
        }),
        failing("an image that cannot be pulled", &["lab/none:9", "docker pull"], |shape| {
            third(&shape, "image: lab/none:9")
        }),
        failing("a container that dies after 2 s", &["third: it crashes"], dies),
        failing("a health check that never passes", &["third: its health check fails"], |shape| {
            let check =
                "    healthcheck: {test: [CMD-SHELL, \"false\"], interval: 1s, timeout: 1s, retries: 2}";
            third(&shape, &format!("{}\n{check}", shape.third))
        }),
    ];
    if size.every_step {
        cases.extend([
            Case::new("the controller killed on the way back", &[-9, 5], End::Old, |matrix| {
                let mut child = matrix.spawn();
                until(&mut child, "return: going back");
                kill(&mut child)
            })
            .shaped(|shape| third(&shape, "image: IMAGE\n    entrypoint: [/no-such-program]")),
            Case::new("a Prometheus configuration that does not load", &[5], End::Old, |matrix| {
                let before = matrix.lab.snapshot();
                let file = "stack/monitoring/prometheus/prometheus.yml.tera";
                let wrong = "scrape_configs:\n  - job_name: wrong\n    no_such_field: 1\n";
                matrix.lab.edit("inventory/lab.yml", "verify_timeout: 60s", "verify_timeout: 20s");
                matrix.lab.edit(file, "scrape_configs:", wrong);
                let run = matrix.lab.deploy();
                matrix.lab.edit(file, wrong, "scrape_configs:");
                matrix.lab.is_as_before(&before);
                run.ends_with(5, &["prometheus"]);
                run.code
            }),
        ]);
    }
    cases
}

/// Hosts that are not as the plan has them.
fn of_plans() -> Vec<Case> {
    vec![
        Case::new("two deploys at the same instant", &[0, 4], End::New, |matrix| {
            let children = [matrix.spawn(), matrix.spawn()];
            let codes = children.map(code);
            assert!(codes.contains(&0), "{codes:?}");
            *codes.iter().max().unwrap()
        }),
        Case::new("a plan that is out of date", &[0], End::New, |matrix| {
            let mut somebody =
                in_vps("until ls -d $incoming >/dev/null 2>&1; do :; done; echo meanwhile >>$page");
            let run = matrix.deploy();
            assert!(somebody.wait().unwrap().success());
            assert!(run.stdout.contains("planning again"), "{}", run.stdout);
            run.code
        }),
        Case::new("a plan that is always out of date", &[5], End::Old, |matrix| {
            vps("touch /dev/shm/editing");
            let mut somebody = in_vps(
                "while [ -e /dev/shm/editing ]; do \
                   if ls -d $incoming >/dev/null 2>&1; then echo again >>$page; sleep 0.02; fi; done",
            );
            let run = matrix.deploy();
            vps("rm /dev/shm/editing");
            somebody.wait().unwrap();
            run.ends_with(5, &["changed after it was looked at"]);
            let kept = format!("{RECORDS}/releases/$(cat {RECORDS}/current)/files/web/page.txt");
            vps(&format!("cat {kept} >/opt/koprogo/matrix/web/page.txt"));
            run.code
        }),
        Case::new("a host edited by hand between two deploys", &[0], End::New, |matrix| {
            vps(
                "cd /opt/koprogo/matrix && echo theirs >web/page.txt && rm web/noise.txt && echo new >web/new.txt && \
                 docker stop matrix-pulse-1 && docker rm -f matrix-third-1",
            );
            matrix.deploy().code
        }),
        Case::new("a container that was unhealthy before", &[0], End::New, |matrix| {
            vps("docker exec matrix-pulse-1 touch /tmp/sick");
            faults::wait_for_health("pulse", "unhealthy");
            matrix.deploy().code
        }),
        Case::new("a container that was paused before", &[0], End::New, |matrix| {
            vps("docker pause matrix-pulse-1");
            matrix.deploy().code
        }),
        Case::new("a container that was unhealthy before and stays so", &[5], End::Old, |matrix| {
            let sick = "$(docker volume inspect -f '{{.Mountpoint}}' matrix_data)/sick";
            vps(&format!("touch {sick}"));
            faults::wait_for_health("pulse", "unhealthy");
            let run = matrix.deploy();
            vps(&format!("rm {sick}"));
            faults::wait_for_health("pulse", "healthy");
            run.ends_with(5, &["pulse: its health check fails"]);
            run.code
        }),
    ]
}

/// An image without a tag is what `docker image prune` takes: a tag of ours keeps it for the way back.
fn pinned_by_digest() -> Case {
    Case::new("an image pinned by its digest outlives a prune", &[0], End::New, |matrix| {
        // One that no other container of the VPS runs.
        let image = image_of("promtail");
        let pinned = vps(&format!(
            "docker pull -q {image} >/dev/null && docker image inspect -f '{{{{index .RepoDigests 0}}}}' {image} &&              docker rmi {image} >/dev/null"
        ));
        let plain = matrix.shape.clone();
        matrix.shape.third = plain.third.replace("IMAGE", &pinned);
        matrix.write();
        matrix.deploy().ends_with(0, &[]);
        let kept = Look::take().release;
        let with_digest = std::mem::replace(&mut matrix.shape, Shape { page: plain.page + 1, ..plain });
        matrix.write();
        matrix.deploy().ends_with(0, &[]);
        vps("docker image prune -f");
        let run = matrix.provision(&["rollback", "lab", &kept]);
        assert!(!run.stdout.contains(": pulling"), "it was not kept: {}", run.stdout);
        assert_eq!(vps("docker inspect -f '{{.Config.Image}}' matrix-third-1"), pinned);
        matrix.shape = with_digest;
        matrix.write();
        run.code
    })
}

/// Somebody at work in the VPS meanwhile; `$incoming` is where a release arrives, `$page` a file of the stack.
fn in_vps(line: &str) -> Child {
    let line = format!("incoming='{RECORDS}/incoming.*'; page=/opt/koprogo/matrix/web/page.txt; {line}");
    Command::new("docker")
        .args(["exec", &container("vps"), "sh", "-c", &line])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn many_in_a_row(count: usize) -> Case {
    Case::new(format!("{count} deploys in a row"), &[0], End::New, move |matrix| {
        let mut disk = Vec::new();
        vps(&format!("cd {RECORDS}/log && seq 60 | sed 's/^/old-/' | xargs touch -d '1 hour ago'"));
        for _ in 0..count {
            let page = matrix.shape.page + 1;
            if matrix.random.below(2) == 0 {
                matrix.shape.page = page;
                matrix.write();
            } else {
                matrix.next();
            }
            matrix.deploy().ends_with(0, &[]);
            disk.push(Look::take().disk);
        }
        // As many releases as are kept, their images' tags, and not more bytes than once that many were there.
        let kept: BTreeSet<String> =
            vps(&format!("ls {RECORDS}/releases")).lines().map(str::to_owned).collect();
        assert!(kept.len() <= 3, "{kept:?}");
        let tags = vps("docker images --format '{{.Tag}}' --filter 'reference=provision.keep/matrix/*'");
        assert!(tags.lines().all(|tag| kept.contains(tag)), "{tags} of {kept:?}");
        assert_eq!(vps(&format!("ls {RECORDS}/log | wc -l")), "50", "logs are kept");
        let (first, last) = (disk[disk.len().min(4) - 1], disk[disk.len() - 1]);
        assert!(last <= first + 200, "the records grew from {first} to {last} KB");
        0
    })
}

fn kill(child: &mut Child) -> i32 {
    child.kill().unwrap();
    child.wait().unwrap().code().unwrap_or(-9)
}

/// Waits for the program to end.
fn code(mut child: Child) -> i32 {
    // Where nobody followed its words, they have to be read.
    if let Some(mut words) = child.stdout.take() {
        std::thread::spawn(move || std::io::copy(&mut words, &mut std::io::sink()));
    }
    if let Some(mut words) = child.stderr.take() {
        std::thread::spawn(move || std::io::copy(&mut words, &mut std::io::sink()));
    }
    child.wait().unwrap().code().unwrap_or(-9)
}
