//! The keywords of JSON Schema: one table, which says what each of them holds and looks at.
//!
//! The keywords are those of drafts 6 and 7, 2019-09 and 2020-12. Sources: JSON Schema Core and
//! JSON Schema Validation, each by its draft.

/// A keyword.
#[derive(Debug, PartialEq, Eq)]
pub struct Keyword {
    /// Its name.
    pub name: &'static str,
    /// The schemas that it holds.
    pub schemas: Option<(Shape, Applies)>,
    /// The type whose values it judges; `None` if it judges values of any type, or none.
    pub judges: Option<&'static str>,
}

/// How a keyword holds its schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One schema.
    One,
    /// A list of schemas.
    List,
    /// One schema, or a list of them.
    OneOrList,
    /// An object whose members are schemas; their names are names of properties or definitions.
    Map,
}

/// What the schemas of a keyword apply to, as seen from the value that the keyword looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// The value itself, whatever it is.
    Always,
    /// The value itself, in some cases.
    Sometimes,
    /// The value itself, which must not fit.
    Not,
    /// Members of the value.
    Members,
    /// Items of the value.
    Items,
    /// The names of its members.
    Names,
    /// What its text decodes to.
    Content,
    /// Nothing, until a `$ref` names the schema.
    Definition,
}

impl Applies {
    /// Whether the schemas look at the same value as the keyword.
    pub fn to_same_value(self) -> bool {
        matches!(self, Self::Always | Self::Sometimes | Self::Not)
    }

    /// Whether the schemas look at what the value holds.
    pub fn to_inner_value(self) -> bool {
        !self.to_same_value() && self != Self::Definition
    }
}

impl Keyword {
    /// What its schemas apply to; `None` if it holds none.
    pub fn applies(&self) -> Option<Applies> {
        self.schemas.map(|(_, applies)| applies)
    }

    /// Whether it holds schemas by names that are not keywords.
    pub fn holds_names(&self) -> bool {
        matches!(self.schemas, Some((Shape::Map, _)))
    }
}

/// The keyword `name`.
pub fn find(name: &str) -> Option<&'static Keyword> {
    let at = KEYWORDS.binary_search_by(|keyword| keyword.name.cmp(name)).ok()?;
    KEYWORDS.get(at)
}

/// What the schemas of the keyword `name` apply to.
pub fn applies(name: &str) -> Option<Applies> {
    find(name)?.applies()
}

/// The type whose values the keyword `name` judges.
pub fn judges(name: &str) -> Option<&'static str> {
    find(name)?.judges
}

/// Keywords that refer to another schema.
pub const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// Keywords that look at every member that `properties` and `patternProperties` do not name.
pub const OTHER_MEMBERS: [&str; 2] = ["additionalProperties", "unevaluatedProperties"];

const fn word(name: &'static str) -> Keyword {
    Keyword { name, schemas: None, judges: None }
}

const fn of(judges: &'static str, name: &'static str) -> Keyword {
    Keyword { name, schemas: None, judges: Some(judges) }
}

const fn schemas(name: &'static str, shape: Shape, applies: Applies) -> Keyword {
    let judges = match applies {
        Applies::Members | Applies::Names => Some(OBJECT),
        Applies::Items => Some(ARRAY),
        Applies::Content => Some(STRING),
        Applies::Always | Applies::Sometimes | Applies::Not | Applies::Definition => None,
    };
    Keyword { name, schemas: Some((shape, applies)), judges }
}

const OBJECT: &str = "object";
const ARRAY: &str = "array";
const STRING: &str = "string";
const NUMBER: &str = "number";

/// Every keyword, sorted by name.
pub const KEYWORDS: &[Keyword] = &[
    word("$anchor"),
    word("$comment"),
    schemas("$defs", Shape::Map, Applies::Definition),
    word("$dynamicAnchor"),
    word("$dynamicRef"),
    word("$id"),
    word("$recursiveAnchor"),
    word("$recursiveRef"),
    word("$ref"),
    word("$schema"),
    word("$vocabulary"),
    schemas("additionalItems", Shape::One, Applies::Items),
    schemas("additionalProperties", Shape::One, Applies::Members),
    schemas("allOf", Shape::List, Applies::Always),
    schemas("anyOf", Shape::List, Applies::Sometimes),
    word("const"),
    schemas("contains", Shape::One, Applies::Items),
    of(STRING, "contentEncoding"),
    of(STRING, "contentMediaType"),
    schemas("contentSchema", Shape::One, Applies::Content),
    word("default"),
    schemas("definitions", Shape::Map, Applies::Definition),
    schemas("dependencies", Shape::Map, Applies::Sometimes),
    of(OBJECT, "dependentRequired"),
    schemas("dependentSchemas", Shape::Map, Applies::Sometimes),
    word("deprecated"),
    word("description"),
    schemas("else", Shape::One, Applies::Sometimes),
    word("enum"),
    word("examples"),
    of(NUMBER, "exclusiveMaximum"),
    of(NUMBER, "exclusiveMinimum"),
    of(STRING, "format"),
    schemas("if", Shape::One, Applies::Sometimes),
    schemas("items", Shape::OneOrList, Applies::Items),
    of(ARRAY, "maxContains"),
    of(ARRAY, "maxItems"),
    of(STRING, "maxLength"),
    of(OBJECT, "maxProperties"),
    of(NUMBER, "maximum"),
    of(ARRAY, "minContains"),
    of(ARRAY, "minItems"),
    of(STRING, "minLength"),
    of(OBJECT, "minProperties"),
    of(NUMBER, "minimum"),
    of(NUMBER, "multipleOf"),
    schemas("not", Shape::One, Applies::Not),
    schemas("oneOf", Shape::List, Applies::Sometimes),
    of(STRING, "pattern"),
    schemas("patternProperties", Shape::Map, Applies::Members),
    schemas("prefixItems", Shape::List, Applies::Items),
    schemas("properties", Shape::Map, Applies::Members),
    schemas("propertyNames", Shape::One, Applies::Names),
    word("readOnly"),
    of(OBJECT, "required"),
    schemas("then", Shape::One, Applies::Sometimes),
    word("title"),
    word("type"),
    schemas("unevaluatedItems", Shape::One, Applies::Items),
    schemas("unevaluatedProperties", Shape::One, Applies::Members),
    of(ARRAY, "uniqueItems"),
    word("writeOnly"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_is_found_by_its_name() {
        assert!(KEYWORDS.is_sorted_by_key(|keyword| keyword.name));
        for keyword in KEYWORDS {
            assert_eq!(find(keyword.name), Some(keyword));
        }
        assert_eq!(find("x-other"), None);
        for name in REFERENCES.iter().chain(&OTHER_MEMBERS) {
            assert!(find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_keyword_judges_what_its_schemas_apply_to() {
        assert_eq!(judges("properties"), Some("object"));
        assert_eq!(judges("prefixItems"), Some("array"));
        assert_eq!(judges("maximum"), Some("number"));
        assert_eq!(judges("anyOf"), None);
        assert_eq!(applies("not"), Some(Applies::Not));
        assert!(find("$defs").is_some_and(Keyword::holds_names));
    }
}
