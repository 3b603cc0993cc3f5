//! Whatever becomes of the file in an editor: it loads, or every error points into it.

use std::path::Path;

use proptest::prelude::*;

use super::super::Config;
use super::{SAMPLE, Variables};

/// The sample without what is only explained, so that a mutation hits what counts.
fn settings() -> Vec<&'static str> {
    SAMPLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
}

fn judge(text: &str) -> Result<(), TestCaseError> {
    let env = Variables::default();
    let Err(errors) = Config::parse(text, Path::new("gatehouse.toml"), &env) else { return Ok(()) };
    prop_assert!(!errors.errors().is_empty());
    let lines: Vec<&str> = text.split('\n').collect();
    for error in errors.errors() {
        prop_assert!((1..=lines.len()).contains(&error.line), "line {} of {}", error.line, lines.len());
        let width = lines[error.line - 1].chars().count();
        prop_assert!((1..=width + 1).contains(&error.column), "column {} of {width}: {error}", error.column);
        prop_assert!(!error.message.is_empty() && !error.allowed.is_empty() && !error.found.is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_line_never_panics_and_every_error_has_a_place(
        at in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        junk in "[\\[\\]{}=\"'#,.a-z0-9\u{e9}\u{1F511} \t\r\\\\-]{0,12}",
        how in 0..5,
    ) {
        let mut lines: Vec<String> = settings().into_iter().map(str::to_owned).collect();
        let index = at.index(lines.len());
        let other = lines[from.index(lines.len())].clone();
        match how {
            0 => _ = lines.remove(index),
            1 => lines[index] = junk,
            2 => lines[index] = other,
            3 => lines.insert(index, other),
            _ => {
                let line = &mut lines[index];
                let place = line.floor_char_boundary(cut.index(line.len() + 1));
                line.insert_str(place, &junk);
            }
        }
        judge(&lines.join("\n"))?;
    }

    #[test]
    fn promise_8_a_secret_in_clear_stays_hidden_however_its_line_is_broken(
        cut in any::<prop::sample::Index>(),
        junk in "[\\[\\]{}=\"'#,.a-z0-9 \t\r\\\\-]{0,6}",
        quote in "[\"']?",
        section in 0..3usize,
    ) {
        let mut line = [
            format!("password = {quote}hunter2{quote}"),
            format!("mqtt = {{ username = 'x', password = {quote}hunter2{quote}, people = 'all' }}"),
            format!("kisi.api_key = {{ env = {quote}hunter2!{quote} }}"),
        ][section].clone();
        let secret = line.find("hunter2").unwrap_or(0);
        let place = cut.index(line.len() + 1);
        if place <= secret || place >= secret + "hunter2".len() {
            line.insert_str(place, &junk);
        }
        let text = if section == 0 { format!("[nexudus]\n{line}\nchanges = 5\n") } else { format!("{line}\n[nexudus]\nchanges = 5\n") };
        if let Err(errors) = Config::parse(&text, Path::new("gatehouse.toml"), &Variables::default()) {
            let shown = format!("{errors} {errors:?} {}", serde_json::to_string(&errors).unwrap_or_default());
            prop_assert!(!shown.contains("hunter2"), "of\n{text}\nthis shows the secret:\n{errors}");
        }
    }

    #[test]
    fn any_text_at_all_never_panics(text in "\\PC{0,80}(\r?\n[\\[\\]{}=\"'#,.a-z0-9 \\\\]{0,20}){0,6}") {
        judge(&text)?;
    }
}

/// Keys and brackets nested without end are an error, not the end of the stack.
#[test]
fn a_file_of_endless_nesting_is_refused() {
    for text in [format!("a{} = 1", ".a".repeat(200_000)), "a = ".to_owned() + &"[".repeat(200_000)] {
        let parsed = Config::parse(&text, Path::new("gatehouse.toml"), &Variables::default());
        assert!(!parsed.expect_err("no configuration").errors().is_empty());
    }
}
