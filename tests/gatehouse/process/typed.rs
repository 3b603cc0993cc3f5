//! The tools as somebody at a terminal of 80 columns meets them: questions, colours, progress, Ctrl-C; and what is said
//! where a cloud refuses or is away, word for word.

use std::os::unix::fs::PermissionsExt;

use super::super::golden::held;
use super::gateway::KISI_KEY;
use super::rig::{BOARDROOM, PASSWORD, Rig, free_port};
use super::terminal::{Terminal, lines};

/// Somebody types a site's name that is not allowed, a wrong password and a wrong key, is told why and asked again, takes
/// the defaults with Enter, and ends with a configuration that `check` takes. What is secret is never shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_init_asks_on_a_terminal_and_tries_each_answer_at_once() {
    let rig = Rig::new(|_| ()).await;
    let [nexudus, kisi] = rig.ports();
    let (nexudus, kisi) = (format!("http://127.0.0.1:{nexudus}/api"), format!("http://127.0.0.1:{kisi}"));
    let place = |name: &str| rig.directory.path().join(name).display().to_string();
    let (target, store) = (place("new/gatehouse.toml"), place("new-store"));
    let arguments = ["init", "--config", &target, "--nexudus-url", &nexudus, "--kisi-url", &kisi, "--store", &store];
    let mut terminal = Terminal::run(&rig, "", &arguments);
    terminal.answer("The site's name in topics (a-z, 0-9, -): ", "Harbour House").await;
    terminal.until("site.id").await;
    terminal.answer("The site's name in topics (a-z, 0-9, -): ", "harbour-house").await;
    terminal.answer("The Nexudus user's e-mail: ", "gateway@example.org").await;
    terminal.answer("That user's password: ", "a wrong word").await;
    terminal.until("Nexudus does not take it").await;
    terminal.answer("The Nexudus user's e-mail: ", "gateway@example.org").await;
    terminal.answer("That user's password: ", PASSWORD).await;
    terminal.until("Nexudus: signed in.").await;
    terminal.answer("The location's id [4711]: ", "").await;
    terminal.answer("The site's IANA time zone [Europe/London]: ", "").await;
    terminal.answer("The Kisi API key: ", "a wrong key").await;
    terminal.until("Kisi does not take it").await;
    terminal.answer("The Kisi API key: ", KISI_KEY).await;
    terminal.until("Kisi: signed in as user").await;
    terminal.answer("The MQTT broker [mqtt://127.0.0.1:1883]: ", &format!("mqtt://127.0.0.1:{}", rig.gate.port)).await;
    terminal.answer("The user at the broker []: ", "").await;
    terminal.until("gatehouse check --online").await;
    let (exit, shown) = terminal.end().await;
    assert_eq!(exit, 0, "{shown}");
    for secret in [PASSWORD, KISI_KEY, "a wrong word", "a wrong key"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let mode = |name: &str| std::fs::metadata(place(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode("new/gatehouse.toml"), mode("new/credentials/kisi-api-key")], [0o640, 0o600]);
    let check = rig.verb(&["check", "--online", "--config", &target]).await;
    assert_eq!(check.exit, 0, "{check:?}");

    // Ctrl-C at a question leaves nothing behind.
    let other = place("other/gatehouse.toml");
    let mut terminal = Terminal::run(&rig, "", &["init", "--config", &other]);
    terminal.until("The site's name").await;
    terminal.keys("\x03");
    let (exit, shown) = terminal.end().await;
    assert!(exit != 0 && !rig.directory.path().join("other").exists(), "{exit}: {shown}");
    rig.finish().await;
}

/// Colours are for a terminal that has them and whose owner wants them; the words are the same everywhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_colours_are_for_terminals_that_have_them() {
    let rig = Rig::new(|_| ()).await;
    rig.customer(90_210, "Ada");
    rig.book(90_210, BOARDROOM, rig.in_min(60), rig.in_min(120));
    let piped = rig.verb(&["plan"]).await;
    assert!(piped.exit == 0 && !piped.stdout.contains('\x1b'), "{piped:?}");
    assert!(piped.stdout.contains("+ added group"), "{piped:?}");
    for (env, coloured) in [("", true), ("NO_COLOR=1", false), ("NO_COLOR=", true), ("TERM=dumb", false)] {
        let (exit, shown) = Terminal::run(&rig, env, &["plan"]).end().await;
        assert_eq!(exit, 0, "{shown}");
        assert_eq!(shown.contains("\x1b[32m"), coloured, "{env:?}: {shown:?}");
        if env == "TERM=dumb" {
            assert!(!shown.contains('\x1b'), "nothing is written over either: {shown:?}");
        }
        let lines = lines(&shown);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
        for line in piped.stdout.lines().filter(|line| !line.is_empty() && line.chars().count() <= 80) {
            assert!(lines.iter().any(|shown| shown == line), "{env:?}: {line:?} is not in {lines:#?}");
        }
    }
    rig.finish().await;
}

