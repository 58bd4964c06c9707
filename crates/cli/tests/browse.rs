//! The terminal UI in a pseudo-terminal: the real binary, real keys, and what a terminal would show.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use support::{Desk, shipped};

/// What is waited for comes within this time, or not at all.
const PATIENCE: Duration = Duration::from_secs(40);
const SIZE: PtySize = PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 };

/// A command in a pseudo-terminal.
struct Tty {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    raw: Vec<u8>,
    _master: Box<dyn MasterPty + Send>,
}

impl Tty {
    fn start(desk: &Desk, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let pty = native_pty_system().openpty(SIZE).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_moa"));
        command.args(arguments);
        command.cwd(desk.path("."));
        command.env("TERM", "xterm-256color");
        for name in ["NO_COLOR", "TMUX", "STY", "COLORFGBG"] {
            command.env_remove(name);
        }
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pty.slave.spawn_command(command).unwrap();
        let mut reader = pty.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = pty.master.take_writer().unwrap();
        let screen = vt100::Parser::new(SIZE.rows, SIZE.cols, 0);
        Self { child, keys, output, screen, raw: Vec::new(), _master: pty.master }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn take(&mut self, wait: Duration) {
        if let Ok(bytes) = self.output.recv_timeout(wait) {
            self.screen.process(&bytes);
            self.raw.extend_from_slice(&bytes);
        }
    }

    /// Waits until the screen shows a text.
    #[track_caller]
    fn see(&mut self, text: &str) {
        let began = Instant::now();
        while !self.screen.screen().contents().contains(text) {
            let screen = self.screen.screen().contents();
            assert!(began.elapsed() < PATIENCE, "`{text}` does not come; the screen shows\n{screen}");
            self.take(Duration::from_millis(50));
        }
    }

    /// Waits until the program has written something, shown or not.
    #[track_caller]
    fn see_raw(&mut self, text: &str) {
        let began = Instant::now();
        while !String::from_utf8_lossy(&self.raw).contains(text) {
            assert!(began.elapsed() < PATIENCE, "{text:?} is not written");
            self.take(Duration::from_millis(5));
        }
    }

    /// Waits for the end, and returns the exit code and what the terminal shows then.
    fn end(mut self) -> (u32, String) {
        let began = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.exit_code();
            }
            assert!(began.elapsed() < PATIENCE, "it does not end:\n{}", self.screen.screen().contents());
            self.take(Duration::from_millis(20));
        };
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(200)) {
            self.screen.process(&bytes);
            self.raw.extend_from_slice(&bytes);
        }
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "the terminal's own screen is back");
        assert!(!screen.hide_cursor(), "the cursor is back");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is given back");
        (code, screen.contents())
    }
}

fn swept() -> Desk {
    let desk = Desk::new();
    desk.moa(["sweep", shipped("miniature.ron").to_str().unwrap(), "--quiet", "--out", "results/mini"]).success();
    desk
}

#[test]
fn one_opens_an_experiment_slides_and_saves_the_adapter_that_merge_makes() {
    let desk = swept();
    let mut tty = Tty::start(&desk, &["browse", "--images", "blocks"], &[]);
    tty.see("mini");
    tty.see("complete");
    tty.press("\r");
    tty.see("Hypervolume of training");
    tty.press("j3");
    tty.see("safety over aesthetics");
    tty.see("● safety");
    tty.see("hypervolume");
    tty.press("5");
    tty.see("50 % aesthetics + 50 % safety");
    // One step of 5 % and two of 1 %.
    tty.press("\x1b[C>>");
    tty.see("57 % aesthetics + 43 % safety");
    tty.see("▀");
    tty.press("s");
    tty.see("Save the adapter for");
    tty.press("p");
    tty.see("saved results/mini/merged/soup-aesthetics57-safety43");
    tty.press("e");
    tty.see("measured soup-aesthetics57-safety43");
    tty.press("3");
    tty.see("○ aes57+saf43");
    tty.press("q");
    let (code, _) = tty.end();
    assert_eq!(code, 0);

    desk.moa(["merge", "results/mini", "--at", "aesthetics=0.57,safety=0.43", "--unmeasured", "-o", "merged"])
        .success();
    for file in ["adapter_model.safetensors", "adapter_config.json"] {
        let saved = fs::read(desk.path("results/mini/merged/soup-aesthetics57-safety43").join(file)).unwrap();
        assert_eq!(saved, fs::read(desk.path("merged").join(file)).unwrap(), "{file}");
    }

    // Killed: the terminal is as it was.
    let mut tty = Tty::start(&desk, &["browse", "results/mini", "--images", "blocks"], &[("NO_COLOR", "1")]);
    tty.see("Hypervolume of training");
    let kill = std::process::Command::new("kill").arg(tty.child.process_id().unwrap().to_string()).status().unwrap();
    assert!(kill.success());
    tty.end();

    // Ctrl-C leaves, too; and without colours there are none.
    let mut tty = Tty::start(&desk, &["browse", "results/mini", "--images", "blocks"], &[("NO_COLOR", "1")]);
    tty.see("Hypervolume of training");
    tty.press("\x03");
    let raw = String::from_utf8_lossy(&tty.raw).into_owned();
    assert!(!raw.contains("\x1b[38;") && !raw.contains("\x1b[48;"), "no colours were asked for");
    tty.end();
}

