//! What rewards from outside cannot be.

use super::{AiSpec, HttpSpec, OnnxReduction, OnnxSpec, ProgramSpec};
use crate::experiment::bounds::{
    AI_RETRIES, AI_SECONDS, AXIS, BATCH, DEVIATION, IN_FLIGHT, INDEX, MEAN, RETRIES, SCALE, SECONDS, SIDE, WHITE,
};
use crate::experiment::finding::Finding;
use crate::experiment::validate::check_number;

impl ProgramSpec {
    /// Checks what can be told without starting the program; `field` is the path of the reward's kind.
    pub(in crate::experiment) fn check(&self, field: &str) -> Result<(), Finding> {
        let command = format!("{field}.command");
        match self.command.first() {
            None => {
                let way_out = "name the program and its arguments, e.g. [\"python\", \"score.py\"]";
                return Err(Finding::state(command, "empty", way_out));
            }
            Some(program) if program.trim().is_empty() => {
                let way_out = "name the program, e.g. \"python\"";
                return Err(Finding::value(format!("{command}[0]"), format!("{program:?}"), way_out));
            }
            Some(_) => {}
        }
        if let Some(index) = self.command.iter().position(|word| word.contains('\0')) {
            let value = format!("{:?}", self.command[index]);
            return Err(Finding::value(format!("{command}[{index}]"), value, "leave out the zero character"));
        }
        check_number(format!("{field}.batch"), BATCH, self.batch.into())?;
        check_number(format!("{field}.in_flight"), IN_FLIGHT, self.in_flight.into())?;
        check_number(format!("{field}.timeout_seconds"), SECONDS, self.timeout_seconds.into())?;
        check_number(format!("{field}.start_seconds"), SECONDS, self.start_seconds.into())?;
        check_number(format!("{field}.retries"), RETRIES, self.retries.into())?;
        check_range(field, self.range)
    }
}

impl HttpSpec {
    /// Checks what can be told without a connection; `field` is the path of the reward's kind.
    pub(in crate::experiment) fn check(&self, field: &str) -> Result<(), Finding> {
        if let Err(way_out) = check_url(&self.url) {
            return Err(Finding::value(format!("{field}.url"), format!("{:?}", self.url), way_out));
        }
        check_number(format!("{field}.batch"), BATCH, self.batch.into())?;
        check_number(format!("{field}.in_flight"), IN_FLIGHT, self.in_flight.into())?;
        check_number(format!("{field}.timeout_seconds"), SECONDS, self.timeout_seconds.into())?;
        check_number(format!("{field}.retries"), RETRIES, self.retries.into())?;
        check_range(field, self.range)
    }
}

impl AiSpec {
    /// Checks what can be told without a connection; `field` is the path of the judge.
    pub(in crate::experiment) fn check(&self, field: &str) -> Result<(), Finding> {
        let blank = [("model", &self.model), ("address", &self.address), ("key", &self.key)];
        if let Some((name, value)) = blank.into_iter().find(|(_, value)| value.trim().is_empty()) {
            let way_out = if name == "model" {
                "name the model as the service calls it"
            } else {
                "name an environment variable, such as MOA_AI_URL"
            };
            return Err(Finding::value(format!("{field}.{name}"), format!("{value:?}"), way_out));
        }
        check_number(format!("{field}.in_flight"), IN_FLIGHT, self.in_flight.into())?;
        check_number(format!("{field}.retries"), AI_RETRIES, self.retries.into())?;
        check_number(format!("{field}.timeout_seconds"), AI_SECONDS, self.timeout_seconds.into())?;
        if self.tokens == Some(0) {
            return Err(Finding::value(format!("{field}.tokens"), "0", "give more, or leave it out"));
        }
        Ok(())
    }
}

