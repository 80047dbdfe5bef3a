//! Streams of lines, in memory and bounded.

use std::collections::{BTreeMap, VecDeque};

use super::config::Limits;

/// The labels of a stream or a series.
pub(super) type Labels = BTreeMap<String, String>;

/// So many bytes of lines are kept; the oldest of the biggest stream go first. Real Loki keeps them on disk.
const CAPACITY: usize = 16 << 20;

/// Where Loki looks for a stream's `service_name`, the first that is there.
const SERVICE_NAMES: [&str; 9] =
    ["service", "app", "application", "app_name", "name", "container", "container_name", "component", "job"];

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Nanoseconds since 1970.
    pub(super) stamp: i64,
    pub(super) text: String,
    /// What belongs to the line and not to its stream.
    pub(super) metadata: Labels,
}

/// Why a line was not taken; Loki's own words for it, a label value of `loki_discarded_samples_total`.
pub(super) type Reason = &'static str;

/// All that was taken in.
pub(super) struct Store {
    limits: Limits,
    streams: BTreeMap<Labels, VecDeque<Line>>,
    bytes: usize,
    pub(super) counts: Counts,
    /// What may come in now, of all streams together and of each.
    all: Bucket,
    each: BTreeMap<Labels, Bucket>,
}

/// Bytes that may come in now, and when they were counted.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled: i64,
}

impl Bucket {
    /// Takes `size` bytes out of a bucket that fills at `rate` up to `burst`; whether there were as many.
    fn take(&mut self, size: usize, rate: f64, burst: f64, now: i64) -> bool {
        if rate <= 0.0 {
            return true;
        }
        #[allow(clippy::cast_precision_loss, reason = "a time difference and a size")]
        let (passed, size) = ((now - self.filled) as f64 / 1e9, size as f64);
        self.filled = now;
        self.tokens = (self.tokens + passed * rate).min(burst);
        let enough = self.tokens >= size;
        if enough {
            self.tokens -= size;
        }
        enough
    }
}

/// What `/metrics` tells of the store.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) lines: u64,
    pub(super) bytes: u64,
    pub(super) streams_created: u64,
    /// Lines and bytes by reason.
    pub(super) discarded: BTreeMap<Reason, (u64, u64)>,
}

impl Store {
    pub(super) fn new(limits: Limits) -> Self {
        let all = Bucket { tokens: limits.burst, filled: 0 };
        Self {
            limits,
            streams: BTreeMap::new(),
            bytes: 0,
            counts: Counts::default(),
            all,
            each: BTreeMap::new(),
        }
    }

    /// Takes a push at the moment `now`: all of it or, above the rate of all streams, nothing. A line that is refused
    /// for what it is does not keep the others from being taken. What is lost above the rate of a stream is told only
    /// of the last one, as Loki does (seen with 3.7.6).
    pub(super) fn push(
        &mut self,
        streams: Vec<(Labels, Vec<Line>)>,
        now: i64,
    ) -> Result<(), (Reason, String)> {
        let lines: usize = streams.iter().map(|(_, lines)| lines.len()).sum();
        let size: usize = streams.iter().flat_map(|(_, lines)| lines).map(|line| line.text.len()).sum();
        if !self.all.take(size, self.limits.rate, self.limits.burst, now) {
            self.discard("rate_limited", lines, size);
            let text = format!(
                "ingestion rate limit exceeded for user fake (limit: {} bytes/sec) while attempting to ingest \
                 '{lines}' lines totaling '{size}' bytes",
                self.limits.rate,
            );
            return Err(("rate_limited", text));
        }
        let (mut refused, mut last) = (None, None);
        for (labels, lines) in streams {
            last = self.push_stream(labels, lines, now).err();
            if last.as_ref().is_some_and(|(reason, _)| *reason != "per_stream_rate_limit") {
                refused = last.take();
            }
        }
        refused.or(last).map_or(Ok(()), Err)
    }

