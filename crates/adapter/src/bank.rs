//! A bank: K adapters of one rank over one frozen base, evaluated in one batch.

use std::collections::BTreeMap;

use burn::tensor::{Device, FloatDType, Tensor};
use moa_core::NoiseKey;
use moa_device::{from_host, to_host};

use crate::adapter::transposed;
use crate::{Adapter, AdapterLayer, Precision};

/// The name and shape of a layer that can be adapted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// The layer's full name in the checkpoint, without `.weight`.
    pub name: String,
    /// Width of its input.
    pub d_in: usize,
    /// Width of its output.
    pub d_out: usize,
}

/// What the adapters of a bank have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct BankConfig {
    /// Rank r of every low-rank branch.
    pub rank: usize,
    /// LoRA's α: branches are scaled by α/r.
    pub alpha: f32,
    /// Whether all adapters share one frozen, seeded A (then soups are exact at rank r).
    pub share_a: bool,
    /// Seed of A.
    pub seed: u64,
}

/// The low-rank branches of one layer, one per adapter.
#[derive(Clone, Debug)]
pub struct LowRank {
    /// Projection down: `[1, d_in, r]` when shared, else `[K, d_in, r]`.
    pub a: Tensor<3>,
    /// Projection up: `[K, r, d_out]`.
    pub b: Tensor<3>,
}

/// K adapters over one frozen base: ΔW_k = (α/r)·A·B_k for every layer (Hu et al., 2106.09685).
#[derive(Clone, Debug)]
pub struct AdapterBank {
    members: usize,
    scale: f32,
    layers: BTreeMap<String, LowRank>,
}

impl AdapterBank {
    /// Returns a bank of adapters that change nothing yet: A ~ N(0, 1/d_in) seeded by layer name (and, where adapters do not share
    /// it, by the adapter's own name, so that a part of a bank is what it is in the whole), B = 0.
    ///
    /// - `names`: one per adapter
    pub fn fresh(config: &BankConfig, names: &[impl AsRef<str>], shapes: &[LayerShape], device: &Device) -> Self {
        let members = names.len();
        let key = NoiseKey::new(config.seed).named("lora-a");
        let keys = |layer: &str| -> Vec<NoiseKey> {
            let key = key.named(layer);
            if config.share_a { vec![key.with(0)] } else { names.iter().map(|name| key.named(name.as_ref())).collect() }
        };
        let layers = shapes
            .iter()
            .map(|shape| {
                let deviation = 1.0 / (shape.d_in as f32).sqrt();
                let keys = keys(&shape.name);
                let draws = keys.iter().flat_map(|key| key.normal(shape.d_in * config.rank));
                let values: Vec<f32> = draws.map(|x| x * deviation).collect();
                let a = from_host(values, [keys.len(), shape.d_in, config.rank], device);
                let b = Tensor::zeros([members, config.rank, shape.d_out], device);
                (shape.name.clone(), LowRank { a, b })
            })
            .collect();
        Self { members, scale: config.alpha / config.rank as f32, layers }
    }

    /// Returns a bank of the given adapters, in order. Where one lacks a layer that another has, or has it at a lower rank, zeros fill up.
    ///
    /// Returns `None` when there are none, when they adapt more than linear layers of the denoiser (see [`Adapter::is_plain`]), and when
    /// layers of one name differ in shape.
    pub fn of(adapters: &[&Adapter], device: &Device) -> Option<Self> {
        if adapters.is_empty() || !adapters.iter().all(|adapter| adapter.is_plain()) {
            return None;
        }
        let mut shapes: BTreeMap<&String, &AdapterLayer> = BTreeMap::new();
        for (name, layer) in adapters.iter().flat_map(|adapter| &adapter.layers) {
            let known = shapes.entry(name).or_insert(layer);
            if !known.same_shape(layer) {
                return None;
            }
            if layer.rank > known.rank {
                *known = layer;
            }
        }
        let stack = |name: &String, widest: &AdapterLayer| {
            let (rank, d_in, d_out) = (widest.rank, widest.d_in, widest.d_out);
            let all: Vec<Option<&AdapterLayer>> = adapters.iter().map(|adapter| adapter.layers.get(name)).collect();
            // `[d_in, own]` and `[own, d_out]`, widened to the rank.
            let down = |layer: &AdapterLayer| {
                let own = transposed(&layer.a, layer.rank, d_in);
                if layer.rank == rank { own } else { widened(&own, layer.rank, rank) }
            };
            let up = |layer: &AdapterLayer| {
                let mut own = transposed(&layer.b, d_out, layer.rank);
                own.resize(rank * d_out, 0.0);
                own
            };
            let is_shared = all.iter().all(|layer| layer.is_some_and(|layer| layer.a == widest.a));
            let copies = if is_shared { &all[..1] } else { &all[..] };
            let a = copies.iter().flat_map(|layer| layer.map_or_else(|| vec![0.0; d_in * rank], down)).collect();
            let a = from_host(a, [copies.len(), d_in, rank], device);
            // Adapters may differ in α: fold each one's scale into its B.
            let members = all.iter().map(|layer| {
                let values = layer.map_or_else(|| vec![0.0; rank * d_out], up);
                let b: Tensor<3> = from_host(values, [1, rank, d_out], device);
                b * layer.map_or(1.0, |layer| layer.alpha / layer.rank as f32)
            });
            LowRank { a, b: Tensor::cat(members.collect(), 0) }
        };
        let layers = shapes.into_iter().map(|(name, widest)| (name.clone(), stack(name, widest))).collect();
        Some(Self { members: adapters.len(), scale: 1.0, layers })
    }

