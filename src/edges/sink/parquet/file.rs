//! One Parquet file: rows to columns to bytes, and the footer that says what it is.
//!
//! Invariant: the hash in the footer is of the rows, not of their encoding: another release of the
//! Parquet library, or another compression, writes other bytes and the same hash.

use crate::edges::sink::columns::{FileColumn, Kind, SCHEMA_VERSION, Table, Value};
use arrow::array::{
    ArrayRef, BooleanBuilder, Decimal128Builder, Int32Builder, Int64Builder, ListBuilder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::error::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowWriterOptions, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnPath;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3;

/// Rows of one row group; close to DuckDB's own.
const ROW_GROUP_ROWS: usize = 128 * 1024;
/// Rows turned into columns at a time. With the next it bounds the memory of a cut: a row may hold hundreds of buckets.
const BATCH_ROWS: usize = 256;
/// Rows of one page, and its bytes as they are encoded: until it is full its values lie there uncompressed, ten bytes each. Lists
/// fill the bytes first. Much smaller pages cost more to compress than they hold.
const PAGE_ROWS: usize = 8 << 10;
const PAGE_BYTES: usize = 16 << 10;
const ZSTD_LEVEL: i32 = 3;
/// Bytes of a column's dictionary, beyond which its values stand as they are. Texts repeat; numbers that are so many seldom do, and their
/// dictionary would be larger than what it saves.
const DICTIONARY_BYTES: usize = 64 << 10;
const TEXT_DICTIONARY_BYTES: usize = 1 << 20;

/// Footer keys.
pub(super) const ROWS_HASH: &str = "ninetail.rows_hash";
pub(super) const POSITION: &str = "ninetail.position";
pub(super) const JOURNAL: &str = "ninetail.journal";
/// `[from]/below`: files of a coarser grain up to this cut hold all of the hours or days that begin there.
pub(super) const COVERS: &str = "ninetail.covers";
pub(super) const DIMENSIONS: &str = "ninetail.dimensions";

/// What the footer says besides the schema and the hash: (key, value).
pub(super) type Footer = Vec<(&'static str, String)>;

/// xxh3-128 of the rows in their canonical form, 32 hex digits: column names, then value by value a tag and
/// the value, integers in little endian, text and lists with their length.
pub(super) fn rows_hash<R: Table>(rows: &[&R], columns: &[FileColumn<'_, R>]) -> String {
    let mut hash = Xxh3::new();
    let mut line = Vec::with_capacity(1024);
    for column in columns {
        put_bytes(&mut line, column.name().as_bytes());
    }
    hash.update(&line);
    for row in rows {
        line.clear();
        for column in columns {
            put(&mut line, column.get(row));
        }
        hash.update(&line);
    }
    format!("{:032x}", hash.digest128())
}

fn put_bytes(line: &mut Vec<u8>, bytes: &[u8]) {
    line.extend((bytes.len() as u64).to_le_bytes());
    line.extend(bytes);
}

fn put(line: &mut Vec<u8>, value: Value<'_>) {
    let list = |line: &mut Vec<u8>, tag, values: &mut dyn Iterator<Item = i64>| {
        line.push(tag);
        let at = line.len();
        line.extend(0u64.to_le_bytes());
        let mut count = 0u64;
        for value in values {
            line.extend(value.to_le_bytes());
            count += 1;
        }
        line[at..at + 8].copy_from_slice(&count.to_le_bytes());
    };
    match value {
        Value::Null => line.push(0),
        Value::Text(text) => {
            line.push(1);
            put_bytes(line, text.as_bytes());
        }
        Value::Long(number) => {
            line.push(2);
            line.extend(number.to_le_bytes());
        }
        Value::Int(number) => {
            line.push(3);
            line.extend(number.to_le_bytes());
        }
        Value::Bool(flag) => line.extend([4, flag as u8]),
        Value::Indexes(h) | Value::Counts(h) if h.count == 0 => line.push(0),
        Value::Indexes(h) => list(line, 5, &mut h.buckets().map(|b| b.0 as i64)),
        Value::Counts(h) => list(line, 6, &mut h.buckets().map(|b| b.1 as i64)),
        // an absent one has a value that no decimal of the column has
        Value::Burns(burns, value) => list(line, 7, &mut burns.iter().map(|b| value(b).unwrap_or(i64::MIN))),
        Value::Texts(texts) => {
            line.push(8);
            line.extend((texts.len() as u64).to_le_bytes());
            texts.iter().for_each(|text| put_bytes(line, text.as_bytes()));
        }
    }
}

/// Writes the rows, already in order, and syncs the file. Returns its length in bytes.
pub(super) fn write<R: Table>(
    path: &Path,
    rows: &[&R],
    columns: &[FileColumn<'_, R>],
    footer: &Footer,
    hash: &str,
) -> Result<u64, ParquetError> {
    let schema = schema(columns);
    let pairs =
        [("ninetail.schema_version", SCHEMA_VERSION.to_string()), ("ninetail.table", R::NAME.to_owned())];
    let pairs = pairs.into_iter().chain(footer.iter().cloned()).chain([(ROWS_HASH, hash.to_owned())]);
    let pairs = pairs.map(|(key, value)| KeyValue::new(key.to_owned(), value)).collect();
    let ascending = |name| {
        let index = columns.iter().position(|c| c.name() == name)? as i32;
        Some(SortingColumn { column_idx: index, descending: false, nulls_first: false })
    };
    let leading = R::columns()[0].name;
    let texts = columns.iter().filter(|c| c.kind() == Kind::String);
    let properties = texts.fold(WriterProperties::builder(), |properties, column| {
        let path = ColumnPath::new(vec![column.name().to_owned()]);
        properties.set_column_dictionary_page_size_limit(path, TEXT_DICTIONARY_BYTES)
    });
    let properties = properties
        .set_dictionary_page_size_limit(DICTIONARY_BYTES)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_created_by(concat!("ninetail version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(pairs))
        .set_sorting_columns(Some(ascending(leading).into_iter().collect()))
        .set_coerce_types(true) // the standard names inside lists
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let writer = ArrowWriter::try_new_with_options(File::create(path)?, schema.clone(), options)?;
    let (mut writer, columns_of) = writer.into_serialized_writer()?;
    for (number, rows) in rows.chunks(ROW_GROUP_ROWS).enumerate() {
        let mut group = writer.next_row_group()?;
        // one column after another: what a column needs while it is written is more than what becomes of it
        let writers = columns_of.create_column_writers(number)?;
        for ((column, field), mut writer) in columns.iter().zip(schema.fields()).zip(writers) {
            for part in rows.chunks(BATCH_ROWS) {
                for leaf in compute_leaves(field, &array(column, part)?)? {
                    writer.write(&leaf)?;
                }
            }
            writer.close()?.append_to_row_group(&mut group)?;
        }
        group.close()?;
    }
    let file = writer.into_inner()?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

fn schema<R: Table>(columns: &[FileColumn<'_, R>]) -> Arc<Schema> {
    let fields = columns.iter().map(|c| Field::new(c.name(), data_type(c.kind()), c.nullable()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn data_type(kind: Kind) -> DataType {
    let list = |of| DataType::List(item(of));
    match kind {
        Kind::String => DataType::Utf8,
        Kind::Bigint => DataType::Int64,
        Kind::Integer => DataType::Int32,
        Kind::Boolean => DataType::Boolean,
        Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Decimal => DataType::Decimal128(9, 6),
        Kind::Integers => list(DataType::Int32),
        Kind::Bigints => list(DataType::Int64),
        Kind::Wide => WIDE,
        Kind::Wides => list(WIDE),
        Kind::Strings => list(DataType::Utf8),
    }
}

/// DECIMAL(18,6).
const WIDE: DataType = DataType::Decimal128(18, 6);

/// What a list's items are; only rates may be absent.
fn item(of: DataType) -> Arc<Field> {
    let nullable = of == WIDE;
    Arc::new(Field::new_list_field(of, nullable))
}

/// One column of the rows. A value of another type than the column's becomes null, which a column that
/// may not be null refuses.
fn array<R: Table>(column: &FileColumn<'_, R>, rows: &[&R]) -> Result<ArrayRef, ArrowError> {
    let values = rows.iter().map(|row| column.get(row));
    let long = |v: Value<'_>| if let Value::Long(n) = v { Some(n) } else { None };
    let int = |v: Value<'_>| if let Value::Int(n) = v { Some(n) } else { None };
    Ok(match column.kind() {
        Kind::String => {
            let mut out = StringBuilder::with_capacity(rows.len(), rows.len() * 16);
            values.for_each(|v| out.append_option(if let Value::Text(t) = v { Some(t) } else { None }));
            Arc::new(out.finish())
        }
        Kind::Bigint => {
            let mut out = Int64Builder::with_capacity(rows.len());
            values.for_each(|v| out.append_option(long(v)));
            Arc::new(out.finish())
        }
        Kind::Integer => {
            let mut out = Int32Builder::with_capacity(rows.len());
            values.for_each(|v| out.append_option(int(v)));
            Arc::new(out.finish())
        }
        Kind::Boolean => {
            let mut out = BooleanBuilder::with_capacity(rows.len());
            values.for_each(|v| out.append_option(if let Value::Bool(b) = v { Some(b) } else { None }));
            Arc::new(out.finish())
        }
        Kind::Timestamp => {
            let mut out = TimestampMicrosecondBuilder::with_capacity(rows.len()).with_timezone("UTC");
            values.for_each(|v| out.append_option(long(v)));
            Arc::new(out.finish())
        }
        Kind::Decimal => {
            let mut out = Decimal128Builder::with_capacity(rows.len()).with_precision_and_scale(9, 6)?;
            values.for_each(|v| out.append_option(long(v).map(i128::from)));
            Arc::new(out.finish())
        }
        Kind::Integers => {
            let mut out = ListBuilder::new(Int32Builder::new()).with_field(item(DataType::Int32));
            for value in values {
                let there = matches!(value, Value::Indexes(h) if h.count > 0);
                if let (Value::Indexes(histogram), true) = (value, there) {
                    histogram.buckets().for_each(|b| out.values().append_value(b.0.into()));
                }
                out.append(there);
            }
            Arc::new(out.finish())
        }
        Kind::Bigints => {
            let mut out = ListBuilder::new(Int64Builder::new()).with_field(item(DataType::Int64));
            for value in values {
                let there = match value {
                    Value::Counts(histogram) => {
                        let counts = histogram.buckets().map(|b| i64::try_from(b.1).unwrap_or(i64::MAX));
                        counts.for_each(|c| out.values().append_value(c));
                        histogram.count > 0
                    }
                    Value::Burns(burns, of) => {
                        burns.iter().for_each(|b| out.values().append_value(of(b).unwrap_or(i64::MAX)));
                        true
                    }
                    _ => false,
                };
                out.append(there);
            }
            Arc::new(out.finish())
        }
        Kind::Wide => {
            let mut out = Decimal128Builder::with_capacity(rows.len()).with_data_type(WIDE);
            values.for_each(|v| out.append_option(long(v).map(i128::from)));
            Arc::new(out.finish())
        }
        Kind::Wides => {
            let mut out =
                ListBuilder::new(Decimal128Builder::new().with_data_type(WIDE)).with_field(item(WIDE));
            for value in values {
                if let Value::Burns(burns, of) = value {
                    burns.iter().for_each(|b| out.values().append_option(of(b).map(i128::from)));
                }
                out.append(matches!(value, Value::Burns(..)));
            }
            Arc::new(out.finish())
        }
        Kind::Strings => {
            let mut out = ListBuilder::new(StringBuilder::new()).with_field(item(DataType::Utf8));
            for value in values {
                if let Value::Texts(texts) = value {
                    texts.iter().for_each(|text| out.values().append_value(text));
                }
                out.append(matches!(value, Value::Texts(_)));
            }
            Arc::new(out.finish())
        }
    })
}

/// The key-values of a file's footer.
pub(super) fn footer(path: &Path) -> Result<BTreeMap<String, String>, ParquetError> {
    let reader = SerializedFileReader::new(File::open(path)?)?;
    let pairs = reader.metadata().file_metadata().key_value_metadata().cloned().unwrap_or_default();
    Ok(pairs.into_iter().filter_map(|pair| Some((pair.key, pair.value?))).collect())
}
