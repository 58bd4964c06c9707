//! CSV with two paths, and Pick-a-Pic's columns as CSV and Parquet.

mod folder;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use folder::{Folder, jpeg, reasons};
use moa_interchange::Format;
use moa_preferences::{Image, Winner};
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

#[test]
fn pairs_of_paths_become_records_whose_images_are_named_from_the_records() {
    let folder = Folder::new();
    folder.images(["cats/a.jpg", "cats/b.jpg"]);
    let elsewhere = Folder::new();
    let absolute = elsewhere.file("c.jpg", jpeg("c"));
    folder.file(
        "pairs.csv",
        format!(
            "prompt,image_a,image_b,outcome,who,when,tags,weight\n\
             \"a cat, red\",cats/a.jpg,cats/b.jpg,A,ann,2026-03-02T10:11:12Z,hands; colour,2.5\n\
             a cat,cats/b.jpg,cats/../cats/a.jpg,tie,,,,\n\
             a cat,{},cats/a.jpg,b,bob,2026-03-02 10:11:12,,\n\
             a cat,cats/a.jpg,cats/b.jpg,Skip,bob,,,\n",
            absolute.display()
        ),
    );
    assert_eq!(Format::detect(&folder.path("pairs.csv")).unwrap(), Format::Csv);
    let imported = folder.run("pairs.csv").unwrap();
    assert_eq!((imported.rows, imported.records, imported.skipped.count()), (4, 4, 0), "{}", reasons(&imported));
    assert_eq!(folder.winners(), [Some(Winner::A), Some(Winner::Tie), Some(Winner::B), None]);
    let records = folder.records();
    assert_eq!(records[0].decision.prompt(), Some("a cat, red"));
    assert_eq!((&*records[0].who, records[0].weight), ("ann", 2.5));
    assert_eq!(records[0].tags, ["hands", "colour"]);
    assert_eq!(records[0].when.to_string(), "2026-03-02T10:11:12.000Z");
    assert_eq!(records[2].when, records[0].when, "a time without an offset is in UTC");
    assert_eq!(records[1].who, "csv");
    let Image::File(first) = records[0].decision.images()[0] else { panic!() };
    assert_eq!(first.path, "../cats/a.jpg");
}

#[test]
fn an_import_that_is_run_again_adds_what_is_new() {
    let folder = Folder::new();
    folder.images(["a.jpg", "b.jpg"]);
    let row = "a cat,a.jpg,b.jpg,A\n";
    folder.file("pairs.csv", format!("prompt,image_a,image_b,outcome\n{row}{row}"));
    assert_eq!(folder.run("pairs.csv").unwrap().records, 2, "two equal rows are two votes");
    folder.file("pairs.csv", format!("prompt,image_a,image_b,outcome\n{row}a cat,b.jpg,a.jpg,A\n{row}"));
    let again = folder.run("pairs.csv").unwrap();
    assert_eq!((again.records, again.already), (1, 2));
    assert_eq!(folder.records().len(), 3);
}

#[test]
fn many_rows_are_written_in_batches_and_the_caller_may_stop() {
    let folder = Folder::new();
    folder.images(["a.jpg", "b.jpg"]);
    let rows: Vec<String> = (0..2000).map(|row| format!("cat {row},a.jpg,b.jpg,A\n")).collect();
    let rows = rows.concat();
    folder.file("pairs.csv", format!("prompt,image_a,image_b,outcome\n{rows}"));
    let import = folder.import("pairs.csv");
    let stopped = import.run_while(&mut |done| done.records < 500).unwrap();
    assert_eq!(stopped.records, 512);
    let done = import.run().unwrap();
    assert_eq!((done.records, done.already), (1488, 512));
    let limited = moa_interchange::Import { limit: Some(7), ..folder.import("pairs.csv") };
    assert_eq!(limited.run().unwrap().already, 7);
}

