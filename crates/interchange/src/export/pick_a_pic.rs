//! Pick-a-Pic's columns, as Parquet with the images inside, and as CSV with their paths.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::sync::Arc;

use moa_preferences::{Image, Winner};
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};

use super::{Pair, Session, nanoseconds};
use crate::reasons::Fault;

/// Rows of a group at most.
const MOST_ROWS: usize = 256;
/// Bytes of the images of a group, after which it is written.
const GROUP_BYTES: usize = 32_000_000;
/// Bytes of an image.
const LARGEST_IMAGE: u64 = 64_000_000;

/// The columns and their types, in order.
const COLUMNS: [(&str, Physical); 15] = [
    ("are_different", Physical::BOOLEAN),
    ("best_image_uid", Physical::BYTE_ARRAY),
    ("caption", Physical::BYTE_ARRAY),
    ("created_at", Physical::INT64),
    ("has_label", Physical::BOOLEAN),
    ("image_0_uid", Physical::BYTE_ARRAY),
    ("image_0_url", Physical::BYTE_ARRAY),
    ("image_1_uid", Physical::BYTE_ARRAY),
    ("image_1_url", Physical::BYTE_ARRAY),
    ("jpg_0", Physical::BYTE_ARRAY),
    ("jpg_1", Physical::BYTE_ARRAY),
    ("label_0", Physical::DOUBLE),
    ("label_1", Physical::DOUBLE),
    ("ranking_id", Physical::INT64),
    ("user_id", Physical::INT64),
];

/// A row without its images' bytes.
struct Row {
    best: String,
    caption: String,
    created: i64,
    uids: [String; 2],
    urls: [String; 2],
    labels: [f64; 2],
    ranking: i64,
    user: i64,
}

/// The numbers of raters whose names are none.
#[derive(Default)]
struct Users(HashMap<String, i64>);

impl Users {
    fn row(&mut self, session: &mut Session<'_>, pair: Pair<'_>) -> Row {
        session.lose(pair.record);
        let who = &pair.record.who;
        let user = who.parse().unwrap_or_else(|_| {
            let problem = format!("it is by {who}");
            let fault = Fault::new(problem, "user_id is a number: raters are numbered, and their names are lost");
            session.done.lost.add(&format!("record {}", pair.record.id), fault);
            let next = -1 - self.0.len() as i64;
            *self.0.entry(who.clone()).or_insert(next)
        });
        let uids = pair.images.map(Image::key);
        let (labels, best) = match pair.winner {
            Winner::A => ([1.0, 0.0], uids[0].clone()),
            Winner::B => ([0.0, 1.0], uids[1].clone()),
            Winner::Tie => ([0.5, 0.5], "tie".into()),
        };
        let ranking = session.done.written as i64;
        session.done.written += 1;
        let (caption, created) = (pair.prompt.to_owned(), nanoseconds(pair.record.when));
        Row { best, caption, created, uids, urls: pair.paths, labels, ranking, user }
    }
}

pub(super) fn write_csv(session: &mut Session<'_>, writer: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(writer);
    let names = COLUMNS.iter().map(|(name, _)| *name).filter(|name| !name.starts_with("jpg"));
    csv.write_record(names)?;
    let mut users = Users::default();
    session.pairs(&mut |session, pair| {
        let created = pair.record.when.to_string();
        let row = users.row(session, pair);
        let labels = row.labels.map(|label| label.to_string());
        let numbers = [row.ranking.to_string(), row.user.to_string()];
        let [uids, urls] = [&row.uids, &row.urls];
        let identity = [&*uids[0], &urls[0], &uids[1], &urls[1]];
        let start = ["True", &row.best, &row.caption, &created, "True"];
        let end = labels.iter().chain(&numbers).map(|text| &**text);
        csv.write_record(start.into_iter().chain(identity).chain(end))?;
        Ok(())
    })?;
    csv.flush()
}

