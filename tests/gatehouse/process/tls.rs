//! TLS is verified, always: the twins behind a real handshake, with authorities of the test's own.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::clock::Fake;
use super::rig::{BOARDROOM, Rig};

/// Ends TLS before a twin. What is not accepted never reaches it.
struct Front {
    port: u16,
    task: JoinHandle<()>,
}

impl Front {
    async fn before(twin: u16, directory: &Path, certificate: &str) -> Front {
        let read = |kind: &str| directory.join(format!("{certificate}.{kind}"));
        let chain = CertificateDer::pem_file_iter(read("pem")).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(read("key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((outside, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut outside) = acceptor.accept(outside).await else { return };
                    if let Ok(mut inside) = TcpStream::connect(("127.0.0.1", twin)).await {
                        _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
                    }
                });
            }
        });
        Front { port, task }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An authority `ca`, and certificates of it: `good` for localhost, `other` for another name, `old` that ended in 2021;
/// `strange` is of another authority.
fn certificates(directory: &Path) {
    let script = "set -e
        key() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr -subj /CN=$1; }
        for ca in ca else; do
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $ca.key -out $ca.pem \\
                -subj /CN=$ca -days 3650
        done
        make() {
            key $1; printf \"subjectAltName=DNS:$2\" > ext
            $4 openssl x509 -req -in $1.csr -CA $3.pem -CAkey $3.key -CAcreateserial -extfile ext -days 300 -out $1.pem
        }
        make good localhost ca ''
        make other elsewhere.example ca ''
        make strange localhost else ''
        make old localhost ca 'faketime 2020-06-01'";
    let made = Command::new("sh").args(["-c", script]).current_dir(directory).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// A rig whose clouds are reached by TLS, with certificates of those names; the box knows the authority `ca` alone.
async fn behind(nexudus: &str, kisi: &str) -> (Rig, [Front; 2]) {
    let mut rig = Rig::new(|_| ()).await;
    let directory = rig.directory.path().to_owned();
    certificates(&directory);
    let [at_nexudus, at_kisi] = rig.ports();
    let fronts = [Front::before(at_nexudus, &directory, nexudus).await, Front::before(at_kisi, &directory, kisi).await];
    rig.settings.set("nexudus.url", &format!("\"https://localhost:{}/api\"", fronts[0].port));
    rig.settings.set("kisi.url", &format!("\"https://localhost:{}\"", fronts[1].port));
    rig.write_settings();
    rig.world.env.push(("SSL_CERT_FILE".to_owned(), directory.join("ca.pem").display().to_string()));
    rig.world.env.push(("SSL_CERT_DIR".to_owned(), directory.join("none").display().to_string()));
    rig.customer(90_210, "Ada");
    rig.book(90_210, BOARDROOM, rig.in_min(-5), rig.in_min(60));
    (rig, fronts)
}

fn asked(rig: &Rig) -> usize {
    rig.kisi(|kisi, _| kisi.history().requests.len())
}

/// An unknown authority, another name, a certificate that has ended: each is refused before anything is sent, told as
/// what it is, and no alert blames this box's clock, which is right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_8_an_unknown_authority_a_wrong_name_and_an_old_certificate_are_refused() {
    for (certificate, expected) in [("strange", "UnknownIssuer"), ("other", "not valid for name"), ("old", "expired")] {
        let (mut rig, _fronts) = behind("good", certificate).await;
        rig.start();
        let refused = |rig: &mut Rig| {
            let status = rig.status()?;
            let kisi = &status["kisi"];
            (kisi["state"] == "offline" && kisi["error"].as_str()?.contains(expected)).then_some(())
        };
        rig.until(&format!("{certificate} to be refused as '{expected}'"), 20, refused).await;
        rig.until_alert("kisi", true, 10).await;
        assert_eq!(asked(&rig), 0, "{certificate}: nothing is sent to whom it can't be sure of");
        assert!(rig.said("alert/clock").is_none_or(|alert| alert["active"] == false), "{certificate}");
        rig.finish().await;
    }
}

/// The box wakes in 1970: no certificate is valid yet, so nobody is believed, and the alert says that it is the clock.
/// Once that is set, all goes on by itself: over TLS, with the time of Kisi's answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promise_6_a_certificate_not_yet_valid_by_a_wrong_clock_raises_the_clocks_alert() {
    let (mut rig, _fronts) = behind("good", "good").await;
    let fake = Fake::on(&mut rig, "@1970-01-01 00:00:10");
    rig.start();
    let alert = rig.until_alert("clock", true, 20).await;
    let message = alert["message"].as_str().unwrap();
    assert!(message.contains("certificate") && message.contains("1970"), "{message}");
    assert_eq!(asked(&rig), 0);
    fake.set("+0");
    rig.until("Ada's row", 40, |rig| rig.row("Ada", rig.boardroom.group)).await;
    rig.until_alert("clock", false, 15).await;
    rig.until("trust", 10, |rig| rig.status().filter(|status| status["clock"]["trusted"] == true)).await;
    rig.finish().await;
}
