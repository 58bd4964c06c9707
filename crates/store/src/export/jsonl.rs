//! JSON lines.

use std::io::{self, BufWriter, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::table::{Column, Rows};

/// Writes an object per row; its members are in the columns' order.
pub(super) fn write(rows: &Rows<'_>, writer: &mut dyn Write) -> io::Result<()> {
    let mut buffer = BufWriter::new(writer);
    for number in 0..rows.count {
        serde_json::to_writer(&mut buffer, &Row { rows, number })?;
        buffer.write_all(b"\n")?;
    }
    buffer.flush()
}

struct Row<'a> {
    rows: &'a Rows<'a>,
    number: usize,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.rows.columns.len()))?;
        for (name, column) in &self.rows.columns {
            match column {
                Column::Text(values) => object.serialize_entry(name, values[self.number])?,
                Column::Whole(values) => object.serialize_entry(name, &values[self.number])?,
                Column::Number(values) => object.serialize_entry(name, &values[self.number])?,
            }
        }
        object.end()
    }
}
