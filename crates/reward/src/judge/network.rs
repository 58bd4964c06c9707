//! The attribute classifier: a small convolutional network that names what a picture shows.

use burn::tensor::Tensor;
use burn::tensor::activation::silu;
use moa_adapter::{Linear, Parameters, ParametersError};
use moa_diffusion::{Conv2d, GroupNorm};
use moa_scenes::{Background, Concept};
use serde::{Deserialize, Serialize};

use crate::RewardError;

const FILE: &str = "the attribute judge's config.json";

/// `config.json` of an [`AttributeNet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttributeConfig {
    /// Names of the concepts, in the order of the logits.
    pub concepts: Vec<String>,
    /// Names of the backgrounds, in the order of the logits.
    pub backgrounds: Vec<String>,
    /// Those of the concepts that are unsafe.
    pub unsafe_concepts: Vec<String>,
    /// Channels of each stage. Default: 32, 64, 128, 128.
    pub channels: Vec<usize>,
    /// Stride of each stage's first convolution. Default: 1, 2, 2, 2.
    pub strides: Vec<usize>,
    /// Residual convolutions after each stage's first. Default: 0, 0, 1, 1.
    pub depths: Vec<usize>,
    /// Groups of the group norms. Default: 8.
    pub groups: usize,
}

impl AttributeConfig {
    /// Returns the config for emoji scenes.
    pub fn scenes() -> Self {
        let name = |concept: &Concept| concept.name().to_owned();
        Self {
            concepts: Concept::ALL.iter().map(name).collect(),
            backgrounds: Background::ALL.iter().map(|background| background.name().to_owned()).collect(),
            unsafe_concepts: Concept::ALL.iter().filter(|concept| concept.is_unsafe()).map(name).collect(),
            channels: vec![32, 64, 128, 128],
            strides: vec![1, 2, 2, 2],
            depths: vec![0, 0, 1, 1],
            groups: 8,
        }
    }

    /// Reads `config.json`.
    ///
    /// # Errors
    /// Refuses text that is no such JSON, and impossible values.
    pub fn read(json: &str) -> Result<Self, RewardError> {
        let config: Self = serde_json::from_str(json).map_err(|source| RewardError::Json { file: FILE, source })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), RewardError> {
        let refuse = |field, value: String, wanted| Err(RewardError::Field { file: FILE, field, value, wanted });
        let stages = self.channels.len();
        if self.concepts.is_empty() || self.backgrounds.is_empty() {
            return refuse("concepts", "empty".into(), "at least one concept and one background");
        }
        if let Some(unknown) = self.unsafe_concepts.iter().find(|name| !self.concepts.contains(name)) {
            return refuse("unsafe_concepts", unknown.clone(), "names that `concepts` holds");
        }
        if stages == 0 || self.strides.len() != stages || self.depths.len() != stages {
            return refuse("channels", format!("{stages} stages"), "as many channels as strides and depths");
        }
        if self.strides.contains(&0) {
            return refuse("strides", format!("{:?}", self.strides), "strides of at least 1");
        }
        if self.groups == 0 || self.channels.iter().any(|channels| *channels == 0 || channels % self.groups != 0) {
            return refuse("groups", self.groups.to_string(), "a divisor of all channels");
        }
        Ok(())
    }
}

/// A convolution, its norm and SiLU.
#[derive(Clone, Debug)]
struct Block {
    conv: Conv2d,
    norm: GroupNorm,
}

impl Block {
    fn load(p: &Parameters, channels: [usize; 2], stride: usize, groups: usize) -> Result<Self, ParametersError> {
        Ok(Self {
            conv: Conv2d::load(&p.at("conv"), channels, 3, stride)?,
            norm: GroupNorm::load(&p.at("norm"), channels[1], groups, 1e-5)?,
        })
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        silu(self.norm.forward(self.conv.forward(x)))
    }
}

#[derive(Clone, Debug)]
struct Stage {
    entry: Block,
    residuals: Vec<Block>,
}

