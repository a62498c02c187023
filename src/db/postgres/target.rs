//! Where the database is, from its URL: hosts, password, how far TLS goes. Parsed at the start by `config`'s caller, asked by
//! `connection`. Never shows the password.
//!
//! Beyond what tokio-postgres reads (several hosts, `connect_timeout`, `application_name`, …): `sslmode=verify-ca` and
//! `verify-full`, and `sslrootcert=FILE`, as libpq has them.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio::time::timeout;
use tokio_postgres::{
    Client, Config,
    config::{Host, SslMode, TargetSessionAttrs},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long one host may take to be connected to, unless the URL says otherwise.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// And all of them together.
const ALL_WITHIN: Duration = Duration::from_secs(4);

/// A database to connect to.
pub struct Target {
    config: Config,
    tls: MakeRustlsConnect,
}

/// How far the server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Not at all: encrypted, but by whoever answers. libpq's `prefer` and `require`.
    Nothing,
    /// That somebody whom we trust signed it. `verify-ca`, and `require` with `sslrootcert`.
    Signer,
    /// And that it is for this host. `verify-full`.
    Host,
}

impl Target {
    /// Reads a URL. The error says what is wrong, and repeats nothing of it.
    pub fn parse(url: &str) -> Result<Self, String> {
        let (url, check, roots) = without_ours(url)?;
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| reason(&error))?;
        if config.get_hosts().is_empty() {
            return Err("it names no host".to_owned());
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_WITHIN);
        }
        if config.get_application_name().is_none() {
            config.application_name("parlor");
        }
        config.keepalives_idle(Duration::from_secs(30));
        config.tcp_user_timeout(Duration::from_secs(10));
        // Whoever is not the primary (any more) is of no use.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if check.is_some_and(|check| check != Check::Nothing) {
            config.ssl_mode(SslMode::Require);
        }
        Ok(Self {
            config,
            tls: tls(check.unwrap_or(Check::Nothing), roots.as_deref())?,
        })
    }

    /// Hosts and database, for the operator.
    pub fn shown(&self) -> String {
        let hosts: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(at, host)| match host {
                Host::Tcp(name) => format!("{name}:{}", self.port(at)),
                Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        format!(
            "{} at {}",
            self.config.get_dbname().unwrap_or("the user's database"),
            hosts.join(", ")
        )
    }

    /// The port of one of the hosts: its own, the one that all share, or the usual one.
    fn port(&self, at: usize) -> u16 {
        let ports = self.config.get_ports();
        ports.get(at).or(ports.first()).copied().unwrap_or(5432)
    }

    /// Connects to the first host that will do. `closed` is set when the connection is no more. The error says which
    /// database it was, and what to do about it.
    pub async fn connect(&self, closed: Arc<AtomicBool>) -> Result<Client, String> {
        let connected = match timeout(ALL_WITHIN, self.config.connect(self.tls.clone())).await {
            Ok(connected) => connected.map_err(|error| reason(&error)),
            Err(_) => Err("no host answers".to_owned()),
        };
        let (client, connection) = connected.map_err(|why| self.with_advice(&why))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                log::warn!(target: "parlor::db", "the connection to the database ended: {}", reason(&error));
            }
            closed.store(true, Ordering::Release);
        });
        Ok(client)
    }
}

