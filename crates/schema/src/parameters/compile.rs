//! From a schema as written to a validator, with every problem on the way.
use std::collections::HashSet;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{Draft, PatternOptions, Registry, ValidationError, ValidationOptions, Validator};
use serde_json::{Map, Value, json};

use callgate_text::{closest, percent};

use super::defaults::Defaults;
use super::explain::Explainer;
use super::lint::{Linter, SchemaProblem};
use super::{path, text};
use crate::keyword::REFERENCES;
use crate::walk;

/// Steps after which a pattern with look-around gives up on a text.
const BACKTRACK_LIMIT: usize = 100_000;
/// Bytes that one compiled pattern may take.
const PATTERN_BYTES: usize = 1 << 20;
/// More problems than this are not reported.
const MAX_PROBLEMS: usize = 100;
/// The name of the schema among the places that refer to it; nothing is fetched.
const DOCUMENT: &str = "urn:callgate:parameters";
const TYPES: &[&str] = &["string", "integer", "number", "boolean", "array", "object", "null"];
/// Names of types in other languages.
const FOREIGN_TYPES: &[(&str, &str)] = &[
    ("str", "string"),
    ("text", "string"),
    ("int", "integer"),
    ("long", "integer"),
    ("float", "number"),
    ("double", "number"),
    ("decimal", "number"),
    ("bool", "boolean"),
    ("list", "array"),
    ("dict", "object"),
    ("map", "object"),
    ("none", "null"),
];

/// What reading a schema gives.
pub(super) struct Checked {
    pub(super) draft: Draft,
    pub(super) options: ValidationOptions<'static>,
    pub(super) defaults: Option<Defaults>,
    pub(super) warnings: Vec<SchemaProblem>,
}

/// Checks `schema`, which is not too large, in every way that needs no arguments.
pub(super) fn check(schema: &Value) -> Result<Checked, Vec<SchemaProblem>> {
    let Some(members) = schema.as_object() else {
        let message = format!("the parameters are {}", text::actual_type(schema, false));
        return Err(vec![SchemaProblem::error("", message).hint("write an object schema")]);
    };
    let draft = draft(members.get("$schema"));
    let mut problems = Vec::new();
    let draft = draft.unwrap_or_else(|problem| {
        problems.push(problem);
        Draft::Draft202012
    });
    root_type(members.get("type"), &mut problems);
    meta(schema, draft, &mut problems);
    let mut linter = Linter::new(schema, draft);
    linter.visit(schema, "", &[]);
    problems.append(&mut linter.problems);
    let needs_look_around = patterns(&linter, draft, &mut problems);
    let options = options(draft, needs_look_around);
    // What follows builds validators, which a broken schema does not allow.
    let mut defaults = None;
    if problems.iter().all(|problem| problem.warning) {
        match Defaults::compile(schema) {
            Ok(found) => defaults = found,
            Err(name) => {
                let message = format!("the default of `{}` contains itself", path::speakable(&name));
                problems.push(SchemaProblem::error("", message));
            }
        }
        values(schema, &linter, self::options(draft, needs_look_around), &mut problems);
    }
    problems = unique(problems);
    match problems.iter().all(|problem| problem.warning) {
        true => Ok(Checked { draft, options, defaults, warnings: problems }),
        false => Err(problems),
    }
}

/// Compiles `schema`; whatever jsonschema finds that was not found before is a problem.
pub(super) fn build(
    options: &ValidationOptions<'_>,
    schema: &Value,
) -> Result<Validator, Vec<SchemaProblem>> {
    options.build(schema).map_err(|error| {
        let pointer = match error.kind() {
            Kind::Referencing(_) => reference_pointer(schema, &error.to_string()),
            _ => error.instance_path().as_str().to_owned(),
        };
        vec![SchemaProblem::error(&pointer, format!("the schema does not compile: {error}"))]
    })
}

/// The `$ref` that an error of the build is about; the build does not say where it stands.
fn reference_pointer(schema: &Value, message: &str) -> String {
    for (members, pointer) in walk::all(schema) {
        for keyword in REFERENCES {
            let reference = members.get(keyword).and_then(Value::as_str).unwrap_or_default();
            let tail = reference.rsplit_once('#').map_or(reference, |(_, fragment)| fragment);
            if !tail.is_empty() && message.contains(tail) {
                return format!("{pointer}/{keyword}");
            }
        }
    }
    String::new()
}

