//! The README's commands that need a broker, and its SQL: run as they stand there.

use crate::blocks::{Block, copy_pipelines, of, shell};
use crate::fixture::client::Client;
use crate::fixture::tables::{integer, query, rows};
use crate::fixture::{Outcome, bootstrap};
use std::fs;
use std::path::Path;
use std::process::Command;

fn run(block: &Block, command: &mut Command) -> Outcome {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&said);
    Err(format!("README.md:{}: {}\n{}\n{text}", block.line, output.status, block.text).into())
}

/// Traffic into a topic, `check`, `run` to the end, `report`; under names of its own, as the cluster may be shared.
pub(crate) fn kafka_commands() -> Outcome {
    let folder = tempfile::tempdir()?;
    let unique = format!("readme-{}", std::process::id());
    let own = |text: &str| {
        text.replace("name: edge", &format!("name: {unique}"))
            .replace("alb-logs", &format!("{unique}-logs"))
            .replace("slo-events", &format!("{unique}-events"))
            .replace("slo-state", &format!("{unique}-state"))
            .replace("127.0.0.1:9464", "127.0.0.1:0")
    };
    copy_pipelines(folder.path())?;
    let pipeline = folder.path().join("pipelines/aws-alb-kafka.yaml");
    fs::write(&pipeline, own(&fs::read_to_string(&pipeline)?))?;
    let client = Client { bootstrap: bootstrap()? };
    client.create_topic(&format!("{unique}-logs"), 4, &[])?;
    let blocks = of("sh kafka");
    assert!(!blocks.is_empty(), "the README shows Kafka");
    for block in &blocks {
        let mut command = shell(&own(&block.text), folder.path());
        run(block, command.env("KAFKA_BROKERS", &client.bootstrap))?;
    }
    let rollups = folder.path().join("pipelines/data/rollups");
    let counted = rows(&rollups, "requests_1m", "SELECT sum(requests) AS requests FROM {table}")?;
    let [counted] = &counted[..] else { return Err("one row of one sum".into()) };
    assert_eq!(integer(counted, "requests")?, 20_000, "every generated line is a request");
    Ok(())
}

/// The SQL over what the commands before it wrote.
pub(crate) fn sql() -> Outcome {
    let folder = tempfile::tempdir()?;
    copy_pipelines(folder.path())?;
    for block in &of("sh") {
        run(block, &mut shell(&block.text, folder.path()))?;
    }
    let blocks = of("sql");
    assert!(!blocks.is_empty(), "the README shows SQL");
    for block in &blocks {
        assert!(!query(&here(&block.text, folder.path()))?.is_empty(), "README.md:{}: no row", block.line);
    }
    Ok(())
}

/// The query with the paths of the README's folder made absolute.
fn here(text: &str, folder: &Path) -> String {
    text.replace("'out/", &format!("'{}/out/", folder.display()))
}
