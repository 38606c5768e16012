//! A file's columns, decoded batch by batch: only those that are asked for.
//!
//! Invariant: a column is found by its name, never by its place; columns that a newer release added are
//! passed over.

use super::ReadError;
use arrow::array::{
    Array, BooleanArray, Decimal128Array, Int32Array, Int64Array, ListArray, StringArray,
    TimestampMicrosecondArray,
};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fmt::Display;
use std::fs::File;
use std::path::Path;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 8 * 1024;

pub(super) type Texts = StringArray;
pub(super) type Longs = Int64Array;
pub(super) type Ints = Int32Array;
pub(super) type Flags = BooleanArray;
pub(super) type Times = TimestampMicrosecondArray;
pub(super) type Decimals = Decimal128Array;

/// Decodes the columns of a file, each named once with its type, and runs the body for every row.
macro_rules! for_rows {
    ($path:expr, |$row:ident: $($column:ident: $kind:ty),+ $(,)?| $body:expr) => {{
        let names = [$(stringify!($column)),+];
        $crate::edges::sink::parquet::read::columns::batches($path, &names, |columns| {
            $(let $column = columns.get::<$kind>(stringify!($column))?;)+
            for $row in 0..columns.rows() {
                $body
            }
            Ok(())
        })
    }};
}
pub(super) use for_rows;

/// A batch's columns by name.
pub(super) struct Columns<'a> {
    path: &'a Path,
    batch: &'a RecordBatch,
}

impl<'a> Columns<'a> {
    /// How many rows the batch has.
    pub(super) fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// The column of that name.
    pub(super) fn get<T: FromColumn<'a>>(&self, name: &str) -> Result<T, ReadError> {
        let column = match self.batch.column_by_name(name) {
            Some(column) => T::from_column(column.as_ref()),
            None => T::absent(),
        };
        column.ok_or_else(|| ReadError::Column { path: self.path.to_owned(), column: name.to_owned() })
    }
}

/// A column of a type that can be asked for.
pub(super) trait FromColumn<'a>: Sized {
    /// None if the column is of another type.
    fn from_column(column: &'a dyn Array) -> Option<Self>;
    /// What a file without the column has in its place, if that may be.
    fn absent() -> Option<Self> {
        None
    }
}

impl<'a, A: Array + 'static> FromColumn<'a> for &'a A {
    fn from_column(column: &'a dyn Array) -> Option<&'a A> {
        column.as_any().downcast_ref()
    }
}

/// A column that files of older releases do not have.
impl<'a, T: FromColumn<'a>> FromColumn<'a> for Option<T> {
    fn from_column(column: &'a dyn Array) -> Option<Option<T>> {
        T::from_column(column).map(Some)
    }

    fn absent() -> Option<Option<T>> {
        Some(None)
    }
}

/// A column of lists.
pub(super) struct Lists<'a, A> {
    ends: &'a ListArray,
    values: &'a A,
}

impl<'a, A: Array + 'static> FromColumn<'a> for Lists<'a, A> {
    fn from_column(column: &'a dyn Array) -> Option<Lists<'a, A>> {
        let ends: &ListArray = column.as_any().downcast_ref()?;
        Some(Lists { ends, values: ends.values().as_any().downcast_ref()? })
    }
}

impl<'a, P: arrow::datatypes::ArrowPrimitiveType> Lists<'a, arrow::array::PrimitiveArray<P>> {
    /// The list of a row; empty where it is NULL.
    pub(super) fn row(&self, row: usize) -> &'a [P::Native] {
        let ends = self.ends.value_offsets();
        &self.values.values()[ends[row] as usize..ends[row + 1] as usize]
    }
}

/// NULL and what is below 0 count as 0.
pub(super) fn unsigned(column: &Longs, row: usize) -> u64 {
    if column.is_null(row) { 0 } else { u64::try_from(column.value(row)).unwrap_or(0) }
}

/// Decodes the named columns batch by batch.
pub(super) fn batches(
    path: &Path,
    names: &[&str],
    mut each: impl FnMut(Columns<'_>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let failed = |e: &dyn Display| ReadError::File { path: path.to_owned(), detail: e.to_string() };
    let file = File::open(path).map_err(|e| failed(&e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| failed(&e))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(|e| failed(&e))?;
    for batch in reader {
        each(Columns { path, batch: &batch.map_err(|e| failed(&e))? })?;
    }
    Ok(())
}
