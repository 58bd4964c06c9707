//! Which experiments are refused.

use std::collections::BTreeMap;

use super::bounds::{
    BESIDE, BUDGET, Bounds, CONCENTRATION, DIVISIONS, DRAWS, KL, LONGEST_NAME, MOST_CHOSEN_BY, MOST_REWARDS, MOST_RUNS,
    MOST_SOUPS, NEXT, NUMBERS, ROUNDS, SCALE, SHARE,
};
use super::design;
use super::finding::{Fault, Finding, Source};
use super::folder_name::check_folder;
use super::prompts::{Form, split_alone};
use super::{
    Baseline, Combine, ExperimentSpec, Guard, Ingredients, NextSpec, ProbePrompts, PromptSource, SoupsSpec, SpecError,
    WeightingsSpec,
};

impl ExperimentSpec {
    /// Checks an experiment that was built or changed in memory; those read from files are checked already.
    ///
    /// # Errors
    /// Names the first field that holds an impossible value; the place has no position, as there is no text.
    pub fn validate(&self) -> Result<(), SpecError> {
        let name = self.name.as_deref().unwrap_or("experiment");
        self.check().map_err(|finding| Source::new(name, "").error(finding))
    }

    /// Checks every field, and fields that depend on each other.
    pub(super) fn check(&self) -> Result<(), Finding> {
        if let Some(name) = &self.name {
            check_folder("name", name)?;
        }
        if self.base.trim().is_empty() {
            return Err(Finding::value(
                "base",
                quoted(&self.base),
                "name a base model: \"emoji-32\", a folder, or \"hf:org/name\"",
            ));
        }
        if let PromptSource::Split { .. } = self.prompts.train {
            return Err(split_alone("prompts.train"));
        }
        self.prompts.train.check("prompts.train")?;
        self.prompts.held_out.check("prompts.held_out")?;
        self.check_rewards()?;
        self.check_weightings()?;
        self.check_given()?;
        self.check_mixtures("soups", "soup", &self.soups)?;
        self.check_mixtures("blends", "blend", &self.blends)?;
        for (field, bounds, get) in NUMBERS {
            if let Some(value) = get(self) {
                check_number(*field, *bounds, value)?;
            }
        }
        self.check_training()?;
        self.check_steering()?;
        self.check_feedback()?;
        self.check_adversary()?;
        self.check_online()?;
        self.check_targets()?;
        self.check_hypervolume()?;
        self.check_phases()
    }

    fn check_rewards(&self) -> Result<(), Finding> {
        if self.rewards.is_empty() {
            return Err(Finding::state("rewards", "empty", "give at least one, e.g. [(kind: Safety)]"));
        }
        if self.rewards.len() > MOST_REWARDS {
            let state = format!("a list of {}", self.rewards.len());
            return Err(Finding::state("rewards", state, format!("give at most {MOST_REWARDS}")));
        }
        for (index, reward) in self.rewards.iter().enumerate() {
            let field = format!("rewards[{index}].name");
            check_name(&field, &reward.name)?;
            if reward.name.chars().any(char::is_uppercase) {
                return Err(Finding::value(field, quoted(&reward.name), "use lower case: it names the run's folder"));
            }
            if design::is_reserved(&reward.name) {
                let way_out =
                    "`base`, `centre`, `soup-…` and `blend-…` name other points of the front: take another name";
                return Err(Finding::value(field, quoted(&reward.name), way_out));
            }
            if let Some(first) = self.rewards[..index].iter().position(|other| other.name == reward.name) {
                let way_out = format!("rewards[{first}] has that name already: give each reward a name of its own");
                return Err(Finding::value(field, quoted(&reward.name), way_out));
            }
            if let Some(kl) = reward.kl {
                check_number(format!("rewards[{index}].kl"), KL, kl)?;
            }
            let field = format!("rewards[{index}].beside");
            for (other, share) in &reward.beside {
                check_known(&field, other, "reward", &self.reward_names())?;
                if *other == reward.name {
                    return Err(Finding::value(
                        field,
                        quoted(other),
                        "name another reward: this one is trained for anyway",
                    ));
                }
                check_number(format!("{field}.{other}"), BESIDE, *share)?;
            }
            reward.kind.check(&format!("rewards[{index}].kind"))?;
        }
        Ok(())
    }

