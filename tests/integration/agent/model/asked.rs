//! What a model was asked, in a view that is the same for all forms.

use std::fmt;

use serde_json::{Map, Value};

use crate::upstream::Captured;

/// The wire form of a request, by the path that it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// `…/chat/completions` (<https://platform.openai.com/docs/api-reference/chat>).
    Chat,
    /// `…/responses` (<https://platform.openai.com/docs/api-reference/responses>).
    Responses,
    /// `…/messages` (<https://docs.claude.com/en/api/messages>).
    Anthropic,
    /// `…/models/{model}:streamGenerateContent` (<https://ai.google.dev/api/generate-content>).
    Gemini,
}

impl Form {
    pub(crate) const ALL: [Self; 4] = [Self::Chat, Self::Responses, Self::Anthropic, Self::Gemini];

    /// The form of `path`, which may have a query.
    fn of(path: &str) -> Option<Self> {
        let path = path.split('?').next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        match last {
            "completions" if path.ends_with("/chat/completions") => Some(Self::Chat),
            "responses" => Some(Self::Responses),
            "messages" => Some(Self::Anthropic),
            _ if path.contains("/models/") => {
                let (_, method) = last.split_once(':')?;
                ["streamGenerateContent", "generateContent"].contains(&method).then_some(Self::Gemini)
            }
            _ => None,
        }
    }
}

