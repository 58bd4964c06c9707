//! The names of metrics, in one place: who measures and who shows must agree on them.

/// The ratio of probabilities, new to old, mean over what was trained on.
pub const RATIO_MEAN: &str = "ratio_mean";
/// The estimate ratio − 1 − ln ratio of the KL divergence from the policy that drew, in nats per dimension.
pub const APPROX_KL: &str = "approx_kl";
/// The share of ratios outside of the clip range.
pub const CLIP_FRACTION: &str = "clip_fraction";
/// The norm of an adapter's gradient before it is clipped.
pub const GRAD_NORM: &str = "grad_norm";
/// The distance to the base that `kl` weighs; only of runs that are tied to it. `Mixed` ties both of its losses, in the units of each:
/// of it this is their mean, to be compared with itself alone.
pub const KL_TO_BASE: &str = "kl_to_base";
/// The share of groups whose advantages are all 0.
pub const SILENT_GROUPS: &str = "silent_groups";
/// The loss of the method.
pub const LOSS: &str = "loss";
/// Passes through the denoiser so far, with a pass forward and backward counted as three: those of training alone, without probes.
pub const PASSES: &str = "passes";
/// The share of images on which the method's own judgement (DiffusionNFT's r) calls them good.
pub const GOOD_SHARE: &str = "good_share";

/// The reward that an adapter implies: by how much its denoising loss (or its log-probability) is better than the base's, times β; mean
/// over what was trained on.
pub const IMPLIED_REWARD: &str = "implied_reward";
/// The share of pairs that the implied reward orders as they were decided.
pub const PAIRS_RIGHT: &str = "pairs_right";

const REWARD: &str = "reward/";
const CONSTRAINT: &str = "constraint/";
const JUDGE: &str = "judge/";
const MEAN: &str = "/mean";
const GAIN: &str = "/gain";
const EPOCH_GAIN: &str = "/epoch_gain";

/// Returns the metric of a reward's mean over an epoch's training images.
pub fn reward_mean(reward: &str) -> String {
    format!("{REWARD}{reward}{MEAN}")
}

/// Returns the metric of the standard deviation of a reward over an epoch's training images.
pub fn reward_std(reward: &str) -> String {
    format!("{REWARD}{reward}/std")
}

/// Returns the metric of a reward's gain over the base at a probe: same prompts, same noise.
pub fn reward_gain(reward: &str) -> String {
    format!("{REWARD}{reward}{GAIN}")
}

/// Returns the metric of a reward's gain over the base on an epoch's own prompts: the mean over its training images of the score less the
/// base's mean on the same prompt. Not of every epoch: see [`compared_every`](crate::ExperimentSpec::compared_every).
pub fn reward_epoch_gain(reward: &str) -> String {
    format!("{REWARD}{reward}{EPOCH_GAIN}")
}

/// Returns the metric of a judge's gain over the base at a probe.
pub fn judge_gain(judge: &str) -> String {
    format!("{JUDGE}{judge}{GAIN}")
}

/// Returns the metric of a reward's weight in a run's objective, if it changes during training.
pub fn reward_share(reward: &str) -> String {
    format!("{REWARD}{reward}/share")
}

/// Returns the metric of a constraint's multiplier.
pub fn constraint_multiplier(reward: &str) -> String {
    format!("{CONSTRAINT}{reward}/multiplier")
}

/// Returns the metric of how far a constrained mean was above its bound at the last probe, in the base's standard deviations.
pub fn constraint_slack(reward: &str) -> String {
    format!("{CONSTRAINT}{reward}/slack")
}

/// Returns the reward whose mean a metric is.
pub fn reward_of_mean(metric: &str) -> Option<&str> {
    metric.strip_prefix(REWARD)?.strip_suffix(MEAN)
}

/// Returns the reward whose gain a metric is.
pub fn reward_of_gain(metric: &str) -> Option<&str> {
    metric.strip_prefix(REWARD)?.strip_suffix(GAIN)
}

/// Returns the reward whose gain over the base on an epoch's own prompts a metric is.
pub fn reward_of_epoch_gain(metric: &str) -> Option<&str> {
    metric.strip_prefix(REWARD)?.strip_suffix(EPOCH_GAIN)
}

/// Returns the reward whose gain over the base a metric is, at a probe or on an epoch's own prompts.
pub fn reward_of_any_gain(metric: &str) -> Option<&str> {
    reward_of_epoch_gain(metric).or_else(|| reward_of_gain(metric))
}

/// Returns whether a metric is what a probe found: gains over the base, and what follows from them.
pub fn is_of_probe(metric: &str) -> bool {
    metric.ends_with(GAIN) || metric.starts_with(CONSTRAINT) || metric.starts_with(REWARD) && metric.ends_with("/share")
}

/// Returns whether a metric is of a reward.
pub fn is_of_reward(metric: &str) -> bool {
    metric.starts_with(REWARD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gains_of_probes_and_of_epochs_are_told_apart() {
        let (probe, epoch) = (reward_gain("safety"), reward_epoch_gain("safety"));
        assert_eq!((reward_of_gain(&probe), reward_of_epoch_gain(&probe)), (Some("safety"), None));
        assert_eq!((reward_of_gain(&epoch), reward_of_epoch_gain(&epoch)), (None, Some("safety")));
        assert_eq!(
            (is_of_probe(&probe), is_of_probe(&epoch)),
            (true, false),
            "an epoch's own is kept when training grows"
        );
    }
}
