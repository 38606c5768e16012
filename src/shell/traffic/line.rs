//! Writes one request as a line of the AWS ALB access log (30 fields, 33 where the balancer is young).
//!
//! Field order and spelling: AWS, "Access logs for your Application Load Balancer". Nothing is formatted
//! through `fmt`, so that a generator keeps well ahead of what reads it.

use super::model::{Fate, Kind, SEGMENTS, Service};
use super::rng::Rng;
use crate::core::time::Time;

const USER_AGENTS: [(&str, u32); 14] = [
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
        24,
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
        12,
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1",
        16,
    ),
    (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 Mobile Safari/537.36",
        14,
    ),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:135.0) Gecko/20100101 Firefox/135.0", 5),
    (
        "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/131.0.6778.135 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/496.0.0.45.65;]",
        4,
    ),
    ("okhttp/4.12.0", 6),
    ("python-requests/2.32.3", 4),
    ("Go-http-client/2.0", 5),
    ("curl/8.5.0", 2),
    ("axios/1.7.9", 3),
    ("-", 1),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 2),
    ("ShopApp/7.41.2 (com.example.shop; build:9913; iOS 18.3.0) Alamofire/5.9.1 \\x22caf\\xC3\\xA9\\x22", 2),
];

/// Appends the line, without its newline.
pub(super) fn write(out: &mut Vec<u8>, rng: &mut Rng, service: &Service, fate: Fate, time: Time) {
    let mut w = Writer(out);
    let id = rng.next();
    let target = rng.pick(&service.targets).as_str();
    let dispatched = matches!(fate.kind, Kind::Answered | Kind::Broken | Kind::Websocket | Kind::ClientGone);
    let target_status = matches!(fate.kind, Kind::Answered | Kind::Websocket).then_some(fate.status);
    let (kind, protocol) = match (fate.kind, service.https) {
        (Kind::Websocket, true) => ("wss", "HTTP/1.1"),
        (Kind::Websocket, false) => ("ws", "HTTP/1.1"),
        (_, false) => ("http", "HTTP/1.1"),
        (_, true) if id.is_multiple_of(4) => ("https", "HTTP/1.1"),
        (_, true) => ("h2", "HTTP/2.0"),
    };
    let created = Time(time.0 - fate.taken_us as i64);
    let path = rng.pick(&service.paths).as_str();

    w.text(kind).space().time(time).space().text(&service.balancer).space();
    client(&mut w, id, rng.one_in(16));
    w.space().text(if dispatched { target } else { "-" });
    for time_us in fate.times_us {
        w.space();
        match time_us {
            Some(us) => w.integer(us / 1_000_000).text(".").padded(us / 1_000 % 1_000, 3),
            None => w.text("-1"),
        };
    }
    w.space().integer(fate.status.into()).space().status(target_status);
    let sent = rng.log_normal(1_200.0, 1.3) as u64;
    w.space().integer(40 + rng.below(2_400)).space().integer(150 + sent);
    let methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    w.text(" \"").text(methods[rng.weighted(&[72, 21, 3, 2, 1, 1])]).space();
    w.text(if service.https { "https://" } else { "http://" }).text(&service.host);
    w.text(if service.https { ":443" } else { ":80" }).text(path);
    if id % 10 < 6 {
        w.text("/").hex(id >> 24, 10);
    }
    if id.is_multiple_of(3) {
        w.text("?page=").integer(id % 40).text("&limit=50&sort=-created_at&q=");
        w.text(SEGMENTS[(id % 20) as usize]).text("%20").text(SEGMENTS[(id / 20 % 20) as usize]);
    }
    w.space().text(protocol).text("\" \"");
    w.text(USER_AGENTS[rng.weighted(&USER_AGENTS.map(|(_, weight)| weight))].0);
    w.text(if service.https { "\" TLS_AES_128_GCM_SHA256 TLSv1.3 " } else { "\" - - " });
    let ruled = matches!(fate.kind, Kind::Redirected | Kind::Blocked);
    w.text(if ruled { "-" } else { &service.target_group_arn });
    w.text(" \"Root=1-").hex(created.seconds() as u64, 8).text("-").hex(rng.next(), 16).hex(rng.next(), 8);
    w.text("\" \"").text(if service.https { &service.host } else { "-" }).text("\" \"");
    w.text(match service.https {
        true if id % 10 < 7 => "session-reused",
        true => &service.certificate_arn,
        false => "-",
    });
    w.text("\" ").integer(service.rule_priority).space().time(created);
    match fate.kind {
        Kind::Redirected => {
            w.text(" \"redirect\" \"https://www.").text(&service.host).text(":443").text(path)
        }
        Kind::Blocked => w.text(" \"waf\" \"-"),
        _ => w.text(" \"waf,forward\" \"-"),
    };
    w.text("\" \"").text(if fate.kind == Kind::Broken { "TargetConnectionErrorCode" } else { "-" });
    w.text("\" \"").text(if dispatched { target } else { "-" });
    w.text("\" \"").status(target_status).text("\" \"-\" \"-\" TID_").hex(id, 16).hex(rng.next(), 16);
    if service.transforms {
        w.text(" \"-\" \"-\" \"-\"");
    }
}