    fn check_weightings(&self) -> Result<(), Finding> {
        if self.weightings.is_empty() && self.adapters.is_empty() {
            return Err(Finding::state(
                "weightings",
                "empty",
                "give at least one family, e.g. [Corners], or name `adapters` to compare without training",
            ));
        }
        let names = self.reward_names();
        for (index, family) in self.weightings.iter().enumerate() {
            let field = format!("weightings[{index}]");
            match family {
                WeightingsSpec::Corners | WeightingsSpec::Centre => {}
                WeightingsSpec::Lattice { divisions } => {
                    check_number(format!("{field}.divisions"), DIVISIONS, f64::from(*divisions))?;
                }
                WeightingsSpec::Dirichlet { count, concentration } => {
                    check_number(format!("{field}.count"), DRAWS, f64::from(*count))?;
                    check_number(format!("{field}.concentration"), CONCENTRATION, *concentration)?;
                }
                WeightingsSpec::Next(next) => self.check_next(&field, next)?,
                WeightingsSpec::List(list) if list.is_empty() => {
                    return Err(Finding::state(field, "empty", "give at least one weighting, e.g. {\"safety\": 1}"));
                }
                WeightingsSpec::List(list) => {
                    for (position, shares) in list.iter().enumerate() {
                        check_shares(&format!("{field}[{position}]"), shares, "reward", &names)?;
                    }
                }
            }
        }
        check_number("rounds", ROUNDS, f64::from(self.rounds))?;
        if self.rounds > 1 && !self.lora.share_a {
            let way_out =
                "adapters that do not share A have no mean of the same rank: give lora.share_a: true, or rounds: 1";
            return Err(Finding::value("rounds", self.rounds.to_string(), way_out));
        }
        if self.rounds > 1 && self.next().is_some() {
            let way_out = "Next works with one round only: give rounds: 1, or remove Next";
            return Err(Finding::value("rounds", self.rounds.to_string(), way_out));
        }
        let sizes = self.weightings.iter().map(|family| design::size(family, self.rewards.len()));
        let runs = sizes.fold(0, u64::saturating_add).saturating_mul(self.rounds.into());
        if runs > MOST_RUNS {
            let way_out = format!("give at most {MOST_RUNS}; each gets its own adapter");
            return Err(Finding::state("weightings", format!("{runs} weightings"), way_out));
        }
        Ok(())
    }

    fn check_next(&self, field: &str, next: &NextSpec) -> Result<(), Finding> {
        check_number(format!("{field}.count"), NEXT, f64::from(next.count))?;
        if let Some(budget) = next.budget {
            check_number(format!("{field}.budget"), BUDGET, budget)?;
        }
        let families = || self.weightings.iter().filter(|family| matches!(family, WeightingsSpec::Next(_)));
        if families().count() > 1 {
            return Err(Finding::state(field, "one of several", "give one Next, with the count of all"));
        }
        let rewards = self.rewards.len();
        if !(2..=MOST_CHOSEN_BY).contains(&rewards) {
            let way_out = format!("Next works with 2 to {MOST_CHOSEN_BY} rewards: remove it");
            return Err(Finding::value(field, format!("Next for {rewards} rewards"), way_out));
        }
        let corners = self.weightings().iter().filter(|(_, weighting)| weighting.corner_index().is_some()).count();
        if corners < rewards {
            let way_out = "Next needs the gains of each reward's own adapter: add Corners";
            return Err(Finding::value(field, "Next without Corners", way_out));
        }
        let names = self.reward_names();
        for (position, chosen) in next.chosen.iter().enumerate() {
            check_shares(&format!("{field}.chosen[{position}].shares"), &chosen.shares, "reward", &names)?;
        }
        Ok(())
    }

    fn check_mixtures(&self, list: &str, one: &str, families: &[SoupsSpec]) -> Result<(), Finding> {
        let runs = self.weightings().into_iter().map(|(id, _)| id.0);
        let all: Vec<String> = runs.chain(self.given().into_iter().map(|(id, _)| id.0)).collect();
        for (index, family) in families.iter().enumerate() {
            let field = format!("{list}[{index}]");
            match family {
                SoupsSpec::AtWeightings => {}
                SoupsSpec::Lattice { of: Ingredients::Given, .. } if self.adapters.is_empty() => {
                    return Err(Finding::value(
                        format!("{field}.of"),
                        "Given",
                        "no adapters are given: name their files in `adapters`",
                    ));
                }
                SoupsSpec::Lattice { divisions, .. } => {
                    check_number(format!("{field}.divisions"), DIVISIONS, f64::from(*divisions))?;
                }
                SoupsSpec::List(shares) if shares.is_empty() => {
                    return Err(Finding::state(
                        field,
                        "empty",
                        format!("give at least one {one}, e.g. {{\"safety\": 1, \"centre\": 1}}"),
                    ));
                }
                SoupsSpec::List(list) => {
                    for (position, shares) in list.iter().enumerate() {
                        check_shares(&format!("{field}[{position}]"), shares, "run", &all)?;
                    }
                }
            }
        }
        let (given, rewards) = (self.adapters.len(), self.rewards.len());
        let sizes = families.iter().map(|family| design::soup_size(family, rewards, all.len() - given, given));
        let count = sizes.fold(0, u64::saturating_add);
        if count > MOST_SOUPS {
            let way_out = format!("give at most {MOST_SOUPS}; each is evaluated");
            return Err(Finding::state(list, format!("{count} {list}"), way_out));
        }
        Ok(())
    }

    fn check_training(&self) -> Result<(), Finding> {
        let training = &self.training;
        training.method.check(self, "training.method")?;
        if training.advantages.baseline != Baseline::Group && self.combine == Combine::RawSum {
            let way_out = "raw scores are summed and taken within their group: give combine: Normalised, or Group";
            return Err(Finding::value("training.advantages.baseline", training.advantages.baseline.name(), way_out));
        }
        if training.probe.of == ProbePrompts::HeldOut && training.guard != Guard::Off {
            let way_out =
                "nothing may be decided by held-out prompts: give training.guard: Off, or probe training prompts";
            return Err(Finding::value("training.probe.of", "HeldOut", way_out));
        }
        Ok(())
    }

