//! `moa inspect`: what it says of adapters that their trainers' own code wrote, and of files that are none.

mod support;

use support::{Desk, fixture};

#[test]
fn a_file_of_kohyas_is_told_with_base_kinds_alphas_and_words() {
    let desk = Desk::new();
    let file = fixture("adapter", "contents/kohya-sd1.safetensors");
    let told = desk.moa(["inspect".as_ref(), file.as_os_str()]).success();
    for words in [
        "made by       kohya's sd-scripts (networks.lora)",
        "Stable Diffusion 1 (its header says so: ss_base_model_version: sd_v1)",
        "unet (3 layers), text_encoder (2 layers)",
        "1 convolution 1×1, 1 convolution 3×3, 3 linear",
        "rank          2 to 4 (median 4)",
        "from the layer's own tensor; scale 0.5 to 1 (median 0.5)",
        "stored as     F16",
        "fox (8), in snow (4), a photo (2)",
        "moa           sample, merge and convert take all of it",
        "diffusers     loads it (load_lora_weights)",
        "down_blocks.0",
        "█",
    ] {
        assert!(told.contains(words), "`{words}` is not in:\n{told}");
    }
    assert!(!told.contains('\u{1b}'), "texts of the file come without control characters");
}

#[test]
fn what_moa_applies_is_said_and_json_has_every_layer() {
    let desk = Desk::new();
    let [all, wrong] =
        ["diffusers-sd3", "alpha-in-header"].map(|name| fixture("adapter", &format!("contents/{name}.safetensors")));
    let json = desk.moa(["inspect".as_ref(), all.as_os_str(), wrong.as_os_str(), "--json".as_ref()]).success();
    let values: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(values[0]["applies"], true, "{}", values[0]["remark"]);
    assert_eq!(
        values[0]["components"]["transformer"].as_u64(),
        values[0]["layers"].as_array().map(|all| all.len() as u64)
    );
    assert!(values[0]["layers"][0]["norm"].as_f64().unwrap() > 0.0);
    assert_eq!(values[1]["layers"][0]["scale"], 0.5);
    assert_eq!(values[1]["alpha_from"][0], "`alpha` in the file's header");
    assert_eq!(values[1]["applies"], true, "{}", values[1]["remark"]);
    // The header's α is read by its trainer, and by few others.
    let programs: Vec<&str> =
        values[1]["programs"].as_array().unwrap().iter().filter_map(|own| own["does"].as_str()).collect();
    assert!(
        programs.iter().all(|does| does.contains("another strength") || does.contains("convert it")),
        "{programs:?}"
    );
}

#[test]
fn files_that_are_no_adapters_are_told_by_their_right_names() {
    let desk = Desk::new();
    desk.write("old.pt", b"PK\x03\x04 and so on");
    desk.moa(["inspect", "old.pt"]).refusal(1, &["old.pt", "a PyTorch pickle", "save_file"]);
    desk.write("page.safetensors", "<!DOCTYPE html>");
    desk.moa(["inspect", "page.safetensors"]).refusal(1, &["a web page"]);
    desk.write("notes.txt", "some words and more words");
    desk.moa(["inspect", "notes.txt"]).refusal(1, &["no safetensors file"]);
    desk.write("cut.safetensors", [8u8, 0, 0, 0, 0, 0, 0, 0, b'{']);
    desk.moa(["inspect", "cut.safetensors"]).refusal(1, &["truncated or corrupt"]);
    desk.moa(["inspect", "nothing.safetensors"]).refusal(2, &["nothing.safetensors"]);
    // What can be read is printed all the same.
    let good = fixture("adapter", "contents/lycoris-lokr.safetensors");
    let both = desk.moa(["inspect".as_ref(), "old.pt".as_ref(), good.as_os_str()]);
    both.refusal(1, &["a PyTorch pickle"]);
    assert!(both.stdout.contains("LoKr"), "{}", both.stdout);
}
