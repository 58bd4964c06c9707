//! The state of a pre-training: parameters, AdamW and the average that becomes the model, with checkpoints that resume bit for bit.

use std::collections::BTreeMap;

use burn::tensor::{Device, Gradients, Tensor};
use moa_adapter::Parameter;
use moa_core::experiment::OptimiserSpec;
use moa_optimiser::{AdamW, Average, Named, StateError, StateReader, StateWriter};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::{PretrainError, PretrainSpec, Target};

/// What a checkpoint says of itself. Unknown fields are refused: the states of adapters have others.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    pretraining: Target,
    seed: u64,
    step: u64,
    /// The SHA-256 of the files of other parts that it builds on.
    #[serde(default)]
    builds_on: BTreeMap<String, String>,
}

const PARAMETER: &str = "parameter";
/// The one metadata entry of checkpoints before they had a header.
const FIRST_LAYOUT: &str = "step";

/// The parameters under training, their average and AdamW's moments.
pub(crate) struct TrainingState {
    /// Steps taken.
    pub(crate) step: u64,
    spec: PretrainSpec,
    builds_on: BTreeMap<String, String>,
    shapes: BTreeMap<String, Vec<usize>>,
    parameters: Named<1>,
    average: Average<1>,
    adamw: AdamW<1>,
    device: Device,
}

impl TrainingState {
    /// Returns the state before the first step.
    pub(crate) fn new(parameters: BTreeMap<String, Parameter>, spec: &PretrainSpec, device: &Device) -> Self {
        let shapes = parameters.iter().map(|(name, p)| (name.clone(), p.shape.clone())).collect();
        let parameters: Named<1> = parameters.into_iter().map(|(name, p)| (name, p.flat)).collect();
        let adamw = AdamW::new(&OptimiserSpec {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            weight_decay: spec.weight_decay,
            ..OptimiserSpec::default()
        });
        let average = Average::of(&parameters);
        let (spec, builds_on, device) = (spec.clone(), BTreeMap::new(), device.clone());
        Self { step: 0, spec, builds_on, shapes, parameters, average, adamw, device }
    }

    /// Returns the state of a model that builds on other parts: the SHA-256 of their files ([`super::Parts::digests`]), which
    /// its checkpoints remember.
    pub(crate) fn building_on(self, builds_on: BTreeMap<String, String>) -> Self {
        Self { builds_on, ..self }
    }

    /// Returns the parameters as leaves of a new graph: build the model from them, then pass them to
    /// [`TrainingState::update`].
    pub(crate) fn leaves(&self) -> BTreeMap<String, Parameter> {
        self.shaped(&self.parameters, |flat| flat.autodiff().require_grad())
    }

    /// Takes one step of AdamW with the gradient's norm over all parameters clipped, and moves the average of what was stepped, faster
    /// in the beginning: its decay is min(`average`, (steps + 1) / (steps + 10)).
    ///
    /// # Errors
    /// Refuses gradients that are not finite; the state is as before then.
    pub(crate) fn update(
        &mut self,
        leaves: &BTreeMap<String, Parameter>,
        mut gradients: Gradients,
    ) -> Result<(), PretrainError> {
        let gradients: Named<1> = leaves
            .iter()
            .filter_map(|(name, leaf)| Some((name.clone(), leaf.flat.grad_remove(&mut gradients)?)))
            .collect();
        let squares = Tensor::cat(gradients.values().map(|g| g.clone().powi_scalar(2).sum()).collect(), 0);
        let norm = f64::from(squares.sum().into_scalar::<f32>()).sqrt();
        if !norm.is_finite() {
            return Err(PretrainError::Diverged { step: self.step });
        }
        let clip = (self.spec.max_grad_norm / norm.max(1e-12)).min(1.0);
        let clipped: Named<1> = gradients.into_iter().map(|(name, gradient)| (name, gradient * clip)).collect();
        let stepped: Vec<String> = clipped.keys().cloned().collect();
        self.adamw.step(self.spec.learning_rate_at(self.step), &mut self.parameters, clipped);
        let decay = self.spec.average.min((self.step as f64 + 1.0) / (self.step as f64 + 10.0));
        // What has no gradient stays as it is, and its average too, to the bit.
        let stepped =
            stepped.into_iter().filter_map(|name| self.parameters.get(&name).cloned().map(|tensor| (name, tensor)));
        self.average.follow(&stepped.collect(), decay);
        self.step += 1;
        Ok(())
    }

    /// Returns the averaged parameters.
    pub(crate) fn averaged(&self) -> BTreeMap<String, Parameter> {
        self.shaped(self.average.tensors(), |flat| flat)
    }