    fn check_targets(&self) -> Result<(), Finding> {
        let blank = self.lora.targets.iter().position(|target| target.trim().is_empty());
        blank.map_or(Ok(()), |index| {
            let way_out = "name a part of a layer's name, or omit targets for every linear layer";
            Err(Finding::value(format!("lora.targets[{index}]"), quoted(&self.lora.targets[index]), way_out))
        })
    }

    fn check_hypervolume(&self) -> Result<(), Finding> {
        let names = self.reward_names();
        let spec = &self.hypervolume;
        for (field, values) in [("hypervolume.reference", &spec.reference), ("hypervolume.best", &spec.best)] {
            for (name, value) in values {
                check_known(field, name, "reward", &names)?;
                check_number(format!("{field}.{name}"), SCALE, *value)?;
            }
        }
        for (name, scale) in names.iter().zip(self.scales()) {
            if scale.reference >= scale.best {
                let (side, value) = if spec.reference.contains_key(name) {
                    ("reference", scale.reference)
                } else {
                    ("best", scale.best)
                };
                let way_out = format!(
                    "the reference must be below the best value; for `{name}` they are {} and {}",
                    scale.reference, scale.best
                );
                return Err(Finding::value(format!("hypervolume.{side}.{name}"), SCALE.show(value), way_out));
            }
        }
        Ok(())
    }
}

impl PromptSource {
    /// Checks what can be told without reading files or sets.
    fn check(&self, field: &str) -> Result<(), Finding> {
        match self {
            Self::Set(name) if name.trim().is_empty() => {
                Err(Finding::state(field, "a set without a name", "name one of the base model's sets"))
            }
            Self::File(path) if path.as_os_str().is_empty() => {
                Err(Finding::state(field, "a file without a name", "name a text file with one prompt per line"))
            }
            Self::File(path) if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) => {
                let way_out = "name a .jsonl file with one object per line, such as {\"prompt\": \"a cat\"}";
                Err(Finding::state(field, "a .json file", way_out))
            }
            Self::Table { file, .. } if Form::of(file).is_none() => {
                let way_out = "name a .csv, .tsv or .jsonl file; text is read with File(\"prompts.txt\")";
                Err(Finding::value(format!("{field}.file"), format!("{:?}", file.display().to_string()), way_out))
            }
            Self::Table { column: Some(column), .. } if column.trim().is_empty() => {
                Err(Finding::value(format!("{field}.column"), quoted(column), "name a column of the file"))
            }
            Self::Set(_) | Self::File(_) | Self::Table { .. } | Self::Split { .. } => Ok(()),
            Self::List(list) => super::prompts::check_list(field, list),
        }
    }
}

pub(super) fn check_number(field: impl Into<String>, bounds: Bounds, value: f64) -> Result<(), Finding> {
    if bounds.hold(value) { Ok(()) } else { Err(Finding::value(field, bounds.show(value), format!("give {bounds}"))) }
}

pub(super) fn check_known(field: &str, name: &str, what: &'static str, names: &[String]) -> Result<(), Finding> {
    if names.iter().any(|known| known == name) {
        return Ok(());
    }
    Err(Finding::unknown(field, what, name, names.to_vec()))
}

fn check_shares(
    field: &str,
    shares: &BTreeMap<String, f64>,
    what: &'static str,
    names: &[String],
) -> Result<(), Finding> {
    for (name, share) in shares {
        check_known(field, name, what, names)?;
        check_number(format!("{field}.{name}"), SHARE, *share)?;
    }
    if shares.values().sum::<f64>() <= 0.0 {
        return Err(Finding::value(
            field,
            "{}",
            format!("the shares sum to 0: give at least one {what} a positive share"),
        ));
    }
    Ok(())
}

/// Refuses what cannot name a reward, and with it a run's folder, a column and a share.
pub(super) fn check_name(field: &str, name: &str) -> Result<(), Finding> {
    let usable = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let problem = if name.chars().count() > LONGEST_NAME {
        format!("it names a folder: give at most {LONGEST_NAME} characters")
    } else if name.is_empty()
        || !name.chars().all(usable)
        || !name.starts_with(|c: char| c.is_ascii_alphanumeric())
        || name.ends_with('.')
    {
        "it names a folder: use letters, digits, `-`, `_` and `.`, begin with a letter or digit, end without a `.`"
            .into()
    } else {
        return Ok(());
    };
    Err(Finding::value(field, quoted(name), problem))
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

/// Refuses a name that comes from the experiment's file name.
pub(super) fn check_stem(stem: &str) -> Result<(), Finding> {
    check_folder("name", stem).map_err(|finding| match finding.fault {
        Fault::Value { way_out, .. } => {
            let state = format!("{stem:?}, from the file's name");
            Finding::state("name", state, format!("{way_out}; or add a name to the file: name: \"my-experiment\""))
        }
        fault => Finding { fault, ..finding },
    })
}
