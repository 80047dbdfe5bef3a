//! What `provision verify` leaves out, and the budget that it measures against.

use super::layer::VerifyLayer;
use super::merge::Wrong;
use super::units;

/// What the stack may use on a host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Bytes of memory that is not page cache, all containers together.
    pub memory: u64,
    /// Percent of all CPUs of the host over a window.
    pub cpu_percent: f64,
    /// Bytes of its volumes together.
    pub disk: u64,
}

/// How the running stack is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Verify {
    /// Patterns of checks that are not asked.
    pub skip: Vec<String>,
    /// What the stack may use.
    pub budget: Budget,
}

/// Puts the two layers together.
pub(super) fn verify(base: &VerifyLayer, over: &VerifyLayer) -> Result<Verify, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let mut size = |key, over: &Option<String>, base: &Option<String>, default: &str| {
        let text = over.as_deref().or(base.as_deref()).unwrap_or(default);
        units::size(text).unwrap_or_else(|| {
            wrong.push((key, format!("`{text}` is not a size"), "Like 500MB or 15GB."));
            0
        })
    };
    let memory = size("memory", &over.memory, &base.memory, "500MB");
    let disk = size("disk", &over.disk, &base.disk, "15GB");
    let cpu_percent = over.cpu_percent.or(base.cpu_percent).unwrap_or(5.0);
    if !(cpu_percent > 0.0 && cpu_percent <= 100.0) {
        let hint = "Percent of all CPUs of the host: above 0, at most 100.";
        wrong.push(("cpu_percent", format!("{cpu_percent} is not a share of the CPUs"), hint));
    }
    let skip = over.skip.clone().or_else(|| base.skip.clone()).unwrap_or_default();
    if wrong.is_empty() {
        Ok(Verify { skip, budget: Budget { memory, cpu_percent, disk } })
    } else {
        Err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_wins_and_what_is_wrong_is_named() {
        let layer = |text: &str| serde_yaml::from_str::<VerifyLayer>(text).unwrap();
        let found = verify(&layer("{memory: 1GB, skip: [a]}"), &layer("{memory: 600MB}")).unwrap();
        assert_eq!((found.budget.memory, found.skip.as_slice()), (600 << 20, &["a".to_owned()][..]));
        assert_eq!(found.budget.disk, 15 << 30);
        let wrong = verify(&layer("{disk: 15}"), &layer("{cpu_percent: 0}")).unwrap_err();
        insta::assert_snapshot!(format!("{wrong:?}"), @r#"[("disk", "`15` is not a size", "Like 500MB or 15GB."), ("cpu_percent", "0 is not a share of the CPUs", "Percent of all CPUs of the host: above 0, at most 100.")]"#);
    }
}
