//! Finds values in what a caller has said.

/// The words of a text in lower case, without punctuation around them.
pub(super) fn words(text: &str) -> Vec<String> {
    let plain = text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    plain.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// Whether one of the words of `text` is one of `known`.
pub(super) fn has(text: &str, known: &[&str]) -> bool {
    words(text).iter().any(|word| known.contains(&word.as_str()))
}

/// The numbers such as `ORD-12345` of `digits` digits, each once, also where they are said as `ord 12345`.
pub(super) fn numbers(text: &str, prefix: &str, digits: std::ops::RangeInclusive<usize>) -> Vec<String> {
    let words = words(text);
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let Some(rest) = word.strip_prefix(prefix) else { continue };
        let number = match rest.trim_start_matches('-') {
            "" => words.get(at + 1).map(String::as_str).unwrap_or_default(),
            number => number,
        };
        if digits.contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit()) {
            push(&mut found, format!("{}-{number}", prefix.to_uppercase()));
        }
    }
    found
}

/// The numbers of `digits` digits that stand alone, each once.
pub(super) fn bare_numbers(text: &str, digits: usize) -> Vec<String> {
    let mut found = Vec::new();
    for word in words(text) {
        if word.len() == digits && word.bytes().all(|b| b.is_ascii_digit()) {
            push(&mut found, word);
        }
    }
    found
}

fn push(all: &mut Vec<String>, one: String) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// An e-mail address, written or said as `ann at example dot com`.
pub(super) fn email(text: &str) -> Option<String> {
    let words = words(text);
    let written = words.iter().find(|word| is_email(word)).cloned();
    written.or_else(|| {
        words.windows(5).find_map(|said| match said {
            [name, at, host, dot, top] if at == "at" && dot == "dot" => Some(format!("{name}@{host}.{top}")),
            _ => None,
        })
    })
}

fn is_email(word: &str) -> bool {
    word.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
}

/// A day, as `2026-03-15`.
pub(super) fn date(text: &str) -> Option<String> {
    words(text).into_iter().find(|word| {
        let digits = |part: &str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
        match word.split('-').collect::<Vec<_>>()[..] {
            [year, month, day] => digits(year, 4) && digits(month, 2) && digits(day, 2),
            _ => false,
        }
    })
}

/// A name, which begins with a capital letter, after "my name is" and its like.
pub(super) fn name(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let leads = ["my name is ", "name's ", "this is ", "the name is "];
    let rest = leads.iter().find_map(|lead| lower.find(lead).map(|at| &text[at + lead.len()..]))?;
    rest.starts_with(char::is_uppercase).then(|| short_name(rest)).flatten()
}

/// The name with which a text begins: up to three words.
pub(super) fn short_name(text: &str) -> Option<String> {
    let end = text.find(['.', ',', ';', '!', '?', ':']).unwrap_or(text.len());
    let said = text[..end].split_whitespace().take_while(|word| *word != "and");
    let name = said.take(3).collect::<Vec<_>>().join(" ");
    (!name.is_empty() && !name.contains('@')).then_some(name)
}

/// What is wrong, without what else stands in the text: that a ticket is wanted, the status of an order, an address.
pub(super) fn issue(text: &str) -> Option<String> {
    let mut text = format!("{text} ");
    for gap in [". ", "? ", "! ", "; ", ": ", ", ", " and ", " because ", " about ", " as ", " - ", "\n"] {
        text = text.replace(gap, "\n");
    }
    let asks = ["ticket", "status", "where", "when", "e-mail", "email", "mail", "complaint", "hello", "hi"];
    let asks_for = |clause: &&str| has(clause, &asks) || name(clause).is_some() || email(clause).is_some();
    let clauses = text
        .lines()
        .map(|clause| clause.trim().trim_end_matches(['.', '!', '?']))
        .filter(|clause| words(clause).len() >= 2);
    let issue = clauses.filter(|clause| !asks_for(clause)).collect::<Vec<_>>().join(", ");
    capital(&issue)
}

/// A text that begins with a capital letter; none where it is empty.
fn capital(text: &str) -> Option<String> {
    let mut characters = text.chars();
    let first = characters.next()?;
    Some(format!("{}{}", first.to_uppercase(), characters.as_str()))
}

/// A number from one to five.
pub(super) fn rating(text: &str) -> Option<usize> {
    let known = [["1", "one"], ["2", "two"], ["3", "three"], ["4", "four"], ["5", "five"]];
    known.iter().position(|names| has(text, names)).map(|at| at + 1)
}

/// Which of `count` things is chosen by its place, from 0.
pub(super) fn choice(text: &str, count: usize) -> Option<usize> {
    let known: [&[&str]; 3] = [&["first", "1st", "earliest"], &["second", "2nd"], &["third", "3rd"]];
    let last = has(text, &["last", "latest"]).then(|| count.checked_sub(1)).flatten();
    known.iter().take(count).position(|names| has(text, names)).or(last)
}

/// A time as it is said: `March 12 at 09:00` for `2026-03-12T09:00:00`; a day without its time.
pub(super) fn spoken_time(written: &str) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let (date, time) = written.split_once('T').unwrap_or((written, ""));
    let mut parts = date.split('-').skip(1).map(|part| part.parse::<usize>().ok());
    let (Some(Some(month)), Some(Some(day))) = (parts.next(), parts.next()) else {
        return written.to_owned();
    };
    let Some(month) = month.checked_sub(1).and_then(|month| MONTHS.get(month)) else {
        return written.to_owned();
    };
    match time.get(..5) {
        Some(time) => format!("{month} {day} at {time}"),
        None => format!("{month} {day}"),
    }
}
