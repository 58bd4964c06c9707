//! From a file's bytes to layers with parts.

use std::collections::{BTreeMap, BTreeSet};

use safetensors::SafeTensors;
use serde_json::Value;

use super::keys::{self, Role, Spelling};
use super::part::{MOST, size};
use super::scale::{Scale, Scales};
use super::tensor::Stored;
use super::{
    Component, Contents, ContentsError, Embedding, Form, Layer, Magnitude, Origin, Part, Product, Side, Target, names,
    other,
};

/// How words begin that OneTrainer bundles.
const BUNDLED: &str = "bundle_emb.";
/// The largest rank, as peft's configurations have it, too.
const MOST_RANK: usize = 65536;
/// The longest name of a tensor.
const LONGEST_NAME: usize = 512;

/// The tensors of a layer by what they are.
type Tensors<'a> = BTreeMap<Role, Stored<'a>>;

impl<'a> Contents<'a> {
    /// Reads an adapter file of any layout. Tensors stay where they are.
    ///
    /// - `bytes`: the safetensors file
    /// - `config`: the `adapter_config.json` beside it, if there is one; it applies to files with peft's names alone
    ///
    /// # Errors
    /// Refuses other files by their right names; methods that are not read; layers that are incomplete, misshapen or there twice; values
    /// that are not finite; and what peft's configuration says that would be applied wrongly. Of several reasons the first is given, by
    /// the names of tensors.
    pub fn read(bytes: &'a [u8], config: Option<&str>) -> Result<Self, ContentsError> {
        other::check_bytes(bytes)?;
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let metadata: BTreeMap<String, String> =
            header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
        let file = SafeTensors::deserialize(bytes)?;
        let mut all = file.tensors();
        all.sort_by(|(one, _), (next, _)| one.cmp(next));

        let mut layers: BTreeMap<String, Tensors<'a>> = BTreeMap::new();
        let mut embeddings = Vec::new();
        let mut unknown = Vec::new();
        for (name, view) in &all {
            if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
                return Err(ContentsError::Name(name.chars().filter(|c| !c.is_control()).take(80).collect()));
            }
            if let Some(word) = name.strip_prefix(BUNDLED) {
                embeddings.push(Embedding { word: word.to_owned(), vectors: Stored::new(name, view)? });
            } else if let Some((layer, role)) = keys::split(name).filter(|_| keys::refusal(name).is_none()) {
                let stored = Stored::new(name, view)?;
                if let Some(first) = layers.entry(layer).or_default().insert(role, stored) {
                    return Err(ContentsError::Twice { one: first.name().to_owned(), other: name.clone() });
                }
            } else {
                unknown.push(&name[..]);
            }
        }
        check_known(&layers, &unknown)?;

        let any_alphas = layers.values().any(|tensors| tensors.contains_key(&Role::Alpha));
        let any_flat = layers.keys().any(|layer| keys::beginning(layer).1 == Spelling::Flat);
        let config = config.filter(|_| !any_alphas && !any_flat);
        let scales = Scales::read(config, &metadata)?;
        let base = config.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let is_dora = base.as_ref().is_some_and(|config| config["use_dora"].as_bool() == Some(true));
        let base = base.and_then(|config| config["base_model_name_or_path"].as_str().map(str::to_owned));

        let mut alphas_from = BTreeSet::new();
        let layers = layers.into_iter().map(|(name, tensors)| {
            let mut reader = Reader { name, scales: &scales, any_alphas, alphas_from: &mut alphas_from };
            reader.layer(tensors)
        });
        let layers = layers.collect::<Result<Vec<_>, _>>()?;
        check_layers_differ(&layers)?;
        if is_dora && layers.iter().all(|layer| layer.magnitude.is_none()) {
            let (field, value) = ("use_dora".to_owned(), "true".to_owned());
            let wanted = "the file holds no DoRA magnitudes (lora_magnitude_vector): it is incomplete";
            return Err(ContentsError::Field { place: Origin::Config, field, value, wanted });
        }
        let base = base.filter(|base| !base.is_empty());
        Ok(Self { layers, embeddings, alphas_from: alphas_from.into_iter().collect(), metadata, base })
    }
}

