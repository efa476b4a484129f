//! One request as somebody wrote it (a curl line, an item of a collection, an
//! API step) → an action.

mod plain;
mod known;
mod lowering;
mod wall;
mod thing;
mod url;
mod meaning;
mod body;
mod graphql;
mod optional;
mod credentials;
mod speech;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use callgate_action::secret_like;

use super::bundle::Bundle;
use super::draft::{ActionDraft, BodyDraft};
use super::names::{self, Called, Taken};
use super::placeholder::{self, Meaning, Notation, Step};
use super::selection::Candidate;
use super::{describe, infer};

pub(super) use self::credentials::{connector_keys, is_idempotency_key};
pub(super) use self::known::Known;
pub(super) use self::plain::{
    Graphql, NamedConnector, PathVariable, PlainBody, PlainPart, PlainRequest, PlainTexts, Refusal,
};
pub(super) use self::url::{host, pairs};

use self::lowering::Lowering;
use self::meaning::{dotted, meaning};

/// Adds an action for `request`, or a note that says why there is none.
pub(super) fn lower(bundle: &mut Bundle<'_>, request: PlainRequest) {
    let tags: Vec<&str> = request.tags.iter().map(String::as_str).collect();
    let name = name(&request, &tags, bundle);
    let (method, path) = (url::method(&request), url::path(&request));
    let candidate = Candidate { name: &name, tags: &tags, method: &method, path: &path };
    if !bundle.is_wanted(candidate) {
        return;
    }
    let place = request.place.clone();
    let before = bundle.report.notes.len();
    let mut lowering = Lowering {
        draft: ActionDraft { place: place.clone(), name, ..ActionDraft::default() },
        request: &request,
        bundle,
        taken: Taken::default(),
        variables: BTreeSet::new(),
        has_connector: false,
        in_query: Vec::new(),
        query_secrets: Vec::new(),
        binds: false,
    };
    match lowering.run() {
        Ok(()) => {
            let draft = lowering.draft;
            bundle.actions.push(draft);
        }
        Err(Refusal(code, message, hint)) => {
            let name = lowering.draft.name;
            bundle.report.notes.truncate(before);
            bundle.refuse_action(&place, &name, code, message, hint);
        }
    }
}

/// What the tool is called. Names that an author gave to a tool stay; items of a collection are named
/// for people who see their folder.
fn name(request: &PlainRequest, folders: &[&str], bundle: &mut Bundle<'_>) -> String {
    let (method, path) = url::called(request);
    let called = Called { name: request.name.trim(), method: &method, path: &path, groups: folders };
    let name = match request.infers {
        true => called.tool(),
        false => Some(names::tool(&request.name))
            .filter(|_| names::is_nameable(&request.name))
            .unwrap_or_else(|| called.tool()),
    };
    let is_taken = request.infers && bundle.tools.contains(&name);
    bundle.tools.unique_tool(&if is_taken { called.tool_of_group() } else { name })
}

/// Whether what nothing places travels in the query.
fn is_without_body(method: &str) -> bool {
    matches!(method, "GET" | "DELETE" | "HEAD" | "OPTIONS")
}

/// What messages call a segment of the path.
const PATH: &str = "the path";