    /// Returns the averaged parameters below a prefix, without it.
    pub(crate) fn averaged_below(&self, prefix: &str) -> BTreeMap<String, Parameter> {
        let strip =
            |(name, p): (String, Parameter)| Some((name.strip_prefix(prefix)?.strip_prefix('.')?.to_owned(), p));
        self.averaged().into_iter().filter_map(strip).collect()
    }

    /// Returns the whole state as a file.
    ///
    /// # Errors
    /// Fails when it cannot be serialised.
    pub(crate) fn checkpoint(&self) -> Result<Vec<u8>, PretrainError> {
        let mut file = StateWriter::default();
        file.add_all(PARAMETER, &self.parameters);
        self.average.save(&mut file);
        self.adamw.save(&mut file);
        let about = About {
            pretraining: self.spec.target,
            seed: self.spec.seed,
            step: self.step,
            builds_on: self.builds_on.clone(),
        };
        Ok(file.finish(&about)?)
    }

    /// Goes back to a checkpoint of the same pre-training.
    ///
    /// # Errors
    /// Refuses files that are no checkpoint of it, or of another version; the state is as before then.
    pub(crate) fn restore(&mut self, bytes: &[u8]) -> Result<(), PretrainError> {
        if is_of_first_layout(bytes) {
            return Err(StateError::Version { found: 1 }.into());
        }
        let file = StateReader::open(bytes)?;
        let about: About = file.about()?;
        let (target, seed) = (self.spec.target, self.spec.seed);
        if about.pretraining != target {
            let found = about.pretraining;
            return Err(PretrainError::Checkpoint(format!("of the target {found:?}, not {target:?}")));
        }
        if about.seed != seed {
            return Err(PretrainError::Checkpoint(format!("of the seed {}, not {seed}", about.seed)));
        }
        let other = |(file, digest): &(&String, &String)| about.builds_on.get(*file) != Some(digest);
        if let Some((file, _)) = self.builds_on.iter().find(other) {
            return Err(PretrainError::Checkpoint(format!("built on another {file} than the one that is there now")));
        }
        let parameters = file.all(PARAMETER, &self.parameters, &self.device)?;
        let average = Average::load(&file, &self.parameters, &self.device)?;
        self.adamw.load(&file, &self.parameters, &self.device)?;
        (self.step, self.parameters, self.average) = (about.step, parameters, average);
        Ok(())
    }

    fn shaped(&self, tensors: &Named<1>, form: impl Fn(Tensor<1>) -> Tensor<1>) -> BTreeMap<String, Parameter> {
        let parameter = |(name, shape): (&String, &Vec<usize>)| {
            Some((name.clone(), Parameter { shape: shape.clone(), flat: form(tensors.get(name)?.clone()) }))
        };
        self.shapes.iter().filter_map(parameter).collect()
    }
}

/// Returns whether a file is a checkpoint from before pre-training shared its layout with adapters.
fn is_of_first_layout(bytes: &[u8]) -> bool {
    let metadata = SafeTensors::read_metadata(bytes).ok().and_then(|(_, header)| header.metadata().clone());
    metadata.is_some_and(|entries| entries.len() == 1 && entries.contains_key(FIRST_LAYOUT))
}

impl From<StateError> for PretrainError {
    fn from(error: StateError) -> Self {
        Self::Checkpoint(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use burn::tensor::TensorData;
    use safetensors::tensor::TensorView;

    use super::*;

    fn spec(text: &str) -> PretrainSpec {
        let common = "steps: 9, batch: 1, learning_rate: 0.3, weight_decay: 0.05, max_grad_norm: 0.7, average: 0.8";
        PretrainSpec::from_ron(&format!("({text}, {common})")).expect("sound")
    }

    fn tensor(values: &[f32]) -> Tensor<1> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &Device::flex())
    }

    fn state(text: &str) -> TrainingState {
        let parameter = |values: &[f32], shape: &[usize]| Parameter { shape: shape.to_vec(), flat: tensor(values) };
        let parameters = BTreeMap::from([
            ("a".to_owned(), parameter(&[0.3, -1.1, 0.7, 0.2], &[2, 2])),
            ("b".to_owned(), parameter(&[0.9], &[1])),
            ("idle".to_owned(), parameter(&[0.1, 0.7], &[2])),
        ]);
        TrainingState::new(parameters, &spec(text), &Device::flex())
    }

    /// Steps on Σ (a² − a·b), which `idle` plays no part in.
    fn step(state: &mut TrainingState) {
        let leaves = state.leaves();
        let (a, b) = (leaves["a"].flat.clone(), leaves["b"].flat.clone());
        let loss = (a.clone() * a.clone() - a * b.expand([4])).sum();
        state.update(&leaves, loss.backward()).expect("finite");
    }

