//! What no run may ever do, looked for at the end of each.

use std::path::Path;

use chrono::TimeDelta;
use gatehouse::twin::kisi::{Assignee, Creator, Scope};

use super::rig::{Moment, Rig};
use super::sought::holds;

/// The limit of Kisi's own (Kisi API notes, 2.2).
const KISI_CALLS_A_SECOND: usize = 5;

impl Rig {
    /// Stops the gateway and looks at everything it did.
    pub async fn finish(mut self) {
        if self.gateway.is_some() {
            self.stop().await;
        }
        self.quotas_were_kept();
        self.kisi_was_asked_rightly();
        self.what_was_taken_away_was_read_before();
        self.secrets_stayed_secret();
        self.payloads_fit_their_schemas();
        let logged = self.logged();
        assert!(!logged.contains("panicked at"), "{logged}");
    }

    /// Rules 8 and the notes on both clouds: never above the limits, so that no call is ever refused for them.
    fn quotas_were_kept(&self) {
        let kisi: Vec<(Moment, u16)> =
            self.kisi(|kisi, _| kisi.history().requests.iter().map(|r| (r.at, r.status)).collect());
        assert!(kisi.iter().all(|(_, status)| *status != 429), "Kisi answered 429");
        for calls in kisi.windows(KISI_CALLS_A_SECOND + 1) {
            let (first, last) = (calls[0].0, calls[KISI_CALLS_A_SECOND].0);
            assert!(last - first >= TimeDelta::seconds(1), "six calls of Kisi from {first} until {last}");
        }
        let nexudus = self.nexudus.lock().unwrap();
        let throttled = nexudus.history().requests().find(|r| r.status == 409);
        assert!(throttled.is_none(), "Nexudus throttled: {throttled:?}");
    }

    /// Nobody is mailed for a change of rows, no group is made or changed, and each row of ours is a plain one.
    fn kisi_was_asked_rightly(&self) {
        self.kisi(|kisi, _| {
            let history = kisi.history();
            let mailed = history.notices.iter().find(|notice| notice.notify != Some(false));
            assert!(mailed.is_none(), "notify must be sent as false: {mailed:?}");
            let groups = history.requests.iter().find(|r| &*r.method != "GET" && r.path.starts_with("/group"));
            assert!(groups.is_none(), "a group was to be changed: {groups:?}");
            for row in history.assignments.iter().filter(|row| row.created_by == Creator::User(self.me)) {
                assert_eq!(row.role_id, "group_basic");
                assert!(matches!((row.assignee, row.scope), (Assignee::User(_), Scope::Group(_))), "{row:?}");
            }
        });
    }

    /// Rules 6 and 5: a removal, a deletion, a suspension rests on a read of that very row or user, never on a list.
    fn what_was_taken_away_was_read_before(&self) {
        self.kisi(|kisi, _| {
            let mut last = std::collections::BTreeMap::new();
            for request in &kisi.history().requests {
                let path: &str = &request.path;
                let taken = match &*request.method {
                    "DELETE" => path.starts_with("/role_assignments/") || path.starts_with("/users/"),
                    "PATCH" => path.starts_with("/users/"),
                    _ => false,
                };
                assert!(!taken || last.get(path) == Some(&"GET"), "{} {path} without a read of it", request.method);
                last.insert(path, &*request.method);
            }
        });
    }

    /// Promise 8, for everything that is there to be read.
    fn secrets_stayed_secret(&self) {
        let mut places = vec![("log".to_owned(), self.logged().into_bytes())];
        let said = self.watcher.seen();
        places.extend(said.into_iter().map(|message| {
            let bytes = format!("{}\n{}", message.topic, message.payload).into_bytes();
            (message.topic, bytes)
        }));
        places.extend(files(&self.store()));
        for (place, bytes) in places {
            for secret in &self.secrets {
                assert!(!holds(&bytes, secret), "{place} holds {secret}");
            }
        }
    }
}

/// The files of a directory, whole.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect()
}
