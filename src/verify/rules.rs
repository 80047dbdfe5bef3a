//! Prometheus: whether the rules that run are those that were sent.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::http::Answer;
use super::prometheus::Envelope;
use super::verdict::{Verdict, count, few, json, see_log, unless_ok};
use super::{prometheus, promql, scalar};
use crate::plan::check::SentRule;

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    name: String,
    health: String,
    #[serde(default)]
    last_error: String,
    #[serde(default)]
    query: String,
    /// Seconds.
    #[serde(default)]
    duration: f64,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl Rule {
    /// How it differs from what was sent.
    fn differs(&self, sent: &SentRule) -> Option<String> {
        let name = format!("rule {} of group {}", sent.name, sent.group);
        if !promql::same(&sent.expr, &self.query) {
            let one_line = sent.expr.split_whitespace().collect::<Vec<_>>().join(" ");
            return Some(format!("{name}: query: sent {one_line}, running {}", self.query));
        }
        let lasts = if sent.lasts.is_empty() { "0s" } else { &sent.lasts };
        let running = Duration::try_from_secs_f64(self.duration).unwrap_or_default();
        if scalar::milliseconds(lasts).map(u128::from) != Some(running.as_millis()) {
            return Some(format!("{name}: for (duration): sent {lasts}, running {} s", running.as_secs()));
        }
        (self.labels != sent.labels)
            .then(|| format!("{name}: labels: sent {:?}, running {:?}", sent.labels, self.labels))
    }
}

/// Judges [`super::prometheus::RULES`]: exactly these groups with this many rules each run, each of `sent` means what was sent,
/// and none has an error.
///
/// A rule that was not evaluated yet holds: its group's interval may be longer than any deploy.
#[must_use]
pub fn rules(service: &str, groups: &[(String, usize)], sent: &[SentRule], answer: &Answer) -> Verdict {
    if let Some(verdict) = unless_ok(service, prometheus::RULES, answer) {
        return verdict;
    }
    let mut running = match json::<Envelope<Groups>>(service, prometheus::RULES, answer) {
        Ok(envelope) => envelope.data.groups,
        Err(verdict) => return verdict,
    };
    let total: usize = running.iter().map(|group| group.rules.len()).sum();
    let broken: Vec<String> = running
        .iter()
        .flat_map(|group| group.rules.iter().map(move |rule| (group, rule)))
        .filter(|(_, rule)| rule.health == "err")
        .map(|(group, rule)| {
            format!("rule {} of group {}: health is err: {}", rule.name, group.name, rule.last_error)
        })
        .collect();
    let waiting =
        running.iter().flat_map(|group| &group.rules).filter(|rule| rule.health == "unknown").count();
    let mut differences: Vec<String> = sent
        .iter()
        .filter_map(|sent| {
            // Several rules of a group may have one name: one that fits is enough.
            let mut of_name = running
                .iter()
                .filter(|group| group.name == sent.group)
                .flat_map(|group| &group.rules)
                .filter(|rule| rule.name == sent.name)
                .map(|rule| rule.differs(sent));
            // A group that is missing is told below, once.
            let Some(first) = of_name.next() else {
                return running
                    .iter()
                    .any(|group| group.name == sent.group)
                    .then(|| format!("no rule of group {} has the name {}", sent.group, sent.name));
            };
            if first.is_none() || of_name.any(|differs| differs.is_none()) { None } else { first }
        })
        .collect();
    for (name, expected) in groups {
        // Two files may each have a group of one name: one match uses one group up.
        let same = running.iter().position(|group| group.name == *name && group.rules.len() == *expected);
        match same.or_else(|| running.iter().position(|group| group.name == *name)) {
            None => differences.push(format!("no group has the name {name}")),
            Some(index) => {
                let found = running.remove(index).rules.len();
                if found != *expected {
                    differences
                        .push(format!("group {name} has {} instead of {expected}", count(found, "rule")));
                }
            }
        }
    }
    differences.extend(running.iter().map(|group| format!("group {} is not of this release", group.name)));
    if !differences.is_empty() {
        return Verdict::not_yet(
            few(&differences, 5),
            format!(
                "{service} runs other rules than those sent: see whether rule_files names the mounted folder, and whether its log tells of a failed reload. {}",
                see_log(service)
            ),
        )
        .with_detail(if differences.len() > 5 { differences } else { Vec::new() });
    }
    if !broken.is_empty() {
        return Verdict::not_yet(
            few(&broken, 3),
            "Correct the expression in the rules file; `promtool test rules` shows the same error.",
        );
    }
    let also = if waiting == 0 { String::new() } else { format!("; {waiting} not evaluated yet") };
    Verdict::Holds(format!("{} in {}{also}", count(total, "rule"), count(groups.len(), "group")))
}
