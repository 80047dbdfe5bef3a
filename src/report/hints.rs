//! Commands in our texts, completed so that they work as they are printed: with the environment, and the project's folder
//! where that was named.

/// The commands whose first word is an environment, which may be left out where it is the default.
const WITH_ENVIRONMENT: [&str; 12] = [
    "bootstrap",
    "check",
    "deploy",
    "history",
    "logs",
    "plan",
    "rollback",
    "status",
    "trust",
    "tunnel",
    "unlock",
    "verify",
];

/// What this run was about.
#[derive(Debug, Clone, Default)]
pub struct Here {
    /// The environment, where there is one.
    pub environment: Option<String>,
    /// All environments of the project.
    pub environments: Vec<String>,
    /// `-C DIR`, where it was given.
    pub directory: Option<String>,
}

impl Here {
    /// `text` with each command in backticks completed.
    #[must_use]
    pub fn complete(&self, text: &str) -> String {
        let begin = "`provision ";
        if !text.contains(begin) {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len() + 16);
        let mut rest = text;
        while let Some(at) = rest.find(begin) {
            let (before, command) = rest.split_at(at + begin.len());
            out.push_str(before);
            let end = command.find('`').unwrap_or(command.len());
            out.push_str(&self.command(&command[..end]));
            rest = &command[end..];
        }
        out.push_str(rest);
        out
    }

    /// The words after `provision`.
    fn command(&self, words: &str) -> String {
        let mut all: Vec<String> = words.split(' ').map(str::to_owned).collect();
        if all.contains(&"…".to_owned()) {
            return words.to_owned();
        }
        if let Some(environment) = &self.environment {
            for word in all.iter_mut().filter(|word| matches!(word.as_str(), "ENV" | "ENVIRONMENT")) {
                word.clone_from(environment);
            }
            let named = all[1..].iter().find(|word| !word.starts_with('-'));
            let names_one = named.is_some_and(|word| self.environments.contains(word) || word == environment);
            if WITH_ENVIRONMENT.contains(&all[0].as_str()) && !names_one {
                all.insert(1, environment.clone());
            }
        }
        if let Some(directory) = &self.directory
            && all[0] != "-C"
        {
            let directory = if directory.contains(|c: char| c.is_whitespace() || "'\"$`\\".contains(c)) {
                format!("'{}'", directory.replace('\'', "'\\''"))
            } else {
                directory.clone()
            };
            all.insert(0, format!("-C {directory}"));
        }
        all.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_completed_and_one_that_is_whole_stays() {
        let here = Here {
            environment: Some("lab".to_owned()),
            environments: vec!["lab".to_owned(), "prod".to_owned()],
            directory: None,
        };
        let texts = [
            "Run `provision deploy`, or `provision plan prod`.",
            "`provision logs grafana` and `provision logs prod grafana`",
            "`provision plan --detailed-exitcode`, `provision history ENV -n 50`",
            "`provision secrets set prod x`, `provision -C DIR …`, `provision schema`, `provision secrets edit ENVIRONMENT`",
            "`provision deploy",
            "nothing",
        ];
        insta::assert_snapshot!(texts.map(|text| here.complete(text)).join("\n"), @r"
        Run `provision deploy lab`, or `provision plan prod`.
        `provision logs lab grafana` and `provision logs prod grafana`
        `provision plan lab --detailed-exitcode`, `provision history lab -n 50`
        `provision secrets set prod x`, `provision -C DIR …`, `provision schema`, `provision secrets edit lab`
        `provision deploy lab
        nothing
        ");
        let elsewhere = Here { directory: Some("/srv/a b".to_owned()), ..here };
        assert_eq!(elsewhere.complete("`provision deploy`"), "`provision -C '/srv/a b' deploy lab`");
        assert_eq!(Here::default().complete("`provision deploy`"), "`provision deploy`");
    }
}
