//! `completions` and `man`: what shells and `man` know of the verbs, from the same words as `--help`.

use clap::CommandFactory;

use super::args::Cli;
use super::{FAILED, WELL, WRONG, complain, print};

/// `completions`
pub fn completions(shell: clap_complete::Shell) -> u8 {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "gatehouse", &mut out);
    shown(out)
}

/// `man`: of the program, or of one verb.
pub fn man(verb: Option<&str>) -> u8 {
    let mut command = Cli::command();
    command.build();
    let page = match verb {
        None => Some(command),
        Some(verb) => command.get_subcommands().find(|sub| sub.get_name() == verb).cloned(),
    };
    let Some(page) = page else {
        let all = Cli::command();
        let verbs: Vec<&str> = all.get_subcommands().map(clap::Command::get_name).collect();
        complain(&format!("there is no verb '{}'; one of {}", verb.unwrap_or_default(), verbs.join(", ")));
        return WRONG;
    };
    let mut out = Vec::new();
    match clap_mangen::Man::new(page).render(&mut out) {
        Ok(()) => shown(out),
        Err(error) => complain(&format!("the page can't be written: {error}")),
    }
}

fn shown(out: Vec<u8>) -> u8 {
    match String::from_utf8(out) {
        Ok(text) => {
            print(&text);
            WELL
        }
        Err(_) => {
            complain("the text is not UTF-8; this is a fault of gatehouse, please report it");
            FAILED
        }
    }
}
