//! ninetail against real Apache Kafka and DuckDB: what it must survive, compared with an independent truth.
//!
//! Kafka's jars, DuckDB and an Alertmanager are fetched once into a cache folder; `NINETAIL_TEST_BOOTSTRAP` names an existing
//! cluster instead. Without a JDK, Maven or Python the tests that need them are reported as ignored, with
//! the reason; with `CI=true` that is a failure.

mod fixture;

#[path = "../readme/blocks.rs"]
mod blocks;
#[path = "../support/receiver.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod posted;

mod bad_input;
mod coarse;
mod corrupt;
mod crashes;
mod dimensions;
mod disks;
mod early;
mod every_event;
mod exclusions;
mod ground;
mod groups;
mod health;
mod indicators;
mod input;
mod outages;
mod readme;
mod recreated;
mod receivers;
mod refusals;
mod reports;

mod sinks;
mod truth;
mod unreachable;
mod zombies;

use fixture::Need::{Alertmanager, CrashPoints, DuckDb, Kafka, Mount, OwnKafka};
use fixture::{Need, Outcome};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        trial("ground::kafka_serves", &[Kafka], ground::kafka_serves),
        trial("ground::three_nodes_serve", &[OwnKafka], ground::three_nodes_serve),
        trial("ground::the_truth_is_what_sql_says", &[DuckDb], ground::truth_is_what_sql_says),
        trial("sinks::each_event_once", &[Kafka], sinks::each_event_once),
        trial("sinks::many_events_and_subjects", &[Kafka], sinks::many_events_and_subjects),
        trial("sinks::another_journal_is_refused", &[Kafka], sinks::another_journal_is_refused),
        trial("sinks::a_copy_that_published_is_known", &[Kafka], sinks::a_copy_that_published_is_known),
        trial("sinks::state_topic_must_be_compacted", &[Kafka], sinks::state_topic_must_be_compacted),
        trial("sinks::broker_killed_while_publishing", &[OwnKafka], sinks::broker_killed_while_publishing),
        trial("sinks::dead_letters_are_kept", &[Kafka], sinks::dead_letters_are_kept),
        trial("disks::journal", &[Mount], disks::journal),
        trial("disks::rollups", &[Mount], disks::rollups),
        trial("disks::events", &[Mount], disks::events),
        trial("disks::dead_letters", &[Mount], disks::dead_letters),
        trial("truth::stream", &[Kafka, DuckDb], truth::stream),
        trial("truth::stream_in_pieces", &[Kafka, DuckDb], truth::stream_in_pieces),
        trial("truth::backfill_equals_stream", &[Kafka, DuckDb], truth::backfill_equals_stream),
        trial("dimensions::rows_by_route_and_method", &[Kafka, DuckDb], dimensions::rows_by_route_and_method),
        trial("dimensions::beyond_the_limit", &[Kafka, DuckDb], dimensions::beyond_the_limit),
        trial("groups::budgets_by_route", &[Kafka, DuckDb], groups::budgets_by_route),
        trial("groups::beyond_the_limit", &[Kafka, DuckDb], groups::beyond_the_limit),
        trial("indicators::freshness_and_counters", &[Kafka, DuckDb], indicators::freshness_and_counters),
        trial("truth::events_in_a_file", &[Kafka, DuckDb], truth::events_in_a_file),
        trial("reports::agree_with_sql_and_the_truth", &[DuckDb], reports::agree_with_sql_and_the_truth),
        trial("coarse::add_up_and_budgets_follow", &[DuckDb], coarse::add_up_and_budgets_follow),
        trial("crashes::kill_loop", &[Kafka, DuckDb], crashes::kill_loop),
        trial(
            "crashes::kill_loop_with_an_event_file",
            &[Kafka, DuckDb],
            crashes::kill_loop_with_an_event_file,
        ),
        trial(
            "crashes::a_wrong_order_of_commits_is_found",
            &[CrashPoints, Kafka, DuckDb],
            crashes::wrong_order_is_found,
        ),
        trial("input::group_offsets_reset", &[Kafka, DuckDb], input::group_offsets_reset),
        trial("input::transactions_with_aborts", &[Kafka, DuckDb], input::transactions_with_aborts),
        trial("input::open_transaction", &[Kafka, DuckDb], input::open_transaction),
        trial("input::retention_hole", &[Kafka, DuckDb], input::retention_hole),
        trial("input::silent_partition_beside_busy_ones", &[Kafka, DuckDb], input::silent_partition),
        trial("input::all_partitions_fall_silent", &[Kafka, DuckDb], input::all_silent),
        trial("input::a_partition_far_ahead", &[Kafka, DuckDb], input::far_ahead),
        trial("input::lines_in_parts_and_kills", &[Kafka, DuckDb], input::lines_in_parts_and_kills),
        trial("input::new_partitions", &[Kafka, DuckDb], input::new_partitions),
        trial("bad_input::every_kind", &[Kafka, DuckDb], bad_input::every_kind),
        trial("bad_input::hostile_traffic", &[Kafka, DuckDb], bad_input::hostile_traffic),
        trial("bad_input::a_million_services", &[Kafka, DuckDb], bad_input::a_million_services),
        trial("recreated::across_a_restart", &[Kafka, DuckDb], recreated::across_a_restart),
        trial("recreated::while_running", &[Kafka, DuckDb], recreated::while_running),
        trial("recreated::shorter", &[Kafka, DuckDb], recreated::shorter),
        trial("refusals::second_process", &[Kafka, DuckDb], refusals::second_process),
        trial("refusals::second_process_elsewhere", &[Kafka, DuckDb], refusals::second_process_elsewhere),
        trial("refusals::empty_state_beside_outputs", &[Kafka, DuckDb], refusals::empty_state_beside_outputs),
        trial("refusals::old_state_restored", &[Kafka, DuckDb], refusals::old_state_restored),
        trial(
            "refusals::copies_onto_one_events_file",
            &[Kafka, DuckDb],
            refusals::copies_onto_one_events_file,
        ),
        trial("outages::broker_killed_and_started", &[OwnKafka, DuckDb], outages::broker_killed_and_started),
        trial("outages::one_of_three_nodes_killed", &[OwnKafka, DuckDb], outages::one_of_three_nodes_killed),
        trial(
            "corrupt::a_batch_on_the_brokers_disk",
            &[OwnKafka, DuckDb],
            corrupt::batch_on_the_brokers_disk,
        ),
        trial("unreachable::a_partition_whose_node_is_gone", &[OwnKafka, DuckDb], unreachable::node_is_gone),
        trial("zombies::asleep_beside_its_state", &[Kafka, DuckDb], zombies::asleep_beside_its_state),
        trial("zombies::fenced_by_a_copy", &[Kafka, DuckDb], zombies::fenced_by_a_copy),
        trial("outages::disk_full", &[Kafka, DuckDb, Mount], outages::disk_full),
        trial("outages::state_disk_full", &[Kafka, DuckDb, Mount], outages::state_disk_full),
        trial("outages::read_only_output", &[Kafka, DuckDb, Mount], outages::read_only_output),
        trial("health::and_metrics_tell_the_truth", &[Kafka, DuckDb], health::and_metrics_tell_the_truth),
        trial("health::and_repaired_lines_are_counted", &[Kafka], health::and_repaired_lines_are_counted),
        trial("health::back_after_a_kill", &[Kafka, DuckDb], health::back_after_a_kill),
        trial("receivers::firing_then_resolved", &[Kafka, Alertmanager], receivers::firing_then_resolved),
        trial("early::pages_before_its_slice_closes", &[Kafka, DuckDb], early::pages_before_its_slice_closes),
        trial("exclusions::backfill_equals_a_recount", &[DuckDb], exclusions::backfill_equals_a_recount),
        trial("every_event::seen_and_valid", &[Kafka], every_event::seen_and_valid),
        trial("readme::kafka_commands", &[Kafka, DuckDb], readme::kafka_commands),
        trial("readme::sql", &[DuckDb], readme::sql),
    ];
    for point in ninetail::edges::crash::POINTS {
        let name = format!("crashes::at_{}", point.replace('.', "_"));
        trials.push(trial(&name, &[CrashPoints, Kafka, DuckDb], move || crashes::at(point)));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    fixture::stop();
    conclusion.exit();
}

/// A test that is ignored, with the reason, where the machine lacks what it needs.
fn trial(name: &str, needs: &'static [Need], test: impl FnOnce() -> Outcome + Send + 'static) -> Trial {
    Trial::ignorable_test(name, move || match needs.iter().find_map(|need| need.unmet()) {
        None => test().map(|()| Completion::Completed),
        Some(reason) if std::env::var("CI").is_ok_and(|ci| ci == "true") => Err(Failed::from(reason)),
        Some(reason) => Ok(Completion::ignored_with(reason)),
    })
}
