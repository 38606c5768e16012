//! One HTTP receiver: a POST, and what its answer means.
//!
//! Invariant: secrets are read from their files for each request and kept nowhere, so that a rotated one is used
//! at once. A redirect is not followed: whoever moved says so in the log.

use crate::edges::sink::dead_letters::base64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

/// Bytes of an answer that are read, to say why it was refused.
const ANSWER_BYTES_MAX: u64 = 2048;

/// How to reach a receiver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpTarget {
    /// `http://…` or `https://…`.
    pub url: String,
    /// How long a request may take in all.
    pub timeout: Duration,
    /// Certificates to trust in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Who we are.
    pub auth: Auth,
}

/// How we say who we are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Auth {
    /// Not at all.
    None,
    /// A bearer token, in this file.
    Bearer(PathBuf),
    /// A user name, and a password in this file.
    Basic(String, PathBuf),
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// The receiver has it.
    Taken,
    /// The receiver will refuse it again: it says that the request itself is wrong.
    Refused(String),
    /// It may pass: no connection, no answer in time, an answer that speaks of the receiver's own state.
    Failed(String),
}

/// An open client.
pub(super) struct Http {
    target: HttpTarget,
    agent: Option<Agent>,
}

impl Http {
    pub(super) fn new(target: &HttpTarget) -> Http {
        Http { target: target.clone(), agent: None }
    }

    /// Posts a body.
    pub(super) fn post(&mut self, headers: &[(String, String)], body: &[u8]) -> Answer {
        self.attempt(headers, body).unwrap_or_else(Answer::Failed)
    }

    fn attempt(&mut self, headers: &[(String, String)], body: &[u8]) -> Result<Answer, String> {
        let agent = match self.agent.take() {
            Some(agent) => agent,
            None => open(&self.target)?,
        };
        let mut request = agent.post(&self.target.url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(value) = authorization(&self.target.auth)? {
            request = request.header("authorization", value);
        }
        let sent = request.send(body);
        self.agent = Some(agent);
        let mut response = sent.map_err(|error| error.to_string())?;
        let status = response.status();
        if status.is_success() {
            // read to its end, so that the connection is used again
            let _ = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
            return Ok(Answer::Taken);
        }
        let said =
            response.body_mut().with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string();
        let why = format!("{status}: {}", said.unwrap_or_default().trim());
        match status.as_u16() {
            400 | 413 | 415 | 422 | 431 => Ok(Answer::Refused(why)),
            _ => Err(why),
        }
    }
}

fn open(target: &HttpTarget) -> Result<Agent, String> {
    let mut tls =
        TlsConfig::builder().provider(TlsProvider::NativeTls).root_certs(RootCerts::PlatformVerifier);
    if let Some(path) = &target.ca_file {
        tls = tls.root_certs(RootCerts::Specific(Arc::new(certificates(path)?)));
    }
    let config = Agent::config_builder()
        .timeout_global(Some(target.timeout))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("ninetail/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls.build())
        .build();
    Ok(config.new_agent())
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let place =
        |why: String| format!("cannot read the certificates of `tls.ca_file` {}: {why}", path.display());
    let pem = std::fs::read(path).map_err(|e| place(e.to_string()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| place(e.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() { Err(place("it holds none".into())) } else { Ok(certificates) }
}

fn authorization(auth: &Auth) -> Result<Option<String>, String> {
    Ok(match auth {
        Auth::None => None,
        Auth::Bearer(path) => Some(format!("Bearer {}", secret("auth.bearer_token_file", path)?)),
        Auth::Basic(user, path) => {
            let password = secret("auth.password_file", path)?;
            Some(format!("Basic {}", base64(format!("{user}:{password}").as_bytes())))
        }
    })
}

fn secret(what: &str, path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read `{what}` {}: {error}", path.display()))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::asn1::Asn1Time;
    use openssl::hash::MessageDigest;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::ssl::{SslAcceptor, SslMethod};
    use openssl::x509::extension::SubjectAlternativeName;
    use openssl::x509::{X509, X509Name};
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn secrets_are_read_and_written_as_http_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert!(authorization(&Auth::Bearer(path.clone())).unwrap_err().contains("auth.bearer_token_file"));
        std::fs::write(&path, "open sesame\n").unwrap();
        let basic = Auth::Basic("Aladdin".into(), path.clone());
        assert_eq!(authorization(&basic).unwrap().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(authorization(&Auth::Bearer(path)).unwrap().unwrap(), "Bearer open sesame");
    }

    /// A key, and a certificate of localhost that it signed itself, PEM.
    fn certificate() -> (PKey<Private>, X509) {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let mut name = X509Name::builder().unwrap();
        name.append_entry_by_text("CN", "localhost").unwrap();
        let name = name.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
        let names = SubjectAlternativeName::new()
            .dns("localhost")
            .build(&builder.x509v3_context(None, None))
            .unwrap();
        builder.append_extension(names).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        (key, builder.build())
    }

    #[test]
    fn a_server_is_trusted_by_the_certificates_named_and_no_other() {
        let (key, certificate) = certificate();
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
        acceptor.set_private_key(&key).unwrap();
        acceptor.set_certificate(&certificate).unwrap();
        let (acceptor, listener) = (acceptor.build(), TcpListener::bind("127.0.0.1:0").unwrap());
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // who does not trust us goes away
                let Ok(mut stream) = acceptor.accept(stream) else { continue };
                let (mut request, mut part) = (Vec::new(), [0; 4096]);
                while !request.ends_with(b"\r\n\r\nx") {
                    match stream.read(&mut part) {
                        Ok(read) if read > 0 => request.extend(&part[..read]),
                        _ => break,
                    }
                }
                let _ = stream.write_all(b"HTTP/1.1 204 Said\r\nconnection: close\r\n\r\n");
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let (right, other) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
        std::fs::write(&right, certificate.to_pem().unwrap()).unwrap();
        std::fs::write(&other, self::certificate().1.to_pem().unwrap()).unwrap();
        let post = |ca_file: Option<PathBuf>| {
            let timeout = Duration::from_secs(10);
            let target = HttpTarget { url: url.clone(), timeout, ca_file, auth: Auth::None };
            Http::new(&target).post(&[], b"x")
        };
        assert_eq!(post(Some(right)), Answer::Taken);
        for stranger in [None, Some(other)] {
            assert!(matches!(post(stranger), Answer::Failed(why) if why.contains("certificate")));
        }
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        assert!(matches!(post(Some(empty)), Answer::Failed(why) if why.contains("it holds none")));
    }
}