    /// Returns K.
    pub fn members(&self) -> usize {
        self.members
    }

    /// Returns the factor on every branch, α/r.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Returns the branches by layer name.
    pub fn layers(&self) -> &BTreeMap<String, LowRank> {
        &self.layers
    }

    /// Returns the same bank with other projections up (and, where A is trained, other A's): see [`LowRank`].
    pub fn with_layers(&self, layers: BTreeMap<String, LowRank>) -> Self {
        Self { members: self.members, scale: self.scale, layers }
    }

    /// Returns the bank with an adapter's B in place of every member's own; nothing where it has other layers, another rank or scale, or another
    /// A than the bank's.
    pub fn starting_from(&self, adapter: &Adapter) -> Option<Self> {
        if !adapter.is_plain() || adapter.layers.len() != self.layers.len() {
            return None;
        }
        let layers = self.layers.iter().map(|(name, LowRank { a, b })| {
            let own = adapter.layers.get(name)?;
            let scale = own.alpha / own.rank as f32;
            if (scale - self.scale).abs() > f32::EPSILON * scale.abs() {
                return None;
            }
            let [members, rank, d_out] = b.dims();
            let [copies, d_in, _] = a.dims();
            let shared = transposed(&to_host(a.clone()), d_in, rank) == own.a;
            if copies != 1 || (rank, d_in, d_out) != (own.rank, own.d_in, own.d_out) || !shared {
                return None;
            }
            let values = transposed(&own.b, d_out, rank).repeat(members);
            Some((name.clone(), LowRank { a: a.clone(), b: from_host(values, b.dims(), &b.device()) }))
        });
        Some(self.with_layers(layers.collect::<Option<_>>()?))
    }

    /// Returns the bank whose members add up with those of another: ranks of both, this bank's scale. Gradients flow through. Nothing where the
    /// other has other members or layers.
    pub fn stacked_on(&self, other: &Self) -> Option<Self> {
        if other.members != self.members || other.layers.len() != self.layers.len() {
            return None;
        }
        let layers = self.layers.iter().map(|(name, LowRank { a, b })| {
            let old = other.layers.get(name)?;
            let ([_, d_in, _], [_, _, d_out]) = (a.dims(), b.dims());
            if old.a.dims()[1] != d_in || old.b.dims()[2] != d_out {
                return None;
            }
            let copies = a.dims()[0].max(old.a.dims()[0]);
            let spread =
                |x: &Tensor<3>| if x.dims()[0] == copies { x.clone() } else { x.clone().repeat_dim(0, copies) };
            // What one follows the other follows.
            let [old_a, a] = both([spread(&old.a), spread(a)]);
            let [old_b, b] = both([old.b.clone() * (other.scale / self.scale), b.clone()]);
            Some((name.clone(), LowRank { a: Tensor::cat(vec![old_a, a], 2), b: Tensor::cat(vec![old_b, b], 1) }))
        });
        Some(self.with_layers(layers.collect::<Option<_>>()?))
    }

    /// Returns the bank with factors in another type of number, for a base that computes in it. Gradients flow through.
    pub fn as_type(&self, wanted: FloatDType) -> Self {
        let layers = self.layers.iter().map(|(name, LowRank { a, b })| {
            let [a, b] = [a, b].map(|factor| moa_device::as_type(factor.clone(), wanted));
            (name.clone(), LowRank { a, b })
        });
        self.with_layers(layers.collect())
    }

