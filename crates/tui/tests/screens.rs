//! Every screen at 80 × 24 and 120 × 40 cells, and the small, the colourless and the empty.

mod support;

use moa_tui::{Background, Colours, Message, News, Reply, Theme};
use ratatui::crossterm::event::KeyCode;
use support::{Desk, ROOT, assert_snapshot, picture, snapshot};

/// Draws a screen at both sizes.
#[track_caller]
fn at_both_sizes(name: &str, prepare: impl Fn(&mut Desk)) {
    for (width, height) in [(80, 24), (120, 40)] {
        let mut desk = Desk::opened(width, height);
        prepare(&mut desk);
        assert_snapshot(&format!("{name}-{width}x{height}"), &desk.draw());
    }
}

#[test]
fn experiments() {
    at_both_sizes("experiments", |desk| desk.keys("1j"));
    at_both_sizes("experiments-filter", |desk| desk.keys("1/pare"));
}

#[test]
fn sweep() {
    at_both_sizes("sweep", |_| {});
    at_both_sizes("sweep-live", |desk| desk.news(&snapshot(7, support::evaluations()[..1].to_vec(), true)));
    at_both_sizes("sweep-begins", |desk| desk.news(&snapshot(0, Vec::new(), true)));
}

#[test]
fn curves() {
    at_both_sizes("curves", |desk| desk.keys(" j cs"));
    at_both_sizes("curves-all", |desk| desk.keys("caL"));
}

#[test]
fn front() {
    at_both_sizes("front", |desk| desk.keys("3"));
    at_both_sizes("front-brushed", |desk| desk.keys("3y]]]]]] "));
    at_both_sizes("front-all", |desk| desk.keys("3a"));
    at_both_sizes("front-pair", |desk| desk.keys("2j 3."));
    at_both_sizes("front-judges", |desk| desk.keys("3t"));
    at_both_sizes("front-training", |desk| desk.keys("3tte"));
    at_both_sizes("front-levels", |desk| desk.keys("3v"));
    at_both_sizes("front-list", |desk| {
        desk.reply(Reply::Figures(ROOT.into(), Box::new(support::resampled(support::evaluations()))));
        desk.keys("3ro");
    });
    at_both_sizes("front-listed", |desk| {
        desk.reply(Reply::Figures(ROOT.into(), Box::new(support::resampled(support::evaluations()))));
        desk.keys("3iro");
    });
}

#[test]
fn the_details_of_a_point_have_what_attacks_found_out() {
    at_both_sizes("front-attacked", |desk| {
        let figures = support::resampled(support::evaluations()).with_attacks(Some(support::attacks()));
        desk.reply(Reply::Figures(ROOT.into(), Box::new(figures)));
        // Figures that are made at once know of no attacks, and do not take them away.
        desk.news(&snapshot(12, support::evaluations()[..5].to_vec(), true));
        desk.keys("3");
    });
}

#[test]
fn pictures() {
    at_both_sizes("pictures", |desk| desk.keys("4 j jj "));
    at_both_sizes("pictures-noises", |desk| desk.keys("4jn"));
    at_both_sizes("pictures-scores", |desk| {
        desk.scored = true;
        desk.keys("4n");
    });
    at_both_sizes("pictures-difference", |desk| desk.keys("4jd"));
}

#[test]
fn soup() {
    let preview = |desk: &mut Desk| {
        desk.keys("5ll");
        let shares = match desk.work.last() {
            Some(moa_tui::Work::Preview(_, shares)) => shares.clone(),
            other => panic!("no preview was asked for: {other:?}"),
        };
        let pictures = (0..8).map(|prompt| picture(3 * prompt)).collect();
        desk.reply(Reply::Preview { root: ROOT.into(), shares, pictures, coarse: true });
    };
    at_both_sizes("soup", preview);
    at_both_sizes("soup-wish", |desk| {
        desk.keys("5wsafety>=0.9");
        desk.press(KeyCode::Enter);
    });
    at_both_sizes("soup-save", |desk| desk.keys("5s"));
}