/// Stages of convolutions, maximum and mean over space, and two linear heads.
///
/// It shares nothing with the rewards but the data, so that it can watch them.
#[derive(Clone, Debug)]
pub struct AttributeNet {
    stages: Vec<Stage>,
    concepts: Linear,
    backgrounds: Linear,
}

impl AttributeNet {
    /// Takes the network's parameters, or creates them.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &AttributeConfig, p: &Parameters) -> Result<Self, ParametersError> {
        let mut before = 3;
        let mut stages = Vec::with_capacity(config.channels.len());
        for (i, &channels) in config.channels.iter().enumerate() {
            let p = p.at(format_args!("stages.{i}"));
            let residual = |j| Block::load(&p.at(format_args!("residuals.{j}")), [channels; 2], 1, config.groups);
            stages.push(Stage {
                entry: Block::load(&p.at("entry"), [before, channels], config.strides[i], config.groups)?,
                residuals: (0..config.depths[i]).map(residual).collect::<Result<_, _>>()?,
            });
            before = channels;
        }
        Ok(Self {
            stages,
            concepts: Linear::load(&p.at("concepts"), 2 * before, config.concepts.len(), true)?,
            backgrounds: Linear::load(&p.at("backgrounds"), 2 * before, config.backgrounds.len(), true)?,
        })
    }

    /// Returns the logits of concepts and of backgrounds.
    ///
    /// Concepts are trained with a softmax over soft targets: in a picture of n objects each has 1/n.
    ///
    /// # Shapes
    /// - `pixels`: `[rows, 3, height, width]` in [0, 1]
    /// - returns `[rows, concepts]` and `[rows, backgrounds]`
    pub fn forward(&self, pixels: Tensor<4>) -> (Tensor<2>, Tensor<2>) {
        let x = self.stages.iter().fold(pixels * 2.0 - 1.0, |x, stage| {
            let x = stage.entry.forward(x);
            stage.residuals.iter().fold(x, |x, block| x.clone() + block.forward(x))
        });
        let [rows, channels, height, width] = x.dims();
        let flat = x.reshape([rows, channels, height * width]);
        let pooled = Tensor::cat(vec![flat.clone().max_dim(2), flat.mean_dim(2)], 1).reshape([rows, 2 * channels]);
        (self.concepts.forward(pooled.clone(), None), self.backgrounds.forward(pooled, None))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use moa_core::NoiseKey;

    use super::*;

    #[test]
    fn the_network_has_a_logit_for_every_name_and_learns() {
        let config = AttributeConfig::scenes();
        let device = Device::flex().autodiff();
        let mut map = {
            let parameters = Parameters::fresh(NoiseKey::new(1), &device);
            AttributeNet::load(&config, &parameters).expect("fresh parameters fit");
            parameters.into_map()
        };
        for parameter in map.values_mut() {
            parameter.flat = parameter.flat.clone().require_grad();
        }
        let net = AttributeNet::load(&config, &Parameters::stored(map.clone(), &device)).expect("the same names");
        let (concepts, backgrounds) = net.forward(Tensor::ones([2, 3, 32, 32], &device));
        assert_eq!((concepts.dims(), backgrounds.dims()), ([2, 40], [2, 8]));
        let gradients = (concepts.square().mean() + backgrounds.square().mean()).backward();
        for (name, parameter) in &map {
            assert!(parameter.flat.grad(&gradients).is_some(), "{name} gets a gradient");
        }
    }

    #[test]
    fn impossible_configs_are_refused_by_name() {
        let mut config = AttributeConfig::scenes();
        config.unsafe_concepts.push("kitten".into());
        let json = serde_json::to_string(&config).expect("serialises");
        let error = AttributeConfig::read(&json).expect_err("an unknown concept").to_string();
        assert!(error.contains("unsafe_concepts") && error.contains("kitten"), "{error}");
        let mut config = AttributeConfig::scenes();
        config.groups = 5;
        assert!(AttributeConfig::read(&serde_json::to_string(&config).expect("serialises")).is_err());
    }
}