/// The options every validator is built with: no retriever, formats asserted, patterns bounded.
fn options<'r>(draft: Draft, look_around: bool) -> ValidationOptions<'r> {
    let options = jsonschema::options().with_draft(draft).should_validate_formats(true).offline();
    match look_around {
        false => options.with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES)),
        true => options.with_pattern_options(
            PatternOptions::fancy_regex().backtrack_limit(BACKTRACK_LIMIT).size_limit(PATTERN_BYTES),
        ),
    }
}

fn draft(dialect: Option<&Value>) -> Result<Draft, SchemaProblem> {
    let name = match dialect {
        None => return Ok(Draft::Draft202012),
        Some(Value::String(name)) => name.as_str(),
        Some(_) => "",
    };
    match Draft::from_schema_uri(name) {
        draft @ (Draft::Draft202012 | Draft::Draft201909 | Draft::Draft7) => Ok(draft),
        _ => {
            let message = format!("the dialect `{}` is not supported", path::speakable(name));
            let hint = "leave `$schema` out, or name 2020-12, 2019-09 or draft-07";
            Err(SchemaProblem::error("/$schema", message).hint(hint))
        }
    }
}

fn root_type(kind: Option<&Value>, problems: &mut Vec<SchemaProblem>) {
    let hint = "write `type: object`";
    let problem = match kind {
        Some(Value::String(name)) if name == "object" => return,
        None => SchemaProblem { warning: true, ..SchemaProblem::error("", "`type` is missing") },
        Some(Value::Array(names)) if names.iter().any(|name| name == "object") => {
            let message = "arguments are always an object";
            SchemaProblem { warning: true, ..SchemaProblem::error("/type", message) }
        }
        // The meta-schema reports what is not a type at all.
        Some(Value::String(name)) if !TYPES.contains(&name.as_str()) => return,
        Some(kind) => {
            let message = format!("the parameters must be an object, not {}", text::spoken(kind));
            SchemaProblem::error("/type", message)
        }
    };
    problems.push(problem.hint(hint));
}

/// Validates `schema` against the meta-schema of its draft.
fn meta(schema: &Value, draft: Draft, problems: &mut Vec<SchemaProblem>) {
    let validator = match draft {
        Draft::Draft7 => jsonschema::draft7::meta::validator(),
        Draft::Draft201909 => jsonschema::draft201909::meta::validator(),
        _ => jsonschema::draft202012::meta::validator(),
    };
    let errors: Vec<ValidationError<'_>> = validator.iter_errors(schema).collect();
    let (nothing, no_names) = (Value::Null, HashSet::new());
    let explainer = Explainer::new(&nothing, schema, &no_names, None, None);
    for error in &errors {
        let pointer = error.instance_path().as_str();
        let keyword = pointer.rsplit('/').next().unwrap_or_default();
        let value = error.instance();
        let is_choice = matches!(error.kind(), Kind::AnyOf { .. });
        let problem = match (keyword, &**value) {
            ("$schema", _) => continue,
            ("type", Value::String(name)) if is_choice => unknown_type(pointer, name),
            ("type", Value::Array(names)) if is_choice => {
                let wrong = names.iter().enumerate().filter_map(|(index, name)| {
                    let name = name.as_str().filter(|name| !TYPES.contains(name))?;
                    Some(unknown_type(&format!("{pointer}/{index}"), name))
                });
                let before = problems.len();
                problems.extend(wrong);
                if problems.len() > before {
                    continue;
                }
                SchemaProblem::error(pointer, "`type` must list different types")
            }
            ("type", _) if is_choice => SchemaProblem::error(pointer, "`type` must be the name of a type"),
            ("required", Value::Bool(_)) => {
                SchemaProblem::error(pointer, "`required` must be a list of names, not a boolean")
                    .hint("list the names in `required` beside `properties`")
            }
            _ => {
                let words = explainer.finding(error).predicate;
                let subject = path::speakable(&callgate_text::unescape_token(keyword));
                SchemaProblem::error(pointer, format!("`{subject}` {words}"))
            }
        };
        problems.push(problem);
    }
}

