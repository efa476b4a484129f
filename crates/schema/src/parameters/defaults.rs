//! Defaults: which absent properties get a value before the arguments are checked.
//!
//! They are looked for where a value is described whatever it is (`properties`, `items`,
//! `prefixItems`, a local `$ref`, `allOf`) and never inside a branch. The plan holds only schemas
//! that lead to a default, and each default is complete: the defaults inside it are filled in.
use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::reference;

/// Values filled into one default; more means that a default contains itself.
const MAX_INSERTED: usize = 2_000;
/// Levels filled into one default.
const MAX_NESTED: usize = 32;

/// What to fill into arguments; made once per schema.
#[derive(Debug)]
pub(super) struct Defaults {
    nodes: Vec<Node>,
}

type NodeId = usize;

#[derive(Debug, Default)]
struct Node {
    properties: Vec<Property>,
    prefix_items: Vec<NodeId>,
    items: Option<NodeId>,
    useful: bool,
}

#[derive(Debug)]
struct Property {
    name: String,
    default: Option<Value>,
    inner: Vec<NodeId>,
}

impl Defaults {
    /// Looks for defaults in `schema`; `None` when there are none.
    ///
    /// # Errors
    ///
    /// Gives the name of a property whose default would never end.
    pub(super) fn compile(schema: &Value) -> Result<Option<Self>, String> {
        Self::compile_at(schema, schema)
    }

    /// The same for a schema inside `root`.
    pub(super) fn compile_at(root: &Value, schema: &Value) -> Result<Option<Self>, String> {
        let mut plan = Planner { root, ids: HashMap::new(), nodes: Vec::new(), todo: Vec::new() };
        plan.node(schema);
        // A queue and not a recursion: a long chain of references must not use up the stack.
        while let Some((id, schema)) = plan.todo.pop() {
            plan.describe(id, schema);
        }
        let mut defaults = Self { nodes: plan.nodes };
        defaults.mark_useful();
        if !defaults.nodes.first().is_some_and(|root| root.useful) {
            return Ok(None);
        }
        defaults.complete()?;
        Ok(Some(defaults))
    }

    /// Fills the defaults into absent properties.
    pub(super) fn fill(&self, arguments: &mut Map<String, Value>) {
        self.fill_object(0, arguments);
    }

    fn fill_value(&self, id: NodeId, value: &mut Value) {
        match value {
            Value::Object(members) => self.fill_object(id, members),
            Value::Array(items) => {
                let Some(node) = self.nodes.get(id).filter(|node| node.useful) else { return };
                for (index, item) in items.iter_mut().enumerate() {
                    if let Some(id) = node.prefix_items.get(index).copied().or(node.items) {
                        self.fill_value(id, item);
                    }
                }
            }
            _ => {}
        }
    }

    fn fill_object(&self, id: NodeId, members: &mut Map<String, Value>) {
        let Some(node) = self.nodes.get(id).filter(|node| node.useful) else { return };
        for property in &node.properties {
            match (members.get_mut(&property.name), &property.default) {
                (Some(value), _) => {
                    for id in &property.inner {
                        self.fill_value(*id, value);
                    }
                }
                (None, Some(default)) => {
                    members.insert(property.name.clone(), default.clone());
                }
                (None, None) => {}
            }
        }
    }

    /// A schema is useful when it holds a default or leads to one that is.
    fn mark_useful(&mut self) {
        let mut changed = true;
        while changed {
            changed = false;
            for id in 0..self.nodes.len() {
                let is = |id: &NodeId| self.nodes[*id].useful;
                let node = &self.nodes[id];
                let useful = node.prefix_items.iter().chain(&node.items).any(is)
                    || node.properties.iter().any(|p| p.default.is_some() || p.inner.iter().any(is));
                if useful && !node.useful {
                    self.nodes[id].useful = true;
                    changed = true;
                }
            }
        }
        for id in 0..self.nodes.len() {
            let mut properties = std::mem::take(&mut self.nodes[id].properties);
            for property in &mut properties {
                property.inner.retain(|id| self.nodes[*id].useful);
            }
            properties.retain(|p| p.default.is_some() || !p.inner.is_empty());
            self.nodes[id].properties = properties;
        }
    }