/// A request to a scripted model.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// How many came before it.
    pub nth: usize,
    pub form: Form,
    /// With its query.
    pub path: String,
    /// Request line, headers and body, byte for byte.
    pub request: Captured,
    pub body: Value,
    pub model: String,
    /// Whether the answer is to come as a stream.
    pub stream: bool,
    /// What stands before the conversation: instructions, system and developer messages.
    pub system: String,
    /// The conversation. All results of one round are one message.
    pub messages: Vec<Said>,
    /// The names of the tools that are offered, in order.
    pub tools: Vec<String>,
    /// `auto`, `none`, `required`, or the name of a tool; `None` where the request does not say.
    pub tool_choice: Option<String>,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    System,
    User,
    Assistant,
    /// The results of tools, in whatever role they travel.
    Tool,
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    pub role: Role,
    pub text: String,
    pub calls: Vec<SaidCall>,
    pub results: Vec<SaidResult>,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SaidCall {
    /// Empty where the form has none.
    pub id: String,
    pub name: String,
    /// Text where it is no JSON.
    pub arguments: Value,
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SaidResult {
    pub call_id: String,
    /// Found by the id where the form has none.
    pub name: String,
    pub content: String,
    pub is_error: bool,
}

impl Asked {
    /// Reads a request; why it cannot be read otherwise.
    pub(super) fn read(nth: usize, request: Captured) -> Result<Self, String> {
        let (method, path) = request.line().split_once(' ').unwrap_or_default();
        let form = Form::of(path).filter(|_| method == "POST");
        let form = form.ok_or_else(|| format!("there is nothing at {method} {path}"))?;
        let path = path.to_owned();
        let body: Value =
            serde_json::from_slice(&request.body).map_err(|error| format!("the body is no JSON: {error}"))?;
        let named = path.split("/models/").nth(1).and_then(|rest| rest.split(':').next());
        let model = named.filter(|_| form == Form::Gemini).or(body["model"].as_str()).unwrap_or_default();
        let stream = match form {
            Form::Gemini => path.contains(":streamGenerateContent"),
            _ => body["stream"] == true,
        };
        let mut asked = Self {
            nth,
            form,
            model: model.to_owned(),
            stream,
            system: String::new(),
            messages: Vec::new(),
            tools: tools(form, &body),
            tool_choice: tool_choice(form, &body),
            path,
            request,
            body: body.clone(),
        };
        match form {
            Form::Chat => asked.read_chat(&body),
            Form::Responses => asked.read_responses(&body),
            Form::Anthropic => asked.read_anthropic(&body),
            Form::Gemini => asked.read_gemini(&body),
        }
        asked.name_results();
        Ok(asked)
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }

    /// The last thing that the user has said.
    pub(crate) fn user(&self) -> &str {
        let last = self.messages.iter().rfind(|said| said.role == Role::User);
        last.map_or("", |said| &said.text)
    }

    /// How many rounds of calls have been answered since the user spoke last.
    pub(crate) fn round(&self) -> usize {
        let turn = self.messages.iter().rev().take_while(|said| said.role != Role::User);
        turn.filter(|said| said.role == Role::Tool).count()
    }

    /// The results of the last round; none where something else came last.
    pub(crate) fn results(&self) -> &[SaidResult] {
        self.messages.last().map_or(&[], |said| &said.results)
    }

    /// The conversation, a line for each message, as [`Said`] is shown.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.messages.iter().map(ToString::to_string).collect()
    }

    fn read_chat(&mut self, body: &Value) {
        for message in list(&body["messages"]) {
            let text = text(&message["content"]);
            let role = match message["role"].as_str() {
                Some("system" | "developer") => Role::System,
                Some("assistant") => Role::Assistant,
                Some("tool") => Role::Tool,
                _ => Role::User,
            };
            if role == Role::Tool {
                self.add_result(&message["tool_call_id"], None, text, false);
                continue;
            }
            let calls = list(&message["tool_calls"]).iter().map(|call| {
                let function = &call["function"];
                SaidCall::new(&call["id"], &function["name"], parsed(&function["arguments"]))
            });
            self.add(Said { calls: calls.collect(), ..Said::of(role, text) });
        }
    }

    fn read_responses(&mut self, body: &Value) {
        self.system = text(&body["instructions"]);
        let input = match &body["input"] {
            Value::String(text) => {
                self.add(Said::of(Role::User, text.clone()));
                return;
            }
            input => list(input),
        };
        for item in input {
            match item["type"].as_str() {
                Some("function_call") => {
                    let arguments = parsed(&item["arguments"]);
                    let call = SaidCall::new(&item["call_id"], &item["name"], arguments);
                    match self.messages.last_mut().filter(|said| said.role == Role::Assistant) {
                        Some(said) => said.calls.push(call),
                        None => {
                            self.add(Said { calls: vec![call], ..Said::of(Role::Assistant, String::new()) });
                        }
                    }
                }
                Some("function_call_output") => {
                    self.add_result(&item["call_id"], None, text(&item["output"]), false);
                }
                None | Some("message") => {
                    let role = match item["role"].as_str() {
                        Some("system" | "developer") => Role::System,
                        Some("assistant") => Role::Assistant,
                        _ => Role::User,
                    };
                    self.add(Said::of(role, text(&item["content"])));
                }
                Some(_) => {}
            }
        }
    }

    fn read_anthropic(&mut self, body: &Value) {
        self.system = text(&body["system"]);
        for message in list(&body["messages"]) {
            let role = if message["role"] == "assistant" { Role::Assistant } else { Role::User };
            let blocks = list(&message["content"]);
            let of_kind = |kind: &'static str| blocks.iter().filter(move |block| block["type"] == kind);
            for block in of_kind("tool_result") {
                let is_error = block["is_error"] == true;
                self.add_result(&block["tool_use_id"], None, text(&block["content"]), is_error);
            }
            let calls = of_kind("tool_use")
                .map(|call| SaidCall::new(&call["id"], &call["name"], call["input"].clone()));
            let said = Said { calls: calls.collect(), ..Said::of(role, text(&message["content"])) };
            if of_kind("tool_result").next().is_none() || !said.text.is_empty() {
                self.add(said);
            }
        }
    }

    fn read_gemini(&mut self, body: &Value) {
        self.system = text(&body["systemInstruction"]["parts"]);
        for content in list(&body["contents"]) {
            let role = if content["role"] == "model" { Role::Assistant } else { Role::User };
            let parts = list(&content["parts"]);
            for response in parts.iter().filter_map(|part| part.get("functionResponse")) {
                let is_error = response["response"].get("error").is_some();
                let content = response["response"].to_string();
                self.add_result(&response["id"], response["name"].as_str(), content, is_error);
            }
            let calls = parts.iter().filter_map(|part| part.get("functionCall"));
            let calls = calls.map(|call| SaidCall::new(&call["id"], &call["name"], call["args"].clone()));
            let said = Said { calls: calls.collect(), ..Said::of(role, text(&content["parts"])) };
            if parts.iter().all(|part| part.get("functionResponse").is_none()) || !said.text.is_empty() {
                self.add(said);
            }
        }
    }

    fn add(&mut self, said: Said) {
        if said.role == Role::System && self.messages.is_empty() {
            let gap = if self.system.is_empty() { "" } else { "\n\n" };
            self.system = format!("{}{gap}{}", self.system, said.text);
        } else {
            self.messages.push(said);
        }
    }

    fn add_result(&mut self, call_id: &Value, name: Option<&str>, content: String, is_error: bool) {
        let (call_id, name) = (owned(call_id), name.unwrap_or_default().to_owned());
        let result = SaidResult { call_id, name, content, is_error };
        match self.messages.last_mut().filter(|said| said.role == Role::Tool) {
            Some(said) => said.results.push(result),
            None => {
                self.messages.push(Said { results: vec![result], ..Said::of(Role::Tool, String::new()) });
            }
        }
    }

    /// Gives the results without a name that of the last call with their id.
    fn name_results(&mut self) {
        let mut names = Map::new();
        for said in &mut self.messages {
            for call in &said.calls {
                names.insert(call.id.clone(), Value::String(call.name.clone()));
            }
            for result in said.results.iter_mut().filter(|result| result.name.is_empty()) {
                result.name = names.get(&result.call_id).map(owned).unwrap_or_default();
            }
        }
    }
}

