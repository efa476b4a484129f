//! `config` of a request: which traces the client wants, and what it does itself.

use serde_json::{Map, Value, json};

use crate::server::problem::{ProblemCode, ProblemDocument};

/// Trace types that are hidden unless the client asks for them.
const EXCLUDED: [&str; 3] = ["block", "debug", "flow"];
/// Most stop types of a request: each of them may become a tool of the model.
const MAX_STOPS: usize = 32;
/// Longest name of one.
const MAX_STOP_BYTES: usize = 128;

/// The wishes of a client.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Config {
    /// Whether `speak` traces lose their SSML tags.
    pub(super) strips_ssml: bool,
    /// Types of traces that are left out.
    pub(super) excluded: Vec<String>,
    /// What the client does itself.
    pub(super) stops: Vec<Stop>,
}

/// Something that the client does itself. A trace of the same type asks for it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stop {
    pub(super) kind: String,
    /// What it does, for the model. Clients of Voiceflow never send it.
    pub(super) description: Option<String>,
    /// JSON Schema of what it needs.
    pub(super) parameters: Option<Value>,
    /// The types of the requests that answer it.
    pub(super) paths: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self { strips_ssml: true, excluded: EXCLUDED.map(str::to_owned).into(), stops: Vec::new() }
    }
}

impl Stop {
    /// A stop type given by its name only.
    pub(super) fn named(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            description: None,
            parameters: None,
            paths: ["done", "failed"].map(str::to_owned).into(),
        }
    }

    fn read(written: &Value) -> Result<Self, ProblemDocument> {
        let kind = written.as_str().or_else(|| written.get("type")?.as_str()).map(str::trim);
        let Some(kind) = kind.filter(|kind| !kind.is_empty() && kind.len() <= MAX_STOP_BYTES) else {
            return Err(invalid(format!(
                "`config.stopTypes` must hold texts of 1 to {MAX_STOP_BYTES} bytes, or objects whose `type` is one"
            )));
        };
        let mut stop = Self::named(kind);
        stop.description = written.get("description").and_then(Value::as_str).map(str::to_owned);
        stop.parameters = written.get("parameters").filter(|schema| schema.is_object()).cloned();
        if let Some(paths) = written.get("paths") {
            stop.paths = texts(paths, "config.stopTypes[].paths")?;
        }
        Ok(stop)
    }

    /// The `paths` of its trace.
    pub(super) fn paths(&self) -> Value {
        self.paths.iter().map(|path| json!({"event": {"type": path}})).collect()
    }
}

impl Config {
    /// Reads `config`; unknown members are ignored.
    ///
    /// # Errors
    ///
    /// A known member has a wrong type.
    pub(super) fn read(written: &Value) -> Result<Self, ProblemDocument> {
        let none = Map::new();
        let members = match written {
            Value::Null => &none,
            Value::Object(members) => members,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(invalid("`config` must be an object"));
            }
        };
        let mut config = Self::default();
        let given = |name: &str| members.get(name).filter(|value| !value.is_null());
        for name in ["tts", "stripSSML", "stopAll", "selfDelegate"] {
            match given(name) {
                Some(Value::Bool(wanted)) if name == "stripSSML" => config.strips_ssml = *wanted,
                // There is no audio here, handovers always stop, and nothing is delegated.
                Some(Value::Bool(_)) | None => {}
                Some(_) => return Err(invalid(format!("`config.{name}` must be true or false"))),
            }
        }
        if let Some(types) = given("excludeTypes") {
            config.excluded = texts(types, "config.excludeTypes")?;
        }
        if let Some(types) = given("stopTypes") {
            let types = types.as_array().ok_or_else(|| invalid("`config.stopTypes` must be a list"))?;
            if types.len() > MAX_STOPS {
                return Err(invalid(format!("`config.stopTypes` may have {MAX_STOPS} elements")));
            }
            for written in types {
                let stop = Stop::read(written)?;
                if !config.stops.iter().any(|known| known.kind == stop.kind) {
                    config.stops.push(stop);
                }
            }
        }
        Ok(config)
    }

    /// Whether the client gets traces of this type.
    pub(super) fn shows(&self, kind: &str) -> bool {
        !self.excluded.iter().any(|excluded| excluded == kind)
    }
}

fn texts(list: &Value, name: &str) -> Result<Vec<String>, ProblemDocument> {
    let texts =
        list.as_array().and_then(|list| list.iter().map(|one| one.as_str().map(str::to_owned)).collect());
    texts.ok_or_else(|| invalid(format!("`{name}` must be a list of texts")))
}

fn invalid(detail: impl Into<String>) -> ProblemDocument {
    ProblemDocument::new(ProblemCode::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(written: Value) -> Config {
        Config::read(&written).unwrap()
    }

    #[test]
    fn a_list_of_excluded_types_replaces_the_usual_one() {
        for (written, block, debug, speak) in [
            (json!(null), false, false, true),
            (json!({}), false, false, true),
            (json!({"excludeTypes": null}), false, false, true),
            (json!({"excludeTypes": []}), true, true, true),
            (json!({"excludeTypes": ["speak"], "unknown": 7}), true, true, false),
        ] {
            let config = read(written.clone());
            let shows = ["block", "debug", "speak"].map(|kind| config.shows(kind));
            assert_eq!(shows, [block, debug, speak], "{written}");
        }
    }

    #[test]
    fn stop_types_are_texts_or_say_more() {
        let config = read(json!({"stopTypes": [
            "Pay Credit Card",
            {"type": "scan", "description": "Scans.", "parameters": {"type": "object"}, "paths": ["read", "blank"]},
            "Pay Credit Card",
        ]}));
        assert_eq!(
            config.stops.iter().map(|stop| stop.kind.as_str()).collect::<Vec<_>>(),
            ["Pay Credit Card", "scan"]
        );
        assert_eq!(
            config.stops[0].paths(),
            json!([{"event": {"type": "done"}}, {"event": {"type": "failed"}}])
        );
        assert_eq!(
            config.stops[1].paths(),
            json!([{"event": {"type": "read"}}, {"event": {"type": "blank"}}])
        );
        assert_eq!(config.stops[1].description.as_deref(), Some("Scans."));
    }

    #[test]
    fn members_of_another_type_are_refused() {
        let too_many: Vec<String> = (0..=MAX_STOPS).map(|at| at.to_string()).collect();
        for wrong in [
            json!([]),
            json!("x"),
            json!({"tts": "no"}),
            json!({"stripSSML": 1}),
            json!({"stopAll": []}),
            json!({"excludeTypes": "debug"}),
            json!({"excludeTypes": [7]}),
            json!({"stopTypes": "pay"}),
            json!({"stopTypes": [7]}),
            json!({"stopTypes": [" "]}),
            json!({"stopTypes": ["x".repeat(MAX_STOP_BYTES + 1)]}),
            json!({"stopTypes": [{"type": "pay", "paths": "done"}]}),
            json!({"stopTypes": too_many}),
        ] {
            let refused = Config::read(&wrong).map(|_| ());
            assert_eq!(refused.unwrap_err().code, ProblemCode::InvalidRequest, "{wrong}");
        }
    }
}
