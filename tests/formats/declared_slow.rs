//! Lines of declared columns and groups the slow way: a table of roles, the cells by their names, one after another. Shares
//! nothing with the parsers but the reasons' names.
//!
//! A table has a line for each field: `field kind name name ..`; of the names the first with a value counts.

use super::slow_text::{Made, Refused, count, decimal, instant, regex, status};
use super::values_slow;

/// The line's cells: split at the separator, but where quotes stand within. Cells that begin with a quote run to the quote that
/// the separator follows; spaces as separators may stand side by side.
pub(crate) fn quoted(line: &[u8], separator: u8) -> Vec<&[u8]> {
    let one = format!("[{}]", regex_byte(separator));
    let none = format!("[^{}]", regex_byte(separator));
    let outside = format!("[^\"{}]", regex_byte(separator));
    let cell = regex(&format!(r#"\A("(?:[^"]|""|"{outside})*"|{none}*)({one}|\z)"#));
    let (mut cells, mut rest) = (Vec::new(), line);
    loop {
        if separator == b' ' {
            rest = &rest[rest.iter().take_while(|b| **b == b' ').count()..];
            if rest.is_empty() {
                return cells;
            }
        }
        let found = cell.captures(rest).expect("any text has a first cell");
        cells.push(found.get(1).map_or(&b""[..], |m| m.as_bytes()));
        if found[2].is_empty() {
            return cells;
        }
        rest = &rest[found[0].len()..];
    }
}

fn regex_byte(byte: u8) -> String {
    format!(r"\x{byte:02x}")
}

/// A cell without the quotes around it.
pub(crate) fn unquoted(cell: &[u8]) -> &[u8] {
    if cell.len() >= 2 && cell[0] == b'"' && cell.ends_with(b"\"") { &cell[1..cell.len() - 1] } else { cell }
}

/// An instant of a declared form.
fn moment(text: &[u8], form: &str) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let number = |scale| {
        let plain = text.starts_with(|c: char| c.is_ascii_digit());
        let n = values_slow::quantity(text, scale, false).ok().filter(|_| plain)??;
        i64::try_from(n.as_u64()?).ok()
    };
    match form {
        "rfc3339" => values_slow::iso(text),
        "epoch_s" => number(6),
        "epoch_ms" => number(3),
        "epoch_us" => number(0),
        "epoch_ns" => number(-3),
        "clf" => {
            regex(r"\A\[?[0-9]{1,2}/[A-Z]").is_match(text.as_bytes()).then(|| values_slow::instant(text))?
        }
        _ => values_slow::instant(text),
    }
}

/// Microseconds since midnight.
fn clock(text: &[u8]) -> Option<i64> {
    let parts = regex(r"\A([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?\z");
    let parts = parts.captures(text)?;
    let n = |i: usize| String::from_utf8_lossy(&parts[i]).parse::<i64>().ok();
    let (hour, minute, second) = (n(1)?, n(2)?, n(3)?);
    let decimals = parts.get(4).map_or("", |m| std::str::from_utf8(m.as_bytes()).unwrap_or_default());
    let micros: i64 = format!("{decimals:0<6}")[..6].parse().ok()?;
    (hour < 24 && minute < 60 && second < 61)
        .then(|| (hour * 3600 + minute * 60 + second.min(59)) * 1_000_000 + micros)
}

fn duration(text: &[u8], unit: &str) -> Result<Option<u64>, ()> {
    match unit {
        _ if text.is_empty() => Err(()),
        "s" => decimal(text, 6, true),
        "ms" => decimal(text, 3, true),
        "us" => decimal(text, 0, true),
        _ => decimal(text, 0, true).map(|n| n.map(|n| n / 1000)),
    }
}

/// The items of a list with `, ` and ` : ` between.
fn items(text: &[u8]) -> Vec<Vec<u8>> {
    regex(", | : ").split(text).map(<[u8]>::to_vec).collect()
}

/// The record of a line whose cells are these.
pub(crate) fn record<'l>(table: &str, cell: impl Fn(&str) -> Option<&'l [u8]>) -> Result<Made, Refused> {
    record_of(table, |name| Some((cell(name)?, false)))
}

/// The same, where cells may stand in quotes, which are written twice within.
pub(crate) fn record_of_quoted<'l>(
    table: &str,
    cell: impl Fn(&str) -> Option<&'l [u8]>,
) -> Result<Made, Refused> {
    record_of(table, |name| {
        let cell = cell(name)?;
        Some((unquoted(cell), unquoted(cell).len() < cell.len()))
    })
}

/// A cell, and whether it stood in quotes.
type Given<'l> = (&'l [u8], bool);

