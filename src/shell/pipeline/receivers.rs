//! The file's `sinks.alertmanager` and `sinks.webhook`.
//!
//! Invariant: names are unique, addresses are HTTP and hold no secret, and labels are none of an alert's own.

use super::labels;
use super::load::{Checker, meant};
use crate::core::event::KINDS;
use crate::edges::sink::delivery::{Auth, HttpTarget, Receiver, Speaks};
use crate::edges::sink::events::Mode;
use crate::shell::config::{
    AlertmanagerFile, At, AuthFile, DurationText, HttpTlsFile, ModeFile, SinksFile, WebhookFile,
};
use std::collections::BTreeMap;
use std::time::Duration;

impl From<ModeFile> for Mode {
    fn from(mode: ModeFile) -> Mode {
        match mode {
            ModeFile::Structured => Mode::Structured,
            ModeFile::Binary => Mode::Binary,
        }
    }
}

pub(super) fn build(file: &SinksFile, checker: &mut Checker) -> Vec<Receiver> {
    let mut receivers = Vec::new();
    for (number, written) in file.alertmanager.iter().flat_map(|s| &s.0).enumerate() {
        let receiver = alertmanager(written, number, checker);
        add(receiver, written.name.as_ref().unwrap_or(&written.url), &mut receivers, checker);
    }
    for (number, written) in file.webhook.iter().flat_map(|s| &s.0).enumerate() {
        let receiver = webhook(written, number, checker);
        add(receiver, written.name.as_ref().unwrap_or(&written.url), &mut receivers, checker);
    }
    receivers
}

fn add(receiver: Receiver, place: &At<String>, receivers: &mut Vec<Receiver>, checker: &mut Checker) {
    if receivers.iter().any(|r| r.name == receiver.name) {
        checker.error_hint(
            &place.span,
            format!("two receivers are named `{}`", receiver.name),
            "what each has acknowledged is kept by its name: give each its own `name:`",
        );
    }
    receivers.push(receiver);
}

fn alertmanager(written: &AlertmanagerFile, number: usize, checker: &mut Checker) -> Receiver {
    let resend_s = checker.seconds(written.resend_every.as_ref(), 60);
    if let Some(text) = &written.resend_every
        && !(1..=3600).contains(&resend_s)
    {
        checker.error(&text.span, format!("`{}` is out of range: 1s to 1h", &***text));
    }
    let labels = labels::read(written.labels.as_ref(), checker);
    let mut http =
        target(&written.url, written.timeout.as_ref(), written.tls.as_ref(), written.auth.as_ref(), checker);
    let base = http.url.trim_end_matches('/');
    if base.ends_with("/api/v2/alerts") {
        checker.warn(&written.url.span, "the API's path is added to the address", "end it before `/api`");
    }
    http.url = format!("{}/api/v2/alerts", base.trim_end_matches("/api/v2/alerts"));
    Receiver {
        name: name(written.name.as_ref(), "alertmanager", number, checker),
        http,
        speaks: Speaks::Alertmanager { resend_every: Duration::from_secs(resend_s), labels },
    }
}

fn webhook(written: &WebhookFile, number: usize, checker: &mut Checker) -> Receiver {
    let mut headers = BTreeMap::new();
    for (name, value) in written.headers.iter().flatten() {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) || value.chars().any(|c| c.is_control()) {
            checker.error(&value.span, format!("`{name}` is no HTTP header"));
        }
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("ce-") || lower == "content-type" {
            checker.error(&value.span, format!("header `{name}` is the event's own"));
        }
        if lower == "authorization" {
            checker.error_hint(
                &value.span,
                "a secret stands in the pipeline file",
                "put it into a file: `auth: { bearer_token_file: … }`",
            );
        }
        headers.insert(name.clone(), value.value.clone());
    }
    let types = written.types.iter().flatten();
    for wanted in types.clone() {
        if !KINDS.iter().any(|k| k.name == wanted.value) {
            let hint = meant(&wanted.value, KINDS.iter().map(|k| k.name));
            checker.error_hint(&wanted.span, format!("there is no event type `{}`", wanted.value), hint);
        }
    }
    let http =
        target(&written.url, written.timeout.as_ref(), written.tls.as_ref(), written.auth.as_ref(), checker);
    Receiver {
        name: name(written.name.as_ref(), "webhook", number, checker),
        http,
        speaks: Speaks::Webhook {
            mode: written.mode.as_ref().map_or(Mode::Structured, |m| m.value.into()),
            headers,
            types: types.map(|t| t.value.clone()).collect(),
            replay: written.replay.as_ref().is_some_and(|r| r.value),
        },
    }
}

fn name(written: Option<&At<String>>, default: &str, number: usize, checker: &mut Checker) -> String {
    let Some(written) = written else {
        return if number == 0 { default.to_owned() } else { format!("{default}-{}", number + 1) };
    };
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if written.is_empty() || !written.chars().all(legal) {
        checker.error_hint(
            &written.span,
            format!("`{}` cannot name a receiver", written.value),
            "use letters, digits, hyphens, underscores and dots",
        );
    }
    written.value.clone()
}

fn target(
    url: &At<String>,
    timeout: Option<&At<DurationText>>,
    tls: Option<&HttpTlsFile>,
    auth: Option<&At<AuthFile>>,
    checker: &mut Checker,
) -> HttpTarget {
    let secure = url.starts_with("https://");
    let host = url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    let blank = |c: char| c.is_whitespace() || c.is_control();
    if !(secure || url.starts_with("http://")) || host.is_none_or(str::is_empty) || url.contains(blank) {
        checker.error_hint(
            &url.span,
            format!("`{}` is no address", url.value),
            "write http:// or https://, a host and a path",
        );
    }
    if host.is_some_and(|host| host.contains('@')) {
        checker.error_hint(
            &url.span,
            "a secret stands in the address",
            "write `auth: { username: …, password_file: … }`",
        );
    }
    let ca_file = tls.and_then(|tls| tls.ca_file.as_ref());
    if let Some(file) = ca_file.filter(|_| !secure) {
        checker.error(&file.span, "`tls` goes with an address that begins with https://");
    }
    let timeout_s = checker.seconds(timeout, 10);
    if let Some(text) = timeout.filter(|_| !(1..=300).contains(&timeout_s)) {
        checker.error(&text.span, format!("`{}` is out of range: 1s to 5m", &***text));
    }
    let auth = auth.map_or(Auth::None, |written| {
        match (&written.bearer_token_file, &written.username, &written.password_file) {
            (Some(token), None, None) => Auth::Bearer(checker.path(token)),
            (None, Some(user), Some(file)) => Auth::Basic(user.value.clone(), checker.path(file)),
            _ => {
                checker.error_hint(
                    &written.span,
                    "it is not clear who we are",
                    "write { bearer_token_file: … } or { username: …, password_file: … }",
                );
                Auth::None
            }
        }
    });
    HttpTarget {
        url: url.value.clone(),
        timeout: Duration::from_secs(timeout_s),
        ca_file: ca_file.map(|file| checker.path(file)),
        auth,
    }
}