    /// Takes the lines of one stream. The last refusal of a line is told, the others are taken nevertheless.
    fn push_stream(
        &mut self,
        mut labels: Labels,
        lines: Vec<Line>,
        now: i64,
    ) -> Result<(), (Reason, String)> {
        let size: usize = lines.iter().map(|line| line.text.len()).sum();
        if self.limits.find_service_name && !labels.contains_key("service_name") {
            let name = SERVICE_NAMES.iter().find_map(|key| labels.get(*key)).cloned();
            labels.insert("service_name".to_owned(), name.unwrap_or_else(|| "unknown_service".to_owned()));
        }
        if !self.streams.contains_key(&labels) {
            if self.limits.streams > 0 && self.streams.len() >= self.limits.streams {
                self.discard("stream_limit", lines.len(), size);
                let text =
                    format!("maximum active stream limit exceeded when trying to create stream {labels:?}");
                return Err(("stream_limit", text));
            }
            self.counts.streams_created += 1;
        }
        let mut refused = Ok(());
        for mut line in lines {
            if let Err((reason, text)) = self.judge(&mut line, now) {
                self.discard(reason, 1, line.text.len());
                refused = Err((reason, text));
                continue;
            }
            let (rate, burst) = (self.limits.stream_rate, self.limits.stream_burst);
            let bucket = self.each.entry(labels.clone()).or_insert(Bucket { tokens: burst, filled: now });
            if !bucket.take(line.text.len(), rate, burst, now) {
                self.discard("per_stream_rate_limit", 1, line.text.len());
                let text = format!("Per stream rate limit exceeded (limit: {rate} bytes/sec) for {labels:?}");
                refused = Err(("per_stream_rate_limit", text));
                continue;
            }
            if self.limits.find_level && !line.metadata.contains_key("detected_level") {
                let level = labels.get("level").or_else(|| labels.get("detected_level"));
                line.metadata
                    .insert("detected_level".to_owned(), level.map_or("unknown", |it| it).to_owned());
            }
            self.counts.lines += 1;
            self.counts.bytes += line.text.len() as u64;
            self.bytes += line.text.len();
            let stream = self.streams.entry(labels.clone()).or_default();
            let at = stream.partition_point(|old| old.stamp <= line.stamp);
            stream.insert(at, line);
        }
        self.shrink();
        refused
    }

    fn judge(&self, line: &mut Line, now: i64) -> Result<(), (Reason, String)> {
        if self.limits.oldest.is_some_and(|oldest| now - line.stamp > oldest) {
            return Err((
                "greater_than_max_sample_age",
                format!("entry has timestamp too old: {}", line.stamp),
            ));
        }
        // Ten minutes ahead: Loki's creation_grace_period.
        if line.stamp > now + 600_000_000_000 {
            return Err(("too_far_in_future", format!("entry has timestamp too new: {}", line.stamp)));
        }
        let most = usize::try_from(self.limits.line_bytes).unwrap_or(usize::MAX);
        if most > 0 && line.text.len() > most {
            if !self.limits.truncate {
                return Err(("line_too_long", format!("max entry size {most} bytes exceeded")));
            }
            let end = (0..=most).rev().find(|end| line.text.is_char_boundary(*end)).unwrap_or(0);
            line.text.truncate(end);
        }
        Ok(())
    }

    fn discard(&mut self, reason: Reason, lines: usize, bytes: usize) {
        let count = self.counts.discarded.entry(reason).or_default();
        count.0 += lines as u64;
        count.1 += bytes as u64;
    }

    fn shrink(&mut self) {
        while self.bytes > CAPACITY {
            let size = |lines: &VecDeque<Line>| lines.iter().map(|line| line.text.len()).sum::<usize>();
            let Some(biggest) = self.streams.values_mut().max_by_key(|lines| size(lines)) else { return };
            let half = biggest.len() / 2 + 1;
            self.bytes -= biggest.drain(..half.min(biggest.len())).map(|line| line.text.len()).sum::<usize>();
        }
    }

    /// What the compactor does: lines beyond the retention go, and streams that are empty then.
    pub(super) fn retain(&mut self, now: i64) {
        if self.limits.retention > 0 {
            let oldest = now - self.limits.retention;
            for lines in self.streams.values_mut() {
                while lines.front().is_some_and(|line| line.stamp < oldest) {
                    self.bytes -= lines.pop_front().map_or(0, |line| line.text.len());
                }
            }
        }
        self.streams.retain(|_, lines| !lines.is_empty());
    }

    /// The streams and their lines, oldest first.
    pub(super) fn streams(&self) -> impl Iterator<Item = (&Labels, &VecDeque<Line>)> {
        self.streams.iter()
    }

    /// How many streams there are.
    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    pub(in super::super) fn line(stamp: i64, text: &str) -> Line {
        Line { stamp: stamp * 1_000_000_000, text: text.to_owned(), metadata: Labels::new() }
    }

