//! The ground itself: if one of these fails, look here before looking at ninetail.

use crate::fixture::client::Client;
use crate::fixture::scenario::{lines, recent_lines};
use crate::fixture::tables::{integer, query, text};
use crate::fixture::{Cluster, Outcome, Truth, bootstrap};
use ninetail::shell::traffic::{Traffic, TrafficConfig};
use std::collections::BTreeMap;
use std::io::Write;

/// Topics, transactions, deletions and reading work as the tests take for granted.
pub(crate) fn kafka_serves() -> Outcome {
    serves(&Client { bootstrap: bootstrap()? })
}

/// Three nodes, of which one dies and comes back.
pub(crate) fn three_nodes_serve() -> Outcome {
    let mut cluster = Cluster::start(3)?;
    let client = Client { bootstrap: cluster.bootstrap() };
    serves(&client)?;
    cluster.kill(2)?;
    client.produce(&topic(), &recent_lines(2, 100, 60, 2))?;
    cluster.restart(2)
}

fn topic() -> String {
    format!("ground-{}", std::process::id())
}

fn serves(client: &Client) -> Outcome {
    let (topic, lines) = (topic(), recent_lines(1, 300, 60, 2));
    assert!(client.read(&topic)?.is_empty(), "a topic that does not exist");
    client.create_topic(&topic, 2, &[])?;
    client.produce(&topic, &lines[..100])?;
    let aborted = (false, lines[100..200].to_vec());
    client.transactions(&topic, &topic, &[aborted, (true, lines[200..].to_vec())])?;
    let read = client.read(&topic)?;
    assert_eq!(read.len(), 200, "committed lines");
    let committed = lines[..100].iter().chain(&lines[200..]);
    let mut expected: BTreeMap<i32, Vec<&[u8]>> = BTreeMap::new();
    committed.for_each(|(partition, line)| expected.entry(*partition).or_default().push(line));
    let mut found: BTreeMap<i32, Vec<&[u8]>> = BTreeMap::new();
    read.iter().for_each(|r| found.entry(r.partition).or_default().extend(r.value.as_deref()));
    assert_eq!(found, expected, "lines by partition, in order");
    client.delete_records(&topic, 0, 10)?;
    assert_eq!(client.watermarks(&topic, 0)?.0, 10, "the first offset after a deletion");
    assert_eq!(client.read(&topic)?.len(), 190);
    Ok(())
}

/// The truth of the tests, in plain Rust, against the same question in SQL over the raw lines.
pub(crate) fn truth_is_what_sql_says() -> Outcome {
    let mut traffic = Traffic::new(TrafficConfig { seed: 30, ..TrafficConfig::default() });
    let mut truth = Truth::new(60);
    let mut file = tempfile::NamedTempFile::new()?;
    for (_, line) in lines(&mut traffic, 20_000, 1) {
        truth.add(&line);
        file.write_all(&line)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    let lines = format!(
        "lines AS (SELECT column00 AS type, epoch(date_trunc('minute', column01::TIMESTAMP))::BIGINT AS start,
           coalesce(nullif(split_part(column16, '/', 2), ''), '__unmatched__') AS service,
           column06::DECIMAL(18, 3) AS target_s, column08::INTEGER AS status
         FROM read_csv('{}', delim = ' ', quote = '\"', escape = '', header = false, all_varchar = true,
                       null_padding = true, auto_detect = false, columns = {{{}}}))",
        file.path().display(),
        (0..33).map(|n| format!("column{n:02}: 'VARCHAR'")).collect::<Vec<_>>().join(", ")
    );
    let mut requests = BTreeMap::new();
    let sql = format!(
        "WITH {lines} SELECT service, start, count(*) AS requests, count(*) FILTER (status >= 500) AS errors
         FROM lines GROUP BY ALL"
    );
    for row in query(&sql)? {
        let key = (text(&row, "service")?, integer(&row, "start")?);
        requests.insert(key, (integer(&row, "requests")?, integer(&row, "errors")?));
    }
    assert_eq!(truth.errors(), requests);
    let mut verdicts = BTreeMap::new();
    let sql = format!(
        "WITH {lines}, verdicts AS (
           SELECT service, start, 'availability' AS slo,
                  CASE WHEN status = 460 THEN NULL ELSE status < 500 END AS good FROM lines
           UNION ALL SELECT service, start, 'latency',
                  CASE WHEN status = 460 OR type IN ('ws', 'wss') THEN NULL WHEN status >= 500 THEN false
                       WHEN target_s < 0 THEN NULL ELSE target_s < 0.2 END FROM lines)
         SELECT service, slo, start, count(*) FILTER (good) AS good, count(*) FILTER (NOT good) AS bad
         FROM verdicts WHERE service <> '__unmatched__' GROUP BY ALL"
    );
    for row in query(&sql)? {
        let key = (text(&row, "service")?, text(&row, "slo")?, integer(&row, "start")?);
        verdicts.insert(key, (integer(&row, "good")?, integer(&row, "bad")?));
    }
    assert_eq!(truth.verdicts(), verdicts);
    Ok(())
}