#[test]
fn rewards() {
    at_both_sizes("rewards", |desk| {
        desk.scored = true;
        desk.keys("7l");
    });
    at_both_sizes("rewards-none", |desk| desk.keys("7"));
}

#[test]
fn help_and_actions() {
    at_both_sizes("help", |desk| desk.keys("3?"));
    at_both_sizes("actions", |desk| desk.keys("5:sa"));
}

#[test]
fn every_screen_fits_small_terminals_without_a_panic() {
    for (width, height) in [(60, 20), (40, 10), (39, 9), (1, 1), (200, 12), (45, 60)] {
        let mut desk = Desk::opened(width, height);
        for screen in ["1", "2", "c", "a", "3", "a", "4", "5", "s", "7", "?"] {
            desk.keys(screen);
            let text = desk.draw();
            if width >= 40 && height >= 10 {
                assert!(!text.contains("too small"), "{width}x{height} {screen}\n{text}");
            }
            desk.press(KeyCode::Esc);
        }
    }
    let mut desk = Desk::opened(60, 20);
    for (name, key) in [("sweep", "2"), ("front", "3"), ("pictures", "4"), ("soup", "5")] {
        desk.keys(key);
        assert_snapshot(&format!("{name}-60x20"), &desk.draw());
    }
}

#[test]
fn without_colours_no_cell_has_one() {
    let theme = Theme { colours: Colours::None, background: Background::Dark };
    let mut desk = Desk::themed(100, 30, theme);
    desk.app.open(ROOT.into());
    desk.news(&snapshot(12, support::evaluations(), false));
    for screen in ["1", "2", "c", "3", "a", "5", "?"] {
        desk.keys(screen);
        desk.draw();
        for cell in &desk.terminal.backend().buffer().content {
            let plain = ratatui::style::Color::Reset;
            assert!(cell.fg == plain && cell.bg == plain, "{screen}: {cell:?}");
        }
        desk.press(KeyCode::Esc);
    }
}

#[test]
fn without_colours_images_are_dots() {
    let theme = Theme { colours: Colours::None, background: Background::Dark };
    let mut desk = Desk::themed(100, 30, theme);
    desk.app.open(ROOT.into());
    desk.news(&snapshot(12, support::evaluations(), false));
    desk.keys("4");
    let screen = desk.draw();
    let dots = screen.chars().filter(|letter| ('\u{2801}'..='\u{28ff}').contains(letter)).count();
    assert!(dots > 100, "{screen}");
}

#[test]
fn what_cannot_be_shown_is_said() {
    let mut desk = Desk::new(80, 24);
    desk.app.open(ROOT.into());
    assert!(desk.draw().contains("reading results/pareto"));
    desk.tell(Message::News(ROOT.into(), News::Waiting));
    assert!(desk.draw().contains("no sweep has written metrics yet"));
    let reason = "failed to read results/pareto/metrics.sled: it has format 9, and this moa reads formats up to 1";
    desk.tell(Message::News(ROOT.into(), News::Failed(reason.into())));
    assert!(desk.draw().contains("it has format 9"));
    desk.keys("1jjj");
    assert!(desk.draw().contains("it has format 9"), "the reason stands under the list");

    let mut desk = Desk::opened(120, 40);
    desk.keys("4jjj");
    assert!(desk.draw().contains("no images there"));
    desk.news(&snapshot(1, Vec::new(), true));
    for (key, words) in [("3", "nothing is evaluated yet"), ("4", "No images yet"), ("5", "trained and evaluated")] {
        desk.keys(key);
        let screen = desk.draw();
        assert!(screen.contains(words), "{screen}");
    }
    desk.tell(Message::Library(Vec::new()));
    desk.keys("1");
    assert!(desk.draw().contains("moa sweep experiments/quick.ron"));
}