#[test]
fn a_sweep_is_watched_and_the_ui_stays_open_when_it_ends() {
    let desk = Desk::new();
    let file = shipped("miniature.ron");
    let arguments = ["sweep", file.to_str().unwrap(), "--tui", "--out", "results/mini", "--images", "blocks"];
    let mut tty = Tty::start(&desk, &arguments, &[]);
    tty.see("the sweep is complete");
    tty.see("2 of 2 epochs");
    tty.press("4");
    tty.see("a dog on a green");
    tty.press("q");
    let (code, text) = tty.end();
    assert_eq!(code, 0);
    assert!(text.contains("hypervolume"), "the front is printed at the end:\n{text}");
    assert!(desk.path("results/mini/runs/safety/adapter.safetensors").is_file());
}

#[test]
fn keys_that_are_typed_while_the_terminal_is_asked_are_not_lost() {
    let desk = swept();
    // A terminal that never answers: the first key is typed when the questions are out, the second after they are given up.
    let mut tty = Tty::start(&desk, &["browse", "results/mini"], &[]);
    tty.see_raw("\x1b[16t");
    tty.press("3");
    tty.see("safety over aesthetics");
    tty.press("1");
    tty.see("complete");
    tty.press("q");
    assert_eq!(tty.end().0, 0);

    // One that answers, with keys before, between and after its answers.
    let mut tty = Tty::start(&desk, &["browse", "results/mini"], &[]);
    tty.see_raw("\x1b[c");
    tty.press("3\x1b]11;rgb:1414/1818/1f1f\x07x\x1b[?62;22c4");
    tty.see("Same prompts, same noise");
    tty.press("q");
    assert_eq!(tty.end().0, 0);
}

#[test]
fn several_experiments_are_shown_over_each_other() {
    let desk = swept();
    let file = shipped("miniature.ron");
    let rate = "optimiser.learning_rate=0.002";
    desk.moa(["sweep", file.to_str().unwrap(), "--quiet", "--out", "results/other", "--set", rate]).success();
    let mut tty = Tty::start(&desk, &["browse", "results/mini", "results/other", "--images", "blocks"], &[]);
    tty.see("gains over the base");
    tty.see("Differences");
    tty.press("q");
    assert_eq!(tty.end().0, 0);
    desk.moa(["browse", "results/mini", "results"]).refusal(2, &["results holds no results of an experiment"]);
}

#[test]
fn results_of_an_earlier_version_say_so() {
    let desk = swept();
    let file = desk.path("results/mini/experiment.ron");
    let kept = fs::read_to_string(&file).unwrap();
    let earlier = kept.replacen("training: (", "training: (train_steps: 1,", 1);
    assert_ne!(earlier, kept);
    fs::write(&file, &earlier).unwrap();
    let mut tty = Tty::start(&desk, &["browse", "--images", "blocks"], &[]);
    tty.see("broken");
    tty.see("training.train_steps");
    tty.press("\r");
    tty.see("cannot be shown");
    tty.see("receipt.json");
    tty.press("q");
    assert_eq!(tty.end().0, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), earlier);
}

#[test]
fn what_cannot_be_browsed_is_refused_with_the_way_out() {
    let desk = Desk::new();
    desk.moa(["browse", "nowhere"]).refusal(2, &["nowhere is not there", "moa sweep"]);
    fs::create_dir(desk.path("results")).unwrap();
    desk.moa(["browse"]).refusal(2, &["there is no terminal", "--plain"]);
    let file = shipped("miniature.ron");
    desk.moa(["sweep", file.to_str().unwrap(), "--tui"]).refusal(2, &["there is no terminal", "--plain"]);
    assert!(!desk.path("results/miniature").exists(), "nothing was begun");

    let mut tty = Tty::start(&desk, &["browse", "--images", "blocks"], &[]);
    tty.see("No experiments yet");
    // Half-written: an experiment without metrics; then damaged metrics.
    fs::create_dir_all(desk.path("results/half")).unwrap();
    fs::copy(&file, desk.path("results/half/experiment.ron")).unwrap();
    tty.see("broken");
    tty.see("no sweep has written metrics yet");
    tty.press("\r");
    tty.see("Waiting");
    fs::create_dir_all(desk.path("results/half/metrics.sled")).unwrap();
    fs::write(desk.path("results/half/metrics.sled/flushes"), "5").unwrap();
    fs::write(desk.path("results/half/metrics.sled/db"), [7; 4096]).unwrap();
    tty.see("cannot be shown");
    tty.see("the store is damaged (0 of 5");
    tty.press("q");
    assert_eq!(tty.end().0, 0);

    let tty = Tty::start(&desk, &["browse"], &[("TERM", "dumb")]);
    let (code, text) = tty.end();
    assert!(code == 2 && text.contains("TERM=dumb"), "{text}");
}