fn unknown_type(pointer: &str, name: &str) -> SchemaProblem {
    let foreign = FOREIGN_TYPES.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    let meant = foreign.map(|(_, ours)| *ours);
    let meant = meant.or_else(|| closest(name, TYPES.iter().copied()));
    let types = format!("the types are {}", TYPES.join(", "));
    let hint = match meant {
        Some(meant) => format!("did you mean `{meant}`? {types}"),
        None => types,
    };
    SchemaProblem::error(pointer, format!("`{}` is not a type", path::speakable(name))).hint(hint)
}

/// Compiles every pattern alone; gives whether one of them needs look-around.
fn patterns(linter: &Linter<'_>, draft: Draft, problems: &mut Vec<SchemaProblem>) -> bool {
    let mut look_around = false;
    for (pointer, pattern) in &linter.patterns {
        let schema = json!({ "pattern": pattern });
        if options(draft, false).build(&schema).is_ok() {
            continue;
        }
        if options(draft, true).build(&schema).is_ok() {
            look_around = true;
            continue;
        }
        let message = format!("the pattern `{}` does not compile", path::speakable(pattern));
        let hint = "patterns are ECMA-262 regular expressions of moderate size";
        problems.push(SchemaProblem::error(pointer, message).hint(hint));
    }
    look_around
}

/// Checks defaults and listed values against the schemas they stand in.
///
/// One schema whose properties refer to all of these places checks them together: a validator for
/// each place would compile everything it leads to once more.
fn values(
    schema: &Value,
    linter: &Linter<'_>,
    options: ValidationOptions<'_>,
    problems: &mut Vec<SchemaProblem>,
) {
    let mut candidates: Vec<(String, Value, bool)> = Vec::new();
    for pointer in &linter.defaults {
        let Some(owner) = schema.pointer(pointer) else { continue };
        let Some(mut default) = owner.get("default").cloned() else { continue };
        if let (Value::Object(members), Ok(Some(inner))) = (&mut default, Defaults::compile_at(schema, owner))
        {
            inner.fill(members);
        }
        candidates.push((format!("{pointer}/default"), default, false));
    }
    for pointer in &linter.enums {
        let listed = schema.pointer(pointer).and_then(|owner| owner.get("enum")?.as_array());
        for (index, value) in listed.into_iter().flatten().enumerate() {
            candidates.push((format!("{pointer}/enum/{index}"), value.clone(), true));
        }
    }
    let mut places = Map::new();
    for (index, (pointer, _, is_listed)) in candidates.iter().enumerate() {
        let steps = if *is_listed { 2 } else { 1 };
        let owner = pointer.rsplitn(steps + 1, '/').last().unwrap_or_default();
        let reference = format!("{DOCUMENT}#{}", percent::encode(owner, percent::PATH));
        places.insert(index.to_string(), json!({ "$ref": reference }));
    }
    let Ok(registry) = Registry::new().draft(linter.draft).add(DOCUMENT, schema) else { return };
    let Ok(registry) = registry.prepare() else { return };
    let places = json!({ "properties": places });
    let Ok(validator) = options.with_registry(&registry).build(&places) else { return };
    for (index, (pointer, value, is_listed)) in candidates.into_iter().enumerate() {
        let alone = Value::Object(Map::from_iter([(index.to_string(), value)]));
        if validator.is_valid(&alone) {
            continue;
        }
        let value = text::short(&alone[index.to_string()]);
        problems.push(match is_listed {
            false => {
                let message = format!("the default {value} does not fit its schema");
                SchemaProblem::error(&pointer, message)
            }
            true => {
                let message = format!("{value} can never be accepted here");
                SchemaProblem { warning: true, ..SchemaProblem::error(&pointer, message) }
            }
        });
    }
}

fn unique(problems: Vec<SchemaProblem>) -> Vec<SchemaProblem> {
    let mut kept: Vec<SchemaProblem> = Vec::new();
    for problem in problems {
        // One value breaks several branches of the meta-schema in the same words.
        if kept.len() < MAX_PROBLEMS && !kept.contains(&problem) {
            kept.push(problem);
        }
    }
    kept
}
