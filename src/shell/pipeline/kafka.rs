//! How to reach a Kafka cluster: librdkafka settings, with secrets left in their files.
//!
//! Invariant: nothing here holds a secret's value but the settings that [`Cluster::settings`] returns,
//! and those are for librdkafka alone.

use super::load::Checker;
use crate::shell::config::{At, KafkaClusterFile, KafkaSourceFile, OneOrMany, SaslFile, TlsFile};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A Kafka cluster and how to speak to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Bootstrap servers, separated by commas.
    pub brokers: String,
    /// TLS, where it is used.
    pub tls: Option<Tls>,
    /// SASL, where it is used.
    pub sasl: Option<Sasl>,
    /// Settings handed to librdkafka as they are; none of those that ninetail decides itself.
    pub librdkafka: BTreeMap<String, String>,
}

/// TLS to a cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tls {
    /// Certificates to trust.
    pub ca_file: Option<PathBuf>,
    /// Certificate of this client.
    pub certificate_file: Option<PathBuf>,
    /// Private key of this client.
    pub key_file: Option<PathBuf>,
    /// File that holds the key's password.
    pub key_password_file: Option<PathBuf>,
    /// Whether the broker's name is checked.
    pub verify_hostname: bool,
}

/// SASL authentication.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sasl {
    /// Mechanism, as on the wire.
    pub mechanism: &'static str,
    /// User name.
    pub username: String,
    /// File that holds the password.
    pub password_file: PathBuf,
}

/// A file that holds a secret cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {what} {}: {error}", path.display())]
pub struct SecretError {
    /// Which secret.
    pub what: &'static str,
    /// Its path.
    pub path: PathBuf,
    /// Why.
    pub error: std::io::Error,
}

/// Settings of librdkafka that ninetail decides itself.
const OWNED: [&str; 21] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "partition.assignment.strategy",
    "enable.auto.commit",
    "auto.commit.enable",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "isolation.level",
    "enable.partition.eof",
    "transactional.id",
    "enable.idempotence",
    "acks",
    "request.required.acks",
    "check.crcs",
    "allow.auto.create.topics",
    "consume.callback.max.messages",
    "statistics.interval.ms",
    "security.protocol",
];

impl Cluster {
    /// The settings for librdkafka, secrets read from their files: pass on, do not print or keep.
    ///
    /// # Errors
    /// If a secret's file cannot be read.
    pub fn settings(&self) -> Result<BTreeMap<String, String>, SecretError> {
        let mut settings = self.librdkafka.clone();
        let mut set = |key: &str, value: String| {
            settings.insert(key.to_string(), value);
        };
        set("bootstrap.servers", self.brokers.clone());
        set("security.protocol", self.protocol().to_string());
        if let Some(tls) = &self.tls {
            let path = |p: &PathBuf| p.to_string_lossy().into_owned();
            for (key, file) in [
                ("ssl.ca.location", &tls.ca_file),
                ("ssl.certificate.location", &tls.certificate_file),
                ("ssl.key.location", &tls.key_file),
            ] {
                if let Some(file) = file {
                    set(key, path(file));
                }
            }
            if let Some(file) = &tls.key_password_file {
                set("ssl.key.password", secret("tls.key_password_file", file)?);
            }
            if !tls.verify_hostname {
                set("ssl.endpoint.identification.algorithm", "none".into());
            }
        }
        if let Some(sasl) = &self.sasl {
            set("sasl.mechanism", sasl.mechanism.to_string());
            set("sasl.username", sasl.username.clone());
            set("sasl.password", secret("sasl.password_file", &sasl.password_file)?);
        }
        Ok(settings)
    }

    /// The security protocol's name.
    pub fn protocol(&self) -> &'static str {
        match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        }
    }

    /// The raw settings with secrets masked, for people.
    pub fn masked(&self) -> BTreeMap<String, String> {
        let secret = |key: &str| {
            ["password", "secret", "pem", "token", "key"].iter().any(|word| key.contains(word))
                && !key.ends_with(".location")
        };
        let mask = |(key, value): (&String, &String)| {
            (key.clone(), if secret(key) { "***".to_string() } else { value.clone() })
        };
        self.librdkafka.iter().map(mask).collect()
    }

    pub(super) fn of_source(file: &KafkaSourceFile, checker: &mut Checker) -> Cluster {
        cluster(&file.brokers, file.tls.as_ref(), file.sasl.as_ref(), file.librdkafka.as_ref(), checker)
    }

    pub(super) fn of_sink(file: &KafkaClusterFile, checker: &mut Checker) -> Cluster {
        cluster(&file.brokers, file.tls.as_ref(), file.sasl.as_ref(), file.librdkafka.as_ref(), checker)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("brokers", &self.brokers)
            .field("tls", &self.tls)
            .field("sasl", &self.sasl)
            .field("librdkafka", &self.masked())
            .finish()
    }
}

fn secret(what: &'static str, path: &Path) -> Result<String, SecretError> {
    std::fs::read_to_string(path)
        .map(|text| text.trim_end_matches(['\n', '\r']).to_string())
        .map_err(|error| SecretError { what, path: path.to_path_buf(), error })
}

fn cluster(
    brokers: &At<OneOrMany>,
    tls: Option<&TlsFile>,
    sasl: Option<&At<SaslFile>>,
    raw: Option<&BTreeMap<String, At<String>>>,
    checker: &mut Checker,
) -> Cluster {
    let mut servers = Vec::new();
    for item in brokers.items() {
        for server in item.split(',').map(str::trim) {
            if server.is_empty() || server.contains(char::is_whitespace) {
                checker.error_hint(
                    &item.span,
                    format!("`{server}` is not a broker"),
                    "write host and port: kafka-1:9092",
                );
            }
            servers.push(server.to_string());
        }
    }
    if servers.is_empty() {
        checker.error_hint(&brokers.span, "no broker is named", "write host and port: kafka-1:9092");
    }
    let mut librdkafka = BTreeMap::new();
    for (key, value) in raw.into_iter().flatten() {
        if OWNED.contains(&key.as_str()) {
            let hint = match key.as_str() {
                "group.id" => "set `group:` beside `topics:`",
                "bootstrap.servers" | "metadata.broker.list" => "set `brokers:`",
                "security.protocol" => "set `tls:` or `sasl:`",
                "auto.offset.reset" => "set `start:` beside `topics:`",
                _ => "remove it: what is read and written exactly once depends on it",
            };
            checker.warn(
                &value.span,
                format!("librdkafka's `{key}` is decided by ninetail and ignored here"),
                hint,
            );
            continue;
        }
        librdkafka.insert(key.clone(), value.value.clone());
    }
    let path = |checker: &Checker, file: &Option<String>| file.as_ref().map(|f| checker.path(f));
    let sasl = sasl.map(|at| {
        if at.mechanism == crate::shell::config::SaslMechanism::Plain && tls.is_none() {
            checker.warn(&at.span, "SASL PLAIN without TLS sends the password in the clear", "add `tls: {}`");
        }
        Sasl {
            mechanism: at.mechanism.name(),
            username: at.username.clone(),
            password_file: checker.path(&at.password_file),
        }
    });
    Cluster {
        brokers: servers.join(","),
        tls: tls.map(|tls| Tls {
            ca_file: path(checker, &tls.ca_file),
            certificate_file: path(checker, &tls.certificate_file),
            key_file: path(checker, &tls.key_file),
            key_password_file: path(checker, &tls.key_password_file),
            verify_hostname: tls.verify_hostname.unwrap_or(true),
        }),
        sasl,
        librdkafka,
    }
}
