//! Renders the templates of a stack with tera.

use std::collections::BTreeMap;

use tera::{Context, ErrorKind, Kwargs, State, Tera, TeraResult};

use super::keys;
use crate::error::{Place, Problem};
use crate::secrets::token;
use crate::yaml::{Value, suggestion};

/// The ending of a template's name; the rendered file has none.
pub(super) const SUFFIX: &str = ".tera";

/// The name under which templates other than the compose file find what the compose file declares: a list of
/// `{name, container, one_shot}`.
pub(super) const SERVICES: &str = "services";

/// A stack's templates, parsed, and what is wrong with those that cannot be rendered.
pub(super) struct Templates<'a> {
    folder: &'a str,
    texts: &'a BTreeMap<String, String>,
    tera: Tera,
    good: Vec<&'a str>,
    problems: Vec<Problem>,
}

impl<'a> Templates<'a> {
    /// Parses the templates and looks for what is wrong whatever the values are: syntax, names that nothing
    /// defines. `texts` maps the path in the stack (with suffix) to its text, `folder` names the stack in
    /// messages (`stack/monitoring`), `values` are looked at for their names only.
    ///
    /// # Errors
    /// What keeps all of them from being rendered.
    pub(super) fn prepare(
        folder: &'a str,
        texts: &'a BTreeMap<String, String>,
        values: &BTreeMap<String, Value>,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut tera = engine();
        // All at once: a template may include another. One that does not parse hides the others' mistakes only
        // if it is included by them, so each is tried alone first.
        let mut good: Vec<(&str, &str)> = Vec::new();
        for (path, text) in texts {
            match engine().add_raw_template(path, text) {
                Err(error) if matches!(error.kind(), ErrorKind::SyntaxError(_)) => {
                    problems.push(problem(folder, path, texts, &error));
                }
                _ => good.push((path, text)),
            }
        }
        if let Err(error) = tera.add_raw_templates(good.clone()) {
            let first = good.first().map_or("", |(path, _)| path);
            problems.push(problem(folder, first, texts, &error));
            return Err(problems);
        }
        let mut with_services = values.clone();
        with_services.insert(SERVICES.to_owned(), Value::Sequence(Vec::new()));
        good.retain(|(path, text)| {
            let values = if is_compose_file(path) { values } else { &with_services };
            let mut unknown = unknown_variables(&tera, folder, path, text, values);
            unknown.extend(keys::unknown(&format!("{folder}/{path}"), text, values));
            let is_good = unknown.is_empty();
            problems.extend(unknown);
            is_good
        });
        let good = good.into_iter().map(|(path, _)| path).collect();
        Ok(Self { folder, texts, tera, good, problems })
    }

    /// Renders those templates whose path `which` takes: text by path without suffix. What fails is kept as a
    /// problem.
    pub(super) fn render(
        &mut self,
        which: impl Fn(&str) -> bool,
        values: &BTreeMap<String, Value>,
    ) -> BTreeMap<String, String> {
        let mut context = Context::new();
        for (name, value) in values {
            context.insert(name.clone(), value);
        }
        let mut rendered = BTreeMap::new();
        for path in self.good.iter().filter(|path| which(path)) {
            match self.tera.render(path, &context) {
                Ok(text) => {
                    let path = path.strip_suffix(SUFFIX).unwrap_or(path);
                    rendered.insert(path.to_owned(), text);
                }
                Err(error) => self.problems.push(problem(self.folder, path, self.texts, &error)),
            }
        }
        rendered
    }

    /// Each template's first mistake, and every variable that is not known, with file, line and column.
    pub(super) fn problems(self) -> Vec<Problem> {
        self.problems
    }
}

/// Whether a path of a stack, with or without the templates' suffix, is its compose file.
pub(super) fn is_compose_file(path: &str) -> bool {
    let name = path.strip_suffix(SUFFIX).unwrap_or(path);
    !name.contains('/')
        && (name.starts_with("docker-compose.") || name.starts_with("compose."))
        && super::is_yaml(name)
}

fn engine() -> Tera {
    let mut tera = Tera::new();
    tera.autoescape_on(Vec::<&str>::new());
    tera.register_function("secret", |arguments: Kwargs, _: &State| -> TeraResult<String> {
        let name: &str = arguments.must_get("name")?;
        Ok(token::token(name))
    });
    // A JSON text on one line is a YAML flow value too, with every string quoted.
    tera.register_filter("yaml", json_filter);
    tera.register_filter("json", json_filter);
    tera
}

#[allow(clippy::needless_pass_by_value)] // the shape that tera asks for
fn json_filter(value: tera::Value, _: Kwargs, _: &State) -> TeraResult<String> {
    serde_json::to_string(&value).map_err(tera::Error::message)
}