/// What an operator can do, by what stands in the reason. Server and client name no codes for most of it.
const ADVICE: &[(&str, &str)] = &[
    (
        "authentication failed",
        "see user and password in DATABASE_URL, where signs like @ : / % in a password are written as %40 %3A %2F %25",
    ),
    (
        "password missing",
        "DATABASE_URL is postgres://USER:PASSWORD@HOST/DATABASE",
    ),
    (
        "\" does not exist",
        "make it with `createdb --encoding=UTF8 --template=template0`, or correct DATABASE_URL",
    ),
    (
        "does not allow writes",
        "it is read-only, as a standby is: DATABASE_URL must name the primary, or all hosts (HOST1,HOST2)",
    ),
    (
        "too many clients",
        "raise max_connections there: a server of Parlor takes database_connections and two more",
    ),
    (
        "connection slots are reserved",
        "raise max_connections there: a server of Parlor takes database_connections and two more",
    ),
    (
        "UnknownIssuer",
        "name the file with its signer's certificate: sslrootcert=FILE in DATABASE_URL",
    ),
    (
        "not valid for name",
        "use a host name that the certificate is for, or sslmode=verify-ca",
    ),
    (
        "does not support TLS",
        "turn it on there (ssl=on), or leave sslmode away",
    ),
    (
        "lock timeout",
        "an import is writing to it: start again when that is done",
    ),
    ("Connection refused", "is it running, and does it listen there?"),
    (
        "error connecting to server",
        "are host and port right, and is it running?",
    ),
    (
        "no host answers",
        "are host and port right, and may this machine connect?",
    ),
];

impl Target {
    /// Which database it was, why it cannot be connected to, and what to do.
    pub fn with_advice(&self, why: &str) -> String {
        let advice = ADVICE.iter().find(|(part, _)| why.contains(part));
        match advice {
            Some((_, advice)) => format!("{}: {why} ({advice})", self.shown()),
            None => format!("{}: {why}", self.shown()),
        }
    }
}

/// An error with its cause: tokio-postgres keeps the server's sentence there.
fn reason(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return error.message().to_owned();
    }
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// The URL without the parameters that are ours, and what they say.
fn without_ours(url: &str) -> Result<(String, Option<Check>, Option<String>), String> {
    let Some((before, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), None, None));
    };
    let (mut kept, mut check, mut roots) = (Vec::new(), None, None);
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", "verify-ca")) => check = Some(Check::Signer),
            Some(("sslmode", "verify-full")) => check = Some(Check::Host),
            Some(("sslrootcert", path)) => roots = Some(decoded(path)?),
            Some(("sslmode", mode)) => {
                check = (mode == "require").then_some(Check::Nothing);
                kept.push(pair);
            }
            _ => kept.push(pair),
        }
    }
    if roots.is_some() && check == Some(Check::Nothing) {
        check = Some(Check::Signer);
    }
    let kept = kept.join("&");
    let url = if kept.is_empty() {
        before.to_owned()
    } else {
        format!("{before}?{kept}")
    };
    Ok((url, check, roots))
}

/// `%2F` and the like as what they stand for.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or("a % is not followed by two hexadecimal digits")?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

fn tls(check: Check, roots: Option<&str>) -> Result<MakeRustlsConnect, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let config = match check {
        Check::Host => builder.with_root_certificates(trusted(roots)?),
        Check::Signer | Check::Nothing => {
            let signer = match check {
                Check::Signer => Some(
                    WebPkiServerVerifier::builder_with_provider(Arc::new(trusted(roots)?), provider.clone())
                        .build()
                        .map_err(|error| error.to_string())?,
                ),
                _ => None,
            };
            let verifier = Arc::new(Lenient { signer, provider });
            builder.dangerous().with_custom_certificate_verifier(verifier)
        }
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

/// The signers we trust: those of a PEM file, else those that browsers trust.
fn trusted(file: Option<&str>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    let Some(file) = file else {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        return Ok(store);
    };
    let text = fs::read(file).map_err(|error| format!("sslrootcert cannot be read: {error}"))?;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| format!("sslrootcert holds no PEM certificate: {error:?}"))?;
        store
            .add(certificate)
            .map_err(|error| format!("sslrootcert holds a certificate that cannot be used: {error}"))?;
    }
    if store.is_empty() {
        return Err("sslrootcert holds no certificate".to_owned());
    }
    Ok(store)
}

/// Checks less than a browser does, because the URL says so.
#[derive(Debug)]
struct Lenient {
    /// `None`: whoever answers is believed.
    signer: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(signer) = &self.signer else {
            return Ok(ServerCertVerified::assertion());
        };
        use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
        match signer.verify_server_cert(certificate, between, name, ocsp, now) {
            // Everything was right but the name, which is looked at last.
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
