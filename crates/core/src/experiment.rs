//! Experiment files: RON in which every field but the rewards has a default.

mod adversary;
mod base;
mod bounds;
mod design;
mod error;
mod evaluation;
mod external;
mod feedback;
mod finding;
mod fingerprint;
mod folder_name;
mod form;
mod given;
mod hypervolume;
mod lora;
mod method;
mod moved;
mod online;
mod optimiser;
mod outline;
mod parse_error;
mod phases;
mod plan;
mod precision;
mod prompts;
mod read;
mod reward;
mod sampler;
mod setting;
mod soups;
mod steering;
mod template;
mod training;
mod validate;
mod weightings;

use serde::{Deserialize, Serialize};

pub use adversary::{AdversaryAttack, AdversaryEye, AdversarySpec};
pub use base::{BUILT_IN_BASE, BaseName, WITHOUT_T5};
pub use bounds::LONGEST_PROMPT;
pub use design::SoupRecipe;
pub use error::{Place, SpecError};
pub use evaluation::EvaluationSpec;
pub use external::{
    AiSpec, HttpSpec, OnnxActivation, OnnxChannels, OnnxLayout, OnnxReduction, OnnxSpec, ProgramSpec, Reduce,
};
pub use feedback::{AskBy, FeedbackFrom, FeedbackSpec};
pub use fingerprint::{Fingerprint, OtherFact};
pub use hypervolume::{HypervolumeSpec, Scale};
pub use lora::LoraSpec;
pub use method::{
    AdjointSpec, AwmSpec, D3poSpec, DecidedBy, DifferentiableSpec, DpoSpec, GroupLoss, GroupSpec, KtoSpec, LabelSource,
    MethodSpec, Mix, MixedSpec, NftSpec, PairSource, Passes, PolicyGradientSpec, PreferenceFile, Ratio,
    RewardWeightedSpec, RewardWeights, StepWeights, Through, Window,
};
pub use online::{OnAlarm, OnlineSpec};
pub use optimiser::OptimiserSpec;
pub use phases::{ContinualSpec, Onto, PhaseSpec, Tie};
pub use plan::{CostModel, GAIN_IMAGES, Plan};
pub use precision::Precision;
pub use prompts::{PromptSource, Prompts, PromptsSpec, as_read};
pub use reward::{Combine, FileRole, RewardKind, RewardSpec, Watch, WatchedPrompts, judge_range};
pub use sampler::{SamplerKind, SamplerSpec, acting_guidance, is_guided};
pub use setting::Setting;
pub use soups::{Ingredients, SoupsSpec};
pub use steering::{ConstraintSpec, Scalarisation, Threshold};
pub use template::template;
pub use training::{AdvantageSpec, Baseline, Guard, ProbePrompts, ProbeSpec, Spread, TrainingSpec};
pub use weightings::{ChosenWeighting, Expectation, NextBy, NextSpec, WeightingsSpec};

use crate::Weighting;

/// An experiment: a base model, rewards, and the weightings that each get an adapter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSpec {
    /// The name of the experiment and of its results folder. Default: the file's name without its ending.
    #[serde(default)]
    pub name: Option<String>,
    /// The base model: a folder in diffusers' layout, whose relative path counts from the experiment file, or `hf:org/name`.
    /// Default: `emoji-32`, which is built in.
    #[serde(default = "default_base")]
    pub base: String,
    /// The type of number that the base model is kept and computed in. Default: `F32`.
    #[serde(default)]
    pub precision: Precision,
    /// The seed of everything random in training. Default: 0.
    #[serde(default)]
    pub seed: u64,
    /// Training and held-out prompts. Default: the base model's own sets.
    #[serde(default)]
    pub prompts: PromptsSpec,
    /// The objectives, one or more. No default.
    pub rewards: Vec<RewardSpec>,
    /// The weightings, one adapter each; families are joined in order and duplicates dropped. Default: corners and centre.
    #[serde(default = "default_weightings")]
    pub weightings: Vec<WeightingsSpec>,
    /// How often all weightings are trained: each further round trains them on from the mean of the adapters of the round before (MapReduce
    /// LoRA, 2511.20629), and each round's mean is evaluated. Default: 1.
    #[serde(default = "default_rounds")]
    pub rounds: u32,
    /// Adapters that are given: LoRAs of any program and kind for this base, in files or folders, whose relative paths count from the experiment file.
    /// They are evaluated as runs are, and soups can be made of them. Default: none.
    #[serde(default)]
    pub adapters: Vec<String>,
    /// The merges of adapters that are evaluated beside them; families are joined in order and duplicates dropped.
    /// Default: `AtWeightings`.
    #[serde(default = "default_soups")]
    pub soups: Vec<SoupsSpec>,
    /// The mixtures whose adapters are blended: all of them predict at every step, and the predictions are mixed. Evaluated
    /// beside the soups, at the cost of one pass for each adapter. Default: none.
    #[serde(default)]
    pub blends: Vec<SoupsSpec>,
    /// How a run's rewards become one advantage. Default: `Normalised`.
    #[serde(default)]
    pub combine: Combine,
    /// How a weighting joins its rewards. Default: `Linear`.
    #[serde(default)]
    pub scalarisation: Scalarisation,
    /// Means that every run must keep up. Default: none.
    #[serde(default)]
    pub constraints: Vec<ConstraintSpec>,
    /// Judgements that are asked for while adapters are trained. Default: none.
    #[serde(default)]
    pub feedback: Option<FeedbackSpec>,
    /// An adversary that looks for prompts while adapters are trained, which join the training prompts. Default: none.
    #[serde(default)]
    pub adversary: Option<AdversarySpec>,
    /// Prompts that arrive while adapters are trained, and adapters that are released meanwhile. Default: none.
    #[serde(default)]
    pub online: Option<OnlineSpec>,
    /// Parts of the training in which rewards, weightings, prompts or constraints are others; each goes on from the one before. Default: none.
    #[serde(default)]
    pub phases: Vec<PhaseSpec>,
    /// How one phase goes on from the other.
    #[serde(default)]
    pub continual: ContinualSpec,
    /// How training images are drawn.
    #[serde(default)]
    pub sampler: SamplerSpec,
    /// What is trained of the model.
    #[serde(default)]
    pub lora: LoraSpec,
    /// How adapters are stepped.
    #[serde(default)]
    pub optimiser: OptimiserSpec,
    /// How long and how adapters are trained.
    #[serde(default)]
    pub training: TrainingSpec,
    /// How base, adapters and soups are compared.
    #[serde(default)]
    pub evaluation: EvaluationSpec,
    /// The scale that hypervolume is measured on.
    #[serde(default)]
    pub hypervolume: HypervolumeSpec,
}