fn record_of<'l>(table: &str, cell: impl Fn(&str) -> Option<Given<'l>>) -> Result<Made, Refused> {
    let rows = || {
        table.lines().map(str::trim).filter(|row| !row.is_empty()).map(|row| {
            let mut words = row.split(' ');
            let (field, kind) = (words.next().expect("a field"), words.next().expect("a kind"));
            let (kind, argument) = kind.split_once(':').unwrap_or((kind, ""));
            let given: Vec<Given<'_>> =
                words.filter_map(&cell).filter(|(text, _)| !matches!(*text, b"" | b"-")).collect();
            (field, kind, argument, given)
        })
    };
    let mut made = Made::default();
    let (mut day, mut time_of_day, mut end, mut start) = (None, None, None, None);
    for (_, kind, argument, given) in rows() {
        let Some((text, _)) = given.first() else { continue };
        let refuse = "bad_time";
        match kind {
            "day" if day.is_some() => {}
            "clock" if time_of_day.is_some() => {}
            "end" if end.is_some() => {}
            "day" => {
                let is_day = regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\z").is_match(text);
                let midnight = format!("{}T00:00:00", String::from_utf8_lossy(text));
                day = Some(values_slow::iso(&midnight).filter(|_| is_day).ok_or(refuse)?);
            }
            "clock" => time_of_day = Some(clock(text).ok_or(refuse)?),
            "end" if argument.is_empty() && text.get(2) == Some(&b':') => {
                time_of_day = Some(clock(text).ok_or(refuse)?);
            }
            "end" => end = Some(moment(text, argument).ok_or(refuse)?),
            "start" => {
                start = moment(text, argument);
                if start.is_none() && end.is_none() {
                    return Err(refuse);
                }
            }
            _ => {}
        }
    }
    let from_parts = day.and_then(|day| time_of_day.map(|clock| day + clock));
    if end.or(from_parts).or(start).is_none() {
        return Err("bad_time");
    }
    made.some("request_creation", start.map(instant));
    // Latency, then status, then all else: a line is refused for the first that cannot be read.
    for turn in 0..3 {
        for (field, kind, argument, given) in rows() {
            let own_turn = match (field, kind) {
                ("client_latency_us", _) => 0,
                (_, "status") => 1,
                _ => 2,
            };
            if own_turn == turn {
                fill(&mut made, field, kind, argument, &given)?;
            }
        }
    }
    let latency = made.0.get("client_latency_us").and_then(|n| n.as_i64()).unwrap_or(0);
    let time = end.or(from_parts).unwrap_or_else(|| start.expect("it was checked") + latency);
    made.put("time", instant(time));
    let code = made.0.get("status").and_then(|n| n.as_u64());
    let flag = |made: &Made, name: &str| made.0.get(name) == Some(&true.into());
    let (gone, websocket) = (flag(&made, "client_gone"), flag(&made, "websocket"));
    made.put("client_gone", gone || code == Some(499));
    made.put("websocket", websocket || code == Some(101));
    Ok(made)
}

fn fill(
    made: &mut Made,
    field: &str,
    kind: &str,
    argument: &str,
    given: &[Given<'_>],
) -> Result<(), Refused> {
    let needed =
        ["client_latency_us", "upstream_latency_us", "bytes_received", "bytes_sent"].contains(&field);
    for (text, quoted) in given {
        match kind {
            "dur" => match duration(text, argument) {
                Ok(n) => made.some(field, n),
                Err(()) if needed => return Err("bad_number"),
                Err(()) => {}
            },
            "durs" => {
                let one = duration(text, argument).map(|n| (n, n));
                let list = || {
                    let (mut sum, mut last) = (None, None);
                    for item in items(text) {
                        if let Some(us) = duration(&item, argument).ok()? {
                            sum = Some(sum.unwrap_or(0u64).checked_add(us)?);
                            last = Some(us);
                        }
                    }
                    Some((sum, last))
                };
                let (sum, last) = one.ok().or_else(list).ok_or("bad_number")?;
                made.some("upstream_latency_us", sum);
                made.some("upstream_latency_last_us", last);
                made.text("upstream_latency_list", text);
            }
            "status" => made.some(field, status(text).map_err(|()| "bad_status")?),
            "int" => match count(text) {
                Ok(n) => made.some(field, n),
                Err(()) if needed => return Err("bad_number"),
                Err(()) => {}
            },
            "code" => {
                let last = || items(text).iter().filter_map(|item| status(item).ok().flatten()).next_back();
                made.some(field, count(text).unwrap_or_else(|()| last()).filter(|n| *n > 0));
            }
            "bool" => {
                let yes = [&b"true"[..], b"1", b"yes"].iter().any(|yes| text.eq_ignore_ascii_case(yes));
                if yes {
                    made.put(field, true);
                }
            }
            "text" if *quoted => made.text(field, &regex("\"\"").replace_all(text, &b"\""[..])),
            "text" => made.text(field, text),
            "address" => made.address("host", "port", text),
            "url" => {
                let mut parts = text.splitn(2, |b| *b == b'?');
                for name in ["path", "query"] {
                    let part = parts.next().unwrap_or_default();
                    if !part.is_empty() {
                        made.put(name, String::from_utf8_lossy(part).into_owned());
                    }
                }
            }
            "request" => made.request(text),
            "day" | "clock" | "end" | "start" => {}
            other => panic!("{other}"),
        }
        if made.0.contains_key(field) {
            break;
        }
    }
    Ok(())
}
