//! Guards and hooks of a definition → [`Guards`], judged against the other actions.

use std::collections::BTreeSet;

use callgate_definition::{
    ANY_STATE, ActionDefinition, ActionKind, AgentDefinition, Hook, Located, NextStates, OfferedDefinition,
    Problem, Problems, ProjectFiles,
};
use callgate_text::closest;

use super::compiler::Compiler;
use crate::bound::Bound;
use crate::guards::{AllowedValues, Guards};
use crate::output::Path;
use crate::written::pointer_to;
use callgate_schema::parameters::Parameters;

/// What stands before the name of a variable in a path of `allowed_values_from`.
const ROOT: &str = "$.variables";

impl Compiler<'_> {
    /// Compiles what the definition asks of the conversation; `parameters` are `None` where
    /// the schema is broken, which has been reported.
    pub(super) fn guards(&mut self, parameters: Option<&Parameters>, bind: &[Bound]) -> Guards {
        self.hook(parameters, bind);
        let definition = self.definition;
        let (allowed, available_in) = (self.allowed(parameters, bind), definition.available_in.clone());
        let leads = available_in.iter().flat_map(|states| self.leads(states)).collect();
        let only_after = self.only_after();
        Guards { max_calls: definition.max_calls, only_after, available_in, leads, allowed }
    }

    /// The other actions of this environment.
    fn others(&self) -> impl Iterator<Item = &Located<ActionDefinition>> {
        let (environment, own) = (self.around.environment, &self.located.name);
        self.around.actions.iter().filter(move |one| one.name != *own && is_in(one, environment))
    }

    /// The actions after whose success a conversation is in one of `states`.
    fn leads(&self, states: &[String]) -> Vec<String> {
        let leads = |one: &&Located<ActionDefinition>| {
            let next = one.definition.next_state.clone().map(NextStates::from).and_then(|next| next.success);
            one.definition.on.is_none() && next.is_some_and(|next| states.contains(&next))
        };
        self.others().filter(leads).map(|one| one.name.clone()).collect()
    }

    fn only_after(&mut self) -> Vec<String> {
        for (index, name) in self.definition.only_after.iter().enumerate() {
            if let Some(problem) = self.judge_first(&format!("/only_after/{index}"), name) {
                self.problems.push(problem);
            }
        }
        self.definition.only_after.clone()
    }

    /// What is wrong with `name` as an action that has to succeed before this one.
    fn judge_first(&mut self, pointer: &str, name: &str) -> Option<Problem> {
        let (around, own) = (self.around, self.located.name.as_str());
        let Some(found) = around.actions.iter().find(|one| one.name == name) else {
            let names: Vec<&String> =
                around.actions.iter().map(|one| &one.name).filter(|name| *name != own).collect();
            let hint = closest(name, &names).map(|near| format!("did you mean `{near}`?"));
            let message = format!("there is no action `{name}`");
            return Some(self.error(pointer, "unknown_action", message).maybe_hint(hint));
        };
        let never = |because: String| format!("this action can never be called: {because}");
        let message = if name == own {
            never("it waits for itself".to_owned())
        } else if found.definition.on == Some(Hook::End) {
            never(format!("`{name}` runs when the conversation ends"))
        } else if !is_in(found, around.environment) {
            never(format!("`{name}` is left out of environment `{}`", around.environment))
        } else {
            let cycle = self.way_back(name, &mut BTreeSet::new())?;
            never(format!("`{own}` waits for {}", cycle.join(", which waits for ")))
        };
        let hint = "an action of `only_after` must be one that can succeed before";
        Some(self.error(pointer, "unreachable_action", message).hint(hint))
    }

    /// The actions from `name` back to this one, each waiting for the next.
    fn way_back(&self, name: &str, seen: &mut BTreeSet<String>) -> Option<Vec<String>> {
        if !seen.insert(name.to_owned()) {
            return None;
        }
        let found = self.around.actions.iter().find(|one| one.name == name)?;
        let mut way = vec![format!("`{name}`")];
        if found.definition.only_after.contains(&self.located.name) {
            way.push(format!("`{}`", self.located.name));
            return Some(way);
        }
        let rest = found.definition.only_after.iter().find_map(|next| self.way_back(next, seen))?;
        way.extend(rest);
        Some(way)
    }

    fn allowed(&mut self, parameters: Option<&Parameters>, bind: &[Bound]) -> Vec<AllowedValues> {
        let mut allowed = Vec::new();
        for (parameter, text) in &self.definition.allowed_values_from {
            let pointer = pointer_to("/allowed_values_from", parameter);
            if let Some(parameters) = parameters {
                self.judge_parameter(&pointer, parameter, parameters, bind);
            }
            // A path that does not start with `$` is reported already.
            if !text.starts_with('$') {
                continue;
            }
            let compiled = match names_of(text) {
                Some(names) => Path::compile(text).map(|path| (path, names)),
                None => Err(format!("the path `{text}` does not begin with `{ROOT}.`")),
            };
            match compiled {
                Ok((path, names)) => {
                    let sources = self.sources(&pointer, &names);
                    allowed.push(AllowedValues { parameter: parameter.clone(), path, sources });
                }
                Err(message) => {
                    let hint = "a path looks like `$.variables.slots[*].id` (RFC 9535)";
                    let problem = self.error(&pointer, "invalid_jsonpath", message).hint(hint);
                    self.problems.push(problem);
                }
            }
        }
        allowed
    }

    fn judge_parameter(&mut self, pointer: &str, name: &str, parameters: &Parameters, bind: &[Bound]) {
        let problem = if bind.iter().any(|bound| bound.name == name) {
            let message = format!("`{name}` is bound: the model does not send it");
            self.error(pointer, "bound_parameter", message).hint("take it out of `allowed_values_from`")
        } else if !parameters.is_declared(name) && !parameters.is_open() {
            let names: Vec<&str> = parameters.names().collect();
            let hint = closest(name, &names).map(|near| format!("did you mean `{near}`?"));
            let message = format!("`{name}` is not a parameter of this action");
            self.error(pointer, "unknown_parameter", message).maybe_hint(hint)
        } else {
            return;
        };
        self.problems.push(problem);
    }

    /// The actions that set the variable that a path begins with; a warning where there is none.
    fn sources(&mut self, pointer: &str, names: &[&str]) -> Vec<String> {
        if names.is_empty() {
            return Vec::new();
        }
        let outputs = |one: &Located<ActionDefinition>| {
            one.definition.output_variables.iter().map(|output| output.name.clone()).collect::<Vec<_>>()
        };
        let sets = |one: &&Located<ActionDefinition>| {
            outputs(one).iter().any(|output| output.split('.').zip(names).all(|(one, other)| one == *other))
        };
        let setting: Vec<&Located<ActionDefinition>> = self.others().filter(sets).collect();
        let is_set = !setting.is_empty();
        let sources =
            setting.iter().filter(|one| one.definition.on.is_none()).map(|one| one.name.clone()).collect();
        if !is_set {
            let known: Vec<String> = self.others().flat_map(outputs).collect();
            let variable = names.join(".");
            let hint = closest(&variable, &known).map_or_else(
                || "right where the caller of the gateway sets it; else give an action an output variable of this name".to_owned(),
                |near| format!("did you mean `{ROOT}.{near}`?"),
            );
            let message = format!("no action has an output variable `{variable}`");
            let problem = self.warning(pointer, "unknown_variable", message).hint(hint);
            self.problems.push(problem);
        }
        sources
    }

    /// Judges an action that runs by itself: nobody fills in its parameters, and nobody calls it.
    fn hook(&mut self, parameters: Option<&Parameters>, bind: &[Bound]) {
        let Some(hook) = self.definition.on else { return };
        let on = hook.as_str();
        let mut strangers = vec!["max_calls", "only_after", "allowed_values_from", "available_in"];
        if hook == Hook::End {
            strangers.push("next_state");
        }
        for key in strangers {
            if self.document().value.get(key).is_some() {
                let at = self.document().at_key(&format!("/{key}"));
                let message = format!("`{key}` does not belong to an action with `on: {on}`");
                self.problems.push(
                    Problem::error(&self.document().file, at, "key_not_for_hook", message)
                        .hint("it runs by itself, once in a conversation"),
                );
            }
        }
        if self.definition.kind == ActionKind::Handover {
            let message = format!("a handover with `on: {on}` would hand nobody over");
            let problem = self.error("/on", "key_not_for_hook", message);
            self.problems.push(problem);
        }
        let is_bound = |name: &str| bind.iter().any(|bound| bound.name == name);
        let missing: Vec<String> = parameters
            .into_iter()
            .flat_map(|parameters| parameters.names().filter(|name| parameters.is_required(name)))
            .filter(|name| !is_bound(name))
            .map(|name| format!("`{name}`"))
            .collect();
        if !missing.is_empty() {
            let message = format!("nobody gives {} of an action with `on: {on}`", missing.join(", "));
            let hint = "set it under `bind`, such as \"{{.variables.caller_phone}}\"";
            let problem = self.error("/on", "unbound_parameter", message).hint(hint);
            self.problems.push(problem);
        }
    }
}

