//! Weight files as users have them: halves, shards, damage.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use half::{bf16, f16};
use moa_adapter::{Init, Origin, Parameters, ParametersError, weight_files};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// Writes a file with one tensor of `[2, 3]`.
fn write(path: &Path, name: &str, dtype: Dtype, bytes: &[u8]) {
    let view = TensorView::new(dtype, vec![2, 3], bytes).unwrap();
    fs::write(path, safetensors::serialize([(name, view)], None).unwrap()).unwrap();
}

fn write_floats(path: &Path, name: &str) {
    write(path, name, Dtype::F32, &[1.0_f32, -2.0, 0.5, 3.0, 4.0, 0.25].map(f32::to_le_bytes).concat());
}

fn open(path: &Path) -> Result<Parameters, ParametersError> {
    Parameters::open(&[path.to_owned()], &Device::flex())
}

fn get(parameters: &Parameters, name: &str) -> Result<Tensor<2>, ParametersError> {
    parameters.get(name, [2, 3], Init::Zeros)
}

/// Returns an error's message with the folder's name cut out.
fn message<T>(found: Result<T, ParametersError>, folder: &Path) -> String {
    let error = found.err().expect("refused").to_string();
    error.replace(&folder.display().to_string(), "DIR")
}

#[test]
fn all_floating_types_are_widened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let wanted = [1.0_f32, -2.0, 0.5, 3.0, 4.0, 0.25];
    let halves = wanted.map(|value| f16::from_f32(value).to_le_bytes()).concat();
    let brains = wanted.map(|value| bf16::from_f32(value).to_le_bytes()).concat();
    for (dtype, bytes) in
        [(Dtype::F32, wanted.map(f32::to_le_bytes).concat()), (Dtype::F16, halves), (Dtype::BF16, brains)]
    {
        write(&path, "layer.weight", dtype, &bytes);
        let parameters = open(&path).unwrap().at("layer");
        assert!(parameters.has("weight") && !parameters.has("bias"));
        let found = get(&parameters, "weight").unwrap().into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(found, wanted, "{dtype:?}");
    }
}

#[test]
fn what_does_not_fit_is_named_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    write_floats(&path, "weight");
    let parameters = open(&path).unwrap();
    assert_eq!(
        message(parameters.get("weight", [3, 2], Init::Zeros), folder.path()),
        "DIR/model.safetensors: tensor `weight` has shape [2, 3], but the config implies [3, 2]: do config and weights belong together?"
    );
    assert_eq!(
        message(get(&parameters.at("mid"), "bias"), folder.path()),
        "DIR/model.safetensors: tensor `mid.bias` of shape [2, 3] is missing: do config and weights belong together?"
    );
    write(&path, "weight", Dtype::I32, &[0; 24]);
    assert_eq!(
        message(get(&open(&path).unwrap(), "weight"), folder.path()),
        "DIR/model.safetensors: tensor `weight` is stored as I32: moa reads F32, F16 and BF16"
    );
}

#[test]
fn damaged_files_are_refused_when_they_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    write_floats(&path, "weight");
    let whole = fs::read(&path).unwrap();
    for length in [0, 7, 8, 20, whole.len() - 24, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let message = message(open(&path), folder.path());
        assert!(
            message.starts_with("DIR/model.safetensors: ") && message.contains("truncated or corrupt?"),
            "{message}"
        );
    }
    let longer = [whole.as_slice(), &[0]].concat();
    fs::write(&path, longer).unwrap();
    assert!(message(open(&path), folder.path()).contains("and its header promises"));
    fs::write(&path, "version https://git-lfs.github.com/spec/v1").unwrap();
    assert!(message(open(&path), folder.path()).contains("not a safetensors header"));
    let mut broken = whole.clone();
    broken[9] = b'!';
    fs::write(&path, broken).unwrap();
    assert!(message(open(&path), folder.path()).contains("its header is broken"));
    fs::remove_file(&path).unwrap();
    assert!(message(open(&path), folder.path()).starts_with("DIR/model.safetensors: "));
}

