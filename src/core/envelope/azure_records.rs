//! What Azure sends to an Event Hub: `{"records":[{..},{..}]}`, every record a line of JSON.

use super::document::{Document, Key};
use crate::core::json::{Raw, elements};

pub(super) fn recognises(document: &Document<'_>, _: bool) -> bool {
    let array = document.array(Key::Records);
    array.is_some_and(|array| elements(array).next().is_none_or(|first| matches!(first, Raw::Object(_))))
}