/// Refuses files that are no adapters, and tensors that no table knows.
fn check_known(layers: &BTreeMap<String, Tensors<'_>>, unknown: &[&str]) -> Result<(), ContentsError> {
    let method = unknown.iter().find_map(|name| Some(((*name).to_owned(), keys::refusal(name)?)));
    let has_parts = layers.values().any(|tensors| tensors.keys().any(|role| *role != Role::Alpha));
    if let Some((name, method)) = method {
        return Err(ContentsError::Method { name, method });
    }
    if !has_parts {
        return Err(ContentsError::Other(other::by_names(unknown)));
    }
    let Some(name) = unknown.first() else { return Ok(()) };
    if matches!(name.rsplit('.').next(), Some("weight" | "bias")) {
        let method = "a layer that was trained whole beside the adapter: it cannot be read yet";
        return Err(ContentsError::Method { name: (*name).to_owned(), method });
    }
    Err(ContentsError::Name((*name).to_owned()))
}

/// Refuses layers of the file that are the same layer of the base.
fn check_layers_differ(layers: &[Layer<'_>]) -> Result<(), ContentsError> {
    let mut seen: BTreeMap<(Component, &str), &str> = BTreeMap::new();
    for layer in layers {
        for canonical in &layer.canonical {
            if let Some(one) = seen.insert((layer.component, canonical), &layer.name) {
                let (one, other, layer) = (one.to_owned(), layer.name.clone(), canonical.clone());
                return Err(ContentsError::SameLayer { one, other, layer });
            }
        }
    }
    Ok(())
}

/// What one layer is read with.
struct Reader<'s> {
    name: String,
    scales: &'s Scales,
    any_alphas: bool,
    alphas_from: &'s mut BTreeSet<Origin>,
}