/// Whether the action is not left out of the environment.
pub(crate) fn is_in(action: &Located<ActionDefinition>, environment: &str) -> bool {
    let over = action.definition.environments.get(environment);
    over.and_then(|over| over.enabled) != Some(false)
}

/// The plain names with which a path into the variables begins: `slots` of
/// `$.variables.slots[*].id`. `None` where the path leads elsewhere.
fn names_of(path: &str) -> Option<Vec<&str>> {
    let rest = path.strip_prefix(ROOT)?;
    if !rest.starts_with(['.', '[']) || rest.starts_with("..") {
        return rest.starts_with("..").then(Vec::new);
    }
    let plain = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let end = rest.find('[').unwrap_or(rest.len());
    Some(rest[..end].split('.').skip(1).take_while(plain).collect())
}

/// Warns of states in `available_in` of actions and in `actions` of agents that no action leads to by `next_state`, and
/// that are not among `known`, the ones that the settings speak of.
pub fn check_states<'k>(
    files: &'k ProjectFiles,
    known: impl IntoIterator<Item = &'k String>,
    problems: &mut Problems,
) {
    let next = files.actions.iter().filter_map(|action| action.definition.next_state.clone());
    let next: Vec<NextStates> = next.map(NextStates::from).collect();
    let mut known: BTreeSet<&String> = known.into_iter().collect();
    known.extend(next.iter().flat_map(NextStates::all));
    let mut judge = |state: &String, file: &str, place: (usize, usize)| {
        if known.contains(state) {
            return;
        }
        let hint = closest(state, known.iter().copied()).map_or_else(
            || "where callers set it by `current_state`, name it in `states` of [conversations]".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("nothing leads to the state `{state}`");
        problems.push(Problem::warning(file, place, "unknown_state", message).hint(hint));
    };
    for Located { document, definition, .. } in &files.actions {
        for (index, state) in definition.available_in.iter().flatten().enumerate() {
            judge(state, &document.file, document.at_value(&format!("/available_in/{index}")));
        }
    }
    for Located { document, definition, .. } in &files.agents {
        for (at, state) in states_of(definition) {
            judge(state, &document.file, document.at_key(&at));
        }
    }
}

/// The states that an agent speaks of, and where.
fn states_of(agent: &AgentDefinition) -> Vec<(String, &String)> {
    let own = std::iter::once(("/actions".to_owned(), &agent.actions));
    let over = agent.environments.iter().filter_map(|(environment, over)| {
        let at = pointer_to("/environments", environment) + "/actions";
        Some((at, over.actions.as_ref()?))
    });
    let states = own.chain(over).filter_map(|(at, offered)| match offered {
        OfferedDefinition::ByState(states) => Some((at, states)),
        OfferedDefinition::All | OfferedDefinition::Named(_) => None,
    });
    let named =
        states.flat_map(|(at, states)| states.keys().map(move |state| (pointer_to(&at, state), state)));
    named.filter(|(_, state)| *state != ANY_STATE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_with_the_name_of_a_variable() {
        for (path, expected) in [
            ("$.variables.slots[*].id", Some(vec!["slots"])),
            ("$.variables.a.b", Some(vec!["a", "b"])),
            ("$.variables.a..id", Some(vec!["a"])),
            ("$.variables.*", Some(vec![])),
            ("$.variables['a']", Some(vec![])),
            ("$.variables..id", Some(vec![])),
            ("$.variables", None),
            ("$.variable.a", None),
            ("$.variables_of.a", None),
            ("$..id", None),
        ] {
            assert_eq!(names_of(path), expected, "{path}");
        }
    }
}
