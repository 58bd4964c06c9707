//! The terminal while a UI has it: taken in one place, given back whatever happens.

mod question;

use std::io::{self, IsTerminal, Stdout, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;

use clap::ValueEnum;
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use moa_tui::{Background, Colours, Theme};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui_image::picker::{Picker, ProtocolType};

use crate::error::CliError;
use crate::output::note;
use crate::paint;

/// Whether a UI has the terminal.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// What is to be said when the terminal is given back.
static AFTERWARDS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Says a line on standard error: at once, or when the UI has given the terminal back.
pub(crate) fn say_afterwards(line: String) {
    if TAKEN.load(Ordering::SeqCst) {
        AFTERWARDS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line);
    } else {
        note(&line);
    }
}

/// Gives the terminal back, if a UI has it. Safe to call at any moment, from any thread, and again.
pub(crate) fn restore() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // If that fails, it cannot be reported.
    let _ = execute!(io::stdout(), DisableMouseCapture, DisableBracketedPaste, LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
    let _ = io::stdout().flush();
    let lines = std::mem::take(&mut *AFTERWARDS.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    for line in lines {
        note(&line);
    }
}

/// How the UI looks, where the terminal does not say so itself.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Look {
    /// The background that colours are chosen for [default: what the terminal reports]
    #[arg(long, value_name = "THEME", value_enum)]
    theme: Option<ThemeName>,

    /// How images are drawn [default: the best format that the terminal reports, and half-blocks inside tmux]
    #[arg(long, value_name = "HOW", value_enum)]
    images: Option<PictureMode>,
}

/// Backgrounds by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ThemeName {
    Dark,
    Light,
}

/// Ways to draw images, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PictureMode {
    /// Half-blocks: cells of two colours, everywhere
    Blocks,
    Kitty,
    Sixel,
    Iterm2,
}

/// The terminal, taken. Dropping it gives it back.
pub(crate) struct Screen {
    pub(crate) terminal: Terminal<CrosstermBackend<Stdout>>,
    pub(crate) theme: Theme,
    pub(crate) picker: Picker,
    /// What was typed while the terminal was asked what it can.
    pub(crate) typed: Vec<Event>,
}

impl Screen {
    /// Takes the terminal, and asks what it can show as far as `look` does not say it. `plainly` is what to do without one.
    ///
    /// # Errors
    /// Says what is missing: a terminal, or a cursor that can be moved.
    pub(crate) fn take(look: Look, plainly: &str) -> Result<Self, CliError> {
        check(plainly)?;
        let failed = |error: io::Error| CliError::failure(format!("failed to take the terminal: {error}"));
        TAKEN.store(true, Ordering::SeqCst);
        let taken = enable_raw_mode().and_then(|()| {
            execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture, EnableBracketedPaste, cursor::Hide)
        });
        if let Err(error) = taken {
            restore();
            return Err(failed(error));
        }
        let colours = colours();
        let (picker, light, typed) = match look.images {
            Some(mode) => (mode.picker(), None, Vec::new()),
            None => asked(colours),
        };
        let background = match look.theme {
            Some(ThemeName::Dark) => Background::Dark,
            Some(ThemeName::Light) => Background::Light,
            None => background(light),
        };
        let theme = Theme { colours, background };
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout())).map_err(|error| {
            restore();
            failed(error)
        })?;
        Ok(Self { terminal, theme, picker, typed })
    }
}

/// Refuses to go on where there is no terminal that can be taken; `plainly` is what to do without one.
///
/// # Errors
/// Says what is missing: a terminal, or a cursor that can be moved.
pub(crate) fn check(plainly: &str) -> Result<(), CliError> {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if dumb || !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        let what = if dumb { "the terminal has no cursor control (TERM=dumb)" } else { "there is no terminal" };
        return Err(CliError::usage(format!("{what}, and the UI needs one")).hint(plainly));
    }
    Ok(())
}

