//! Log lines on their way from a container to Loki, counted at both ends.

use std::time::Duration;

use super::{Lab, asked, is_healthy, percent_encoded, try_vps, vps, wait_for};

/// As many as wait after a collector stood still for a while on a busy server.
const LINES: u64 = 30_000;

/// A container of the VPS that is gone when the test ends, however it ends.
struct Container(&'static str);

impl Drop for Container {
    fn drop(&mut self) {
        try_vps(&format!(
            "docker rm -f {} >/dev/null; docker unpause $(docker ps -q --filter status=paused)",
            self.0
        ));
    }
}

#[test]
fn lines_that_waited_for_the_collector_arrive_each_and_once() {
    let lab = Lab::take();
    let container = Container("lab-lines");
    // Letters: digits could look like something that is redacted.
    let mark: String = (0..12).map(|_| char::from(rand::random_range(b'a'..=b'z'))).collect();
    vps("docker pause koprogo-monitoring-alloy-1 >/dev/null");
    vps(&format!(
        "docker run --name {} --network none --log-driver json-file --log-opt tag='{{{{.Name}}}}' --entrypoint busybox \
         $(docker inspect -f '{{{{.Config.Image}}}}' koprogo-frontend) \
         sh -c 'i=0; while [ $i -lt {LINES} ]; do i=$((i + 1)); echo line $i of {mark}; done' >/dev/null",
        container.0
    ));
    vps("docker unpause koprogo-monitoring-alloy-1 >/dev/null");
    let count = |condition: &str| {
        let query = format!("sum(count_over_time({{container=\"{}\"}} {condition} [1h]))", container.0);
        let answer = asked(&format!("http://loki:3100/loki/api/v1/query?query={}", percent_encoded(&query)));
        let value = answer["data"]["result"][0]["value"][1].as_str().map(str::to_owned);
        value.map_or(0, |value| value.parse::<u64>().unwrap())
    };
    let all = format!("|= `of {mark}`");
    // What was sent and not yet answered may be sent again, so the count stands still before it is believed.
    let mut before = 0;
    let mut still = 0;
    wait_for("all lines are in Loki", Duration::from_secs(120), || {
        let now = count(&all);
        still = if now == before { still + 1 } else { 0 };
        before = now;
        std::thread::sleep(Duration::from_millis(500));
        now >= LINES && still >= 4 || still >= 60
    });
    assert_eq!(before, LINES, "lines were lost, or came twice");
    assert_eq!(count(&format!("|~ `^line {LINES} of {mark}$`")), 1, "the last line is not as it was written");
    drop(container);
    is_healthy();
    drop(lab);
}
