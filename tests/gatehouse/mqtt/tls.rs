//! mqtts with an authority of its own, client certificates and passwords, against a real mosquitto.

use std::path::Path;
use std::time::Duration;

use gatehouse::clock::Clock;
use gatehouse::mqtt::broker::BrokerError;
use gatehouse::mqtt::rumqtt::TlsFiles;
use gatehouse::report::State;

use super::{CLIENT, Mosquitto, hasty, house, real_with, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn mqtts_takes_its_own_ca_a_client_certificate_and_a_password_and_tells_refusal_from_absence() {
    let lines = "allow_anonymous false\npassword_file {dir}/passwords\ncafile {dir}/ca.pem\ncertfile {dir}/server.pem\n\
                 keyfile {dir}/server.key\nrequire_certificate true\n";
    let broker = Mosquitto::start_with(lines, certificates).await;
    let directory = broker.directory.path().to_owned();
    let with = |password: &'static str, ca: bool| {
        let directory = directory.clone();
        real_with(&format!("mqtts://localhost:{}", broker.port), move |settings| {
            settings.credentials = Some(("gateway".to_owned(), password.into()));
            settings.tls = TlsFiles {
                ca: ca.then(|| directory.join("ca.pem")),
                client: Some((directory.join("client.pem"), directory.join("client.key"))),
            };
        })
    };
    let good = house(with("right", true), Clock::system(), hasty());
    good.rows.add(1, 1);
    wait_for("the event to go", || (good.rows.left() == 0).then_some(())).await;
    good.stop.cancel();
    good.task.await.unwrap();

    let refused = house(with("wrong", true), Clock::system(), hasty());
    wait_for("the refusal", || (refused.state.borrow().state == State::Refused).then_some(())).await;
    refused.stop.cancel();
    let strange = house(with("right", false), Clock::system(), hasty());
    let unknown =
        |error: &Option<BrokerError>| matches!(error, Some(BrokerError::Tls { .. } | BrokerError::File { .. }));
    wait_for("an unknown CA", || unknown(&strange.state.borrow().error).then_some(())).await;
    assert_eq!(strange.state.borrow().state, State::Offline);
}

fn certificates(directory: &Path) {
    let script = "set -e
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2
        for who in server client renewed; do
            openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $who.key -out $who.csr -subj /CN=$who
            printf 'subjectAltName=DNS:localhost' > ext
            openssl x509 -req -in $who.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -days 2 -out $who.pem
        done
        mosquitto_passwd -b -c passwords gateway right";
    let made = std::process::Command::new("sh").args(["-c", script]).current_dir(directory).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// A renewed certificate is used within the time of one look, without an `offline` in between; one that can't be used
/// leaves the connection as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_used_at_once_and_a_broken_one_never() {
    let lines = "cafile {dir}/ca.pem\ncertfile {dir}/server.pem\nkeyfile {dir}/server.key\nrequire_certificate true\n\
                 use_identity_as_username true\n";
    let broker = Mosquitto::start_with(lines, certificates).await;
    let directory = broker.directory.path().to_owned();
    let path = |name: &str| directory.join(name);
    let copy = |from: &str| {
        std::fs::copy(path(&format!("{from}.key")), path("mine.key")).unwrap();
        std::fs::copy(path(&format!("{from}.pem")), path("mine.pem")).unwrap();
    };
    copy("client");
    let link = real_with(&format!("mqtts://localhost:{}", broker.port), |settings| {
        settings.tls = TlsFiles { ca: Some(path("ca.pem")), client: Some((path("mine.pem"), path("mine.key"))) };
        settings.renewal = Duration::from_millis(50);
    });
    let house = house(link, Clock::system(), hasty());
    let log = || std::fs::read_to_string(path("log")).unwrap();
    let connected = |user: &str| log().matches(&format!("as {CLIENT} (p2, c1, k30, u'{user}')")).count();
    house.rows.add(1, 1);
    wait_for("the event to go", || (house.rows.left() == 0).then_some(())).await;
    assert_eq!((connected("client"), connected("renewed")), (1, 0));

    std::fs::write(path("mine.pem"), "half a certific").unwrap();
    Clock::system().sleep(Duration::from_millis(300)).await;
    house.rows.add(1, 2);
    wait_for("the event to go", || (house.rows.left() == 0).then_some(())).await;
    assert_eq!((connected("client"), house.state.borrow().state), (1, State::Online), "it stays as it is");

    copy("renewed");
    wait_for("the renewed one", || (connected("renewed") == 1).then_some(())).await;
    house.rows.add(1, 3);
    wait_for("the event to go", || (house.rows.left() == 0).then_some(())).await;
    assert_eq!(house.state.borrow().state, State::Online);
    assert!(!log().contains("closed its connection"), "it says goodbye, so that there is no last will");
}
