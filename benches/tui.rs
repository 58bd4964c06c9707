//! x
use moa_core::*;
use std::collections::BTreeMap;
use std::time::Instant;
fn main() {
    let root = std::path::PathBuf::from("/tmp/big-store");
    if !root.exists() {
        let t = Instant::now();
        let mut s = moa_store::MetricStore::open(&root).unwrap();
        let rewards = ["aesthetics", "alignment", "safety", "diversity"];
        let runs: Vec<RunRecord> = (0..5000)
            .map(|i| RunRecord {
                id: RunId(format!("run-{i:04}")),
                weighting: Weighting::new((0..4).map(|k| 1.0 + ((i * (k + 3)) % 17) as f64).collect()).unwrap(),
                state: RunState::Planned,
                epochs_done: 0,
                epochs: 20,
                warnings: vec![],
            })
            .collect();
        s.record(&RunEvent::SweepStarted {
            experiment: "big".into(),
            device: "flex".into(),
            rewards: rewards.iter().map(|r| r.to_string()).collect(),
            runs: runs.clone(),
        })
        .unwrap();
        eprintln!("started {:?}", t.elapsed());
        for epoch in 1..=20 {
            for run in &runs {
                let mut m = BTreeMap::new();
                for (k, r) in rewards.iter().enumerate() {
                    m.insert(format!("reward/{r}/mean"), 0.5 + 0.01 * epoch as f64 * k as f64);
                }
                for n in ["approx_kl", "clip_fraction", "ratio_mean", "grad_norm", "kl_to_base", "silent_groups"] {
                    m.insert(n.to_string(), 0.1 * epoch as f64);
                }
                s.record(&RunEvent::EpochFinished(EpochRecord {
                    run: run.id.clone(),
                    epoch,
                    seconds: 1.0,
                    metrics: m,
                }))
                .unwrap();
            }
        }
        eprintln!("epochs {:?}", t.elapsed());
        s.close().unwrap();
        eprintln!("wrote {:?}", t.elapsed());
    }
    let t = Instant::now();
    let s = moa_store::Snapshot::read(&root).unwrap();
    eprintln!("read {:?} {} runs", t.elapsed(), s.runs.len());
    let st = std::fs::read_to_string("/proc/self/status").unwrap();
    for l in st.lines().filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS")) {
        eprintln!("{l}");
    }
}