#[test]
fn rows_that_say_nothing_are_left_out_with_line_column_and_what_to_do() {
    let folder = Folder::new();
    folder.images(["a.jpg", "b.jpg"]);
    folder.file("text.jpg", "no image");
    let long = "x".repeat(1001);
    folder.file(
        "pairs.csv",
        format!(
            "prompt,image_a,image_b,outcome,when,weight\n\
             a cat,a.jpg,b.jpg,A,,\n\
             ,a.jpg,b.jpg,A,,\n\
             {long},a.jpg,b.jpg,A,,\n\
             a cat,a.jpg,c.jpg,A,,\n\
             a cat,a.jpg,/no/such.jpg,A,,\n\
             a cat,a.jpg,text.jpg,A,,\n\
             a cat,a.jpg,.,A,,\n\
             a cat,a.jpg,a.jpg,A,,\n\
             a cat,a.jpg,b.jpg,C,,\n\
             a cat,a.jpg,b.jpg,,,\n\
             a cat,a.jpg,b.jpg,A,yesterday,\n\
             a cat,a.jpg,b.jpg,A,,NaN\n\
             a cat,a.jpg,b.jpg,A,,-1\n"
        ),
    );
    let imported = folder.run("pairs.csv").unwrap();
    assert_eq!((imported.records, imported.skipped.count()), (1, 12));
    let told = reasons(&imported);
    for wanted in [
        "line 3: prompt is missing: give what was to be drawn\n",
        "line 4: prompt is 1001 characters long: give at most 1000\n",
        "line 5: image_b is \"c.jpg\", which does not exist in ",
        "name the folder that its path counts from; and 1 more\n",
        "line 7: image_b is \"text.jpg\": name a PNG, JPEG, WebP or GIF file\n",
        "line 8: image_b is \".\": name a file of at most 64 MB\n",
        "line 9: images[1] is \"../a.jpg\", the same image as images[0] (its hash is equal): compare two different images",
        "line 10: outcome is \"C\": give A, B, Tie or Skip; and 1 more\n",
        "line 12: when is \"yesterday\": give a time",
        "line 13: weight is \"NaN\": give a finite number\n",
        "line 14: weight is -1: give a number, 0 to 1000000\n",
    ] {
        assert!(told.contains(wanted), "{wanted}\nis not in\n{told}");
    }
}

#[test]
fn files_that_are_none_are_refused_with_one_message() {
    let folder = Folder::new();
    folder.images(["a.jpg", "b.jpg"]);
    let header = "prompt,image_a,image_b,outcome\n";
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("empty.csv", Vec::new(), "empty.csv: empty: name a file with preferences"),
        ("blank.csv", b" \n \n".to_vec(), "blank.csv: empty"),
        (
            "other.csv",
            b"x,y\n1,2\n".to_vec(),
            "other.csv: the columns are x, y, which is no known format: pick-a-pic has",
        ),
        ("none.csv", header.into(), "none.csv: no row can be taken over: it has none"),
        (
            "short.csv",
            format!("{header}a cat,a.jpg\n").into(),
            "short.csv: line 2: the row has 2 columns, and the header 4: quote texts that contain commas",
        ),
        (
            "latin.csv",
            [header.as_bytes(), b"a caf\xe9,a.jpg,b.jpg,A\n"].concat(),
            "latin.csv: line 2, column prompt: \"a caf\u{fffd}\" is not UTF-8 text: save the file as UTF-8",
        ),
        ("endless.csv", format!("{header}\"{}", "x".repeat(17_000_000)).into(), "it is larger than 16 MB"),
        (
            "gone.csv",
            format!("{header}a cat,x.jpg,y.jpg,A\n").into(),
            "gone.csv: no row can be taken over:\n  line 2: image_a",
        ),
    ];
    for (name, bytes, wanted) in cases {
        folder.file(name, bytes);
        let refused = folder.run(name).unwrap_err();
        assert!(refused.contains(wanted), "{wanted}\nis not in\n{refused}");
    }
    assert!(folder.run("missing.csv").unwrap_err().contains("missing.csv: no such file: check the path"));
    assert!(folder.run("").unwrap_err().contains("this is not a file"));
    folder.file("pairs.csv", format!("{header}a cat,a.jpg,b.jpg,A\n"));
    let import = moa_interchange::Import { images: Some("/no/folder".into()), ..folder.import("pairs.csv") };
    let refused = import.run().unwrap_err().to_string();
    assert!(refused.contains("there is no folder /no/folder: name the folder of the images"), "{refused}");
    let import = moa_interchange::Import { format: Some(Format::Hpd), ..folder.import("pairs.csv") };
    assert!(import.run().unwrap_err().to_string().contains("the format hpd is JSON, and this is Csv"));
}

