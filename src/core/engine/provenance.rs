//! How far topics were read when something was decided.
//!
//! Invariant: the positions of the journal's entries so far, so that a replay says the same.

use super::Engine;
use crate::core::event::data::TopicOffsets;
use crate::core::partial::Standing;
use std::sync::Arc;

/// Most partitions that an event names the offsets of.
const PARTITIONS_MAX: usize = 128;

impl Engine {
    /// The first offset not read yet of every partition that takes part. None of archives, and where there are too many.
    pub(super) fn source_offsets(&self) -> Option<Arc<[TopicOffsets]>> {
        if self.backfill() {
            return None;
        }
        let takes_part =
            |partition| self.watermarks.get(partition).is_some_and(|p| p.standing() != Standing::Removed);
        let mut topics: Vec<TopicOffsets> = Vec::new();
        let mut named = 0;
        for (partition, next) in self.positions.iter().filter(|(partition, _)| takes_part(partition)) {
            let number = usize::try_from(partition.number).ok().filter(|number| *number < PARTITIONS_MAX)?;
            if topics.last().is_none_or(|t| (&t.source, &t.topic) != (&partition.source, &partition.topic)) {
                let (source, topic) = (partition.source.clone(), partition.topic.clone());
                topics.push(TopicOffsets { source, topic, next: Vec::new() });
            }
            let topic = topics.last_mut()?;
            named += number + 1 - topic.next.len();
            if named > PARTITIONS_MAX {
                return None;
            }
            topic.next.resize(number + 1, None);
            topic.next[number] = Some(next);
        }
        Some(topics.into())
    }
}
