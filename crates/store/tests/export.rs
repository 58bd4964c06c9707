//! Exports as other tools read them.

mod sample;

use moa_store::{Format, Snapshot, Table, export};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use sample::{epoch, events};

fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    for event in &events() {
        snapshot.apply(event);
    }
    snapshot
}

fn exported(table: Table, format: Format) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(&snapshot(), table, format, &mut bytes).unwrap();
    bytes
}

#[test]
fn csv_has_a_header_quotes_what_needs_it_and_keeps_every_digit() {
    let text = String::from_utf8(exported(Table::Epochs, Format::Csv)).unwrap();
    let first = epoch("w1", 1);
    let (name, value) = first.metrics.iter().next().unwrap();
    assert!(text.starts_with(&format!("run,kind,epoch,metric,value\nw1,trained,1,{name},{value:?}\n")), "{text}");
    assert_eq!(text.lines().count(), 1 + 2 * 3 * 3);

    let text = String::from_utf8(exported(Table::Evaluations, Format::Csv)).unwrap();
    assert!(text.contains("\nbase,base,aesthetics,reward,0,0.1,NaN\n"), "{text}");
    assert!(text.contains("\nsoup-0.5,soup,\"judge, \"\"the second\"\"\",judge,0,0.3,NaN\n"), "{text}");
    assert_eq!(text.lines().count(), 1 + 4 * 3 * 4);

    let text = String::from_utf8(exported(Table::Weightings, Format::Csv)).unwrap();
    assert!(text.contains("\nw1,trained,safety,0.9\n") && text.contains("\nsoup-0.5,soup,safety,0.5\n"), "{text}");
}

#[test]
fn json_lines_are_objects_in_the_columns_order() {
    let text = String::from_utf8(exported(Table::Evaluations, Format::Jsonl)).unwrap();
    let first = text.lines().next().unwrap();
    assert_eq!(
        first,
        r#"{"id":"base","kind":"base","column":"aesthetics","role":"reward","prompt":0,"mean":0.1,"variance":null,"added":"false"}"#
    );
    assert_eq!(text.lines().count(), 4 * 3 * 4);
    assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

#[test]
fn parquet_reads_back_with_the_same_rows_as_csv() {
    for table in Table::ALL {
        let reader = SerializedFileReader::new(file_of(&exported(table, Format::Parquet))).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        let text = exported(table, Format::Csv);
        let mut csv = csv::Reader::from_reader(text.as_slice());
        let header = csv.headers().unwrap().clone();
        let records: Vec<_> = csv.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), records.len());
        for (row, record) in rows.iter().zip(&records) {
            for (((name, field), expected_name), expected) in row.get_column_iter().zip(&header).zip(record) {
                assert_eq!(name, expected_name);
                match field {
                    Field::Str(text) => assert_eq!(text, expected),
                    Field::UInt(number) => assert_eq!(number.to_string(), expected),
                    Field::Double(number) => assert_eq!(format!("{number:?}"), expected),
                    other => panic!("unexpected {other:?}"),
                }
            }
        }
    }
}

fn file_of(bytes: &[u8]) -> std::fs::File {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

#[test]
fn equal_snapshots_give_equal_bytes_and_nothing_gives_a_header() {
    for (table, format) in Table::ALL.into_iter().flat_map(|table| Format::ALL.map(|format| (table, format))) {
        assert_eq!(exported(table, format), exported(table, format), "{table} {format}");
        let mut empty = Vec::new();
        export(&Snapshot::default(), table, format, &mut empty).unwrap();
        assert_eq!(empty.is_empty(), format == Format::Jsonl);
    }
}

#[test]
fn a_writer_that_refuses_is_an_error_and_a_name_that_is_unknown_says_the_choices() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for format in Format::ALL {
        let message = export(&snapshot(), Table::Epochs, format, &mut Full).unwrap_err().to_string();
        assert!(message.contains("no storage space"), "{format}: {message}");
        assert_eq!(format.name().parse::<Format>().unwrap(), format);
    }
    let message = "xlsx".parse::<Format>().unwrap_err().to_string();
    assert!(message.contains("`xlsx`") && message.contains("csv, jsonl, parquet"), "{message}");
}
