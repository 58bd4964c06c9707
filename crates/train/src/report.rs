//! What passes report of their rows. It stays on the device until an update has passed: then everything comes to the host in one copy.

use burn::tensor::Tensor;
use moa_device::to_host;

use crate::method::Rows;

/// Values of rows that a pass reports.
pub(crate) struct Report {
    metric: &'static str,
    /// One per row that is reported, without autodiff.
    values: Tensor<1>,
    /// Which of how many rows they are; `None` where they are all.
    rows: Option<(Vec<usize>, usize)>,
    /// What becomes of a value on the host.
    of: Box<dyn Fn(f32) -> f32 + Send>,
}

impl Report {
    /// Reports a value of every row.
    ///
    /// # Shapes
    /// - `values`: `[rows]`, rows of the first run first
    pub(crate) fn all(metric: &'static str, values: &Tensor<1>) -> Self {
        Self { metric, values: values.clone().without_autodiff(), rows: None, of: Box::new(|value| value) }
    }

    /// Reports a value of some rows, out of `count`; the others have nothing to report, which is not a number.
    pub(crate) fn some(metric: &'static str, values: &Tensor<1>, rows: Vec<usize>, count: usize) -> Self {
        Self { rows: Some((rows, count)), ..Self::all(metric, values) }
    }

    /// Reports a function of the values.
    pub(crate) fn mapped(self, of: impl Fn(f32) -> f32 + Send + 'static) -> Self {
        Self { of: Box::new(of), ..self }
    }

    /// Returns the values of every row, from those on the host.
    fn spread(&self, values: &[f32]) -> Vec<f32> {
        let values = values.iter().map(|value| (self.of)(*value));
        let Some((rows, count)) = &self.rows else { return values.collect() };
        let mut all = vec![f32::NAN; *count];
        rows.iter().zip(values).for_each(|(row, value)| all[*row] = value);
        all
    }
}

/// Copies what was reported to the host, and with it `more` (which comes first): by metric, a list for each of `members` runs.
pub(crate) fn collected(reports: &[Report], more: Option<Tensor<1>>, members: usize) -> (Vec<f32>, Rows) {
    let values: Vec<Tensor<1>> = more.iter().chain(reports.iter().map(|report| &report.values)).cloned().collect();
    if values.is_empty() {
        return (Vec::new(), Rows::new());
    }
    let values = to_host(Tensor::cat(values, 0));
    let (more, mut values) = values.split_at(more.map_or(0, |more| more.dims()[0]));
    let mut rows = Rows::new();
    for report in reports {
        let own;
        (own, values) = values.split_at(report.values.dims()[0]);
        let all = report.spread(own);
        let lists = rows.entry(report.metric).or_insert_with(|| vec![Vec::new(); members]);
        let share = (all.len() / members).max(1);
        lists.iter_mut().zip(all.chunks(share)).for_each(|(list, values)| list.extend(values));
    }
    (more.to_vec(), rows)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use moa_device::{copies, from_host};

    use super::*;

    #[test]
    fn reports_come_to_the_host_at_once_and_go_to_their_runs() {
        let tensor = |values: &[f32]| from_host(values.to_vec(), [values.len()], &Device::flex());
        let reports = [
            Report::all("a", &tensor(&[1.0, 2.0, 3.0, 4.0])).mapped(|value| -value),
            Report::some("b", &tensor(&[5.0]), vec![3], 4),
            Report::all("a", &tensor(&[6.0, 7.0])),
        ];
        let before = copies().to_host;
        let (more, rows) = collected(&reports, Some(tensor(&[8.0, 9.0])), 2);
        assert_eq!(copies().to_host - before, 1);
        assert_eq!(more, [8.0, 9.0]);
        assert_eq!(rows["a"], [vec![-1.0, -2.0, 6.0], vec![-3.0, -4.0, 7.0]]);
        assert!(rows["b"][0].iter().all(|value| value.is_nan()));
        assert!(rows["b"][1][0].is_nan());
        assert!((rows["b"][1][1] - 5.0).abs() < f32::EPSILON);
        assert_eq!(collected(&[], None, 2).1, Rows::new());
    }
}
