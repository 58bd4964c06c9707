//! Downloads as `huggingface_hub` lays them out.

use std::fs;
use std::path::Path;

use moa_diffusion::hub::{HubError, HubModel};

fn find(base: &str, cache: &Path) -> Result<String, String> {
    let found = HubModel::parse(base).expect("hf:").and_then(|model| model.find(cache));
    let cut = |text: String| text.replace(&cache.display().to_string(), "CACHE");
    found.map(|folder| cut(folder.display().to_string())).map_err(|error| cut(error.to_string()))
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn revisions_lead_to_snapshots() {
    let cache = tempfile::tempdir().unwrap();
    let model = cache.path().join("models--org--sd");
    write(&model.join("refs/main"), "aaa111");
    write(&model.join("refs/refs/pr/7"), "bbb222");
    write(&model.join("snapshots/aaa111/unet/config.json"), "{}");
    write(&model.join("snapshots/bbb222/model_index.json"), "{}");
    for (base, commit) in [
        ("hf:org/sd", "aaa111"),
        ("hf:org/sd@main", "aaa111"),
        ("hf:org/sd@refs/pr/7", "bbb222"),
        ("hf:org/sd@bbb222", "bbb222"),
    ] {
        assert_eq!(find(base, cache.path()).unwrap(), format!("CACHE/models--org--sd/snapshots/{commit}"), "{base}");
    }
    assert_eq!(
        find("hf:org/sd@fp16", cache.path()).unwrap_err(),
        "hf:org/sd@fp16: revision fp16 is not in CACHE/models--org--sd: download it with `hf download org/sd --revision fp16`"
    );
    fs::remove_file(model.join("refs/main")).unwrap();
    assert_eq!(
        find("hf:org/sd", cache.path()).unwrap_err(),
        "hf:org/sd: CACHE/models--org--sd has no refs/main and several snapshots: name one of them as the revision: \
         aaa111, bbb222"
    );
    fs::remove_dir_all(model.join("snapshots/bbb222")).unwrap();
    assert!(find("hf:org/sd", cache.path()).unwrap().ends_with("aaa111"), "there is but one");
    write(&model.join("refs/main"), "ccc333");
    assert!(
        find("hf:org/sd", cache.path()).unwrap_err().contains("revision main is not in"),
        "main was not downloaded"
    );
}

#[cfg(unix)]
#[test]
fn what_is_missing_is_told_with_the_command_that_fetches_it() {
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(
        find("hf:org/sd", cache.path()).unwrap_err(),
        "hf:org/sd is not in CACHE: download it with `hf download org/sd`"
    );
    let model = cache.path().join("models--org--sd");
    write(&model.join("refs/main"), "aaa111\n");
    fs::create_dir_all(model.join("snapshots/aaa111/unet")).unwrap();
    assert_eq!(
        find("hf:org/sd", cache.path()).unwrap_err(),
        "hf:org/sd: the download in CACHE/models--org--sd/snapshots/aaa111 is incomplete (it has no files): complete it with `hf \
         download org/sd`"
    );
    let link = |blob: &str, name: &str| {
        std::os::unix::fs::symlink(format!("../../../blobs/{blob}"), model.join("snapshots/aaa111/unet").join(name))
    };
    write(&model.join("blobs/c0ffee"), "{}");
    link("c0ffee", "config.json").unwrap();
    assert!(find("hf:org/sd", cache.path()).is_ok());
    link("dead01", "weights.safetensors").unwrap();
    let message = find("hf:org/sd", cache.path()).unwrap_err();
    assert!(message.contains("is incomplete (unet/weights.safetensors is missing): complete it with"), "{message}");
}

#[test]
fn other_names_are_no_models() {
    assert_eq!(HubModel::parse("emoji-32"), None);
    assert_eq!(HubModel::parse("./hf/org"), None);
    for base in [
        "hf:",
        "hf:/sd",
        "hf:org/",
        "hf:../../etc",
        "hf:a/b/c",
        "hf:org/sd@",
        "hf:org/sd@../x",
        "hf:a--b/c",
        "hf:a b/c",
    ] {
        assert_eq!(HubModel::parse(base), Some(Err(HubError::Name(base.into()))), "{base}");
    }
    assert!(HubModel::parse("hf:sd").is_some_and(|model| model.is_ok()), "old models have no organisation");
}