/// Sends keys, clicks and new sizes from now on, as `input` makes messages of them; first what was typed while the terminal was asked. A
/// terminal that is gone asks to stop.
pub(crate) fn listen<M: Send + 'static>(typed: Vec<Event>, inbox: Sender<M>, input: fn(Event) -> M, stop: M) {
    thread::spawn(move || {
        for event in typed {
            if inbox.send(input(event)).is_err() {
                return;
            }
        }
        while let Ok(event) = crossterm::event::read() {
            if inbox.send(input(event)).is_err() {
                return;
            }
        }
        // Nobody to ask is as good.
        let _ = inbox.send(stop);
    });
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Returns how many colours the terminal shows, by what the environment says (<https://no-color.org>).
fn colours() -> Colours {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let full = ["truecolor", "24bit"].contains(&&*variable("COLORTERM"));
    let term = variable("TERM");
    if paint::is_refused() {
        Colours::None
    } else if full || term.contains("256color") || term.contains("direct") || term.contains("kitty") {
        Colours::Full
    } else {
        Colours::Sixteen
    }
}

impl PictureMode {
    /// Returns how pixels are sent; nothing for half-blocks.
    fn protocol(self) -> Option<ProtocolType> {
        match self {
            Self::Blocks => None,
            Self::Kitty => Some(ProtocolType::Kitty),
            Self::Sixel => Some(ProtocolType::Sixel),
            Self::Iterm2 => Some(ProtocolType::Iterm2),
        }
    }

    fn picker(self) -> Picker {
        self.protocol()
            .map_or_else(Picker::halfblocks, |protocol| sized(protocol, cell_by_window().unwrap_or((10, 20))))
    }
}

/// Returns what the terminal can draw, and what was typed while it was asked; half-blocks do where it has no pixels or does not answer.
///
/// tmux and screen keep questions from the terminal around them unless they are set up not to: they are not asked.
fn asked(colours: Colours) -> (Picker, Option<bool>, Vec<Event>) {
    let inside = |name: &str| std::env::var_os(name).is_some();
    let multiplexer = std::env::var("TERM").is_ok_and(|term| term.starts_with("tmux") || term.starts_with("screen"));
    if colours == Colours::None || multiplexer || inside("TMUX") || inside("STY") {
        return (Picker::halfblocks(), None, Vec::new());
    }
    let answer = question::ask();
    let protocol = match () {
        () if answer.kitty && !inside("WEZTERM_EXECUTABLE") && !inside("KONSOLE_VERSION") => Some(PictureMode::Kitty),
        () if named_iterm() => Some(PictureMode::Iterm2),
        () if answer.sixel && !inside("KONSOLE_VERSION") => Some(PictureMode::Sixel),
        () => None,
    };
    // Pixels need the size of a cell.
    let picker = match (protocol.and_then(PictureMode::protocol), answer.cell.or_else(cell_by_window)) {
        (Some(protocol), Some(cell)) => sized(protocol, cell),
        _ => Picker::halfblocks(),
    };
    (picker, answer.light, answer.typed)
}

/// Whether the environment names a terminal with iTerm2's images.
fn named_iterm() -> bool {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let programs = ["iTerm", "WezTerm", "mintty", "vscode", "Tabby", "Hyper", "rio", "WarpTerminal"];
    programs.iter().any(|name| variable("TERM_PROGRAM").contains(name)) || variable("LC_TERMINAL").contains("iTerm")
}

/// Returns a picker for pixels in cells of this size.
fn sized(protocol: ProtocolType, (width, height): (u16, u16)) -> Picker {
    #[expect(deprecated, reason = "the way that is not asks the terminal, and takes keys that are typed meanwhile")]
    let mut picker = Picker::from_fontsize((width.max(1), height.max(1)).into());
    picker.set_protocol_type(protocol);
    picker
}

/// Returns the size of a cell in pixels, where the system knows the window's.
fn cell_by_window() -> Option<(u16, u16)> {
    let size = crossterm::terminal::window_size().ok().filter(|size| size.width > 0 && size.height > 0)?;
    Some((size.width / size.columns.max(1), size.height / size.rows.max(1)))
}

/// Returns the background that the terminal named, or `COLORFGBG`; dark if neither says.
fn background(named: Option<bool>) -> Background {
    let variable = || {
        let text = std::env::var("COLORFGBG").ok()?;
        Some(matches!(text.rsplit(';').next()?, "7" | "15"))
    };
    if named.or_else(variable).unwrap_or(false) { Background::Light } else { Background::Dark }
}
