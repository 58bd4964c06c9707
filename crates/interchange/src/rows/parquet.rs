//! Rows of an Apache Parquet file, a few at a time, without Arrow.

use std::any::Any;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use moa_preferences::Moment;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::{Cells, Sink, open};
use crate::InterchangeError;
use crate::cell::Cell;

/// Rows that are in memory at a time; images are large.
const ROWS: usize = 16;

/// Returns the names of the columns, those of groups with dots.
pub(super) fn columns(file: &Path) -> Result<Vec<String>, InterchangeError> {
    let reader = reader(file)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    Ok(schema.columns().iter().map(|column| column.path().string()).collect())
}

pub(super) fn table(file: &Path, columns: &[&str], sink: &mut Sink<'_>) -> Result<(), InterchangeError> {
    let reader = reader(file)?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let mut places = Vec::with_capacity(columns.len());
    for column in columns {
        // Image columns of later data sets are groups.
        let is_wanted = |found: &str| found == *column || found.strip_suffix(".bytes") == Some(*column);
        let place = schema.columns().iter().position(|found| is_wanted(&found.path().string()));
        if place.is_some_and(|place| schema.column(place).max_rep_level() > 0) {
            let problem = format!("column {column} holds a list in each row: give one value per row");
            return Err(InterchangeError::unreadable(file, problem));
        }
        places.push(place);
    }
    let mut row = 0_u64;
    for group in 0..reader.num_row_groups() {
        let at = |row: u64| format!("row {}", row + 1);
        let rows = reader.metadata().row_group(group).num_rows();
        let mut readers = Vec::with_capacity(columns.len());
        for (column, place) in columns.iter().zip(&places) {
            let open = |place: usize| -> Result<Option<Column>, InterchangeError> {
                let reader = guarded(|| reader.get_row_group(group)?.get_column_reader(place));
                let reader = reader.map_err(|problem| torn(file, &at(row), column, &problem))?;
                let descriptor = schema.column(place);
                let levels = descriptor.max_def_level();
                Ok(Some(Column { reader, levels, unit: unit(&descriptor) }))
            };
            readers.push(place.map_or(Ok(None), open)?);
        }
        let mut left = usize::try_from(rows).unwrap_or(0);
        while left > 0 {
            let count = left.min(ROWS);
            let mut batch = Vec::with_capacity(columns.len());
            for (column, reader) in columns.iter().zip(&mut readers) {
                let Some(reader) = reader else {
                    batch.push(vec![Cell::Missing; count].into_iter());
                    continue;
                };
                let cells = guarded(|| reader.read(count));
                let cells = cells.map_err(|problem| torn(file, &at(row), column, &problem))?;
                batch.push(cells.into_iter());
            }
            for _ in 0..count {
                let cells = batch.iter_mut().map(|cells| cells.next().unwrap_or(Cell::Missing)).collect();
                if !sink(&at(row), Cells { columns, cells })? {
                    return Ok(());
                }
                row += 1;
            }
            left -= count;
        }
    }
    Ok(())
}

fn reader(file: &Path) -> Result<SerializedFileReader<File>, InterchangeError> {
    let opened = open(file)?;
    guarded(|| SerializedFileReader::new(opened)).map_err(|problem| {
        let way_out = "it is torn or no Parquet file: copy or download it again";
        InterchangeError::unreadable(file, format!("{problem}: {way_out}"))
    })
}

/// Reads, and says what is wrong with bytes that confuse the reader.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| error.to_string()),
        Err(panic) => Err(said(&*panic)),
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "the bytes make no sense".into())
}

fn torn(file: &Path, place: &str, column: &str, problem: &str) -> InterchangeError {
    let problem: String = problem.chars().take(200).collect();
    let way_out = if problem.contains("feature") {
        "write the file with snappy or gzip, or without compression"
    } else {
        "the file is torn: copy or download it again"
    };
    InterchangeError::unreadable(file, format!("{place}, column {column}: {problem}: {way_out}"))
}

/// Nanoseconds of a column's unit of time.
fn unit(column: &ColumnDescriptor) -> Option<i64> {
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Timestamp(time)), _) => Some(match time.unit {
            TimeUnit::MILLIS => 1_000_000,
            TimeUnit::MICROS => 1000,
            TimeUnit::NANOS => 1,
        }),
        (_, ConvertedType::TIMESTAMP_MILLIS) => Some(1_000_000),
        (_, ConvertedType::TIMESTAMP_MICROS) => Some(1000),
        _ => None,
    }
}

struct Column {
    reader: ColumnReader,
    /// The level at which a value is there.
    levels: i16,
    /// Nanoseconds, where these are times.
    unit: Option<i64>,
}

impl Column {
    fn read(&mut self, count: usize) -> Result<Vec<Cell>, ParquetError> {
        let (levels, unit) = (self.levels, self.unit);
        match &mut self.reader {
            ColumnReader::BoolColumnReader(reader) => read(reader, levels, count, |flag| Cell::Flag(*flag)),
            ColumnReader::Int32ColumnReader(reader) => read(reader, levels, count, |n| Cell::Whole(i64::from(*n))),
            ColumnReader::Int64ColumnReader(reader) => read(reader, levels, count, |number| match unit {
                None => Cell::Whole(*number),
                Some(unit) => {
                    let milliseconds = i128::from(*number) * i128::from(unit) / 1_000_000;
                    Cell::Time(u64::try_from(milliseconds).ok().map(Moment::from_unix_ms))
                }
            }),
            ColumnReader::Int96ColumnReader(reader) => read(reader, levels, count, |time| {
                Cell::Time(u64::try_from(time.to_millis()).ok().map(Moment::from_unix_ms))
            }),
            ColumnReader::FloatColumnReader(reader) => read(reader, levels, count, |n| Cell::Number(f64::from(*n))),
            ColumnReader::DoubleColumnReader(reader) => read(reader, levels, count, |number| Cell::Number(*number)),
            ColumnReader::ByteArrayColumnReader(reader) => read(reader, levels, count, bytes),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                read(reader, levels, count, |value| Cell::Bytes(value.data().to_vec()))
            }
        }
    }
}

fn bytes(value: &ByteArray) -> Cell {
    Cell::Bytes(value.data().to_vec())
}

fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    wanted: i16,
    count: usize,
    cell: impl Fn(&T::T) -> Cell,
) -> Result<Vec<Cell>, ParquetError> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let mut found = 0;
    while found < count {
        let (records, ..) = reader.read_records(count - found, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            return Err(ParquetError::General("the column ends before the others".into()));
        }
        found += records;
    }
    let mut values = values.iter();
    let mut next = || values.next().map_or(Cell::Missing, &cell);
    if wanted == 0 {
        return Ok((0..count).map(|_| next()).collect());
    }
    Ok(levels.iter().map(|level| if *level == wanted { next() } else { Cell::Missing }).collect())
}