    /// Returns the bank of adapter `index` alone.
    pub fn member(&self, index: usize) -> Self {
        self.select(&[index])
    }

    /// Returns the bank of the adapters at `places`, one or more, in this order.
    pub fn select(&self, places: &[usize]) -> Self {
        let rows = |x: &Tensor<3>| Tensor::cat(places.iter().map(|place| x.clone().narrow(0, *place, 1)).collect(), 0);
        let select = |(name, layer): (&String, &LowRank)| {
            let a = if layer.a.dims()[0] == 1 { layer.a.clone() } else { rows(&layer.a) };
            (name.clone(), LowRank { a, b: rows(&layer.b) })
        };
        Self { members: places.len(), scale: self.scale, layers: self.layers.iter().map(select).collect() }
    }

    /// Returns the branch of one layer for all rows, or `None` when the bank does not adapt it.
    ///
    /// # Shapes
    /// - `x`: `[K·m, d_in]`, rows of adapter 0 first
    /// - returns `[K·m, d_out]`
    pub fn branch(&self, layer: &str, x: Tensor<2>) -> Option<Tensor<2>> {
        let LowRank { a, b } = self.layers.get(layer)?;
        let [rows, d_in] = x.dims();
        let [copies, _, rank] = a.dims();
        let d_out = b.dims()[2];
        let share = rows / self.members;
        let down = if copies == 1 {
            x.matmul(a.clone().reshape([d_in, rank])).reshape([self.members, share, rank])
        } else {
            x.reshape([self.members, share, d_in]).matmul(a.clone())
        };
        // The rank is the smallest width to scale.
        let down = if (self.scale - 1.0).abs() < f32::EPSILON { down } else { down * self.scale };
        Some(down.matmul(b.clone()).reshape([rows, d_out]))
    }

    /// Returns adapter `index` on the host, ready to be written.
    pub fn adapter(&self, index: usize) -> Adapter {
        let bank = self.member(index);
        let layer = |(name, LowRank { a, b }): (String, LowRank)| {
            let ([_, d_in, rank], [_, _, d_out]) = (a.dims(), b.dims());
            let (a, b) = (transposed(&to_host(a), d_in, rank), transposed(&to_host(b), rank, d_out));
            let alpha = self.scale * rank as f32;
            (name, AdapterLayer { d_in, d_out, kernel: Vec::new(), rank, alpha, a, b })
        };
        Adapter::of_layers(Precision::F32, bank.layers.into_iter().map(layer).collect())
    }
}

/// Returns a row-major matrix of `own` columns with zeros added up to `wanted` ones.
fn widened(values: &[f32], own: usize, wanted: usize) -> Vec<f32> {
    let row = |row: &[f32]| row.iter().copied().chain(std::iter::repeat_n(0.0, wanted - own)).collect::<Vec<_>>();
    values.chunks_exact(own).flat_map(row).collect()
}