    pub(in super::super) fn limits() -> Limits {
        Limits {
            streams: 2,
            line_bytes: 10,
            truncate: true,
            rate: 100.0,
            burst: 200.0,
            stream_rate: 0.0,
            stream_burst: 0.0,
            oldest: Some(1000 * 1_000_000_000),
            retention: 100 * 1_000_000_000,
            find_service_name: true,
            find_level: true,
        }
    }

    const NOW: i64 = 2000 * 1_000_000_000;

    #[test]
    fn adds_what_loki_adds_and_keeps_lines_in_order() {
        let mut store = Store::new(limits());
        store
            .push(vec![(labels(&[("job", "docker")]), vec![line(1990, "b"), line(1980, "a")])], NOW)
            .unwrap();
        let (stream, lines) = store.streams().next().unwrap();
        assert_eq!(stream["service_name"], "docker");
        assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(lines[0].metadata["detected_level"], "unknown");
    }

    #[test]
    fn every_limit_counts_under_its_reason() {
        let mut store = Store::new(limits());
        let mut push = |job: &str, lines: Vec<Line>| store.push(vec![(labels(&[("job", job)]), lines)], NOW);
        assert_eq!(push("a", vec![line(10, "x")]).unwrap_err().0, "greater_than_max_sample_age");
        assert_eq!(push("a", vec![line(3000, "x")]).unwrap_err().0, "too_far_in_future");
        push("a", vec![line(1990, "0123456789abc")]).unwrap();
        push("b", vec![line(1990, "x")]).unwrap();
        assert_eq!(push("c", vec![line(1990, "x")]).unwrap_err().0, "stream_limit");
        assert_eq!(push("a", vec![line(1990, &"x".repeat(500))]).unwrap_err().0, "rate_limited");
        assert_eq!(store.counts.discarded["rate_limited"], (1, 500));
        assert_eq!(store.counts.discarded.len(), 4);
        assert_eq!(store.streams().next().unwrap().1[0].text, "0123456789");
        let mut strict = Store::new(Limits { truncate: false, ..limits() });
        let refused = strict.push(vec![(labels(&[("job", "a")]), vec![line(1990, "0123456789abc")])], NOW);
        assert_eq!(refused.unwrap_err().0, "line_too_long");
    }

    #[test]
    fn a_push_above_the_rate_is_refused_whole() {
        let mut store = Store::new(limits());
        let long = |text: &str| vec![line(1990, &text.repeat(150))];
        let push = vec![(labels(&[("job", "a")]), long("a")), (labels(&[("job", "b")]), long("b"))];
        assert_eq!(store.push(push, NOW).unwrap_err().0, "rate_limited");
        assert_eq!((store.len(), store.counts.discarded["rate_limited"]), (0, (2, 300)));
    }

    /// What a stream loses is told only where no other comes after it in the push.
    #[test]
    fn what_is_lost_above_a_streams_rate_is_told_of_the_last_alone() {
        let mut store = Store::new(Limits { rate: 0.0, stream_rate: 10.0, stream_burst: 10.0, ..limits() });
        let much = || vec![line(1990, "01234567"), line(1991, "89")];
        let little = || vec![line(1990, "x")];
        let push = vec![(labels(&[("job", "a")]), much()), (labels(&[("job", "b")]), little())];
        store.push(push.clone(), NOW).unwrap();
        store.push(push, NOW).unwrap();
        assert_eq!(store.counts.discarded["per_stream_rate_limit"], (2, 10));
        let lines: usize = store.streams().map(|(_, lines)| lines.len()).sum();
        assert_eq!(lines, 4);
        let alone = store.push(vec![(labels(&[("job", "a")]), much())], NOW);
        assert_eq!(alone.unwrap_err().0, "per_stream_rate_limit");
    }

    #[test]
    fn the_bucket_fills_again() {
        let mut store = Store::new(limits());
        let long = || Line { text: "x".repeat(150), ..line(1990, "") };
        let mut push = |now: i64| store.push(vec![(labels(&[("job", "a")]), vec![long()])], now);
        push(NOW).unwrap();
        assert!(push(NOW).is_err());
        push(NOW + 2_000_000_000).unwrap();
    }

    #[test]
    fn retention_takes_lines_and_empty_streams() {
        let mut store = Store::new(limits());
        store.push(vec![(labels(&[("job", "a")]), vec![line(1890, "old"), line(1990, "new")])], NOW).unwrap();
        store.push(vec![(labels(&[("job", "b")]), vec![line(1890, "old")])], NOW).unwrap();
        store.retain(NOW);
        assert_eq!(store.len(), 1);
        assert_eq!(store.streams().next().unwrap().1[0].text, "new");
    }
}