impl Reader<'_> {
    fn layer<'a>(&mut self, mut tensors: Tensors<'a>) -> Result<Layer<'a>, ContentsError> {
        if let Some(stored) = tensors.values().find(|stored| stored.shape().contains(&0)) {
            return Err(self.misshapen(format!("tensor `{}` is empty: {:?}", stored.name(), stored.shape())));
        }
        let (side, spelling, rest) = keys::beginning(&self.name);
        let (component, mut canonical) = names::place(side, spelling, rest);
        if canonical.is_empty() && spelling == Spelling::Dotted && self.name.starts_with(keys::WRAPPER) {
            // peft's names are those that the base's own modules have.
            canonical.push(rest.to_owned());
        }
        let rest = rest.to_owned();
        let alpha = tensors.remove(&Role::Alpha).map(|stored| one_number(&stored)).transpose()?;
        let mut parts = Vec::new();
        let mut forms = Vec::new();
        forms.extend(self.low_rank(&mut tensors)?);
        forms.extend(self.hadamard(&mut tensors)?);
        forms.extend(self.kronecker(&mut tensors)?);
        let mut up_scale = 1.0;
        for (form, rank) in forms {
            let Scale { alpha, factor: scale, origin } =
                self.scales.of(component, &rest, rank, alpha, self.any_alphas)?;
            up_scale = scale;
            let has_alpha = rank.is_some() || origin != Origin::Rank;
            if has_alpha {
                self.alphas_from.insert(origin);
            }
            parts.push(Part { target: Target::Weight, form, rank, alpha: has_alpha.then_some(alpha), scale });
        }
        for (role, target) in [
            (Role::Difference, Target::Weight),
            (Role::BiasDifference, Target::Bias),
            (Role::UpBias, Target::Bias),
            (Role::NormWeight, Target::NormWeight),
            (Role::NormBias, Target::NormBias),
        ] {
            let Some(stored) = tensors.remove(&role) else { continue };
            let scale = if role == Role::UpBias { up_scale } else { 1.0 };
            parts.push(Part { target, form: Form::Difference(stored), rank: None, alpha: None, scale });
        }
        self.check_parts(&parts)?;
        let magnitude = self.magnitude(&mut tensors, &parts)?;
        if parts.is_empty() {
            return Err(self.incomplete("its factors"));
        }
        Ok(Layer { name: self.name.clone(), component, canonical, parts, magnitude })
    }

    /// Takes a pair of LoRA's factors, with the core that LoCon may have.
    fn low_rank<'a>(&self, tensors: &mut Tensors<'a>) -> Result<Option<(Form<'a>, Option<usize>)>, ContentsError> {
        let take = |tensors: &mut Tensors<'a>, role| tensors.remove(&role);
        let (down, mid, up) = (take(tensors, Role::Down), take(tensors, Role::Mid), take(tensors, Role::Up));
        let (down, up) = match (down, up, &mid) {
            (None, None, None) => return Ok(None),
            (Some(down), Some(up), _) => (down, up),
            (None, ..) => return Err(self.incomplete("its factor down (lora_A)")),
            (_, None, _) => return Err(self.incomplete("its factor up (lora_B)")),
        };
        if up.shape().iter().skip(2).any(|width| *width != 1) {
            return Err(self.misshapen(format!("its factor up has shape {:?}, and a kernel of its own", up.shape())));
        }
        let product = self.product(up, down, mid, false)?;
        let rank = product.rank();
        Ok(Some((Form::LowRank(product), Some(rank))))
    }

    fn hadamard<'a>(&self, tensors: &mut Tensors<'a>) -> Result<Option<(Form<'a>, Option<usize>)>, ContentsError> {
        const ROLES: [Role; 4] = [Role::HadaOneLeft, Role::HadaOneRight, Role::HadaTwoLeft, Role::HadaTwoRight];
        const NAMES: [&str; 4] = ["hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"];
        let cores = [Role::HadaOneCore, Role::HadaTwoCore].map(|role| tensors.remove(&role));
        let found = ROLES.map(|role| tensors.remove(&role));
        if found.iter().chain(&cores).all(Option::is_none) {
            return Ok(None);
        }
        if let Some(missing) = found.iter().position(Option::is_none) {
            return Err(self.incomplete(NAMES[missing]));
        }
        if cores.iter().any(Option::is_none) && cores.iter().any(Option::is_some) {
            return Err(self.incomplete("one of hada_t1 and hada_t2"));
        }
        let ([Some(one_left), Some(one_right), Some(two_left), Some(two_right)], [one_core, two_core]) = (found, cores)
        else {
            return Err(self.incomplete("its factors"));
        };
        let is_transposed = one_core.is_some();
        let one = self.product(one_left, one_right, one_core, is_transposed)?;
        let two = self.product(two_left, two_right, two_core, is_transposed)?;
        if one.shape() != two.shape() {
            return Err(self.misshapen(format!(
                "its two products have shapes {:?} and {:?}",
                one.shape(),
                two.shape()
            )));
        }
        let rank = one.rank();
        Ok(Some((Form::Hadamard(one, two), Some(rank))))
    }

    fn kronecker<'a>(&self, tensors: &mut Tensors<'a>) -> Result<Option<(Form<'a>, Option<usize>)>, ContentsError> {
        let one = [Role::KronOne, Role::KronOneLeft, Role::KronOneRight].map(|role| tensors.remove(&role));
        let two = [Role::KronTwo, Role::KronTwoLeft, Role::KronTwoRight].map(|role| tensors.remove(&role));
        let core = tensors.remove(&Role::KronTwoCore);
        if one.iter().chain(&two).all(Option::is_none) && core.is_none() {
            return Ok(None);
        }
        let one = self.side(one, None, "lokr_w1, or lokr_w1_a and lokr_w1_b")?;
        let two = self.side(two, core, "lokr_w2, or lokr_w2_a and lokr_w2_b")?;
        if one.shape().len() != 2 {
            return Err(self.misshapen(format!("lokr_w1 has shape {:?}, and is no matrix", one.shape())));
        }
        // ComfyUI and LyCORIS take the second side's where both have one; they are equal in what trainers write.
        let rank = two.rank().or(one.rank());
        Ok(Some((Form::Kronecker(one, two), rank)))
    }

    fn side<'a>(
        &self,
        [whole, left, right]: [Option<Stored<'a>>; 3],
        core: Option<Stored<'a>>,
        missing: &'static str,
    ) -> Result<Side<'a>, ContentsError> {
        match (whole, left, right, core) {
            (Some(whole), None, None, None) if whole.shape().len() >= 2 => Ok(Side::Whole(whole)),
            (Some(whole), None, None, None) => Err(self.misshapen(format!(
                "tensor `{}` has shape {:?}, and is no matrix",
                whole.name(),
                whole.shape()
            ))),
            (None, Some(left), Some(right), core) => {
                let is_transposed = core.is_some();
                Ok(Side::Product(self.product(left, right, core, is_transposed)?))
            }
            (Some(whole), ..) => {
                Err(self.misshapen(format!("tensor `{}` stands beside its own factors", whole.name())))
            }
            _ => Err(self.incomplete(missing)),
        }
    }

    /// Checks that factors fit each other, and joins them.
    fn product<'a>(
        &self,
        left: Stored<'a>,
        right: Stored<'a>,
        core: Option<Stored<'a>>,
        left_is_transposed: bool,
    ) -> Result<Product<'a>, ContentsError> {
        let fits = left.shape().len() >= 2 && right.shape().len() >= 2 && {
            let (left_rank, right_rank) = (left.shape()[usize::from(!left_is_transposed)], right.shape()[0]);
            let is_flat = |stored: &Stored<'_>| stored.shape()[2..].iter().all(|width| *width == 1);
            match &core {
                None => left_rank == right_rank,
                Some(core) => {
                    let shape = core.shape();
                    shape.len() > 2 && shape[..2] == [left_rank, right_rank] && is_flat(&left) && is_flat(&right)
                }
            }
        };
        if !fits {
            let core = core.map_or_else(String::new, |core| format!(", {:?} (core)", core.shape()));
            let shapes =
                format!("{:?} (`{}`), {:?} (`{}`){core}", left.shape(), left.name(), right.shape(), right.name());
            return Err(self.misshapen(format!("its factors have shapes {shapes}, which do not fit each other")));
        }
        let product = Product { left, left_is_transposed, right, core };
        let rank = product.rank().max(product.rank_of_left());
        if rank > MOST_RANK {
            return Err(self.misshapen(format!("its rank is {rank}, more than {MOST_RANK}")));
        }
        // What is in the middle of multiplying out.
        self.check_size(&product.shape())?;
        self.check_size(&[&[product.rank_of_left()], &product.shape()[1..]].concat())?;
        Ok(product)
    }

    fn magnitude<'a>(
        &self,
        tensors: &mut Tensors<'a>,
        parts: &[Part<'_>],
    ) -> Result<Option<Magnitude<'a>>, ContentsError> {
        let (scale, vector) = (tensors.remove(&Role::DoraScale), tensors.remove(&Role::MagnitudeVector));
        let (norms, is_vector) = match (scale, vector) {
            (None, None) => return Ok(None),
            (Some(one), Some(other)) => {
                return Err(ContentsError::Twice { one: one.name().to_owned(), other: other.name().to_owned() });
            }
            (Some(norms), None) => (norms, false),
            (None, Some(norms)) => (norms, true),
        };
        let Some(part) = parts.iter().find(|part| part.target == Target::Weight) else {
            return Err(self.incomplete("the factors that its DoRA magnitude belongs to"));
        };
        let (shape, count) = (part.shape(), size(norms.shape()));
        // By output `[out, 1, …]`, by input `[1, in, 1, …]`.
        let first_is_one = norms.shape().first() == Some(&1) && norms.shape().len() > 1;
        let by_output = is_vector || !first_is_one || (shape[0] == 1 && count == 1);
        let fits = if by_output {
            count == shape[0] as u128
        } else {
            // The kernel may be folded into the inputs.
            count == size(&norms.shape()[1..2]) && shape.get(1).is_some_and(|inputs| inputs % norms.shape()[1] == 0)
        };
        if fits {
            Ok(Some(Magnitude { norms, by_output }))
        } else {
            Err(self.misshapen(format!("its DoRA magnitude has shape {:?}, its weight {shape:?}", norms.shape())))
        }
    }

    fn check_parts(&self, parts: &[Part<'_>]) -> Result<(), ContentsError> {
        let mut first: Option<u128> = None;
        for part in parts {
            let shape = part.shape();
            self.check_size(&shape)?;
            let size = size(&shape);
            match first {
                _ if part.target != Target::Weight => {}
                None => first = Some(size),
                Some(first) if first != size => {
                    return Err(self.misshapen(format!("its parts are differences of {first} and of {size} values")));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn check_size(&self, shape: &[usize]) -> Result<(), ContentsError> {
        let size = size(shape);
        if size <= u128::from(MOST) {
            Ok(())
        } else {
            Err(ContentsError::TooLarge { layer: self.name.clone(), size, limit: MOST })
        }
    }

    fn misshapen(&self, problem: String) -> ContentsError {
        ContentsError::Shape { layer: self.name.clone(), problem }
    }

    fn incomplete(&self, missing: &'static str) -> ContentsError {
        ContentsError::Incomplete { layer: self.name.clone(), missing }
    }
}

/// Returns the number in a tensor of one value.
fn one_number(stored: &Stored<'_>) -> Result<f32, ContentsError> {
    let is_one = size(stored.shape()) == 1;
    if let (true, [number]) = (is_one, &stored.values()[..]) {
        return Ok(*number);
    }
    Err(ContentsError::Alpha { name: stored.name().to_owned(), shape: stored.shape().to_vec() })
}
