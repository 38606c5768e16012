//! The topics of the events and of the progress: made if they are not there, checked if they are.
//!
//! Invariant: nothing is published before the state topic is known to be compacted, or the broker cannot tell.

use crate::edges::kafka::topic_setting;
use crate::edges::sink::Control;
use crate::edges::sink::events::trouble::{Trouble, refused};
use crate::edges::sink::events::{EventError, KafkaTarget};
use crate::edges::sink::kafka::{REQUEST_TIMEOUT, code, ensure, is_refusal};
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;

/// What the state topic must have, and gets when it is made.
const COMPACTED: (&str, &str) = ("cleanup.policy", "compact");
/// Small segments: only closed ones are compacted, and the whole topic is read at a start.
const STATE_SETTINGS: [(&str, &str); 4] = [
    COMPACTED,
    ("segment.bytes", "16777216"),
    ("segment.ms", "3600000"),
    ("min.cleanable.dirty.ratio", "0.1"),
];

/// Makes the topics that are not there; refuses a state topic that would lose its records.
pub(super) fn make_topics<C: ClientContext>(
    client: &Client<C>,
    target: &KafkaTarget,
    control: &Control,
) -> Result<(), Trouble> {
    let made = |topic: &str, partitions, settings: &[(&str, &str)]| {
        let made = ensure(client, topic, partitions, settings);
        made.map_err(|error| match code(&error) {
            Some(code) if is_refusal(code) => refused(&format!("making topic {topic}"), &error),
            _ => Trouble::Passing(error),
        })
    };
    made(&target.topic, None, &[])?;
    if made(&target.state_topic, Some(1), &STATE_SETTINGS)? {
        return Ok(());
    }
    let (name, wanted) = COMPACTED;
    match topic_setting(client, &target.state_topic, name, REQUEST_TIMEOUT) {
        Ok(Some(found)) if found != wanted => Err(Trouble::Final(EventError::Settings {
            topic: target.state_topic.clone(),
            difference: format!("its {name} is {found}, and must be {wanted}"),
        })),
        Ok(Some(_)) => Ok(()),
        Ok(None) => Ok(()),
        Err(error) => match code(&error) {
            Some(RDKafkaErrorCode::UnsupportedFeature | RDKafkaErrorCode::TopicAuthorizationFailed) => {
                let topic = &target.state_topic;
                (control.log)(&format!("cannot check that topic {topic} is compacted: {error}"));
                Ok(())
            }
            _ => Err(Trouble::Passing(error)),
        },
    }
}