/// Whoever waits for Kisi's pace sees how many changes are made and left; Ctrl-C ends it at once, says what is left, and
/// the next `apply` goes on from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_apply_tells_how_far_it_is_and_can_be_interrupted_at_any_moment() {
    let rig = Rig::new(|settings| {
        settings.set("kisi.requests_per_second", "2.0");
    })
    .await;
    const PEOPLE: i64 = 12;
    for person in 0..PEOPLE {
        rig.customer(90_210 + person, &format!("Person{person}"));
        rig.book(90_210 + person, BOARDROOM, rig.in_min(60), rig.in_min(120));
    }
    let mut terminal = Terminal::run(&rig, "", &["apply"]);
    terminal.until("reading both clouds").await;
    terminal.until(" changes made, ").await;
    terminal.until(" a second: about ").await;
    terminal.keys("\x03");
    let (_, shown) = terminal.end().await;
    assert!(shown.contains("interrupted"), "{shown:?}");
    let lines = lines(&shown);
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
    let rows = |rig: &Rig| rig.kisi(|kisi, _| kisi.assignments().filter(|row| row.role_id == "group_basic").count());
    let made = rows(&rig);
    assert!(made < usize::try_from(PEOPLE).unwrap(), "{made}");
    let again = rig.verb(&["apply"]).await;
    assert_eq!(again.exit, 0, "{again:?}");
    assert_eq!(rows(&rig), usize::try_from(PEOPLE).unwrap(), "{again:?}");
    let nothing = rig.verb(&["plan", "--detailed-exitcode"]).await;
    assert_eq!(nothing.exit, 0, "{nothing:?}");
    rig.finish().await;
}

/// What is said where a cloud refuses, is away, or does not let this user do something: what happened, and what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_1_errors_of_the_clouds_are_as_they_were() {
    let mut rig = Rig::new(|_| ()).await;
    // Where nobody listens.
    let nobody = free_port();
    rig.nexudus.lock().unwrap().switch(|switches| switches.limits = gatehouse::twin::nexudus::switches::Limits::Off);
    let mut text = String::new();
    let mut say = async |rig: &Rig, heading: &str, verbs: &[&[&str]]| {
        text.push_str(&format!("## {heading}\n\n"));
        for verb in verbs {
            let told = rig.verb(verb).await;
            let told = format!("$ gatehouse {}\n{}{}[{}]\n\n", verb.join(" "), told.stdout, told.stderr, told.exit);
            text.push_str(&without_chance(rig, &told).replace(&format!("127.0.0.1:{nobody}"), "NOBODY"));
        }
    };
    let verbs: [&[&str]; 4] = [&["check", "--online"], &["plan"], &["apply"], &["links", "suggest"]];
    rig.write("nexudus-password", "wrong");
    say(&rig, "a wrong password of Nexudus", &verbs).await;
    rig.write("nexudus-password", PASSWORD);
    let [nexudus, kisi] = rig.ports();
    let away = |rig: &mut Rig, key: &str, port: u16, path: &str| {
        rig.settings.set(key, &format!("\"http://127.0.0.1:{port}{path}\""));
        rig.write_settings();
    };
    away(&mut rig, "nexudus.url", nobody, "/api");
    say(&rig, "Nexudus away", &verbs).await;
    away(&mut rig, "nexudus.url", nexudus, "/api");
    rig.kisi(|kisi, _| kisi.turn_key(KISI_KEY, Some(401), None));
    say(&rig, "a wrong key of Kisi", &verbs).await;
    rig.kisi(|kisi, _| kisi.turn_key(KISI_KEY, None, None));
    away(&mut rig, "kisi.url", nobody, "");
    say(&rig, "Kisi away", &verbs).await;
    away(&mut rig, "kisi.url", kisi, "");
    rig.settings.set("mqtt.url", &format!("\"mqtt://127.0.0.1:{nobody}\""));
    rig.write_settings();
    say(&rig, "the broker away", &verbs[..1]).await;
    held("errors-of-clouds.txt", &text);
}

/// Ports and places differ from run to run.
fn without_chance(rig: &Rig, told: &str) -> String {
    let mut told = told.replace(&rig.directory.path().display().to_string(), "DIR");
    for (port, name) in rig.ports().into_iter().zip(["NEXUDUS", "KISI"]).chain([(rig.gate.port, "BROKER")]) {
        told = told.replace(&format!("127.0.0.1:{port}"), name);
    }
    told
}
