//! The first byte chooses the envelopes, then come messages, each with its length in front.
//!
//! What must hold: every message leaves a trace; a restart between any two changes nothing.

use ninetail::core::envelope::Message;
use ninetail::core::reader::{Carry, Reader};
use ninetail::core::record::{Fields, Labels};
use ninetail::core::settings::{Envelope, Format, Input, Step};

/// Reads the bytes.
pub(crate) fn run(data: &[u8]) {
    let Some((choice, mut rest)) = data.split_first() else { return };
    let steps = Step::ALL;
    let envelope = match choice {
        0..=127 => Envelope::Auto,
        128..=159 => Envelope::Steps(vec![steps[*choice as usize % steps.len()]]),
        more => Envelope::Steps(vec![
            steps[*more as usize % steps.len()],
            steps[(*more as usize / 3) % steps.len()],
        ]),
    };
    let mut labels = Labels::default();
    ["key", "a.b", "syslog.hostname", "resource.a"]
        .iter()
        .for_each(|name| assert!(labels.intern(name).is_some()));
    let input = Input { envelope, ..Format::AwsAlb.into() };
    let new = || Reader::new(&input, "t", &labels, 1000).expect("ALB needs no declaration");
    let (mut one, mut other) = (new(), new());
    while let Some((length, after)) = rest.split_first() {
        let (message, after) = after.split_at(after.len().min(*length as usize * 4));
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
