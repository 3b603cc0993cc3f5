//! The Kisi twin checked by Kisi's own client from npm, 8.0.0.
//!
//! It needs Node, npm and, the first time, npm's registry. Where one is missing the check is skipped and says so on
//! standard error; with `GATEHOUSE_NODE=required` in the environment it fails instead.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use gatehouse::clock::Clock;
use gatehouse::twin::kisi::{KisiTwin, Organization, Place};
use gatehouse::twin::serve::serve;
use tokio::net::TcpListener;

const SECRET: &str = "official-client-check";

/// Proves that a program of Kisi's that never saw this code understands the twin's header, pages, errors and bodies.
/// It doesn't prove that the live service answers so, nor anything of PATCH, which this client can't send.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kisis_own_client_finds_nothing_wrong_with_the_twin() {
    let directory = match tokio::task::spawn_blocking(installed).await.unwrap() {
        Ok(directory) => directory,
        Err(missing) => {
            let required = std::env::var("GATEHOUSE_NODE").is_ok_and(|value| value == "required");
            assert!(!required, "the check by kisi-client can't run: {missing}");
            eprintln!("SKIPPED: the check by Kisi's own client did not run: {missing}");
            return;
        }
    };
    let start = "2027-02-01T09:00:00Z".parse().unwrap();
    let mut twin = KisiTwin::new(Organization { id: 9, name: "Check".into(), domain: "check".into() }, 3);
    twin.add_administrator("gateway@check.example", SECRET, start);
    let place = twin.add_place(Place { name: "Pier".into(), ..Place::default() });
    twin.add_room(place, "Gallery", start);
    twin.add_room(place, "Studio", start);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // So fast that the client's short pauses keep it below five calls a second of the twin's time.
    let carrier = serve(listener, Arc::new(Mutex::new(twin)), Clock::starting_at(start, 100.0)).await.unwrap();
    let url = carrier.base_url();
    let output = tokio::task::spawn_blocking(move || {
        let mut node = Command::new("node");
        for proxy in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            node.env_remove(proxy);
        }
        node.arg("check.mjs").arg(url).arg(SECRET).current_dir(directory).output()
    });
    let output = output.await.unwrap().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    carrier.shutdown().await;
}

/// A directory with the check and its packages, or what is missing.
fn installed() -> Result<PathBuf, String> {
    for program in ["node", "npm"] {
        run(Command::new(program).arg("--version")).map_err(|why| format!("{program}: {why}"))?;
    }
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kisi-client");
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kisi-client-8.0.0");
    std::fs::create_dir_all(&to).map_err(|why| format!("{}: {why}", to.display()))?;
    for file in ["package.json", "package-lock.json", "check.mjs"] {
        std::fs::copy(from.join(file), to.join(file)).map_err(|why| format!("{file}: {why}"))?;
    }
    if !to.join("node_modules/.package-lock.json").exists() {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(&to);
        run(&mut npm).map_err(|why| format!("npm ci: {why}"))?;
    }
    Ok(to)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|why| why.to_string())?;
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