fn client(w: &mut Writer<'_>, id: u64, v6: bool) {
    if v6 {
        // As ALB writes it: no brackets around the address.
        w.text("2a02:")
            .hex(id, 4)
            .text(":")
            .hex(id >> 16, 4)
            .text(":")
            .hex(id >> 32, 4)
            .text("::")
            .hex(id >> 48, 4);
    } else {
        w.integer(11 + id % 190);
        for shift in [8, 16, 24] {
            w.text(".").integer(id >> shift & 255);
        }
    }
    w.text(":").integer(1024 + id % 64_000);
}

/// Appends what a line is made of.
struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn text(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn space(&mut self) -> &mut Self {
        self.0.push(b' ');
        self
    }

    fn integer(&mut self, value: u64) -> &mut Self {
        let mut digits = 1;
        let mut rest = value / 10;
        while rest > 0 {
            digits += 1;
            rest /= 10;
        }
        self.padded(value, digits)
    }

    /// The last so many decimal digits.
    fn padded(&mut self, mut value: u64, digits: usize) -> &mut Self {
        let start = self.0.len();
        self.0.resize(start + digits, b'0');
        for byte in self.0[start..].iter_mut().rev() {
            *byte = b'0' + (value % 10) as u8;
            value /= 10;
        }
        self
    }

    /// The last so many hexadecimal digits.
    fn hex(&mut self, value: u64, digits: u32) -> &mut Self {
        for digit in (0..digits).rev() {
            self.0.push(b"0123456789abcdef"[(value >> (4 * digit) & 15) as usize]);
        }
        self
    }

    fn status(&mut self, status: Option<u16>) -> &mut Self {
        match status {
            Some(status) => self.integer(status.into()),
            None => self.text("-"),
        }
    }

    /// `2025-03-04T10:00:00.000000Z`. Civil date from days: Howard Hinnant's algorithm.
    fn time(&mut self, time: Time) -> &mut Self {
        let seconds = time.seconds();
        let (days, second) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400) as u64);
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
        let year = year_of_era + era * 400 + carry;
        self.padded(year as u64, 4)
            .text("-")
            .padded(month as u64, 2)
            .text("-")
            .padded(day as u64, 2)
            .text("T");
        self.padded(second / 3_600, 2).text(":").padded(second / 60 % 60, 2).text(":").padded(second % 60, 2);
        self.text(".").padded(time.0.rem_euclid(1_000_000) as u64, 6).text("Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_spelt_as_in_the_log() {
        let cases: [(&str, fn(&mut Writer<'_>)); 8] = [
            ("2025-03-04T10:00:00.000001Z", |w| {
                w.time(Time(1_741_082_400_000_001));
            }),
            ("2024-02-29T23:59:59.999999Z", |w| {
                w.time(Time(1_709_251_199_999_999));
            }),
            ("1999-12-31T23:59:59.000000Z", |w| {
                w.time(Time(946_684_799_000_000));
            }),
            ("0", |w| {
                w.integer(0);
            }),
            ("10200", |w| {
                w.integer(10_200);
            }),
            ("007", |w| {
                w.padded(7, 3);
            }),
            ("00ff", |w| {
                w.hex(255, 4);
            }),
            ("-", |w| {
                w.status(None);
            }),
        ];
        for (wanted, write) in cases {
            let mut out = Vec::new();
            write(&mut Writer(&mut out));
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
    }

    #[test]
    fn dates_agree_with_a_calendar() {
        for day in 0..20_000 {
            let time = Time::from_seconds(day * 86_400 + 3_661);
            let mut out = Vec::new();
            Writer(&mut out).time(time);
            assert_eq!(Time::parse(std::str::from_utf8(&out).unwrap()), Some(time));
        }
    }
}
