//! Cells as they wait in open slices: packed, for there may be hundreds of thousands of them.
//!
//! Invariant: the same counts always give the same bytes, and every packed cell reads back.

use crate::core::partial::{Cell, SloVerdicts};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::btree_map::Entry;
use std::fmt;

/// A histogram as its bytes stand in a packed cell's: totals and buckets.
type Unread<'a> = ([u64; 4], &'a [u8]);

/// Room for most cells while they are packed.
const PACKED_BYTES: usize = 128;

/// A [`Cell`] in some 70 bytes while its lists are short.
#[derive(Clone, PartialEq, Eq)]
pub struct PackedCell(Box<[u8]>);

impl PackedCell {
    /// The counts.
    pub fn cell(&self) -> Cell {
        postcard::from_bytes(&self.0).expect("what was packed here reads back")
    }

    /// The verdicts among them, without reading the rest.
    pub fn slos(&self) -> SloVerdicts {
        let (_, _, _, slos): ([u64; 10], Unread<'_>, Unread<'_>, SloVerdicts) =
            postcard::from_bytes(&self.0).expect("what was packed here reads back");
        slos
    }

    /// Adds a cell to what is counted in its place. Where its service was folded, without verdicts: no SLO is of what it was
    /// folded into.
    pub fn add<K: Ord>(place: Entry<'_, K, PackedCell>, cell: &Cell, is_folded: bool) {
        match place {
            Entry::Vacant(place) if !is_folded => {
                place.insert(PackedCell::from(cell));
            }
            place => {
                let packed = place.or_default();
                let mut sum = packed.cell();
                sum.merge(cell);
                if is_folded {
                    sum.slos = SloVerdicts::default();
                }
                *packed = PackedCell::from(&sum);
            }
        }
    }
}

impl From<&Cell> for PackedCell {
    fn from(cell: &Cell) -> PackedCell {
        let packed = postcard::to_extend(cell, Vec::with_capacity(PACKED_BYTES));
        PackedCell(packed.expect("numbers and bytes can be packed").into())
    }
}

impl Default for PackedCell {
    fn default() -> PackedCell {
        PackedCell::from(&Cell::default())
    }
}

impl fmt::Debug for PackedCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cell().fmt(f)
    }
}

impl Serialize for PackedCell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for PackedCell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PackedCell, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = PackedCell;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a packed cell")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<PackedCell, E> {
                let cell: Cell = postcard::from_bytes(bytes).map_err(E::custom)?;
                let packed = PackedCell::from(&cell);
                if *packed.0 != *bytes {
                    return Err(E::custom("a cell is not in its packed form"));
                }
                Ok(packed)
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::partial::Verdicts;
    use std::collections::BTreeMap;

    fn cell(latencies_us: &[u64]) -> Cell {
        let mut cell = Cell { requests: latencies_us.len() as u64, bytes_sent: 70_000, ..Cell::default() };
        for us in latencies_us {
            cell.client_latency.record(*us);
            cell.upstream_latency.record(*us);
        }
        cell.slos = [(0, Verdicts { good: cell.requests, ..Verdicts::default() })].into_iter().collect();
        cell
    }

    #[test]
    fn packed_cells_add_up_as_cells_do() {
        let (one, two) = (cell(&[12_000, 14_500, 18_200]), cell(&[95_000, 1_200_000]));
        let mut places = BTreeMap::new();
        let mut sum = Cell::default();
        for cell in [&one, &two, &one] {
            PackedCell::add(places.entry("as it is"), cell, false);
            PackedCell::add(places.entry("folded"), cell, true);
            sum.merge(cell);
        }
        let packed = &places["as it is"];
        assert_eq!(packed.cell(), sum);
        assert_eq!(*packed, PackedCell::from(&sum));
        assert_eq!(packed.slos(), sum.slos);
        assert_eq!(places["folded"].cell(), Cell { slos: SloVerdicts::default(), ..sum });
        assert!(PackedCell::from(&two).0.len() <= 64, "{}", PackedCell::from(&two).0.len());
    }

    #[test]
    fn only_what_was_packed_is_restored() {
        let packed = PackedCell::from(&cell(&[5, 7]));
        let wire = postcard::to_stdvec(&packed).unwrap();
        assert_eq!(postcard::from_bytes::<PackedCell>(&wire).unwrap(), packed);
        assert!(postcard::from_bytes::<PackedCell>(&[3, 1, 2, 3]).is_err(), "it is cut short");
        let mut longer = wire.clone();
        longer[0] += 1;
        longer.push(0);
        assert!(postcard::from_bytes::<PackedCell>(&longer).is_err(), "something follows");
    }
}
