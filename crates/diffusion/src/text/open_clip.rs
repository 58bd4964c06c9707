//! Names of OpenCLIP's layers, whose projections of queries, keys and values are one tensor.

use moa_adapter::Origin;

/// Names inside a layer, and transformers'.
const LAYER: [(&str, &str); 5] = [
    ("ln_1.", "layer_norm1."),
    ("ln_2.", "layer_norm2."),
    ("attn.out_proj.", "self_attn.out_proj."),
    ("mlp.c_fc.", "mlp.fc1."),
    ("mlp.c_proj.", "mlp.fc2."),
];

/// Returns transformers' names inside a layer for a tensor of OpenCLIP, each with what it is made of: one; three of a fused
/// projection; none of what a plain layer does not have. `tensor` is the tensor's full name, `inside` its name in the layer, such as
/// `attn.in_proj_weight`.
pub fn open_clip_layer(tensor: &str, inside: &str) -> Vec<(String, Origin)> {
    if let Some(kind) = inside.strip_prefix("attn.in_proj_") {
        let projection = |(part, name)| {
            let origin = Origin::Rows { name: tensor.to_owned(), part, parts: 3 };
            (format!("self_attn.{name}_proj.{kind}"), origin)
        };
        return ["q", "k", "v"].into_iter().enumerate().map(projection).collect();
    }
    let renamed = LAYER.iter().find_map(|(from, to)| Some(format!("{to}{}", inside.strip_prefix(from)?)));
    renamed.map(|name| (name, Origin::Whole(tensor.to_owned()))).into_iter().collect()
}
