//! Parameters that may be absent.

use super::{Converter, Meaning, Spot, Step, operand, reference};

/// A parameter that may be absent, where no condition asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Optional {
    /// The parameter.
    pub(crate) name: String,
    /// How a template refers to it, or to what is in it.
    pub(crate) code: String,
}

impl Optional {
    /// The output that fails where it is absent.
    pub(crate) fn bare(&self) -> String {
        format!("{{{{{}}}}}", self.code)
    }

    /// The output that is empty where it is absent.
    pub(crate) fn if_present(&self) -> String {
        format!("{{{{if {}}}}}{}{{{{end}}}}", self.is_present(), self.bare())
    }

    /// The condition that it is not absent: 0, false and empty texts are there.
    pub(crate) fn is_present(&self) -> String {
        format!("ne {} nil", operand(&self.code))
    }
}

impl Converter<'_, '_> {
    /// A parameter that may be absent.
    pub(super) fn optional(&mut self, steps: Vec<Step>, before: &str, after: &str) {
        let Some(Step::Key(name)) = steps.first().cloned() else { return };
        let optional = Optional { name, code: reference(&Meaning::Optional(steps)) };
        if self.asked.iter().any(|(_, code)| *code == optional.code) {
            self.action(&format!("{before}{}{after}", optional.code));
            return;
        }
        match self.spot() {
            Spot::JsonValue => self.action(&format!("{before}{}{after}", optional.code)),
            Spot::Text => {
                self.action(&format!("{before}if {}", optional.is_present()));
                self.action(&optional.code);
                self.action(&format!("end{after}"));
            }
        }
        if !self.out.optional.contains(&optional) {
            self.out.optional.push(optional);
        }
    }
}
