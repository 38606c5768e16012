//! What failed and may pass, apart from what somebody must decide; and trying again.

use crate::edges::sink::Control;
use crate::edges::sink::events::EventError;
use crate::edges::sink::kafka::Backoff;
use rdkafka::error::KafkaError;

/// Why an attempt failed.
pub(super) enum Trouble {
    /// Trying again may help.
    Passing(KafkaError),
    /// Somebody must decide.
    Final(EventError),
}

impl From<KafkaError> for Trouble {
    fn from(error: KafkaError) -> Trouble {
        Trouble::Passing(error)
    }
}

/// Repeats an attempt while what fails may pass.
pub(super) fn retry<T>(
    control: &Control,
    action: &str,
    mut attempt: impl FnMut() -> Result<T, Trouble>,
) -> Result<T, EventError> {
    let mut backoff = Backoff::new();
    loop {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(Trouble::Final(error)) => return Err(error),
            Err(Trouble::Passing(error)) => {
                (control.log)(&format!("{action}: {error}; trying again"));
                if !backoff.wait(control) {
                    return Err(EventError::Stopped { action: action.to_owned(), error: error.to_string() });
                }
            }
        }
    }
}

pub(super) fn refused(action: &str, error: &KafkaError) -> Trouble {
    Trouble::Final(EventError::Refused { action: action.to_owned(), error: error.to_string() })
}
