//! The first byte chooses the format, the rest are its lines.
//!
//! What must hold: every line gives a record, a skip or a reason; what is always filled does not depend on what else is
//! wanted.

use ninetail::core::format::{ALL, Parsed, Parser};
use ninetail::core::record::{Fields, Labels, Record};

/// Reads the bytes.
pub(crate) fn run(data: &[u8]) {
    let Some((choice, lines)) = data.split_first() else { return };
    let format = ALL[*choice as usize % ALL.len()];
    let parser = || Parser::new(&format.into(), &Labels::default());
    // some need a declaration first
    let (Ok(mut all), Ok(mut few)) = (parser(), parser()) else { return };
    for line in lines.split(|byte| *byte == b'\n') {
        let (mut whole, mut some) = (Record::at(Record::NO_TIME), Record::at(Record::NO_TIME));
        let read = all.parse(line, Fields::ALL, &mut whole);
        assert_eq!(read, few.parse(line, Fields::NONE, &mut some));
        assert_eq!((whole.time, whole.status), (some.time, some.status));
        assert_eq!(whole.client_latency_us, some.client_latency_us);
        assert_eq!(whole.upstream_latency_us, some.upstream_latency_us);
        assert!(read != Ok(Parsed::Record) || whole.time != Record::NO_TIME);
    }
}
