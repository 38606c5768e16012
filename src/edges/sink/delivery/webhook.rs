//! Events to a webhook: CloudEvents over HTTP, one a request, in the order in which they were decided.
//!
//! Invariant: an event is followed by the next only when the receiver has taken it, or refused it for good.

use super::http::{Answer, Http};
use super::outbox::Waiting;
use super::{Delivery, Retry, TURN};
use crate::edges::metrics::ReceiverLabel;
use crate::edges::sink::events::Mode;
use crate::edges::sink::events::envelope;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Events that are read, and marked as taken, at a time: as many may come twice after a kill.
const BATCH_MAX: usize = 32;

pub(super) fn run(delivery: &Delivery, mode: Mode, more: &BTreeMap<String, String>) {
    let (outbox, receiver) = (&delivery.outbox, &delivery.receiver);
    let mut http = Http::new(&receiver.http);
    let mut retry = Retry::new();
    let mut at = None;
    while !retry.gives_up(&delivery.control) {
        if !retry.is_due() {
            std::thread::sleep(TURN);
            continue;
        }
        // asked before the outbox: what was put before the end is looked at
        let ending = delivery.control.stopped();
        let turn = || {
            let from = at.map_or_else(|| outbox.taken(receiver), Ok)?;
            delivery.show_waiting(outbox.waiting(from)?);
            outbox.after(receiver, from, BATCH_MAX).map(|(events, looked)| (from, events, looked))
        };
        let (from, events, looked) = match turn() {
            Ok(found) => found,
            Err(error) => {
                delivery.log(&error.to_string());
                retry.failed();
                continue;
            }
        };
        let mut reached = if events.is_empty() { looked } else { from };
        for waiting in &events {
            let (headers, body) = request(waiting, mode, more);
            match delivery.post(&mut http, &headers, &body) {
                Answer::Taken => retry.succeeded(),
                Answer::Refused(why) => {
                    retry.succeeded();
                    delivery
                        .log(&format!("refuses event {}, which it will not get: {why}", waiting.event["id"]));
                    let label = ReceiverLabel { receiver: receiver.name.clone() };
                    delivery.metrics.delivery_dropped.get_or_create(&label).inc();
                }
                Answer::Failed(why) => {
                    retry.failed();
                    delivery.log(&format!("cannot be reached, trying again: {why}"));
                    break;
                }
            }
            reached = waiting.at;
        }
        if reached > from {
            at = Some(reached);
            if let Err(error) = outbox.take(receiver, reached, &[]) {
                // said again with the next batch; until then a restart would deliver these once more
                delivery.log(&error.to_string());
            }
        } else if !retry.is_failing() {
            if ending {
                return;
            }
            outbox.wait(TURN);
        }
    }
}

/// Headers and body of an event.
fn request(
    waiting: &Waiting,
    mode: Mode,
    more: &BTreeMap<String, String>,
) -> (Vec<(String, String)>, Vec<u8>) {
    let (mut headers, body) = envelope::request(&waiting.event, mode);
    for (name, value) in &mut headers {
        if name.starts_with("ce-") {
            *value = encoded(value);
        }
    }
    headers.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
    (headers, body)
}

/// A header's value as CloudEvents' HTTP binding has it: all but visible ASCII percent-encoded, and the quote and
/// the percent sign too.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'%' => write!(out, "%{byte:02X}").expect("a string takes all that is written"),
            0x21..=0x7e => out.push(byte as char),
            _ => write!(out, "%{byte:02X}").expect("a string takes all that is written"),
        }
    }
    out
}