/// Returns two tensors with autodiff where one has it.
fn both([one, other]: [Tensor<3>; 2]) -> [Tensor<3>; 2] {
    if one.is_autodiff() == other.is_autodiff() {
        return [one, other];
    }
    [one, other].map(|x| if x.is_autodiff() { x } else { Tensor::from_inner(x) })
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    fn shapes() -> Vec<LayerShape> {
        vec![
            LayerShape { name: "x.to_q".into(), d_in: 6, d_out: 4 },
            LayerShape { name: "x.to_v".into(), d_in: 5, d_out: 3 },
        ]
    }

    fn filled(share_a: bool) -> AdapterBank {
        let config = BankConfig { rank: 2, alpha: 4.0, share_a, seed: 3 };
        let bank = AdapterBank::fresh(&config, &["a", "b", "c"], &shapes(), &Device::flex());
        let layers = bank.layers().clone().into_iter().map(|(name, layer)| {
            let dims = layer.b.dims();
            let values = NoiseKey::new(1).named(&name).normal(dims.iter().product());
            let b = Tensor::from_data(TensorData::new(values, dims), &Device::flex());
            (name, LowRank { a: layer.a, b })
        });
        bank.with_layers(layers.collect())
    }

    #[test]
    fn a_fresh_bank_changes_nothing() {
        let config = BankConfig { rank: 2, alpha: 4.0, share_a: true, seed: 3 };
        let bank = AdapterBank::fresh(&config, &["a", "b", "c"], &shapes(), &Device::flex());
        let branch = bank.branch("x.to_q", Tensor::ones([6, 6], &Device::flex()));
        assert!(branch.map(to_host).is_some_and(|values| values.iter().all(|v| *v == 0.0)));
        assert!(bank.branch("x.other", Tensor::ones([6, 6], &Device::flex())).is_none());
    }

    #[test]
    fn the_whole_bank_in_one_batch_equals_each_member_alone() {
        for share_a in [true, false] {
            let bank = filled(share_a);
            let x = Tensor::<2>::from_data(TensorData::new(NoiseKey::new(9).normal(36), [6, 6]), &Device::flex());
            let together = to_host(bank.branch("x.to_q", x.clone()).expect("layer is adapted"));
            let alone: Vec<f32> = (0..3)
                .flat_map(|k| {
                    let rows = x.clone().narrow(0, 2 * k, 2);
                    to_host(bank.member(k).branch("x.to_q", rows).expect("layer is adapted"))
                })
                .collect();
            assert!(together.iter().zip(&alone).all(|(p, q)| (p - q).abs() < 1e-5), "share_a {share_a}");
        }
    }

    #[test]
    fn a_bank_goes_on_from_an_adapter_of_the_same_a() {
        let (bank, fresh) = (filled(true), {
            let config = BankConfig { rank: 2, alpha: 4.0, share_a: true, seed: 3 };
            AdapterBank::fresh(&config, &["x", "y"], &shapes(), &Device::flex())
        });
        let start = bank.adapter(1);
        let begun = fresh.starting_from(&start).expect("it fits");
        assert_eq!([begun.adapter(0), begun.adapter(1)], [start.clone(), start.clone()]);
        let other = BankConfig { rank: 2, alpha: 4.0, share_a: true, seed: 4 };
        let other = AdapterBank::fresh(&other, &["x"], &shapes(), &Device::flex());
        assert!(other.starting_from(&start).is_none(), "its A is another");
    }

    #[test]
    fn stacked_banks_add_up() {
        let old = filled(true);
        let config = BankConfig { rank: 3, alpha: 1.5, share_a: false, seed: 9 };
        let new = AdapterBank::fresh(&config, &["a", "b", "c"], &shapes(), &Device::flex());
        let layers = new.layers().clone().into_iter().map(|(name, layer)| {
            let dims = layer.b.dims();
            let values = NoiseKey::new(2).named(&name).normal(dims.iter().product());
            (name, LowRank { a: layer.a, b: Tensor::from_data(TensorData::new(values, dims), &Device::flex()) })
        });
        let new = new.with_layers(layers.collect());
        let stacked = new.stacked_on(&old).expect("they fit");
        assert_eq!(stacked.adapter(1).rank(), 5);
        let x = Tensor::<2>::from_data(TensorData::new(NoiseKey::new(4).normal(36), [6, 6]), &Device::flex());
        let branch = |bank: &AdapterBank| to_host(bank.branch("x.to_q", x.clone()).expect("adapted"));
        let (sum, both) = (branch(&stacked), branch(&old).into_iter().zip(branch(&new)));
        assert!(sum.iter().zip(both).all(|(sum, (one, other))| (sum - one - other).abs() < 1e-5));
        // As a file, too, where scales are one.
        let read = AdapterBank::of(&[&stacked.adapter(0)], &Device::flex()).expect("one fits");
        let row = x.clone().narrow(0, 0, 2);
        let [kept, own] =
            [&read, &stacked.member(0)].map(|bank| to_host(bank.branch("x.to_q", row.clone()).expect("adapted")));
        assert!(kept.iter().zip(own).all(|(one, other)| (one - other).abs() < 1e-5));
        assert!(new.stacked_on(&old.member(0)).is_none(), "one member on three");
    }

    #[test]
    fn members_leave_as_adapters_and_return_as_a_bank() {
        let bank = filled(true);
        let adapters: Vec<Adapter> = (0..3).map(|k| bank.adapter(k)).collect();
        let again = AdapterBank::of(&adapters.iter().collect::<Vec<_>>(), &Device::flex()).expect("they fit");
        let x = Tensor::<2>::ones([3, 5], &Device::flex());
        let (p, q) = (bank.branch("x.to_v", x.clone()), again.branch("x.to_v", x));
        let (p, q) = (to_host(p.expect("adapted")), to_host(q.expect("adapted")));
        assert!(p.iter().zip(&q).all(|(a, b)| (a - b).abs() < 1e-5));
        assert_eq!(again.layers()["x.to_v"].a.dims()[0], 1, "a shared A is recognised");
    }
}
