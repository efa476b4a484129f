//! The forms in which a provider takes tools.

use callgate::dialect::Dialect;

/// Every form of the schema: dialect, strict.
pub(crate) fn variants() -> Vec<(String, Dialect, bool)> {
    let plain = Dialect::ALL.iter().map(|dialect| (dialect.name().to_owned(), *dialect, false));
    let strict = Dialect::ALL.iter().filter(|dialect| dialect.has_strict());
    plain.chain(strict.map(|dialect| (format!("{dialect} strict"), *dialect, true))).collect()
}