fn default_base() -> String {
    BUILT_IN_BASE.into()
}

fn default_weightings() -> Vec<WeightingsSpec> {
    vec![WeightingsSpec::Corners, WeightingsSpec::Centre]
}

fn default_rounds() -> u32 {
    1
}

fn default_soups() -> Vec<SoupsSpec> {
    vec![SoupsSpec::AtWeightings]
}

impl Default for ExperimentSpec {
    /// Returns the experiment that the template describes: four rewards, all else at its default.
    fn default() -> Self {
        Self {
            name: None,
            base: default_base(),
            precision: Precision::default(),
            seed: 0,
            prompts: PromptsSpec::default(),
            rewards: [RewardKind::Aesthetics, RewardKind::Alignment, RewardKind::Safety, RewardKind::Diversity]
                .map(RewardSpec::from)
                .to_vec(),
            weightings: default_weightings(),
            rounds: default_rounds(),
            adapters: Vec::new(),
            soups: default_soups(),
            blends: Vec::new(),
            combine: Combine::default(),
            scalarisation: Scalarisation::default(),
            constraints: Vec::new(),
            feedback: None,
            adversary: None,
            online: None,
            phases: Vec::new(),
            continual: ContinualSpec::default(),
            sampler: SamplerSpec::default(),
            lora: LoraSpec::default(),
            optimiser: OptimiserSpec::default(),
            training: TrainingSpec::default(),
            evaluation: EvaluationSpec::default(),
            hypervolume: HypervolumeSpec::default(),
        }
    }
}

impl ExperimentSpec {
    /// Returns the rewards' names, in the experiment's order.
    pub fn reward_names(&self) -> Vec<String> {
        self.rewards.iter().map(|reward| reward.name.clone()).collect()
    }

    /// Returns the rewards' names with their units, as headings and axes show them: `compressibility/kB`.
    pub fn reward_labels(&self) -> Vec<String> {
        let label = |reward: &RewardSpec| match reward.kind.unit() {
            Some(unit) => format!("{}/{unit}", reward.name),
            None => reward.name.clone(),
        };
        self.rewards.iter().map(label).collect()
    }

    /// Returns what a run with this weighting maximises, in the rewards' order: its shares, and what its rewards keep up beside them
    /// ([`RewardSpec::beside`]).
    pub fn objective(&self, weighting: &Weighting) -> Vec<f64> {
        self.objective_of(weighting.shares())
    }

    /// Returns what is maximised at these shares of the rewards, in their order: see [`ExperimentSpec::objective`].
    pub fn objective_of(&self, shares: &[f64]) -> Vec<f64> {
        let beside = |name: &String| {
            let pairs = self.rewards.iter().zip(shares);
            pairs.map(|(reward, share)| share * reward.beside.get(name).copied().unwrap_or_default()).sum::<f64>()
        };
        self.rewards.iter().zip(shares).map(|(reward, share)| share + beside(&reward.name)).collect()
    }

    /// Returns the weight of the KL divergence to the base for a run with this weighting: the mean of its rewards' by shares.
    pub fn kl(&self, weighting: &Weighting) -> f64 {
        let own = |reward: &RewardSpec| reward.kl.unwrap_or(self.training.kl);
        self.rewards.iter().zip(weighting.shares()).map(|(reward, share)| share * own(reward)).sum()
    }

    /// Returns the weight of the KL divergence of every run, in the runs' order.
    pub fn kl_weights(&self) -> impl Iterator<Item = f64> {
        self.weightings().into_iter().map(|(_, weighting)| self.kl(&weighting))
    }

    /// Returns the hypervolume scale of each reward that the experiment or its kind gives, in the experiment's order; before
    /// base and corners are evaluated, there is no other.
    pub fn scales(&self) -> Vec<Scale> {
        let HypervolumeSpec { reference, best } = &self.hypervolume;
        let scale = |reward: &RewardSpec| {
            let default = reward.kind.scale();
            Scale {
                reference: reference.get(&reward.name).copied().unwrap_or(default.reference),
                best: best.get(&reward.name).copied().unwrap_or(default.best),
            }
        };
        self.rewards.iter().map(scale).collect()
    }
}
