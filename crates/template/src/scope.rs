//! What is known at load: where a value leads, which variables there are, what is present.

use std::collections::HashSet;

use super::scan::{Scan, TokenKind};
use super::tree::{Expression, Operator, Origin, Root};

/// The longest path that is followed, in bytes of its keys; keeps memory linear in the source.
const MAX_PATH_BYTES: usize = 1024;
/// The most values that are remembered as present at one place.
const MAX_PRESENT: usize = 64;

/// The most variables in scope at one place.
pub(super) const MAX_VARIABLES: usize = 256;

/// Where a value leads, as far as that is known without data.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Known {
    /// The data itself.
    Data,
    Path(Root, Vec<String>),
    Unknown,
}

impl Known {
    /// Follows `names` from here; `Err` names a root that does not exist.
    pub(super) fn follow<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Result<Self, &'n str> {
        let mut names = names.into_iter();
        let (root, mut path) = match self {
            Self::Unknown => return Ok(Self::Unknown),
            Self::Path(root, path) => (root, path),
            Self::Data => match names.next() {
                None => return Ok(Self::Data),
                Some(name) => (Root::from_name(name).ok_or(name)?, Vec::new()),
            },
        };
        let mut bytes: usize = path.iter().map(|key| key.len() + 1).sum();
        for name in names {
            bytes += name.len() + 1;
            if bytes > MAX_PATH_BYTES {
                return Ok(Self::Unknown);
            }
            path.push(name.to_owned());
        }
        Ok(Self::Path(root, path))
    }

    pub(super) fn into_path(self) -> Option<(Root, Vec<String>)> {
        match self {
            Self::Path(root, path) => Some((root, path)),
            Self::Data | Self::Unknown => None,
        }
    }
}

/// A variable in scope.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    name: String,
    pub(super) slot: usize,
    pub(super) declaration: Option<usize>,
    pub(super) known: Known,
}

/// The dot of a place.
#[derive(Clone, Debug)]
pub(super) struct Dot {
    /// The `with` that set it; `None` for the data.
    pub(super) arm: Option<usize>,
    pub(super) known: Known,
}

/// Everything that an enclosing construct decides.
#[derive(Debug)]
pub(super) struct Scope {
    variables: Vec<Variable>,
    /// The names that some `=` sets anew; what they hold is not known.
    reassigned: HashSet<String>,
    declarations: usize,
    /// The most variables that lived at the same time.
    pub(super) slots: usize,
    pub(super) dot: Dot,
    /// Values that are certainly there.
    present: Vec<(Root, Vec<String>)>,
}

/// A point to return to when a construct ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    variables: usize,
    present: usize,
}

impl Scope {
    pub(super) fn new(scan: &Scan<'_>) -> Self {
        let assigned = scan.tokens.windows(2).filter(|pair| pair[1].kind == TokenKind::Assign);
        let reassigned = assigned.map(|pair| scan.source[pair[0].bytes.clone()].to_owned()).collect();
        let dot = Dot { arm: None, known: Known::Data };
        Self { variables: Vec::new(), reassigned, declarations: 0, slots: 0, dot, present: Vec::new() }
    }

    pub(super) fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().rev().find(|variable| variable.name == name)
    }

    /// Adds a variable that lives to the end of the open construct; returns its slot, if there is room.
    pub(super) fn declare(&mut self, name: &str, known: Known) -> Option<usize> {
        let slot = self.variables.len();
        if slot == MAX_VARIABLES {
            return None;
        }
        self.declarations += 1;
        let (declaration, known) = match self.reassigned.contains(name) {
            true => (None, Known::Unknown),
            false => (Some(self.declarations), known),
        };
        self.variables.push(Variable { name: name.to_owned(), slot, declaration, known });
        self.slots = self.slots.max(self.variables.len());
        Some(slot)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { variables: self.variables.len(), present: self.present.len() }
    }

    /// Forgets the variables and the presence learnt since `mark`.
    pub(super) fn reset(&mut self, mark: Mark) {
        self.variables.truncate(mark.variables);
        self.present.truncate(mark.present);
    }

    /// Forgets the presence learnt since `mark`.
    pub(super) fn reset_presence(&mut self, mark: Mark) {
        self.present.truncate(mark.present);
    }

    /// Returns whether a value, or one inside it, is certainly there.
    pub(super) fn is_present(&self, root: Root, path: &[String]) -> bool {
        self.present.iter().any(|(at, present)| *at == root && present.starts_with(path))
    }

    /// Learns what is present where `condition` came out as `truth`.
    pub(super) fn learn(&mut self, condition: &Expression, truth: bool, origins: &[Origin]) {
        if self.present.len() >= MAX_PRESENT {
            return;
        }
        match condition {
            Expression::Path { origin, .. } | Expression::Index { origin, .. } => {
                if truth && let Some(known) = &origins[*origin].known {
                    self.present.push(known.clone());
                }
            }
            Expression::Not(operand) => self.learn(operand, !truth, origins),
            Expression::And(operands) if truth => self.learn_all(operands, truth, origins),
            Expression::Or(operands, _) if !truth => self.learn_all(operands, truth, origins),
            Expression::Compare { operator, operands, .. } => {
                let against_nil = operands.iter().any(|operand| matches!(operand, Expression::Nil(_)));
                let equal = match operator {
                    Operator::Eq => truth,
                    Operator::Ne => !truth,
                    // An absent operand would have been an error.
                    Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge => !against_nil,
                };
                if equal != against_nil {
                    // With several alternatives only the first operand is known to have been met.
                    let met = if operands.len() == 2 { 2 } else { 1 };
                    self.learn_all(&operands[..met.min(operands.len())], true, origins);
                }
            }
            Expression::And(_) | Expression::Or(..) | Expression::Literal(_) | Expression::Nil(_) => {}
        }
    }

    fn learn_all(&mut self, operands: &[Expression], truth: bool, origins: &[Origin]) {
        for operand in operands {
            self.learn(operand, truth, origins);
        }
    }
}
