//! Exports as other tools read them.

mod sample;

use moa_core::PointKind;
use moa_store::export::Exported;
use moa_store::{Format, ImageColumn, ImageScores, Layout, Role, RunLog, Snapshot, Table, export, opened};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use sample::{epoch, evaluation, events, id};

fn results() -> Exported {
    let mut snapshot = Snapshot::default();
    for event in &events() {
        snapshot.apply(event);
    }
    let images = vec![(id("w1"), PointKind::Trained, image_scores())];
    let prompts = vec![
        ("train", vec!["a cat".to_owned(), "a \"big\" dog, red".to_owned()]),
        ("held-out", vec!["a fox".to_owned()]),
    ];
    Exported { snapshot, images, prompts }
}

/// Two prompts with two images each; the judge has nothing to say of the first prompt.
fn image_scores() -> ImageScores {
    let column =
        |name: &str, role, scores: [Option<f32>; 4]| ImageColumn { name: name.into(), role, scores: scores.into() };
    ImageScores {
        images_per_prompt: 2,
        columns: vec![
            column("safety", Role::Reward, [0.5, 0.25, 1.0, 0.0].map(Some)),
            column("attributes", Role::Judge, [None, None, Some(1.0), Some(0.75)]),
        ],
    }
}

fn formats_of(table: Table) -> impl Iterator<Item = Format> {
    Format::ALL.into_iter().filter(move |format| *format != Format::Text || table == Table::Prompts)
}

fn exported(table: Table, format: Format) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(&results(), table, format, &mut bytes).unwrap();
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
    assert!(text.contains("\nbase,base,aesthetics,reward,0,0.1,NaN,false\n"), "{text}");
    assert!(text.contains("\nsoup-0.5,soup,\"judge, \"\"the second\"\"\",judge,0,0.3,NaN,false\n"), "{text}");
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
    for (table, format) in Table::ALL.into_iter().flat_map(|table| formats_of(table).map(move |format| (table, format)))
    {
        assert_eq!(exported(table, format), exported(table, format), "{table} {format}");
        let mut empty = Vec::new();
        export(&Exported::default(), table, format, &mut empty).unwrap();
        assert_eq!(empty.is_empty(), matches!(format, Format::Jsonl | Format::Text), "{table} {format}");
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
        let message = export(&results(), Table::Prompts, format, &mut Full).unwrap_err().to_string();
        assert!(message.contains("no storage space"), "{format}: {message}");
        assert_eq!(format.name().parse::<Format>().unwrap(), format);
    }
    let message = "xlsx".parse::<Format>().unwrap_err().to_string();
    assert!(message.contains("`xlsx`") && message.contains("csv, jsonl, parquet, txt"), "{message}");
}

#[test]
fn images_are_named_by_prompt_and_noise_and_prompts_by_set_and_place() {
    let text = String::from_utf8(exported(Table::Images, Format::Csv)).unwrap();
    assert_eq!(
        text,
        "id,kind,prompt,image,column,role,score\n\
         w1,trained,0,0,safety,reward,0.5\nw1,trained,0,1,safety,reward,0.25\n\
         w1,trained,1,0,safety,reward,1.0\nw1,trained,1,1,safety,reward,0.0\n\
         w1,trained,1,0,attributes,judge,1.0\nw1,trained,1,1,attributes,judge,0.75\n"
    );
    let text = String::from_utf8(exported(Table::Prompts, Format::Csv)).unwrap();
    assert_eq!(text, "set,place,prompt\ntrain,0,a cat\ntrain,1,\"a \"\"big\"\" dog, red\"\nheld-out,0,a fox\n");
}

#[test]
fn prompts_are_lines_of_text_unless_they_are_several_and_nothing_else_is_text() {
    assert_eq!(exported(Table::Prompts, Format::Text), b"a cat\na \"big\" dog, red\na fox\n");
    let broken = Exported { prompts: vec![("train", vec!["a cat".into(), "a\ndog".into()])], ..Exported::default() };
    let mut bytes = Vec::new();
    let message = export(&broken, Table::Prompts, Format::Text, &mut bytes).unwrap_err().to_string();
    assert!(message.contains("a\\ndog") && message.contains("jsonl") && bytes.is_empty(), "{message}");
    let message = export(&results(), Table::Epochs, Format::Text, &mut bytes).unwrap_err().to_string();
    assert!(message.contains("epochs") && message.contains("csv, jsonl, parquet"), "{message}");
}

#[test]
fn scores_of_images_are_read_beside_the_logs_and_points_without_them_are_named() {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path());
    let mut snapshot = Snapshot::default();
    for (name, kind) in [("base", PointKind::Base), ("soup-0.5", PointKind::Soup)] {
        let (mut log, _) = RunLog::open(&layout.log_file(kind, &id(name))).unwrap();
        log.append(&opened(None, None)).unwrap();
        let record = evaluation(name, kind);
        snapshot.evaluations.push(record.clone());
        log.append(&moa_store::Entry::Evaluated { settings: "1 a".into(), record }).unwrap();
    }
    image_scores().write(&layout.point_dir(PointKind::Base, &id("base")), "1 a").unwrap();
    image_scores().write(&layout.point_dir(PointKind::Soup, &id("soup-0.5")), "1 b").unwrap();
    let read = || Exported { snapshot: snapshot.clone(), ..Exported::default() }.with_images(&layout);
    let message = read().unwrap_err().to_string();
    assert!(
        message.contains("`soup-0.5`") && message.contains("moa repair") && !message.contains("`base`"),
        "{message}"
    );
    image_scores().write(&layout.point_dir(PointKind::Soup, &id("soup-0.5")), "1 a").unwrap();
    assert_eq!(read().unwrap().images.len(), 2);
}
