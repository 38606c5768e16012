//! The first byte chooses the envelopes, the second what lines are and how long they may be; then come messages, each with its
//! length, in sixteens, in front.
//!
//! What must hold: every message leaves a trace; a restart between any two changes nothing.

use ninetail::core::envelope::Message;
use ninetail::core::reader::{Carry, Reader};
use ninetail::core::record::{Fields, Labels};
use ninetail::core::settings::{Envelope, Format, Input, Step};

/// The envelopes that a byte chooses.
fn chosen(choice: u8) -> Envelope {
    let steps = Step::ALL;
    let step = |n: usize| steps[n % steps.len()];
    let first = super::pinned().map(|name| *steps.iter().find(|s| s.name() == name).expect("an envelope"));
    match (choice, first) {
        (128..=159, Some(first)) => Envelope::Steps(vec![first]),
        (160.., Some(first)) => Envelope::Steps(vec![first, step(choice.into())]),
        (0..=127, _) => Envelope::Auto,
        (128..=159, _) => Envelope::Steps(vec![step(choice.into())]),
        _ => Envelope::Steps(vec![step(choice.into()), step(usize::from(choice) / 3)]),
    }
}

/// Reads the bytes.
pub(crate) fn run(data: &[u8]) {
    let [choice, kind, rest @ ..] = data else { return };
    let (mut rest, mut labels) = (rest, Labels::default());
    ["key", "a.b", "syslog.hostname", "resource.a"]
        .iter()
        .for_each(|name| assert!(labels.intern(name).is_some()));
    let format = if kind % 2 == 0 { Format::NginxJson } else { Format::AwsAlb };
    let input = Input { envelope: chosen(*choice), ..format.into() };
    let bytes_max = if kind % 3 == 0 { 1000 } else { 60 };
    let new = || Reader::new(&input, "t", &labels, bytes_max).expect("they need no declaration");
    let (mut one, mut other) = (new(), new());
    while let Some((length, after)) = rest.split_first() {
        let (message, after) = after.split_at(after.len().min(*length as usize * 16));
        rest = after;
        let mut lines = Vec::new();
        let held = one.read(&Message::of(message), Fields::ALL, &mut |line| {
            lines.push(format!("{:?} {} {:?} {:?}", line.read, line.length, line.envelope, line.record));
        });
        assert!(held || !lines.is_empty());
        let mut again = Vec::new();
        other.read(&Message::of(message), Fields::ALL, &mut |line| {
            again.push(format!("{:?} {} {:?} {:?}", line.read, line.length, line.envelope, line.record));
        });
        assert_eq!(lines, again);
        let carry = other.carry().to_bytes();
        other = new();
        other.resume(Carry::from_bytes(&carry).expect("it reads back"));
    }
}