#[test]
fn picked_images_without_bytes_are_found_by_address_and_uid() {
    let folder = Folder::new();
    folder.images(["pictures/u1.png", "pictures/u2.jpg", "pictures/down.jpg"]);
    folder.file(
        "picked.csv",
        "are_different,best_image_uid,caption,created_at,has_label,image_0_uid,image_0_url,image_1_uid,image_1_url,label_0,label_1,user_id\n\
         True,u1,a cat,2022-11-23 19:25:52.123456789,True,u1,https://host/gone.png?x=1,u2,,1.0,0.0,42\n\
         True,tie,a cat,,True,u3,https://host/path/down.jpg?x=1#y,u2,,0.5,0.5,42\n\
         True,u2,a cat,,True,u1,,u2,,,,42\n\
         False,,a cat,,True,u1,,u2,,1.0,0.0,42\n\
         True,,a cat,,False,u1,,u2,,,,42\n\
         True,u2,a cat,,True,u1,,u2,,1.0,0.0,42\n\
         True,,a cat,,True,u1,,u2,,0.7,0.3,42\n\
         True,,a cat,,True,u1,,u2,,nan,nan,42\n\
         True,u9,a cat,,True,u1,,u9,,0,1,42\n",
    );
    let import = moa_interchange::Import { images: Some(folder.path("pictures")), ..folder.import("picked.csv") };
    let imported = import.run().unwrap();
    assert_eq!(imported.format, Format::PickAPic);
    assert_eq!((imported.records, imported.skipped.count()), (3, 6));
    assert_eq!(folder.winners(), [Some(Winner::A), Some(Winner::Tie), Some(Winner::B)]);
    let first = &folder.records()[0];
    assert_eq!((&*first.who, &*first.when.to_string()), ("42", "2022-11-23T19:25:52.123Z"));
    let told = reasons(&imported);
    for wanted in [
        "line 5: are_different is false",
        "line 6: has_label is false",
        "line 7: the labels say A, and best_image_uid says B",
        "line 8: label_0 and label_1 are 0.7 and 0.3: give 1 and 0",
        "line 9: label_0 is \"NaN\": give a finite number",
        "line 10: image_1_uid is \"u9.jpg\", which does not exist",
    ] {
        assert!(told.contains(wanted), "{wanted}\nis not in\n{told}");
    }
}