    /// Fills the defaults inside each default.
    fn complete(&mut self) -> Result<(), String> {
        let mut complete = Vec::new();
        for (id, node) in self.nodes.iter().enumerate() {
            for (index, property) in node.properties.iter().enumerate() {
                let Some(mut value) = property.default.clone() else { continue };
                let mut inserted = 0;
                for inner in &property.inner {
                    self.expand(*inner, &mut value, 0, &mut inserted).ok_or_else(|| property.name.clone())?;
                }
                complete.push((id, index, value));
            }
        }
        for (id, index, value) in complete {
            self.nodes[id].properties[index].default = Some(value);
        }
        Ok(())
    }

    fn expand(&self, id: NodeId, value: &mut Value, depth: usize, count: &mut usize) -> Option<()> {
        let node = self.nodes.get(id)?;
        match value {
            Value::Object(members) => {
                for property in &node.properties {
                    if !members.contains_key(&property.name) {
                        let Some(default) = &property.default else { continue };
                        *count += 1;
                        if *count > MAX_INSERTED || depth > MAX_NESTED {
                            return None;
                        }
                        members.insert(property.name.clone(), default.clone());
                    }
                    let Some(member) = members.get_mut(&property.name) else { continue };
                    for inner in &property.inner {
                        self.expand(*inner, member, depth + 1, count)?;
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    if let Some(id) = node.prefix_items.get(index).copied().or(node.items) {
                        self.expand(id, item, depth + 1, count)?;
                    }
                }
            }
            _ => {}
        }
        Some(())
    }
}

struct Planner<'s> {
    root: &'s Value,
    ids: HashMap<*const Value, NodeId>,
    nodes: Vec<Node>,
    todo: Vec<(NodeId, &'s Value)>,
}

impl<'s> Planner<'s> {
    /// The node of `schema` together with everything that describes the same value.
    fn node(&mut self, schema: &'s Value) -> NodeId {
        if let Some(id) = self.ids.get(&std::ptr::from_ref(schema)) {
            return *id;
        }
        let id = self.nodes.len();
        self.ids.insert(std::ptr::from_ref(schema), id);
        self.nodes.push(Node::default());
        self.todo.push((id, schema));
        id
    }

    fn describe(&mut self, id: NodeId, schema: &'s Value) {
        let mut parts: Vec<&'s Map<String, Value>> = Vec::new();
        reference::same_value(self.root, schema, false, &mut |members| parts.push(members));
        let mut node = Node::default();
        for part in parts {
            self.add(part, &mut node);
        }
        self.nodes[id] = node;
    }

    fn add(&mut self, schema: &'s Map<String, Value>, node: &mut Node) {
        if let Some(Value::Object(properties)) = schema.get("properties") {
            for (name, inner) in properties {
                let default = self.default_of(inner);
                let inner = self.node(inner);
                match node.properties.iter_mut().find(|property| property.name == *name) {
                    Some(property) => {
                        property.default = property.default.take().or(default);
                        property.inner.push(inner);
                    }
                    None => {
                        let name = name.clone();
                        node.properties.push(Property { name, default, inner: vec![inner] });
                    }
                }
            }
        }
        let prefix = ["prefixItems", "items"].iter().find_map(|key| schema.get(*key)?.as_array());
        if let Some(schemas) = prefix {
            node.prefix_items = schemas.iter().map(|schema| self.node(schema)).collect();
        }
        let rest = ["items", "additionalItems"]
            .iter()
            .filter_map(|keyword| schema.get(*keyword))
            .find(|schema| schema.is_object());
        if let Some(schema) = rest {
            node.items = Some(self.node(schema));
        }
    }

    /// The default written at `schema`, or at what it refers to.
    fn default_of(&self, schema: &'s Value) -> Option<Value> {
        let mut found = None;
        reference::same_value(self.root, schema, false, &mut |members| {
            found = found.take().or_else(|| members.get("default").cloned());
        });
        found
    }
}