#[test]
fn one_file_is_preferred_then_shards_then_halves() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let names = |paths: Vec<PathBuf>| -> Vec<String> {
        paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    write_floats(&at("model.fp16.safetensors"), "a");
    assert_eq!(names(weight_files(folder.path(), "model").unwrap()), ["model.fp16.safetensors"]);

    let index = r#"{"metadata": {"total_size": 48}, "weight_map":
        {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#;
    fs::write(at("model.safetensors.index.json"), index).unwrap();
    write_floats(&at("model-00001-of-00002.safetensors"), "a");
    assert_eq!(
        message(weight_files(folder.path(), "model"), folder.path()),
        "the folder DIR: 1 of 2 shards are missing: model-00002-of-00002.safetensors; fetch them too"
    );
    write_floats(&at("model-00002-of-00002.safetensors"), "a");
    let shards = weight_files(folder.path(), "model").unwrap();
    assert_eq!(names(shards.clone()), ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]);
    assert!(
        message(Parameters::open(&shards, &Device::flex()), folder.path()).starts_with("tensor `a` is in DIR/model-0")
    );
    write_floats(&at("model-00002-of-00002.safetensors"), "b");
    let parameters = Parameters::open(&shards, &Device::flex()).unwrap();
    assert_eq!(parameters.names(), ["a", "b"]);
    get(&parameters, "b").unwrap();

    write_floats(&at("model.safetensors"), "a");
    assert_eq!(names(weight_files(folder.path(), "model").unwrap()), ["model.safetensors"]);
}

#[test]
fn folders_without_weights_that_can_be_read_say_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        message(weight_files(folder.path(), "model"), folder.path()),
        "the folder DIR: it has neither model.safetensors nor model.safetensors.index.json: fetch the whole folder, or write it \
         again with save_pretrained"
    );
    fs::write(folder.path().join("pytorch_model.bin"), "pickle").unwrap();
    assert_eq!(
        message(weight_files(folder.path(), "model"), folder.path()),
        "the folder DIR: it has pytorch_model.bin, a pickle, which can run any program when it is read, and no \
         model.safetensors: load it once where you trust it, and write it again with save_pretrained(…, \
         safe_serialization=True)"
    );
    let index = r#"{"weight_map": {"a": "../elsewhere.safetensors"}}"#;
    fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    let message = message(weight_files(folder.path(), "model"), folder.path());
    assert!(message.contains("it names ../elsewhere.safetensors, which is not a file beside it"), "{message}");
}

#[test]
fn a_view_reads_tensors_of_another_layout() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let values: Vec<f32> = (0_u8..12).map(f32::from).collect();
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensors = [("fused", vec![6, 2]), ("kernel", vec![3, 4, 1, 1]), ("projection", vec![3, 4])];
    let views = tensors.map(|(name, shape)| (name, TensorView::new(Dtype::F32, shape, &bytes).unwrap()));
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    let rows = |part| Origin::Rows { name: "fused".into(), part, parts: 3 };
    let view = open(&path).unwrap().view(BTreeMap::from([
        ("attention.q".into(), rows(0)),
        ("attention.v".into(), rows(2)),
        ("attention.out".into(), Origin::Matrix("kernel".into())),
        ("attention.gone".into(), Origin::Whole("gone".into())),
        ("projection".into(), Origin::Transposed("projection".into())),
        ("whole".into(), Origin::Whole("kernel".into())),
    ]));
    let read = |parameters: &Parameters, name: &str, shape: &[usize]| {
        assert_eq!(parameters.shape(name).as_deref(), Some(shape));
        parameters.flat(name, shape, Init::Zeros).unwrap().into_data().try_into_vec::<f32>().unwrap()
    };
    let attention = view.at("attention");
    assert_eq!(read(&attention, "q", &[2, 2]), values[..4]);
    assert_eq!(read(&attention, "v", &[2, 2]), values[8..]);
    assert_eq!(read(&attention, "out", &[3, 4]), values);
    assert_eq!(read(&view, "whole", &[3, 4, 1, 1]), values);
    let transposed = [0.0, 4.0, 8.0, 1.0, 5.0, 9.0, 2.0, 6.0, 10.0, 3.0, 7.0, 11.0];
    assert_eq!(read(&view, "projection", &[4, 3]), transposed);
    assert!(attention.has("q") && !attention.has("k") && !attention.has("gone"));
    let message = |name: &str| attention.flat(name, &[4, 2], Init::Zeros).unwrap_err().to_string();
    assert!(message("gone").starts_with("tensor `attention.gone` of shape [4, 2] is missing"), "{}", message("gone"));
    assert_eq!(
        message("q"),
        "tensor `attention.q, from fused` has shape [2, 2], but the config implies [4, 2]: do config and weights belong together?"
    );
}
