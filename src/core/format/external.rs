//! Counters of other systems as JSON lines: so many good of so many, of one SLO of one service at one time. What no
//! access log can tell, such as whether an answer was correct or what was stored is still there, is counted so.
//!
//! Invariant: counts are whole numbers as they stand, never rounded, and no more are good than there are in all.

use crate::core::format::instant::{Form, Recent};
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::format::members::rejected;
use crate::core::json::{Raw, Walker};
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::settings::{Format, Layout};

/// The members, in the order of their numbers below.
const MEMBERS: [&str; 6] = ["time", "service", "slo", "good", "total", "id"];
const TIME: usize = 0;
const SERVICE: usize = 1;
const SLO: usize = 2;
const GOOD: usize = 3;
const TOTAL: usize = 4;
const ID: usize = 5;

/// More in one message is a mistake: sums of millions of messages must fit a column.
const COUNT_MAX: u64 = 1_000_000_000_000;

#[derive(Debug)]
pub(super) struct Parser {
    walker: Walker,
    labels: Vec<(Field, usize)>,
    recent: Recent,
}

impl Parser {
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        if *layout != Layout::Usual {
            return Err(LayoutError::not_taken(Format::External));
        }
        let names: Vec<(&str, Field)> = labels.iter().collect();
        let walker = Walker::new(MEMBERS.into_iter().chain(names.iter().map(|(name, _)| *name)));
        let labels = names.iter().enumerate().map(|(i, (_, field))| (*field, MEMBERS.len() + i)).collect();
        Ok(Parser { walker, labels, recent: Recent::default() })
    }

    #[inline]
    pub(super) fn parse<'a>(
        &'a mut self,
        line: &'a [u8],
        wanted: Fields,
        record: &mut Record<'a>,
    ) -> Result<Parsed, Reason> {
        record.clear();
        self.walker.walk(line).map_err(|error| rejected(error, line))?;
        self.walker.decode_all(line);
        let get = |member| self.walker.get(line, member);
        let time = match get(TIME) {
            Some(Raw::Text(text) | Raw::Number(text)) => self.recent.instant(text, Form::Any),
            _ => None,
        };
        record.time = time.ok_or(Reason::BadTime)?;
        let text = |member| match get(member) {
            Some(Raw::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        let (service, slo) = text(SERVICE).zip(text(SLO)).ok_or(Reason::UnknownSlo)?;
        let number = |member| match get(member) {
            Some(Raw::Number(text)) => count(text),
            _ => None,
        };
        let (good, total) = number(GOOD).zip(number(TOTAL)).ok_or(Reason::BadNumber)?;
        if good > total {
            return Err(Reason::BadCounters);
        }
        record.set(Field::ExternalService, Value::Text(service));
        record.set(Field::ExternalSlo, Value::Text(slo));
        record.set(Field::ExternalGood, Value::Integer(good));
        record.set(Field::ExternalTotal, Value::Integer(total));
        if let Some(id) = text(ID) {
            record.set(Field::RequestId, Value::Text(id));
        }
        for &(field, member) in self.labels.iter().filter(|(field, _)| wanted.has(*field)) {
            if let Some(text) = text(member) {
                record.set(field, Value::Text(text));
            }
        }
        Ok(Parsed::Counters)
    }
}

/// A whole number in digits.
fn count(text: &[u8]) -> Option<u64> {
    if !(1..=13).contains(&text.len()) {
        return None;
    }
    let number = text
        .iter()
        .try_fold(0, |n, byte| byte.is_ascii_digit().then(|| n * 10 + u64::from(byte - b'0')));
    number.filter(|n| *n <= COUNT_MAX)
}

/// Facts for `explain --format external`.
pub(super) static PRESET: Preset = Preset {
    format: Format::External,
    name: "external",
    doc: "counters of other systems, as JSON: {\"time\": \"2026-11-23T10:00:00Z\", \"service\": \"checkout\", \"slo\": \"correctness\", \
          \"good\": 10, \"total\": 12}; no requests, but the good and all of an SLO with `external: true`",
    time_is: "time, taken for when what was counted happened: RFC 3339 or a number, of which its size tells the unit; UTC where no \
              zone is written",
    lateness_s_default: 60,
    lateness_why: "counters are sent once they are known, some a minute later",
    client_latency_is: "none",
    upstream_latency_is: "none",
    client_gone_if: "never",
    websocket_if: "never",
    service_template: "{external_service}",
    absent_if: "null, or not there",
    skips: "none",
    rejects: "lines that are no JSON object, whose time cannot be read, whose good and total are not both whole numbers up to 10^12, \
              with more good than in total, or for which no external SLO of that name applies to the service",
    fields: &[
        (Field::Time, "time"),
        (Field::RequestId, "id, by which `duplicates` knows repeats"),
        (Field::ExternalService, "service"),
        (Field::ExternalSlo, "slo"),
        (Field::ExternalGood, "good"),
        (Field::ExternalTotal, "total"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<(i64, u64, u64), Reason> {
        let mut parser = Parser::new(&Layout::Usual, &Labels::default()).expect("no layout");
        let mut record = Record::at(Record::NO_TIME);
        assert_eq!(parser.parse(line.as_bytes(), Fields::ALL, &mut record)?, Parsed::Counters);
        assert_eq!(record.get(Field::ExternalService), Value::Text(b"shop \"a\""));
        assert_eq!(record.get(Field::ExternalSlo), Value::Text(b"correctness"));
        let number = |field| record.integer(field).expect("a number");
        Ok((record.time.seconds(), number(Field::ExternalGood), number(Field::ExternalTotal)))
    }

    #[test]
    fn counters_are_read_as_they_stand() {
        let line = |rest: &str| format!(r#"{{"service":"shop \"a\"","slo":"correctness",{rest}}}"#);
        let whole = r#""time":"2018-07-02T22:23:00Z","good":10,"total":12"#;
        assert_eq!(read(&line(whole)), Ok((1_530_570_180, 10, 12)));
        assert_eq!(read(&line(&whole.replace("10", "12"))), Ok((1_530_570_180, 12, 12)));
        assert_eq!(read(&line(r#""total":0,"good":0,"time":1530570180"#)), Ok((1_530_570_180, 0, 0)));
        let max = line(&whole.replace("12", "1000000000000"));
        assert_eq!(read(&max), Ok((1_530_570_180, 10, 1_000_000_000_000)));
        let wrong = [
            (whole.replace("10", "13"), Reason::BadCounters),
            (whole.replace("10", "10.0"), Reason::BadNumber),
            (whole.replace("10", "1e1"), Reason::BadNumber),
            (whole.replace("10", "-1"), Reason::BadNumber),
            (whole.replace("10", "\"10\""), Reason::BadNumber),
            (whole.replace("10", "null"), Reason::BadNumber),
            (whole.replace("\"good\":10,", ""), Reason::BadNumber),
            (whole.replace("12", "1000000000001"), Reason::BadNumber),
            (whole.replace("12", "99999999999999999999999"), Reason::BadNumber),
            (whole.replace("2018", "18"), Reason::BadTime),
            (whole.replace("time", "at"), Reason::BadTime),
        ];
        for (rest, reason) in wrong {
            assert_eq!(read(&line(&rest)), Err(reason), "{rest}");
        }
        assert_eq!(read(&line(whole).replace("correctness", "")), Err(Reason::UnknownSlo));
        assert_eq!(read(&line(whole).replace("\"slo\"", "\"sli\"")), Err(Reason::UnknownSlo));
        assert_eq!(read(&line(whole).replace("12}", "12")), Err(Reason::Truncated));
        assert_eq!(read(&line(whole).replace(",\"slo", ",,\"slo")), Err(Reason::BrokenJson));
        assert_eq!(read("GET / 200"), Err(Reason::NotThisFormat));
        assert_eq!(read(" "), Err(Reason::Empty));
    }
}