pub(super) fn write_parquet(session: &mut Session<'_>, writer: &mut (dyn Write + Send)) -> io::Result<()> {
    let properties = WriterProperties::builder().set_dictionary_enabled(false).build();
    let schema = schema().map_err(other)?;
    let mut file = SerializedFileWriter::new(writer, schema, Arc::new(properties)).map_err(other)?;
    let mut users = Users::default();
    let mut group: Vec<(Row, [ByteArray; 2])> = Vec::new();
    let mut bytes = 0;
    session.pairs(&mut |session, pair| {
        let mut images = Vec::with_capacity(2);
        for path in &pair.paths {
            match read(&session.folder.join(path)) {
                Ok(image) => images.push(ByteArray::from(image)),
                Err(error) => {
                    let problem = format!("the image {path} cannot be read ({error})");
                    session.leave_out(pair.record, Fault::new(problem, "see to the file and its rights"));
                    return Ok(());
                }
            }
        }
        let Ok(images) = <[ByteArray; 2]>::try_from(images) else { return Ok(()) };
        bytes += images.iter().map(ByteArray::len).sum::<usize>();
        group.push((users.row(session, pair), images));
        if group.len() >= MOST_ROWS || bytes >= GROUP_BYTES {
            bytes = 0;
            write_group(&mut file, &std::mem::take(&mut group)).map_err(other)?;
        }
        Ok(())
    })?;
    if !group.is_empty() {
        write_group(&mut file, &group).map_err(other)?;
    }
    file.close().map_err(other)?;
    Ok(())
}

fn read(path: &std::path::Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > LARGEST_IMAGE {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file of at most 64 MB"));
    }
    fs::read(path)
}

fn other(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

fn schema() -> Result<TypePtr, ParquetError> {
    let field = |(name, physical): &(&str, Physical)| {
        let logical = match *physical {
            Physical::BYTE_ARRAY if !name.starts_with("jpg") => Some(LogicalType::String),
            Physical::INT64 if *name == "created_at" => Some(LogicalType::timestamp(false, TimeUnit::NANOS)),
            _ => None,
        };
        let field = Type::primitive_type_builder(name, *physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()?;
        Ok(Arc::new(field))
    };
    let fields = COLUMNS.iter().map(field).collect::<Result<Vec<_>, ParquetError>>()?;
    Ok(Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?))
}

fn write_group(
    file: &mut SerializedFileWriter<&mut (dyn Write + Send)>,
    rows: &[(Row, [ByteArray; 2])],
) -> Result<(), ParquetError> {
    let mut group = file.next_row_group()?;
    let texts = |text: fn(&Row) -> &str| rows.iter().map(|(row, _)| ByteArray::from(text(row))).collect::<Vec<_>>();
    let numbers = |number: fn(&Row) -> i64| rows.iter().map(|(row, _)| number(row)).collect::<Vec<_>>();
    let yes = vec![true; rows.len()];
    column::<BoolType>(&mut group, &yes)?;
    column::<ByteArrayType>(&mut group, &texts(|row| &row.best))?;
    column::<ByteArrayType>(&mut group, &texts(|row| &row.caption))?;
    column::<Int64Type>(&mut group, &numbers(|row| row.created))?;
    column::<BoolType>(&mut group, &yes)?;
    column::<ByteArrayType>(&mut group, &texts(|row| &row.uids[0]))?;
    column::<ByteArrayType>(&mut group, &texts(|row| &row.urls[0]))?;
    column::<ByteArrayType>(&mut group, &texts(|row| &row.uids[1]))?;
    column::<ByteArrayType>(&mut group, &texts(|row| &row.urls[1]))?;
    for place in 0..2 {
        let images: Vec<ByteArray> = rows.iter().map(|(_, images)| images[place].clone()).collect();
        column::<ByteArrayType>(&mut group, &images)?;
    }
    for place in 0..2 {
        let labels: Vec<f64> = rows.iter().map(|(row, _)| row.labels[place]).collect();
        column::<DoubleType>(&mut group, &labels)?;
    }
    column::<Int64Type>(&mut group, &numbers(|row| row.ranking))?;
    column::<Int64Type>(&mut group, &numbers(|row| row.user))?;
    group.close()?;
    Ok(())
}

fn column<T: parquet::data_type::DataType>(
    group: &mut SerializedRowGroupWriter<'_, &mut (dyn Write + Send)>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("the schema has a column for each of a row's values".into());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, Some(&vec![1; values.len()]), None)?;
    column.close()?;
    Ok(())
}