impl OnnxSpec {
    /// Checks what can be told without reading the model; `field` is the path of the reward's kind.
    pub(in crate::experiment) fn check(&self, field: &str) -> Result<(), Finding> {
        if self.model.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("onnx")) {
            let value = format!("{:?}", self.model.display().to_string());
            return Err(Finding::value(format!("{field}.model"), value, "name an .onnx file"));
        }
        for (end, name) in [("input", &self.input), ("output", &self.output)] {
            if let Some(name) = name.as_ref().filter(|name| name.is_empty()) {
                let way_out = format!("name one of the model's {end}s, or leave it out where there is only one");
                return Err(Finding::value(format!("{field}.{end}"), format!("{name:?}"), way_out));
            }
        }
        for (index, side) in self.size.iter().flatten().enumerate() {
            check_number(format!("{field}.size[{index}]"), SIDE, (*side).into())?;
        }
        for (index, side) in self.resize.iter().flatten().enumerate() {
            check_number(format!("{field}.resize[{index}]"), SIDE, (*side).into())?;
        }
        if let (Some(size), Some(resize)) = (self.size, self.resize)
            && (resize[0] < size[0] || resize[1] < size[1])
        {
            let way_out = format!("`size` is cut out of it: give at least {size:?}, or leave it out");
            return Err(Finding::value(format!("{field}.resize"), format!("{resize:?}"), way_out));
        }
        check_number(format!("{field}.white"), WHITE, self.white)?;
        for (index, (mean, std)) in self.mean.iter().zip(&self.std).enumerate() {
            check_number(format!("{field}.mean[{index}]"), MEAN, *mean)?;
            check_number(format!("{field}.std[{index}]"), DEVIATION, *std)?;
        }
        if let Some(index) = self.index {
            check_number(format!("{field}.index"), INDEX, index.into())?;
        }
        if let Some(axis) = self.softmax_axis {
            check_number(format!("{field}.softmax_axis"), AXIS, axis.into())?;
        }
        for (step, reduction) in self.reduce.iter().enumerate() {
            reduction.check(&format!("{field}.reduce[{step}]"))?;
        }
        check_range(field, self.range)
    }
}

impl OnnxReduction {
    fn check(&self, field: &str) -> Result<(), Finding> {
        check_number(format!("{field}.axis"), AXIS, self.axis.into())?;
        let Some(of) = &self.of else { return Ok(()) };
        let field = format!("{field}.of");
        if of.is_empty() {
            let way_out = "name what counts, from 0, or leave it out, and all counts";
            return Err(Finding::state(field, "empty", way_out));
        }
        for (place, index) in of.iter().enumerate() {
            check_number(format!("{field}[{place}]"), INDEX, (*index).into())?;
            if of[..place].contains(index) {
                return Err(Finding::value(
                    format!("{field}[{place}]"),
                    index.to_string(),
                    "it stands twice: name it once",
                ));
            }
        }
        Ok(())
    }
}

fn check_range(field: &str, range: Option<[f64; 2]>) -> Result<(), Finding> {
    let Some([least, most]) = range else { return Ok(()) };
    let field = format!("{field}.range");
    check_number(format!("{field}[0]"), SCALE, least)?;
    check_number(format!("{field}[1]"), SCALE, most)?;
    if least < most {
        return Ok(());
    }
    Err(Finding::value(field, format!("[{least:?}, {most:?}]"), "give the worse score first: the first must be below"))
}

/// Says what is wrong with an address.
fn check_url(url: &str) -> Result<(), &'static str> {
    let starts = |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if starts("https://") {
        return Err("moa speaks plain HTTP: give the http:// address of a proxy on this machine that adds TLS");
    }
    if !starts("http://") {
        return Err("give an address such as \"http://127.0.0.1:8000/score\"");
    }
    let rest = &url["http://".len()..];
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // The colons of an IPv6 address stand in brackets.
    let (host, port) = match authority.rfind(':').filter(|colon| !authority[*colon..].contains(']')) {
        Some(colon) => (&authority[..colon], Some(&authority[colon + 1..])),
        None => (authority, None),
    };
    if authority.contains('@') {
        return Err("remove user name and password: moa sends neither");
    }
    if host.is_empty() || !url.is_ascii() || url.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_control()) {
        return Err("give a host and no blanks, such as \"http://127.0.0.1:8000/score\"");
    }
    if port.is_some_and(|port| port.parse::<u16>().map_or(true, |port| port == 0)) {
        return Err("give a port from 1 to 65535");
    }
    Ok(())
}
