//! Apache Parquet, by the format's own column writers (no Arrow).

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

use super::table::{Column, Rows};

/// Writes the rows as one row group of required columns: UTF-8 texts, 32-bit unsigned whole numbers, doubles.
pub(super) fn write(rows: &Rows<'_>, writer: &mut (dyn Write + Send)) -> Result<()> {
    let properties = Arc::new(WriterProperties::builder().build());
    let mut file = SerializedFileWriter::new(writer, schema(rows)?, properties)?;
    let mut group = file.next_row_group()?;
    for (_, column) in &rows.columns {
        // Invariant: the schema was made from these columns.
        let mut target = group.next_column()?.expect("the schema has a column for each of the rows'");
        match column {
            Column::Text(values) => {
                let mut known: HashMap<&str, ByteArray> = HashMap::new();
                let texts: Vec<_> = values
                    .iter()
                    .map(|text| known.entry(text).or_insert_with(|| ByteArray::from(*text)).clone())
                    .collect();
                target.typed::<ByteArrayType>().write_batch(&texts, None, None)?;
            }
            Column::Whole(values) => {
                let values: Vec<i32> = values.iter().map(|value| value.cast_signed()).collect();
                target.typed::<Int32Type>().write_batch(&values, None, None)?;
            }
            Column::Number(values) => {
                target.typed::<DoubleType>().write_batch(values, None, None)?;
            }
        }
        target.close()?;
    }
    group.close()?;
    file.close()?;
    Ok(())
}

fn schema(rows: &Rows<'_>) -> Result<TypePtr> {
    let fields = rows.columns.iter().map(|(name, column)| {
        let (physical, logical) = match column {
            Column::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Column::Whole(_) => (Physical::INT32, Some(LogicalType::integer(32, false))),
            Column::Number(_) => (Physical::DOUBLE, None),
        };
        let field = Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(logical)
            .build()?;
        Ok(Arc::new(field))
    });
    let fields = fields.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(Type::group_type_builder("moa").with_fields(fields).build()?))
}
