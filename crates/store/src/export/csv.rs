//! Comma-separated values.

use std::io::Write;

use super::table::{Column, Rows};

/// Writes a header, then the rows. Numbers have as many digits as it takes to read them back exactly.
pub(super) fn write(rows: &Rows<'_>, writer: &mut dyn Write) -> csv::Result<()> {
    let mut csv = csv::Writer::from_writer(writer);
    csv.write_record(rows.columns.iter().map(|(name, _)| name))?;
    for row in 0..rows.count {
        for (_, column) in &rows.columns {
            match column {
                Column::Text(values) => csv.write_field(values[row])?,
                Column::Whole(values) => csv.write_field(values[row].to_string())?,
                Column::Number(values) => csv.write_field(format!("{:?}", values[row]))?,
            }
        }
        csv.write_record(None::<&[u8]>)?;
    }
    csv.flush()?;
    Ok(())
}
