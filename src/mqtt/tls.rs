//! TLS towards the broker: whom we trust and who we are, read from files anew for each connection, so that a renewed
//! certificate is used without a restart.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, RootCertStore};

use super::broker::BrokerError;

/// Where certificates and keys are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// `mqtt.ca_file`: trusted instead of the system's roots.
    pub ca: Option<PathBuf>,
    /// `mqtt.client_cert` and `mqtt.client_key`: who we are.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// What tells files from those of another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Print(u64);

impl TlsFiles {
    /// The files as they are now. Blocks on the disk.
    pub(super) fn print(&self) -> Print {
        let mut hasher = DefaultHasher::new();
        let client = self.client.iter().flat_map(|(certificate, key)| [certificate, key]);
        self.ca.iter().chain(client).for_each(|path| std::fs::read(path).ok().hash(&mut hasher));
        Print(hasher.finish())
    }
}

/// rustls' configuration from the files as they are now. Blocks on the disk.
pub(super) fn client_config(files: &TlsFiles) -> Result<Arc<ClientConfig>, BrokerError> {
    let roots = match &files.ca {
        Some(path) => roots_of(path)?,
        None => system_roots()?,
    };
    let broken = |error: rustls::Error| BrokerError::File { what: "TLS".to_owned(), why: error.to_string() };
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(broken)?
        .with_root_certificates(roots);
    let config = match &files.client {
        None => builder.with_no_client_auth(),
        Some((cert_file, key_file)) => {
            let certs = certificates("mqtt.client_cert", cert_file)?;
            let key = PrivateKeyDer::from_pem_slice(&read("mqtt.client_key", key_file)?)
                .map_err(|error| unusable("mqtt.client_key", key_file, &error))?;
            builder
                .with_client_auth_cert(certs, key)
                .map_err(|error| unusable("mqtt.client_cert with mqtt.client_key", cert_file, &error))?
        }
    };
    Ok(Arc::new(config))
}

/// Whether a certificate was refused for its dates alone: then perhaps the box's clock is wrong (rules 4).
pub(super) fn is_about_time(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        )
    )
}

fn roots_of(path: &Path) -> Result<RootCertStore, BrokerError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("mqtt.ca_file", path)? {
        roots.add(certificate).map_err(|error| unusable("mqtt.ca_file", path, &error))?;
    }
    Ok(roots)
}

/// The system's roots. One that can't be read is left out: the others may do.
fn system_roots() -> Result<RootCertStore, BrokerError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(|| "none were found".to_owned(), ToString::to_string);
        let why = format!("{why}: install ca-certificates or set mqtt.ca_file");
        return Err(BrokerError::File { what: "the system's root certificates".to_owned(), why });
    }
    Ok(roots)
}

fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, BrokerError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(key, path)?).collect();
    match found {
        Ok(certificates) if certificates.is_empty() => Err(unusable(key, path, &"it holds no certificate in PEM")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unusable(key, path, &error)),
    }
}

fn read(key: &str, path: &Path) -> Result<Vec<u8>, BrokerError> {
    std::fs::read(path).map_err(|error| unusable(key, path, &error))
}

fn unusable(key: &str, path: &Path, why: &dyn std::fmt::Display) -> BrokerError {
    BrokerError::File { what: format!("{key} {}", path.display()), why: why.to_string() }
}
