//! Who may read and reach what is on the box, whatever `umask` the process was started with.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::rig::{BOARDROOM, Rig};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The most careless and the most careful `umask` come to the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_5_the_store_and_the_socket_have_their_modes_under_every_umask() {
    for umask in ["000", "077"] {
        let mut rig = Rig::new(|_| ()).await;
        let script = format!(r#"umask {umask}; exec "$0" "$@""#);
        rig.world.within = ["sh", "-c", &script].map(str::to_owned).into();
        rig.customer(90_210, "Ada");
        rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
        rig.start_ready().await;
        rig.until("Ada's row", 20, |rig| rig.row("Ada", rig.boardroom.group)).await;
        assert_eq!(mode(&rig.store()), 0o750, "the directory, under {umask}");
        let mut found = Vec::new();
        for entry in std::fs::read_dir(rig.store()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let wanted = if name == "gatehouse.sock" { 0o660 } else { 0o600 };
            assert_eq!(mode(&path), wanted, "{name}, under {umask}");
            found.push(name);
        }
        for name in ["cache.redb", "ledger.redb", "gatehouse.sock"] {
            assert!(found.iter().any(|found| found == name), "{name} among {found:?}");
        }
        rig.finish().await;
    }
}

/// A secret that others may read is refused, and so is its file's directory as a file; with `alert.url`, the
/// configuration holds a secret itself, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contract_2_a_secret_that_others_may_read_is_refused() {
    let mut rig = Rig::new(|_| ()).await;
    let file = rig.directory.path().join("nexudus-password");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    for verb in [&["run"][..], &["check"], &["plan"]] {
        let output = rig.verb(verb).await;
        assert_eq!(output.exit, 2, "{output:?}");
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.contains("others have access to it") && said.contains("chmod 600"), "{said}");
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(rig.verb(&["check"]).await.exit, 0, "its group may");
    rig.settings.set("alert.url", r#""https://hooks.example/T0/abc""#);
    rig.write_settings();
    let warned = |output: &super::gateway::Output| output.stderr.contains("others may read this file");
    let quiet = rig.verb(&["check"]).await;
    assert!(quiet.exit == 0 && !warned(&quiet), "{quiet:?}");
    let file = rig.directory.path().join("gatehouse.toml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let loud = rig.verb(&["check"]).await;
    assert!(loud.exit == 0 && warned(&loud), "{loud:?}");
}