    fn host(parameters: &BTreeMap<String, Parameter>) -> Vec<u32> {
        let values = parameters.values().flat_map(|p| p.flat.clone().into_data().try_into_vec::<f32>().expect("f32"));
        values.map(f32::to_bits).collect()
    }

    /// AdamW and its average with the same operations on plain numbers, in f64.
    #[test]
    fn steps_are_those_of_the_formula() {
        let mut trained = state("target: Clip");
        let spec = spec("target: Clip");
        let mut x = [0.3, -1.1, 0.7, 0.2, 0.9f64];
        let (mut average, mut first, mut second) = (x, [0.0; 5], [0.0; 5]);
        for taken in 0..5u32 {
            step(&mut trained);
            let mut gradient: [f64; 5] = std::array::from_fn(|i| if i < 4 { 2.0 * x[i] - x[4] } else { 0.0 });
            gradient[4] = -x[..4].iter().sum::<f64>();
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            let clip = (0.7 / norm).min(1.0);
            let rate = spec.learning_rate_at(u64::from(taken));
            let decay = f64::min(0.8, (f64::from(taken) + 1.0) / (f64::from(taken) + 10.0));
            for i in 0..5 {
                let g = gradient[i] * clip;
                first[i] = 0.9 * first[i] + 0.1 * g;
                second[i] = 0.99 * second[i] + 0.01 * g * g;
                let power = taken as i32 + 1;
                let mean = first[i] / (1.0 - 0.9f64.powi(power));
                let scale = (second[i] / (1.0 - 0.99f64.powi(power))).sqrt() + 1e-8;
                x[i] = x[i] * (1.0 - rate * 0.05) - rate * mean / scale;
                average[i] = average[i] * decay + x[i] * (1.0 - decay);
            }
        }
        let averaged = trained.averaged();
        assert_eq!(averaged["a"].shape, [2, 2]);
        let found: Vec<f32> = host(&averaged).into_iter().map(f32::from_bits).collect();
        for (found, expected) in found.iter().zip(average) {
            assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} is not {expected}");
        }
        assert_eq!(found[5..], [0.1, 0.7], "what has no gradient stays to the bit");
    }

    #[test]
    fn a_restored_state_goes_on_bit_for_bit() {
        let mut whole = state("target: Clip, seed: 3");
        (0..3).for_each(|_| step(&mut whole));
        let bytes = whole.checkpoint().expect("writes");
        let mut again = state("target: Clip, seed: 3");
        again.restore(&bytes).expect("its own");
        assert_eq!(again.step, 3);
        (0..3).for_each(|_| step(&mut whole));
        (0..3).for_each(|_| step(&mut again));
        assert_eq!(host(&again.averaged()), host(&whole.averaged()));
        assert_eq!(host(&again.leaves()), host(&whole.leaves()));
        assert_eq!(again.checkpoint().expect("writes"), whole.checkpoint().expect("writes"));
    }

    #[test]
    fn a_checkpoint_of_something_else_says_of_what_and_changes_nothing() {
        let entry = |name: &str, text: &str| Some(HashMap::from([(name.to_owned(), text.to_owned())]));
        let plain = |metadata| safetensors::serialize(Vec::<(&str, TensorView<'_>)>::new(), metadata).expect("writes");
        let of_adapters = r#"{"version":2,"counts":{},"about":{"epoch":3,"digest":"x","method":"Nft"}}"#;
        let of_parts = |digest: &str| BTreeMap::from([("captions/model.safetensors".to_owned(), digest.to_owned())]);
        let mut smaller = state("target: Clip").building_on(of_parts("b"));
        smaller.parameters.insert("a".into(), tensor(&[1.0]));
        let cases = [
            (state("target: JudgeClip").checkpoint().expect("writes"), "of the target JudgeClip, not Clip"),
            (state("target: Clip, seed: 3").checkpoint().expect("writes"), "of the seed 3, not 0"),
            (
                state("target: Clip").building_on(of_parts("a")).checkpoint().expect("writes"),
                "built on another captions/model.safetensors",
            ),
            (plain(entry("step", "500")), "of version 1, this moa reads version 2"),
            (plain(entry("moa", of_adapters)), "of something else (unknown field"),
            (plain(None), "unreadable (it has no header)"),
            (smaller.checkpoint().expect("writes"), "of another shape at `parameter/a`"),
            (b"nothing".to_vec(), "unreadable"),
        ];
        let mut own = state("target: Clip").building_on(of_parts("b"));
        step(&mut own);
        let before = own.checkpoint().expect("writes");
        for (bytes, words) in cases {
            let message = own.restore(&bytes).expect_err("foreign").to_string();
            assert!(message.starts_with("the checkpoint is ") && message.contains(words), "{message}");
            assert!(message.contains("remove it to start again"), "{message}");
            assert_eq!(own.checkpoint().expect("writes"), before, "{words}");
        }
    }
}