impl Lowering<'_, '_, '_> {
    fn run(&mut self) -> Result<(), Refusal> {
        let request = self.request;
        self.draft.parameters = request.parameters.clone();
        for name in request.parameters.properties.keys() {
            self.taken.insert(name);
        }
        self.draft.output_variables.clone_from(&request.output_variables);
        self.draft.success_when = request.success_when.map(str::to_owned);
        self.draft.timeout_ms = request.timeout_ms.map(|timeout| timeout.clamp(1, 300_000));
        self.method()?;
        wall::refuse_token_request(request)?;
        let base_url = self.bundle.options.base_url.as_deref().filter(|_| !request.is_elsewhere);
        let parts = url::split(request, base_url)?;
        if let Some(product) = url::hook(&parts.origin, &parts.path) {
            return Err(wall::secret_in_path(&format!(
                "the address of a webhook of {product} is a secret itself"
            )));
        }
        self.draft.connection = self.bundle.connection(&parts.origin, "");
        self.describe();
        for (theirs, ours) in &request.renamed {
            let message = format!("the output variable `{theirs}` is called `{ours}`");
            self.note_lossy("renamed", message, "read it under that name, in prompts as well");
        }
        for (code, message, hint) in &request.losses {
            self.note_lossy(code, message.clone(), hint);
        }
        self.strip_schemas();
        self.bound()?;
        self.speech();
        self.in_query = parts.query.iter().chain(&request.query).map(|(name, _)| name.clone()).collect();
        self.bodied()?;
        self.path(&parts.path)?;
        let pairs: Vec<(String, String)> = parts.query.iter().chain(&request.query).cloned().collect();
        let pairs = self.credentials(parts.userinfo, pairs)?;
        self.queried(pairs)?;
        let is_secret = |name: &&String| self.query_secrets.iter().any(|(known, _)| known == *name);
        for name in request.in_query.iter().filter(|name| !is_secret(name)) {
            self.draft.query.insert(name.clone(), json!(placeholder::parameter(&[name])));
        }
        for (header, name) in &request.in_headers {
            self.draft.headers.insert(header.clone(), json!(placeholder::parameter(&[name])));
        }
        for (header, wish) in &request.secret_headers {
            let secret = self.own_secret(if wish.is_empty() { header } else { wish }, None, "");
            self.draft.headers.insert(header.clone(), secret);
        }
        let is_lost = |wire: &String, value: &Value| {
            let own =
                self.draft.parameters.properties.contains_key(wire) || self.draft.bind.contains_key(wire);
            own && *value != json!(placeholder::parameter(&[wire]))
        };
        if matches!(self.draft.body, BodyDraft::Flat)
            && self.draft.query.iter().any(|(wire, value)| is_lost(wire, value))
        {
            return Err(Refusal(
                "name_conflict",
                "a query parameter and a parameter of the body have the same name".to_owned(),
                "write this action by hand, with `body`",
            ));
        }
        if self.bundle.shows_secret(&Value::Object(self.draft.definition(None))) {
            return Err(Refusal(
                "secret_twice",
                "a secret of the request stands in another place of it as well".to_owned(),
                "take it out there, or write this action by hand",
            ));
        }
        if let Some(refusal) = wall::find(&self.draft) {
            return Err(refusal);
        }
        self.tell_variables();
        Ok(())
    }

    fn method(&mut self) -> Result<(), Refusal> {
        let default = if self.request.body.is_empty() { "GET" } else { "POST" };
        let method = self.request.method.as_deref().unwrap_or(default).trim().to_ascii_uppercase();
        if !["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].contains(&method.as_str()) {
            let message = format!(
                "the method `{}` is not one an action has",
                method.chars().take(20).collect::<String>()
            );
            return Err(Refusal(
                "unsupported_method",
                message,
                "use GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS",
            ));
        }
        self.draft.method = method;
        Ok(())
    }

    fn describe(&mut self) {
        let source = &self.request.description;
        let described = match self.request.is_for_model {
            true => {
                let (text, length) = describe::whole(source);
                if let Some(length) = length {
                    let kept = text.chars().count();
                    self.note_lossy(
                        "description_cut",
                        format!("of the {length} characters of the description, {kept} are kept: all that every provider takes"),
                        "say it in fewer words; what is cut may be a rule that the model must keep",
                    );
                }
                text
            }
            false => {
                if describe::is_cut(source) {
                    self.bundle.cut.push(self.draft.name.clone());
                }
                describe::text(source)
            }
        };
        if described.is_empty() {
            // A name in other letters says more than how it sounds.
            let name = Some(&self.request.name).filter(|name| !name.is_ascii()).unwrap_or(&self.draft.name);
            self.draft.description = infer::sentence(name);
            self.note_todo(
                "no_description",
                "has no description; one is made of its name",
                "say what it does and when to use it",
            );
        } else {
            self.draft.description = described;
        }
    }

    pub(super) fn note_lossy(&mut self, code: &'static str, message: impl Into<String>, hint: &str) {
        let (place, name) = (self.draft.place.clone(), self.draft.name.clone());
        self.bundle.lossy(&place, &name, code, message, hint);
    }

    pub(super) fn note_todo(&mut self, code: &'static str, message: impl Into<String>, hint: &str) {
        let (place, name) = (self.draft.place.clone(), self.draft.name.clone());
        self.bundle.todo(&place, &name, code, message, hint);
    }

    fn tell_variables(&mut self) {
        if self.variables.is_empty() {
            return;
        }
        let list: Vec<String> = self.variables.iter().map(|name| format!("`{name}`")).collect();
        let message = format!("reads {} of the conversation", list.join(", "));
        self.note_todo(
            "variables",
            message,
            "send them under `variables` of the call, or declare them as parameters",
        );
    }

    /// Converts the placeholders of `text`, which stands at `what`.
    pub(super) fn convert(
        &mut self,
        text: &str,
        what: &str,
        json: bool,
    ) -> Result<placeholder::Converted, Refusal> {
        self.convert_as(text, what, Notation { single: self.request.single, json })
    }

    /// [`Self::convert`] in another notation than the source's own.
    pub(super) fn convert_as(
        &mut self,
        text: &str,
        what: &str,
        notation: Notation,
    ) -> Result<placeholder::Converted, Refusal> {
        let (request, draft, taken, variables, binds) =
            (self.request, &mut self.draft, &mut self.taken, &mut self.variables, self.binds);
        let mut secret = None;
        let converted = placeholder::convert(text, notation, &mut |steps, spot| {
            let name = dotted(steps);
            if request.known.is_secret(&name) {
                secret = Some(name);
            }
            meaning(request, draft, taken, variables, steps, spot, binds)
        });
        if let Some(name) = secret {
            let message = format!("the variable `{}`, which {what} holds,", placeholder::short(&name));
            return Err(match what {
                PATH => wall::secret_in_path(&format!("{message} looks like a secret")),
                _ => wall::secret_in_body(&message),
            });
        }
        match converted {
            Ok(converted) => {
                for loss in &converted.losses {
                    self.note_lossy(
                        "placeholder",
                        format!("{what}: {loss}"),
                        "change the value where it is used, or upstream",
                    );
                }
                Ok(converted)
            }
            Err(unsupported) => Err(Refusal(
                "placeholder",
                format!("{what}: {}", unsupported.message),
                "write this action by hand; templates know if, with, eq and the like",
            )),
        }
    }

    /// The text of `text` where all its placeholders are known, and the name of
    /// the first one that is not.
    pub(super) fn known(&self, text: &str) -> (Option<String>, Option<String>) {
        let request = self.request;
        let notation = Notation { single: request.single, json: false };
        let mut unknown = None;
        let mut clear = String::new();
        let converted =
            placeholder::convert(text, notation, &mut |steps, _| match request.known.get(&dotted(steps)) {
                Some(known) => Meaning::Text(known.to_owned()),
                None => {
                    let last = steps.iter().rev().find_map(|step| match step {
                        Step::Key(key) => Some(key.clone()),
                        Step::Index(_) => None,
                    });
                    unknown = unknown.take().or(last);
                    Meaning::Variable(steps.to_vec())
                }
            });
        match converted {
            Ok(converted) if unknown.is_none() => {
                // Braces of plain text were written as actions.
                clear.push_str(&converted.template.replace("{{\"{{\"}}", "{{"));
                (Some(clear), None)
            }
            Ok(_) => (None, unknown),
            Err(_) => (None, Some("value".to_owned())),
        }
    }

    /// A new parameter for the value that the source calls `wire`.
    pub(super) fn parameter(&mut self, wire: &str, schema: Value) -> String {
        let name = self.taken.unique(&names::parameter(wire), 64);
        self.draft.parameters.add(&name, schema, true);
        name
    }

    /// A new parameter for a query parameter, a header or a field, with what the source says of it.
    pub(super) fn parameter_like(&mut self, wire: &str, example: &Value) -> String {
        let mut schema = infer::schema(wire, example);
        if let Some(described) = self.request.descriptions.get(wire) {
            schema["description"] = json!(described);
        }
        let name = self.parameter(wire, schema);
        if self.request.optional.contains(wire) {
            self.draft.parameters.required.retain(|required| *required != name);
        }
        name
    }

    fn path(&mut self, path: &str) -> Result<(), Refusal> {
        let mut template = String::new();
        let mut before = String::new();
        for (index, segment) in path.split('/').enumerate() {
            if index > 0 {
                template.push('/');
            }
            let filled = self.filled(segment);
            let segment = filled.as_deref().unwrap_or(segment);
            let thing = thing::of(segment, &before).filter(|_| self.request.infers);
            if let Some(name) = segment
                .strip_prefix(':')
                .filter(|name| names::is_field(&names::parameter(name)) && !name.is_empty())
            {
                let variable = self.request.path_variables.get(name).cloned().unwrap_or_default();
                let variable = self.judged(name, variable)?;
                template.push_str(&self.placed(name, &variable));
            } else if let Some((number, ending)) = thing {
                let wire = if before.is_empty() {
                    "id".to_owned()
                } else {
                    format!("{}_id", before.trim_end_matches('s'))
                };
                let example = PathVariable { value: number.to_owned(), ..PathVariable::default() };
                template.push_str(&self.placed(&wire, &example));
                template.push_str(ending);
            } else {
                template.push_str(&self.needed(segment, PATH)?.template);
            }
            before = segment.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        }
        self.draft.path = template;
        Ok(())
    }

    /// The text with placeholders that stands for a segment `:name`.
    fn filled(&self, segment: &str) -> Option<String> {
        let variable = self.request.path_variables.get(segment.strip_prefix(':')?)?;
        variable.value.contains("{{").then(|| self.request.known.filled_openly(&variable.value).into_owned())
    }

    /// Refuses a path variable whose example is a secret; of one that may be, no example is kept.
    fn judged(&mut self, name: &str, variable: PathVariable) -> Result<PathVariable, Refusal> {
        let short = placeholder::short(name);
        if wall::is_secret_segment(&variable.value) {
            return Err(wall::secret_in_path(&format!("the value of `:{short}` looks like a secret")));
        }
        if !secret_like::is_secret(name, &variable.value) || infer::is_stand_in(&variable.value) {
            return Ok(variable);
        }
        let message =
            format!("`:{short}` of the path looks like a secret; it is a parameter without an example");
        self.note_lossy("secret_in_path", message, "ask the API for a key in a header");
        Ok(PathVariable { value: String::new(), ..variable })
    }

    /// A parameter of the path, as the path writes it.
    fn placed(&mut self, wire: &str, variable: &PathVariable) -> String {
        let declared = self.draft.parameters.properties.contains_key(wire)
            && self.request.parameters.properties.contains_key(wire);
        if declared {
            self.require(wire, PATH);
            return placeholder::parameter(&[wire]);
        }
        let mut schema = infer::schema(wire, &json!(variable.value));
        let described = describe::text(&variable.description);
        if !described.is_empty() {
            schema["description"] = json!(described);
        }
        let name = self.parameter(wire, schema);
        placeholder::parameter(&[&name])
    }

    /// Query parameters that are no credentials.
    fn queried(&mut self, pairs: Vec<(String, String)>) -> Result<(), Refusal> {
        let without_body = is_without_body(&self.draft.method);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, _) in &pairs {
            *counts.entry(name).or_default() += 1;
        }
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for (wire, text) in &pairs {
            if !done.insert(wire) {
                continue;
            }
            if self.request.infers && graphql::is_graphql(text) {
                let query = self.graphql_text(text, "the query", false)?;
                self.draft.query.insert(wire.clone(), json!(query));
                continue;
            }
            let converted = self.field(text, &format!("query parameter `{wire}`"))?;
            if converted.is_template || !self.request.infers {
                self.draft.query.insert(wire.clone(), json!(converted.template));
                if counts.get(wire.as_str()).is_some_and(|count| *count > 1) {
                    let message =
                        format!("the query parameter `{wire}` is given several times; the first is kept");
                    self.note_lossy("repeated_query", message, "make it a list parameter");
                }
                continue;
            }
            let all: Vec<Value> =
                pairs.iter().filter(|(name, _)| name == wire).map(|(_, text)| infer::value(text)).collect();
            let example = if all.len() > 1 { Value::Array(all) } else { infer::value(text) };
            let name = self.parameter_like(wire, &example);
            if name != *wire || !without_body || !matches!(self.draft.body, BodyDraft::Flat) {
                self.draft.query.insert(wire.clone(), json!(placeholder::parameter(&[&name])));
            }
        }
        Ok(())
    }

    /// What the model does not choose. A secret among it that travels in the
    /// query is a connector's.
    fn bound(&mut self) -> Result<(), Refusal> {
        for (name, value) in &self.request.bind {
            self.binds = true;
            let value = match value {
                Value::String(text) => json!(self.fixed(text, &format!("`{name}`"))?.template),
                other => other.clone(),
            };
            self.binds = false;
            self.draft.parameters.properties.shift_remove(name);
            self.draft.parameters.required.retain(|required| required != name);
            self.taken.insert(name);
            if wall::in_value(name, &value).is_some() {
                if self.request.url.contains(&format!("{{{name}}}")) {
                    return Err(wall::secret_in_path(&format!("`{name}` of the path looks like a secret")));
                }
                if let Some(text) = value.as_str().filter(|_| self.goes_into_query(name)) {
                    self.query_secrets.push((name.clone(), text.to_owned()));
                    continue;
                }
            }
            self.draft.bind.insert(name.clone(), value);
        }
        Ok(())
    }

    /// Whether a value that nothing places travels in the query.
    fn goes_into_query(&self, name: &String) -> bool {
        self.request.in_query.contains(name) || is_without_body(&self.draft.method)
    }

    /// Defaults and examples of the source that are secrets, which a model would be shown.
    fn strip_schemas(&mut self) {
        let mut found = Vec::new();
        let parameters = &mut self.draft.parameters;
        for (name, schema) in parameters.properties.iter_mut().chain(&mut parameters.defs) {
            wall::strip(name, schema, &mut found);
        }
        for name in found {
            let message = format!(
                "a default or an example of `{}` looks like a secret; it is left out",
                placeholder::short(&name)
            );
            self.note_lossy("secret_in_schema", message, "a model is shown what stands in a schema");
        }
    }
}
