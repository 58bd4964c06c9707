//! `moa device`: what a device is, whether it computes what the CPU does, and how fast.

use std::time::{Duration, Instant};

use burn::tensor::{Distribution, Tensor};
use moa_core::experiment::Precision;
use moa_device::{as_type, to_host};
use moa_diffusion::Compute;
use moa_zoo::checks::{Check, checks};

use super::sample::precision;
use crate::device::OpenDevice;
use crate::error::CliError;
use crate::global::{Global, OneDevice};
use crate::output::{note, print};
use crate::panic::{first_line, quietly};
use crate::text::Table;

/// Says what a device is, whether it computes the same as the CPU, and how fast it is.
///
/// Kernels, networks of every family with their gradients, the decoder, rewards and the built-in model are computed on the device and
/// on the CPU in f32, from random weights and the same inputs. Each is sound where the root mean square of the difference, relative to
/// the values', is within what the precision rounds. Ends with exit code 1 where one is not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  moa device
  moa device --device libtorch:cuda:0 --precision Bf16
  moa device --device libtorch --precision F16 --json")]
pub(crate) struct Arguments {
    /// The type of number in which networks compute: F32, Tf32, Bf16 or F16 (as an experiment's `precision`)
    #[arg(long, value_name = "PRECISION", default_value = "F32", value_parser = precision)]
    precision: Precision,

    /// Print one line of JSON for each check
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(crate) device: OneDevice,
}

/// How long a speed is measured.
const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) fn run(arguments: &Arguments, global: Global) -> Result<(), CliError> {
    global.device.settle(arguments.precision)?;
    let device = global.device.open_for(arguments.precision, None)?;
    let compute = device.compute(arguments.precision);
    if !arguments.json && !global.quiet {
        note(&format!("{}, precision {}", device.description(), arguments.precision.name()));
    }
    let mut table = Table::new(["check", "relative error", "bound", ""].map(str::to_owned));
    let mut failed = Vec::new();
    for check in checks() {
        let (error, bound) = found(&check, &compute);
        let sound = error.as_ref().is_ok_and(|error| *error <= bound);
        if !sound {
            failed.push(check.name.clone());
        }
        if arguments.json {
            print(json(&check.name, arguments.precision, &error, bound, sound))?;
        }
        let verdict = if sound { "ok".to_owned() } else { error.as_ref().err().cloned().unwrap_or("NOT SOUND".into()) };
        let shown = error.map_or("-".into(), |error| format!("{error:.1e}"));
        table.row([check.name, shown, format!("{bound:.1e}"), verdict]);
    }
    if !arguments.json {
        print(table.render())?;
        print(format!("{}\n", speeds(&device, arguments.precision)))?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(CliError::failure(format!("{} computes otherwise than the CPU: {}", device.name, failed.join(", ")))
        .hint("nothing that is trained there can be trusted: try another precision, driver or LibTorch"))
}

/// Returns a check's relative error and its bound, or what the device said.
fn found(check: &Check, compute: &Compute) -> (Result<f64, String>, f64) {
    let run = std::panic::AssertUnwindSafe(|| check.run(compute));
    match quietly(run) {
        Ok(Ok(found)) if found.relative_rms.is_nan() => {
            (Err("it computes values that are not numbers".into()), found.bound)
        }
        Ok(Ok(found)) => (Ok(found.relative_rms), found.bound),
        Ok(Err(error)) => (Err(error.to_string()), 0.0),
        Err(panic) => (Err(first_line(&panic).to_owned()), 0.0),
    }
}

fn json(name: &str, precision: Precision, error: &Result<f64, String>, bound: f64, sound: bool) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let (number, said) = match error {
        Ok(error) => (format!("{error:e}"), "null".to_owned()),
        Err(said) => ("null".to_owned(), quoted(said)),
    };
    format!(
        "{{\"name\": {}, \"precision\": \"{}\", \"relative_rms\": {number}, \"bound\": {bound:e}, \"ok\": {sound}, \"error\": {said}}}\n",
        quoted(name),
        precision.name()
    )
}

/// Measures a large product, a copy and the smallest operation.
fn speeds(device: &OpenDevice, precision: Precision) -> String {
    let side = if device.is_host() { 1024 } else { 8192 };
    let kept = device.compute(precision).kept();
    let random = |dims: [usize; 2]| as_type(Tensor::<2>::random(dims, Distribution::Default, &device.device), kept);
    let (a, b) = (random([side, side]), random([side, side]));
    let product = seconds(&|| a.clone().matmul(b.clone()));
    let large = random([side * 4, side]);
    let copy = seconds(&|| large.clone() + 1.0);
    let small = random([1, 1]);
    let operation = seconds(&|| (0..100).fold(small.clone(), |x, _| x + 1.0)) / 100.0;
    let bytes = (8 * side * side * if precision.is_half() { 2 } else { 4 }) as f64;
    format!(
        "products {:.2} TFLOP/s, memory {:.0} GB/s, {:.1} µs an operation",
        2.0 * (side as f64).powi(3) / product / 1e12,
        bytes / copy / 1e9,
        operation * 1e6
    )
}

/// Returns the seconds of one call, the mean of as many as patience allows; the first warms up.
fn seconds(call: &dyn Fn() -> Tensor<2>) -> f64 {
    let wait = |x: Tensor<2>| drop(to_host(x.narrow(0, 0, 1).narrow(1, 0, 1)));
    wait(call());
    let began = Instant::now();
    let mut calls = 0;
    while began.elapsed() < PATIENCE {
        // Several at a time, so that waiting is no part of them.
        (0..7).for_each(|_| drop(call()));
        wait(call());
        calls += 8;
    }
    began.elapsed().as_secs_f64() / f64::from(calls)
}