impl Said {
    fn of(role: Role, text: String) -> Self {
        Self { role, text, calls: Vec::new(), results: Vec::new() }
    }
}

impl SaidCall {
    fn new(id: &Value, name: &Value, arguments: Value) -> Self {
        Self { id: owned(id), name: owned(name), arguments }
    }
}

impl SaidResult {
    /// The content as JSON; as a text where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.content).unwrap_or_else(|_| Value::String(self.content.clone()))
    }
}

/// `user: Where is it?`, `assistant: One moment. look({"n":1})`, `tool: look -> {"status":"sent"}`.
impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = match self.role {
            Role::System => "system:",
            Role::User => "user:",
            Role::Assistant => "assistant:",
            Role::Tool => "tool:",
        };
        f.write_str(role)?;
        if !self.text.is_empty() {
            write!(f, " {}", self.text)?;
        }
        for call in &self.calls {
            write!(f, " {}({})", call.name, call.arguments)?;
        }
        for result in &self.results {
            write!(
                f,
                " {} {} {}",
                result.name,
                if result.is_error { "failed:" } else { "->" },
                result.content
            )?;
        }
        Ok(())
    }
}

/// The tools of a request, each as the form writes one.
pub(super) fn tool_values(form: Form, body: &Value) -> Vec<&Value> {
    let tools = list(&body["tools"]);
    match form {
        Form::Chat => tools.iter().map(|tool| &tool["function"]).collect(),
        Form::Responses | Form::Anthropic => tools.iter().collect(),
        Form::Gemini => tools.iter().flat_map(|tool| list(&tool["functionDeclarations"])).collect(),
    }
}

fn tools(form: Form, body: &Value) -> Vec<String> {
    tool_values(form, body).into_iter().map(|tool| owned(&tool["name"])).collect()
}

fn tool_choice(form: Form, body: &Value) -> Option<String> {
    let choice = match form {
        Form::Chat | Form::Responses | Form::Anthropic => body.get("tool_choice")?,
        Form::Gemini => body.pointer("/toolConfig/functionCallingConfig")?,
    };
    let named = [&choice["function"]["name"], &choice["name"], &choice["allowedFunctionNames"][0]];
    if let Some(name) = named.into_iter().find_map(Value::as_str) {
        return Some(name.to_owned());
    }
    let word = [choice, &choice["type"], &choice["mode"]].into_iter().find_map(Value::as_str)?;
    Some(word.to_lowercase().replace("any", "required"))
}

/// The elements of a list; none where it is something else.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text, or the texts of a list of parts, without thoughts.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let said = parts.iter().filter(|part| part["thought"] != true);
            said.filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().concat()
        }
        _ => String::new(),
    }
}

fn owned(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// JSON in a text; the text where it is no JSON.
fn parsed(value: &Value) -> Value {
    value.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| value.clone())
}