/// tera renders an undefined variable inside `~` as empty text, so all names are checked beforehand.
fn unknown_variables(
    tera: &Tera,
    folder: &str,
    path: &str,
    text: &str,
    values: &BTreeMap<String, Value>,
) -> Vec<Problem> {
    let known: Vec<&str> = values.keys().map(String::as_str).collect();
    let Ok(used) = tera.get_template_variables(path) else { return Vec::new() };
    let mut unknown: Vec<&str> = used.into_iter().filter(|name| !values.contains_key(*name)).collect();
    unknown.sort_unstable();
    unknown
        .into_iter()
        .map(|name| {
            let (line, column) = find_word(text, name).unwrap_or((1, 0));
            let hint = match suggestion(name, &known) {
                _ if name == SERVICES => {
                    "It is what this file declares: only the other templates know it.".to_owned()
                }
                near if near.starts_with("Did") => near,
                _ => format!("Declare it in {folder}/{}.", super::variables::FILE),
            };
            let place = Place::at(format!("{folder}/{path}"), text, line, column);
            Problem::new(place, format!("the variable `{name}` is not defined"), hint)
        })
        .collect()
}

/// Line and column of `word` inside a tag of `text`.
fn find_word(text: &str, word: &str) -> Option<(usize, usize)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.lines().enumerate().find_map(|(index, line)| {
        if !line.contains("{{") && !line.contains("{%") {
            return None;
        }
        line.match_indices(word).find_map(|(at, _)| {
            let before = line[..at].chars().next_back().is_some_and(|c| is_word(c) || c == '.');
            let after = line[at + word.len()..].chars().next().is_some_and(is_word);
            (!before && !after).then_some((index + 1, line[..at].chars().count() + 1))
        })
    })
}

fn problem(folder: &str, path: &str, templates: &BTreeMap<String, String>, error: &tera::Error) -> Problem {
    match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
            let file = if templates.contains_key(report.filename()) { report.filename() } else { path };
            let text = templates.get(file).map_or("", String::as_str);
            let span = report.span();
            let place = Place::at(format!("{folder}/{file}"), text, span.start_line, span.start_col + 1);
            Problem::new(place, fragment(report.message()), "")
        }
        other => {
            let text = other.to_string();
            let what = fragment(text.lines().next().unwrap_or_default().trim_start_matches("error: "));
            Problem::new(
                pointed_at(folder, templates, &text)
                    .unwrap_or_else(|| Place::file(format!("{folder}/{path}"))),
                what,
                "",
            )
        }
    }
}

/// tera's sentence as a lower-case fragment.
fn fragment(message: &str) -> String {
    let message = message.trim_end_matches('.');
    let mut letters = message.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The place in a report that tera hands out as text only: its line `--> file:line:column`.
fn pointed_at(folder: &str, templates: &BTreeMap<String, String>, report: &str) -> Option<Place> {
    let place = report.lines().find_map(|line| line.trim_start().strip_prefix("--> "))?;
    let mut parts = place.rsplitn(3, ':');
    let column = parts.next()?.parse().ok()?;
    let line = parts.next()?.parse().ok()?;
    let file = parts.next()?;
    Some(Place::at(format!("{folder}/{file}"), templates.get(file)?, line, column))
}

#[cfg(test)]
// A few short texts: clearness before speed.
#[allow(clippy::format_collect)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> Result<String, String> {
        let values = BTreeMap::from([
            ("interval".to_owned(), Value::from("15s")),
            ("odd".to_owned(), serde_yaml::from_str("{a: 'x: \"y\"'}").unwrap()),
        ]);
        let templates = BTreeMap::from([("a.yml.tera".to_owned(), text.to_owned())]);
        let shown = |problems: Vec<Problem>| -> String {
            problems.iter().map(|p| format!("{}: {} | {}\n", p.place, p.what, p.hint)).collect()
        };
        let mut templates = Templates::prepare("stack/m", &templates, &values).map_err(shown)?;
        let mut files = templates.render(|_| true, &values);
        files.remove("a.yml").ok_or_else(|| shown(templates.problems()))
    }

    #[test]
    fn values_filters_and_placeholders_are_rendered() {
        assert_eq!(rendered("a: {{ interval }}").unwrap(), "a: 15s");
        assert_eq!(rendered("a: {{ odd | yaml }}").unwrap(), r#"a: {"a":"x: \"y\""}"#);
        assert_eq!(rendered("{{ secret(name='x') }}").unwrap(), token::token("x"));
        assert_eq!(
            rendered("{% for i in [1, 2] %}{{ i }}{% endfor %}{% set b = 3 %}{{ b }}").unwrap(),
            "123"
        );
    }

    #[test]
    fn an_undefined_variable_is_an_error_also_inside_a_concatenation() {
        insta::assert_snapshot!(rendered("x\n{{ 'a' ~ intervall }}").unwrap_err(), @"stack/m/a.yml.tera:2:10: the variable `intervall` is not defined | Did you mean `interval`?");
    }

    #[test]
    fn a_syntax_error_has_its_place() {
        insta::assert_snapshot!(rendered("x\n{{ interval ").unwrap_err(), @"stack/m/a.yml.tera:2:12: unexpected end of input |");
    }
}
