"""Writes src/golden.rs: values by numpy and scipy, independent of the crate. python export_golden.py > ../src/golden.rs"""

import numpy as np
import scipy
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import norm


def answers(delta, ties, lapse):
    p = np.array([np.exp(delta / 2), np.exp(-delta / 2), ties])
    p = (1 - lapse) * p / p.sum()
    return p + lapse / 2 * np.array([1, 1, 0])


def entropy(p):
    p = p[p > 0]
    return -(p * np.log(p)).sum()


def information(mean, variance, ties, lapse):
    sd = np.sqrt(variance)
    over = lambda f: quad(lambda x: f(x) * norm.pdf(x, mean, sd), mean - 12 * sd, mean + 12 * sd, epsabs=1e-12, limit=400)[0]
    mixed = np.array([over(lambda x: answers(x, ties, lapse)[i]) for i in range(3)])
    return entropy(mixed) - over(lambda x: entropy(answers(x, ties, lapse)))


def fit():
    """A posterior in standardised features: comparisons without ties, a ranking, lapse 0.1, precision 0.7."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(12, 3)).astype(np.float32) @ np.diag([1, 3, 0.2]).astype(np.float32)
    x = np.round(x, 3)
    u = (x - x.mean(0)) / x.std(0)
    pairs = [(int(a), int(b)) for a, b in (rng.permutation(12)[:2] for _ in range(15))]
    ranking = [4, 1, 7, 2]
    lapse, precision = 0.1, 0.7

    def pair(w):
        delta = np.array([(u[a] - u[b]) @ w for a, b in pairs])
        return lapse / 2 + (1 - lapse) / (1 + np.exp(-delta))

    def plackett_luce(w):
        f = u[ranking] @ w
        return sum(f[i] - np.log(np.exp(f[i:]).sum()) for i in range(4))

    def loss(w):
        ranked = np.log((1 - lapse) * np.exp(plackett_luce(w)) + lapse / 24)
        return -np.log(pair(w)).sum() - ranked + precision / 2 * w @ w

    mode = minimize(loss, np.zeros(3), tol=1e-14, method="Nelder-Mead", options={"xatol": 1e-11, "fatol": 1e-14, "maxiter": 9999}).x
    information = precision * np.eye(3)
    for (a, b), p in zip(pairs, pair(mode)):
        d = u[a] - u[b]
        slope = (p - lapse / 2) * (1 - (p - lapse / 2) / (1 - lapse))
        information += np.outer(d, d) * slope**2 / (p * (1 - p))
    f = u[ranking] @ mode
    meant = (1 - lapse) * np.exp(plackett_luce(mode))
    meant = meant / (meant + lapse / 24)
    for i in range(3):
        p = np.exp(f[i:]) / np.exp(f[i:]).sum()
        rows = u[ranking[i:]]
        information += meant * rows.T @ (np.diag(p) - np.outer(p, p)) @ rows
    evidence = -loss(mode) + 1.5 * np.log(precision) - 0.5 * np.linalg.slogdet(information)[1]
    means = u @ mode
    variances = np.einsum("ij,jk,ik->i", u, np.linalg.inv(information), u)
    return x, pairs, ranking, means, variances, evidence


def rust(values):
    return "[" + ", ".join(repr(float(v)) for v in values) + "]"


print(f"//! Values by numpy {np.__version__} and scipy {scipy.__version__}; `tests/export_golden.py` writes this file.")
print("#![cfg_attr(rustfmt, rustfmt_skip)]\n#![expect(clippy::excessive_precision, reason = \"written by a program\")]\n")
cases = [(0.0, 1.0, 0.0, 0.0), (1.0, 2.0, 0.0, 0.0), (0.5, 0.3, 0.7, 0.0), (-2.0, 4.0, 0.4, 0.2)]
print(f"/// Mean, variance, ties, lapse, and the mutual information of the answer.\npub(crate) const INFORMATION: [(f64, f64, f64, f64, f64); {len(cases)}] = [")
for case in cases:
    print("    (" + ", ".join(repr(float(v)) for v in (*case, information(*case))) + "),")
print("];\n")
x, pairs, ranking, means, variances, evidence = fit()
print(f"/// Features of twelve images.\npub(crate) const FEATURES: [f32; {x.size}] = {rust(x.ravel())};")
print(f"/// The better image and the other one.\npub(crate) const PAIRS: [(usize, usize); {len(pairs)}] = {pairs};")
print(f"/// Images, the best first.\npub(crate) const RANKING: [usize; {len(ranking)}] = {ranking};")
print(f"/// Each image's mean score.\npub(crate) const MEANS: [f64; 12] = {rust(means)};")
print(f"/// Each image's variance.\npub(crate) const VARIANCES: [f64; 12] = {rust(variances)};")
print(f"/// The logarithm of the evidence.\npub(crate) const EVIDENCE: f64 = {float(evidence)!r};")
