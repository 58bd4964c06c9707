//! The network of a detector: convolutions whose last cells say which object's centre lies in them.

use burn::tensor::Tensor;
use burn::tensor::activation::{silu, softmax};
use moa_adapter::{Linear, Parameters, ParametersError};
use moa_diffusion::{Conv2d, GroupNorm};

use super::DetectorConfig;

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

/// Linear heads that read objects off states of cells.
#[derive(Clone, Debug)]
pub struct DetectorHeads {
    objects: Linear,
    tints: Linear,
    backgrounds: Linear,
}

impl DetectorHeads {
    /// Takes the heads over states of a width for each cell and of another for the whole image, or creates them.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &DetectorConfig, p: &Parameters, cell: usize, whole: usize) -> Result<Self, ParametersError> {
        Ok(Self {
            objects: Linear::load(&p.at("objects"), cell, config.concepts.len() + 1, true)?,
            tints: Linear::load(&p.at("tints"), cell, config.tints.len() + 1, true)?,
            backgrounds: Linear::load(&p.at("backgrounds"), whole, config.backgrounds.len(), true)?,
        })
    }

    /// Reads states.
    ///
    /// # Shapes
    /// - `cells`: `[rows, side·side, cell]`, row by row
    /// - `whole`: `[rows, whole]`
    pub fn forward(&self, cells: Tensor<3>, whole: Tensor<2>, side: usize) -> DetectorLogits {
        DetectorLogits {
            objects: self.objects.forward(cells.clone(), None),
            tints: self.tints.forward(cells, None),
            backgrounds: self.backgrounds.forward(whole, None),
            side,
        }
    }
}

/// Stages of convolutions; a linear head over each cell for objects and tints, and one over the mean of all cells for the
/// background (objects as points: Zhou et al., 1904.07850).
#[derive(Clone, Debug)]
pub struct DetectorNet {
    stages: Vec<Stage>,
    heads: DetectorHeads,
}

/// What a detector says of images, before softmax. Cells are row by row.
#[derive(Clone, Debug)]
pub struct DetectorLogits {
    /// Which object's centre is in each cell, `[rows, cells, concepts + 1]`; the last is none.
    pub objects: Tensor<3>,
    /// In which colour the object is drawn, `[rows, cells, tints + 1]`; the last is its own colours.
    pub tints: Tensor<3>,
    /// The background, `[rows, backgrounds]`.
    pub backgrounds: Tensor<2>,
    /// Cells in a row of cells.
    pub side: usize,
}

/// [`DetectorLogits`] as probabilities.
#[derive(Clone, Debug)]
pub struct Detected {
    /// As the logits.
    pub objects: Tensor<3>,
    /// As the logits.
    pub tints: Tensor<3>,
    /// As the logits.
    pub backgrounds: Tensor<2>,
    /// Cells in a row of cells.
    pub side: usize,
}

impl DetectorNet {
    /// Takes the network's parameters, or creates them.
    ///
    /// # Errors
    /// Says which tensor is missing or has another shape.
    pub fn load(config: &DetectorConfig, p: &Parameters) -> Result<Self, ParametersError> {
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
        Ok(Self { stages, heads: DetectorHeads::load(config, p, before, before)? })
    }

    /// Looks at images.
    ///
    /// # Shapes
    /// - `pixels`: `[rows, 3, side, side]` in [0, 1]
    pub fn forward(&self, pixels: Tensor<4>) -> DetectorLogits {
        let x = self.stages.iter().fold(pixels * 2.0 - 1.0, |x, stage| {
            let x = stage.entry.forward(x);
            stage.residuals.iter().fold(x, |x, block| x.clone() + block.forward(x))
        });
        let [rows, channels, height, width] = x.dims();
        let cells = x.reshape([rows, channels, height * width]).swap_dims(1, 2);
        self.heads.forward(cells.clone(), cells.mean_dim(1).reshape([rows, channels]), width)
    }
}

impl DetectorLogits {
    /// Returns the probabilities.
    pub fn probabilities(self) -> Detected {
        Detected {
            objects: softmax(self.objects, 2),
            tints: softmax(self.tints, 2),
            backgrounds: softmax(self.backgrounds, 1),
            side: self.side,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use moa_core::NoiseKey;

    use super::*;

    #[test]
    fn the_network_has_a_logit_for_every_name_in_every_cell_and_learns() {
        let config = DetectorConfig::scenes();
        let device = Device::flex().autodiff();
        let mut map = {
            let parameters = Parameters::fresh(NoiseKey::new(1), &device);
            DetectorNet::load(&config, &parameters).expect("fresh parameters fit");
            parameters.into_map()
        };
        for parameter in map.values_mut() {
            parameter.flat = parameter.flat.clone().require_grad();
        }
        let net = DetectorNet::load(&config, &Parameters::stored(map.clone(), &device)).expect("the same names");
        let found = net.forward(Tensor::ones([2, 3, 32, 32], &device));
        assert_eq!((found.objects.dims(), found.tints.dims()), ([2, 64, 41], [2, 64, 6]));
        assert_eq!((found.backgrounds.dims(), found.side), ([2, 8], 8));
        let sum = found.objects.square().mean() + found.tints.square().mean() + found.backgrounds.square().mean();
        let gradients = sum.backward();
        for (name, parameter) in &map {
            assert!(parameter.flat.grad(&gradients).is_some(), "{name} gets a gradient");
        }
    }
}
