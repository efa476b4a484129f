//! The conditions of a template as propositions: taken apart at `and`, `or`, `not` and `eq` into atoms
//! that can be decided freely, and what a decision says about other atoms.

use std::collections::HashMap;
use std::fmt::Write;

use super::literal::Literal;
use super::tree::{Arm, Base, Expression, Node, Operator, Template};
use super::value::Value;

/// A condition, taken apart.
pub(super) enum Condition {
    Constant(bool),
    Atom(usize),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

/// What has to be decided to decide a condition.
struct Atom {
    /// For `eq x "literal"`: the atom of `x` alone.
    subject: Option<usize>,
    /// Whether the literal is true in a condition.
    literal_is_true: bool,
}

/// The conditions of all arms, with equal ones made one.
pub(super) struct Plan<'t> {
    template: &'t Template,
    pub(super) arms: Vec<&'t Arm>,
    pub(super) conditions: Vec<Condition>,
    atoms: Vec<Atom>,
    keys: HashMap<String, usize>,
}

impl<'t> Plan<'t> {
    pub(super) fn new(template: &'t Template) -> Self {
        let arms = Vec::with_capacity(template.arms);
        let mut plan =
            Self { template, arms, conditions: Vec::new(), atoms: Vec::new(), keys: HashMap::new() };
        plan.collect(&template.nodes);
        plan.arms.sort_by_key(|arm| arm.id);
        for at in 0..plan.arms.len() {
            let condition = plan.condition(&plan.arms[at].condition);
            plan.conditions.push(condition);
        }
        plan
    }

    fn collect(&mut self, nodes: &'t [Node]) {
        for node in nodes {
            if let Node::Branch { arms, otherwise } = node {
                for arm in arms {
                    self.arms.push(arm);
                    self.collect(&arm.body);
                }
                self.collect(otherwise);
            }
        }
    }

    fn condition(&mut self, expression: &'t Expression) -> Condition {
        match expression {
            Expression::Literal(literal) => Condition::Constant(Value::Literal(literal).truth()),
            Expression::Nil(_) => Condition::Constant(false),
            Expression::Not(operand) => Condition::Not(Box::new(self.condition(operand))),
            Expression::And(operands) => {
                Condition::And(operands.iter().map(|one| self.condition(one)).collect())
            }
            Expression::Or(operands, _) => {
                Condition::Or(operands.iter().map(|one| self.condition(one)).collect())
            }
            Expression::Path { .. } | Expression::Index { .. } => {
                Condition::Atom(self.atom(expression, None))
            }
            Expression::Compare { operator: Operator::Ne, operands, .. } => {
                Condition::Not(Box::new(self.equality(&operands[0], &operands[1], expression)))
            }
            Expression::Compare { operator: Operator::Eq, operands, .. } => {
                let (first, others) = (&operands[0], &operands[1..]);
                Condition::Or(others.iter().map(|other| self.equality(first, other, expression)).collect())
            }
            Expression::Compare { .. } => Condition::Atom(self.atom(expression, None)),
        }
    }

    fn equality(&mut self, left: &'t Expression, right: &'t Expression, whole: &'t Expression) -> Condition {
        let (subject, literal) = match (left, right) {
            (Expression::Literal(literal), subject) | (subject, Expression::Literal(literal)) => {
                (subject, literal)
            }
            _ => return Condition::Atom(self.atom(whole, None)),
        };
        if let Expression::Literal(other) = subject {
            return Condition::Constant(
                Value::Literal(literal).equals(Value::Literal(other)).unwrap_or(false),
            );
        }
        let subject_atom = self.atom(subject, None);
        Condition::Atom(self.atom(subject, Some((literal, subject_atom))))
    }

    /// Returns the atom of an expression, or of its equality with a literal.
    fn atom(&mut self, expression: &'t Expression, literal: Option<(&Literal, usize)>) -> usize {
        let mut key = String::new();
        let same = self.write_key(expression, &mut key);
        if let Some((literal, _)) = literal {
            key.push_str(" = ");
            write_literal(literal, &mut key);
        }
        let next = self.atoms.len();
        if same {
            let known = *self.keys.entry(key).or_insert(next);
            if known < next {
                return known;
            }
        }
        self.atoms.push(Atom {
            subject: literal.map(|(_, subject)| subject),
            literal_is_true: literal.is_some_and(|(literal, _)| Value::Literal(literal).truth()),
        });
        next
    }

