//! The comparison as tables for other tools.

use std::fmt::Write;

use super::{Comparison, Figure, Gain};

/// Which of the comparison's tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// A line for each experiment.
    #[default]
    Experiments,
    /// A line for each point of each experiment.
    Points,
    /// A line for every two experiments.
    Pairs,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 3] = [Self::Experiments, Self::Points, Self::Pairs];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Experiments => "experiments",
            Self::Points => "points",
            Self::Pairs => "pairs",
        }
    }
}

/// A table whose columns are named by its first line.
#[derive(Default)]
struct Lines {
    header: Vec<String>,
    lines: Vec<Vec<String>>,
}

impl Lines {
    fn begin(&mut self) {
        self.lines.push(Vec::new());
    }

    fn cell(&mut self, name: &str, value: impl Into<String>) {
        if self.lines.len() == 1 {
            self.header.push(name.into());
        }
        if let Some(line) = self.lines.last_mut() {
            line.push(quoted(value.into()));
        }
    }

    /// Adds five cells; empty ones for what is not known.
    fn figure(&mut self, name: &str, figure: Option<&Figure>) {
        let number = |value: Option<f64>| value.filter(|value| value.is_finite()).map_or(String::new(), decimals);
        self.cell(name, number(figure.map(|figure| figure.mean.mean)));
        self.cell(&format!("{name}_lo"), number(figure.map(|figure| figure.mean.lo)));
        self.cell(&format!("{name}_hi"), number(figure.map(|figure| figure.mean.hi)));
        self.cell(&format!("{name}_least"), number(figure.map(|figure| figure.extremes()[0])));
        self.cell(&format!("{name}_greatest"), number(figure.map(|figure| figure.extremes()[1])));
    }

    fn render(&self) -> String {
        let mut text = self.header.join(",") + "\n";
        for line in &self.lines {
            let _ = writeln!(text, "{}", line.join(","));
        }
        text
    }
}

/// Returns a number with six digits after the first that is not 0.
fn decimals(value: f64) -> String {
    let lead = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let digits = (6.0 - lead).clamp(0.0, 12.0) as usize;
    format!("{value:.digits$}")
}

fn quoted(cell: String) -> String {
    if cell.contains([',', '"', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

impl Comparison {
    /// Returns a part as CSV. Figures have five columns: `X` the mean over seeds, `X_lo` and `X_hi` its 95 % interval over prompts,
    /// `X_least` and `X_greatest` the least and the greatest seed; what is not known is empty.
    pub fn to_csv(&self, part: Part) -> String {
        let mut lines = Lines::default();
        match part {
            Part::Experiments => self.experiment_lines(&mut lines),
            Part::Points => self.point_lines(&mut lines),
            Part::Pairs => self.pair_lines(&mut lines),
        }
        lines.render()
    }

    fn experiment_lines(&self, lines: &mut Lines) {
        for one in &self.experiments {
            lines.begin();
            lines.cell("experiment", &one.name);
            lines.cell("method", &one.method);
            lines.cell("seeds", one.folders.len().to_string());
            lines.figure("hypervolume", one.hypervolume.as_ref());
            lines.figure("over_base", one.over_base.as_ref());
            if self.baseline.is_some() {
                lines.figure("over_baseline", one.over_baseline.as_ref());
            }
            lines.figure("own_gain", one.own_mean.as_ref());
            if self.baseline.is_some() {
                lines.figure("own_gain_over_baseline", one.own_over_baseline.as_ref());
            }
            for (reward, own) in self.rewards.iter().zip(&one.own) {
                lines.figure(&format!("own_gain/{reward}"), own.as_ref());
            }
            for (judge, gain) in self.judges.iter().zip(&one.judges) {
                lines.figure(&format!("judge/{judge}"), gain.as_ref());
            }
            lines.figure("judges_per_own_gain", one.slope.as_ref());
            lines.figure("distance_to_base", one.distance.as_ref());
            let cost = &one.cost;
            for (name, figure) in [
                ("passes", &cost.passes),
                ("seconds", &cost.seconds),
                ("images", &cost.images),
                ("own_gain_per_1000_passes", &cost.per_1000_passes),
                ("own_gain_per_second", &cost.per_second),
                ("own_gain_per_1000_images", &cost.per_1000_images),
                ("peak_memory_bytes", &cost.peak_memory),
                ("device_memory_bytes", &cost.device_memory),
            ] {
                lines.figure(name, figure.as_ref());
            }
        }
    }

    fn point_lines(&self, lines: &mut Lines) {
        for one in &self.experiments {
            for point in &one.points {
                lines.begin();
                lines.cell("experiment", &one.name);
                lines.cell("point", point.id.as_str());
                lines.cell("kind", point.kind.name());
                lines.cell("seeds", one.folders.len().to_string());
                for (index, name) in self.rewards.iter().enumerate() {
                    let share = point.weighting.as_ref().map(|weighting| decimals(weighting.shares()[index]));
                    lines.cell(&format!("share/{name}"), share.unwrap_or_default());
                }
                for (gain, level) in point.rewards.iter().zip(self.levels(point)) {
                    lines.cell(&format!("{}_mean", gain.name), decimals(level.mean));
                    lines.figure(&format!("{}_gain", gain.name), Some(&gain.gain));
                    lines.figure(&format!("{}_gain_in_deviations", gain.name), gain.in_deviations.as_ref());
                }
                for judge in &self.judges {
                    let gain = point.judges.iter().find(|gain| gain.name == *judge).map(|gain: &Gain| &gain.gain);
                    lines.figure(&format!("{judge}_gain"), gain);
                }
                lines.figure("distance_to_base", point.distance.as_ref());
                lines.figure("kl_to_base", point.kl.as_ref());
                lines.figure("passes", point.passes.as_ref());
                for judge in &self.judges {
                    let slope = point.slopes.iter().find(|slope| slope.judge == *judge).map(|slope| &slope.slope);
                    lines.figure(&format!("{judge}_per_own_gain"), slope);
                }
            }
        }
    }

    fn pair_lines(&self, lines: &mut Lines) {
        for pair in &self.pairs {
            let [one, other] = pair.of.map(|place| &self.experiments[place].name);
            lines.begin();
            lines.cell("experiment", one);
            lines.cell("less", other);
            for (name, figure) in [("hypervolume", &pair.hypervolume), ("own_gain", &pair.own)] {
                lines.figure(name, figure.as_ref());
                lines
                    .cell(&format!("{name}_sign"), figure.as_ref().map_or(String::new(), |one| one.sign().to_string()));
            }
        }
    }
}
