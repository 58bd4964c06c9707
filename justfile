# What there is to do; `just` lists it.
default:
    @just --list

# Everything that CI checks, cheapest first.
check:
    .ci/run

# All tests, the binary's included.
test *ARGS:
    cargo test --workspace --release {{ARGS}}

# Formats everything.
fmt:
    cargo fmt --all

# Documentation of all libraries, warnings refused; the command's own comments are its help, which is no Markdown.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --exclude moa-cli --no-deps --release --locked

# The book of docs/ in target/book, with its links checked.
book:
    .ci/book

# How long experiments take here, as `moa check` estimates it, and a sweep that is timed.
bench:
    cargo build --release
    target/release/moa check experiments/pareto.ron
    bash -c 'time target/release/moa sweep experiments/quick.ron --plain --out "$(mktemp -d)/quick"'

# Merging eight adapters, against the bytes' own time and, where PYTHON has peft, against peft on the same files.
bench-merge PYTHON="python3" DIR="/tmp/moa-bench-merge":
    cargo bench --workspace --bench merge -- {{DIR}}
    {{PYTHON}} -c "import peft" 2>/dev/null && HF_HUB_OFFLINE=1 {{PYTHON}} benches/peers/merge_peft.py {{DIR}} \
        || echo "{{PYTHON}} has no peft: pip install torch==2.9.0 peft==0.21.2"

# A sweep compared with the same work in PyTorch, in turn; PYTHON has torch 2.9.0, diffusers, transformers and peft. FLAGS: --count, --epochs, --rounds, --libtorch MOA.
bench-peers PYTHON="python3" *FLAGS:
    cargo build --release
    {{PYTHON}} benches/peers/sweep/run.py target/release/moa {{FLAGS}}

# Hypervolume, sorting and intervals by size, and moocore and pymoo on the same points where PYTHON has them.
bench-pareto PYTHON="python3" DIR="/tmp/moa-bench-pareto":
    cargo bench --workspace --bench pareto -- {{DIR}}
    {{PYTHON}} -c "import moocore, pymoo" 2>/dev/null && {{PYTHON}} benches/peers/pareto.py {{DIR}} \
        || echo "{{PYTHON}} has no moocore and pymoo: pip install moocore pymoo"

# How often intervals hold, by number of prompts, on resampled scores and on stated distributions: about ten minutes at 1,000 trials.
bench-coverage TRIALS="1000":
    cargo bench --workspace --bench coverage -- {{TRIALS}}

# How time and memory grow with weightings, images and steps; the table and plot of docs/performance.md.
bench-cost PYTHON="python3":
    cargo build --release
    {{PYTHON}} benches/cost.py target/release/moa --csv docs/performance.csv --plot docs/images/cost.png