    /// Writes what an expression asks for, alike for two that ask for the same; `false` if it may change.
    fn write_key(&self, expression: &Expression, key: &mut String) -> bool {
        let mut write_all = |word: &str, operands: &[Expression]| {
            key.push('(');
            key.push_str(word);
            let same = operands.iter().all(|operand| {
                key.push(' ');
                self.write_key(operand, key)
            });
            key.push(')');
            same
        };
        match expression {
            Expression::Path { origin, .. } | Expression::Index { origin, .. }
                if self.template.origins[*origin].known.is_some() =>
            {
                let Some((root, path)) = &self.template.origins[*origin].known else {
                    return false;
                };
                key.push_str(root.as_str());
                write_fields(path, key);
                true
            }
            Expression::Path { base, fields, .. } => {
                let same = match base {
                    Base::Data => true,
                    Base::Root(root) => {
                        key.push_str(root.as_str());
                        true
                    }
                    Base::Dot { arm } => {
                        let _ = write!(key, "dot{arm}");
                        true
                    }
                    Base::Slot { declaration, .. } => {
                        let _ = write!(key, "${declaration:?}");
                        declaration.is_some()
                    }
                    Base::Computed(base) => self.write_key(base, key),
                };
                write_fields(fields, key);
                same
            }
            Expression::Index { item, keys, .. } => {
                write_all("item", std::slice::from_ref(item)) && write_all("index", keys)
            }
            Expression::Literal(literal) => {
                write_literal(literal, key);
                true
            }
            Expression::Nil(_) => {
                key.push_str("nil");
                true
            }
            Expression::And(operands) => write_all("and", operands),
            Expression::Or(operands, _) => write_all("or", operands),
            Expression::Not(operand) => write_all("not", std::slice::from_ref(operand)),
            Expression::Compare { operator, operands, .. } => write_all(&format!("{operator:?}"), operands),
        }
    }
}

// Writing to a `String` cannot fail.

fn write_fields<S: AsRef<str>>(fields: &[S], key: &mut String) {
    for field in fields {
        let _ = write!(key, ".{:?}", field.as_ref());
    }
}

fn write_literal(literal: &Literal, key: &mut String) {
    match literal {
        Literal::Text(text) => {
            let _ = write!(key, "{text:?}");
        }
        Literal::Number(number) => key.push_str(&number.printed),
        Literal::Bool(value) => key.push_str(if *value { "true" } else { "false" }),
    }
}

/// What one run has decided so far.
pub(super) struct Facts {
    decided: Vec<Option<bool>>,
    /// For an atom `x`: the `eq x "literal"` that was decided to hold.
    equal_to: Vec<Option<usize>>,
}

impl Facts {
    pub(super) fn new(plan: &Plan<'_>) -> Self {
        Self { decided: vec![None; plan.atoms.len()], equal_to: vec![None; plan.atoms.len()] }
    }

    /// Returns what earlier decisions say about an atom.
    pub(super) fn implied(&self, plan: &Plan<'_>, atom: usize) -> Option<bool> {
        if self.decided[atom].is_some() {
            return self.decided[atom];
        }
        if let Some(equality) = self.equal_to[atom] {
            return Some(plan.atoms[equality].literal_is_true);
        }
        let Atom { subject: Some(subject), literal_is_true } = plan.atoms[atom] else {
            return None;
        };
        let other_literal = self.equal_to[subject].is_some_and(|equality| equality != atom);
        let other_truth = self.decided[subject].is_some_and(|truth| truth != literal_is_true);
        (other_literal || other_truth).then_some(false)
    }

    pub(super) fn decide(&mut self, plan: &Plan<'_>, atom: usize, truth: bool) {
        self.decided[atom] = Some(truth);
        if let (true, Some(subject)) = (truth, plan.atoms[atom].subject) {
            self.equal_to[subject] = Some(atom);
        }
    }
}
