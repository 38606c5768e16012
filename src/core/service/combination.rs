//! Values of the dimensions that requests are broken down by, one for each dimension in their order.

use crate::core::settings::OTHER;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One value for each dimension; None where the record has none.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub struct Combination(Arc<[Option<Arc<str>>]>);

impl Combination {
    /// Of these values.
    pub fn new(values: Vec<Option<Arc<str>>>) -> Combination {
        Combination(values.into())
    }

    /// Where combinations beyond the limit are counted: `__other__` in every dimension.
    pub fn other(dimensions: usize) -> Combination {
        Combination(vec![Some(Arc::from(OTHER)); dimensions].into())
    }

    /// Whether it is that one.
    pub fn is_other(&self) -> bool {
        self.0.iter().all(|value| value.as_deref() == Some(OTHER))
    }

    /// The values.
    pub fn values(&self) -> &[Option<Arc<str>>] {
        &self.0
    }
}