/// Writes the columns that Pick-a-Pic's files have and an import reads, as their writer does: nullable, Snappy, dictionaries.
fn picked(path: &Path, rows: usize, compression: Compression) {
    let columns = [
        ("are_different", Physical::BOOLEAN),
        ("caption", Physical::BYTE_ARRAY),
        ("created_at", Physical::INT64),
        ("has_label", Physical::BOOLEAN),
        ("jpg_0", Physical::BYTE_ARRAY),
        ("jpg_1", Physical::BYTE_ARRAY),
        ("label_0", Physical::DOUBLE),
        ("label_1", Physical::DOUBLE),
        ("user_id", Physical::INT64),
    ];
    let field = |(name, physical): &(&str, Physical)| {
        let logical = (*name == "created_at").then(|| LogicalType::timestamp(false, TimeUnit::NANOS));
        let builder = Type::primitive_type_builder(name, *physical).with_repetition(Repetition::OPTIONAL);
        Arc::new(builder.with_logical_type(logical).build().unwrap())
    };
    let schema = Type::group_type_builder("schema").with_fields(columns.iter().map(field).collect()).build().unwrap();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let file = fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
    for group in 0..2 {
        let range: Vec<usize> = (group * rows / 2..(group + 1) * rows / 2).collect();
        // The third row of each ten has no caption.
        let captioned = |row: &&usize| **row % 10 != 3;
        let levels: Vec<i16> = range.iter().map(|row| i16::from(captioned(&row))).collect();
        let all = vec![1_i16; range.len()];
        let mut group = writer.next_row_group().unwrap();
        let flags = vec![true; range.len()];
        let mut at = 0;
        while let Some(mut column) = group.next_column().unwrap() {
            let image = |row: &usize| ByteArray::from(jpeg(&format!("{}-{row}", columns[at].0)));
            let label = |row: &usize| if row.is_multiple_of(2) == (at == 6) { 1.0 } else { 0.0 };
            match columns[at].0 {
                "are_different" | "has_label" => {
                    column.typed::<BoolType>().write_batch(&flags, Some(&all), None).unwrap();
                }
                "caption" => {
                    let texts: Vec<ByteArray> =
                        range.iter().filter(captioned).map(|row| ByteArray::from(&*format!("cat {row}"))).collect();
                    column.typed::<ByteArrayType>().write_batch(&texts, Some(&levels), None).unwrap();
                }
                "jpg_0" | "jpg_1" => {
                    let images: Vec<ByteArray> = range.iter().map(image).collect();
                    column.typed::<ByteArrayType>().write_batch(&images, Some(&all), None).unwrap();
                }
                "label_0" | "label_1" => {
                    let labels: Vec<f64> = range.iter().map(label).collect();
                    column.typed::<DoubleType>().write_batch(&labels, Some(&all), None).unwrap();
                }
                _ => {
                    let numbers: Vec<i64> = range.iter().map(|_| 1_669_231_552_123_456_789).collect();
                    column.typed::<Int64Type>().write_batch(&numbers, Some(&all), None).unwrap();
                }
            }
            column.close().unwrap();
            at += 1;
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn images_inside_of_parquet_are_written_beside_the_records() {
    let folder = Folder::new();
    for (name, compression) in [("plain", Compression::UNCOMPRESSED), ("snappy", Compression::SNAPPY)] {
        let folder = Folder(tempfile::tempdir_in(folder.0.path()).unwrap());
        let path = folder.path(&format!("{name}.parquet"));
        picked(&path, 100, compression);
        assert_eq!(Format::detect(&path).unwrap(), Format::PickAPic);
        let imported = folder.run(&format!("{name}.parquet")).unwrap();
        assert_eq!((imported.rows, imported.records, imported.images), (100, 90, 200 - 20));
        assert_eq!(reasons(&imported), "row 4: caption is missing: give what was to be drawn; and 9 more\n");
        let records = folder.records();
        assert_eq!(records[3].decision.prompt(), Some("cat 4"), "values stay in their rows where some are missing");
        assert_eq!(folder.winners()[..4], [Some(Winner::A), Some(Winner::B), Some(Winner::A), Some(Winner::A)]);
        assert_eq!(records[0].when.to_string(), "2022-11-23T19:25:52.123Z");
        let Image::File(file) = records[0].decision.images()[0] else { panic!() };
        assert_eq!(file.path, format!("images/{}.jpg", file.sha256));
        assert_eq!(fs::read(folder.path("ratings").join(&file.path)).unwrap(), jpeg("jpg_0-0"));
        let again = folder.run(&format!("{name}.parquet")).unwrap();
        assert_eq!((again.records, again.already, again.images), (0, 90, 0));
    }
}

#[test]
fn torn_parquet_is_one_message_and_never_a_panic() {
    let folder = Folder::new();
    let path = folder.path("whole.parquet");
    picked(&path, 40, Compression::SNAPPY);
    let whole = fs::read(&path).unwrap();
    folder.file("torn.parquet", &whole[..whole.len() / 2]);
    let refused = folder.run("torn.parquet").unwrap_err();
    assert!(refused.contains("it is torn or no Parquet file: copy or download it again"), "{refused}");
    // Every byte of the footer and of pages counts: whatever is read must be right or refused.
    let mut refusals = 0;
    for (count, place) in (0..whole.len()).step_by(97).enumerate() {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (count % 8);
        let folder = Folder::new();
        folder.file("changed.parquet", &bytes);
        match folder.run("changed.parquet") {
            Ok(imported) => assert!(imported.rows <= 40),
            Err(refused) => {
                refusals += 1;
                assert!(refused.lines().next().unwrap().len() < 600, "{refused}");
            }
        }
    }
    assert!(refusals > 0);
}
