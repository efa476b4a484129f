//! Templates where they are written.

use callgate_definition::{Document, Problem, Problems};
use callgate_template::{Root, Site, Target, Template};
use serde_json::{Map, Value};

/// The place of a template in a file of the project.
#[derive(Clone, Copy)]
pub(crate) struct TemplateAt<'a> {
    pub(crate) document: &'a Document,
    pub(crate) pointer: &'a str,
}

impl TemplateAt<'_> {
    /// Parses the template; what is wrong with it is added to `problems`.
    pub(crate) fn parse(self, source: &str, target: Target, problems: &mut Problems) -> Option<Template> {
        match Template::parse(source, target) {
            Ok(template) => Some(template.standing_at(self.site())),
            Err(errors) => {
                for error in errors {
                    let place = self.place(error.line, error.column);
                    let problem =
                        Problem::error(&self.document.file, place, error.code.as_str(), error.message);
                    problems.push(problem.maybe_hint(error.hint));
                }
                None
            }
        }
    }

    /// Adds an error for each static variable that the template needs and `environment` lacks.
    pub(crate) fn check_static_variables(
        self,
        template: &Template,
        environment: &str,
        known: &Map<String, Value>,
        problems: &mut Problems,
    ) {
        let read = template.references().iter().filter(|one| one.root == Root::StaticVariables);
        for reference in read.filter(|one| !one.guarded) {
            let Some(name) = reference.path.first().filter(|name| !known.contains_key(*name)) else {
                continue;
            };
            let names: Vec<&String> = known.keys().collect();
            let hint = callgate_text::closest(name, &names).map_or_else(
                || format!("add `{name}` under [{environment}] in variables.toml"),
                |near| format!("did you mean `{near}`?"),
            );
            let message = format!("the static variable `{name}` is not set in environment `{environment}`");
            let place = self.place(reference.line, reference.column);
            let problem = Problem::error(&self.document.file, place, "missing_static_variable", message);
            problems.push(problem.hint(hint));
        }
    }

    fn site(self) -> Site {
        let place = self.document.place(self.pointer);
        let (start, is_block) = match place.text {
            Some(text) => ((text.line, text.column), text.block),
            None => (place.value, false),
        };
        Site { file: self.document.file.as_str().into(), start, is_block }
    }

    /// Line and column in the file of a place in the template.
    pub(crate) fn place(self, line: usize, column: usize) -> (usize, usize) {
        self.document.at_text(self.pointer, line, column)
    }
}