# The survey's methods at one budget: tables, points and figure of docs/survey.md. One seed takes about twenty minutes on two cores with AVX-512,
# three (`just survey "1 2 3"`) an hour; resumes where it stopped.
survey SEEDS="1" DIR="results/survey":
    #!/usr/bin/env bash
    set -euo pipefail
    shopt -s extglob
    cargo build --release
    for seed in {{SEEDS}}; do target/release/moa sweep experiments/survey --seed $seed --out {{DIR}} --plain; done
    target/release/moa compare {{DIR}}/* --points trained --format markdown -o docs/survey/tables.md --plot docs/survey/fronts.png
    target/release/moa compare {{DIR}}/!(alignprop*|draft*|refl-seed*) --points trained -o /dev/null --plot docs/survey/near.png
    target/release/moa compare {{DIR}}/* --points trained --format csv --what points -o docs/survey/points.csv
    target/release/moa compare {{DIR}}/* --points trained --format json | python3 benches/survey.py > docs/survey/methods.md

# Weightings that moa chooses against a lattice, and two rounds against one, three seeds (about ten minutes on two cores with AVX-512).
stages SEEDS="1 2 3" DIR="results/stages":
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --release
    for seed in {{SEEDS}}; do target/release/moa sweep experiments/stages --seed $seed --out {{DIR}} --plain; done
    target/release/moa compare {{DIR}}/{lattice,next,support}-*
    target/release/moa compare {{DIR}}/*-round*

# How long a results folder with thousands of runs takes to be opened, listed and gathered.
many-runs RUNS="5000" DIR="/tmp/moa-many" PYTHON="python3":
    cargo build --release
    {{PYTHON}} benches/many_runs.py target/release/moa {{DIR}} --runs {{RUNS}}

# What experiments/pareto.ron gains with three training seeds, on prompts and noise on which nothing was chosen. FLAGS: --only-corners, --csv FILE.
bench-seeds PYTHON="python3" DIR="/tmp/moa-bench-seeds" *FLAGS:
    cargo build --release
    {{PYTHON}} benches/seeds.py target/release/moa experiments/pareto.ron --out {{DIR}} {{FLAGS}}

# Hypervolume that experiments/pareto.ron gains over the base, against the first version's method and settings: three seeds of each.
bench-first-settings PYTHON="python3" DIR="/tmp/moa-bench-seeds": (bench-seeds PYTHON DIR)
    {{PYTHON}} benches/seeds.py target/release/moa benches/first-settings.ron --out {{DIR}}-first
    {{PYTHON}} benches/hypervolumes.py target/release/moa {{DIR}} {{DIR}}-first

# Sheets of a finished experiment for a blind test, into DIR; then `benches/blind.py score DIR answers.json`. PYTHON has Pillow.
blind RESULTS="results/pareto" DIR="/tmp/moa-blind" PYTHON="python3" *FLAGS:
    {{PYTHON}} benches/blind.py draw target/release/moa {{RESULTS}} --out {{DIR}} --prompts 8 --count 3 {{FLAGS}}

# An epoch at Stable Diffusion 1.5's true size with random weights, made in DIR (3 GB), and the same in diffusers and peft.
bench-real PYTHON="python3" DIR="/tmp/moa-bench-real":
    cargo build --release
    mkdir -p {{DIR}} && cp benches/real/sd15.ron {{DIR}}
    test -d {{DIR}}/sd15 || HF_HUB_OFFLINE=1 {{PYTHON}} benches/real/make_sd15.py {{DIR}}/sd15
    bash -c 'time target/release/moa sweep {{DIR}}/sd15.ron --plain --out "$(mktemp -d)/sd15"'
    HF_HUB_OFFLINE=1 {{PYTHON}} benches/real/peer.py {{DIR}}/sd15

# Sweeps on a real Slurm of one node, started for it: tasks are killed, requeued, cancelled, and the results are the same bytes. Needs root.
slurm-check:
    cargo build --release
    .ci/slurm target/release/moa

# A report in a real headless Chromium: used by mouse, and only by keyboard. Needs Debian's Chromium, or root to install it.
browser-check:
    cargo build --release
    .ci/browser target/release/moa

# The images of docs/report.md: the report of a finished experiment at three widths.
report-images RESULTS="results/pareto" DIR="/tmp/moa-report":
    cargo build --release
    mkdir -p {{DIR}}
    target/release/moa report {{RESULTS}} -o {{DIR}}/report.html
    .ci/browser target/release/moa {{DIR}} {{DIR}}/report.html
    for width in 375 800 1280; do cp {{DIR}}/top-$width.png docs/images/report-$width.png; done

# Builds with LibTorch for the CPU, laid out in DIR if it is not there yet.
libtorch DIR="target/libtorch":
    .ci/libtorch-cpu {{DIR}}
    LIBTORCH="$(realpath {{DIR}})" \
        cargo build --release --features libtorch --target-dir target/with-libtorch

# Tests that need LibTorch and no GPU: half precision, gradients, devices, bad input, the GPU's kit on small sizes. PYTHON has torch.
libtorch-check PYTHON="python3":
    .ci/libtorch {{PYTHON}}

# The GPU's kit on a machine with an NVIDIA GPU: MOA is a binary built as benches/gpu/README.md says. FLAGS: --only, --small, --minutes.
gpu MOA DEVICE="libtorch:cuda:0" DIR="/tmp/moa-gpu" PYTHON="python3" *FLAGS:
    {{PYTHON}} benches/gpu/kit.py {{MOA}} --device {{DEVICE}} --out {{DIR}} {{FLAGS}}

# What Stable Diffusion 1.5 at its true size takes in each precision, and how far a pass is from f32; made in DIR (3 GB). PYTHON has torch.
bench-precision PYTHON="python3" DIR="/tmp/moa-bench-precision":
    .ci/libtorch-cpu target/libtorch
    test -d {{DIR}}/sd15 || {{PYTHON}} benches/gpu/checkpoint.py {{DIR}} --device cpu
    for precision in F32 Bf16; do \
        LIBTORCH="$(realpath target/libtorch)" LD_LIBRARY_PATH="$(realpath target/libtorch)/lib" cargo run --release --features libtorch \
            --target-dir target/with-libtorch -p moa-diffusion --example footprint -- {{DIR}}/sd15 $precision || exit; \
    done

# Trains the built-in models again, each part into results/pretrain, then puts them where the next build embeds them: an hour and a half with
# LibTorch on two cores (`just libtorch`, then `just pretrain target/with-libtorch/release/moa libtorch`), two to three times that on flex.
# Each part resumes where it stopped.
pretrain MOA="target/release/moa" DEVICE="flex":
    test {{MOA}} != target/release/moa || cargo build --release
    for part in captions denoiser emoji-32 clip heads judge-clip detector judge-detector; do \
        {{MOA}} pretrain experiments/pretrain/$part.ron --device {{DEVICE}} || exit; \
    done
    for part in emoji-32 clip heads judge-clip detector judge-detector; do \
        (cd results/pretrain/$part && find . -type f ! -name 'checkpoint*' ! -path './tokenizer/*' -exec install -Dm644 {} ../../../crates/zoo/weights/$part/{} \;) || exit; \
    done
