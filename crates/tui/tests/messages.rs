//! What messages do: keys, clicks, news and answers.

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;

use moa_analysis::compare::{Fronts, SweepResults};
use moa_analysis::{Comparison, Score};
use moa_core::{PointKind, RunEvent, RunId};
use moa_pareto::{Bound, Constraint, Goal, Interval};
use moa_tui::{Asked, Message, News, Point, Reply, SaveFormat, Work};
use ratatui::crossterm::event::{KeyCode, MouseButton, MouseEventKind};
use support::{Desk, ROOT, epoch, evaluation, evaluations, resampled, runs, sheet, snapshot};

fn shares(desk: &Desk) -> Vec<f64> {
    let previews = desk.work.iter().rev().find_map(|work| match work {
        Work::Preview(_, shares) => Some(shares.clone()),
        _ => None,
    });
    previews.expect("a preview was asked for")
}

/// A soup that the worker has measured.
fn measured() -> Point {
    let score = |mean| {
        let (mean, difference) = (Interval { mean, lo: mean - 0.1, hi: mean + 0.1 }, Interval::exact(mean - 0.5));
        Score { name: String::new(), mean, difference: Some(difference), in_deviations: None }
    };
    Point {
        id: RunId("soup-mine".into()),
        kind: PointKind::Soup,
        weighting: None,
        shares: Some(vec![0.34, 0.33, 0.33]),
        rewards: [0.9, 0.9, 0.95].map(score).to_vec(),
        judges: [0.9, 0.8].map(score).to_vec(),
        placing: moa_analysis::Placing::by_means(true),
        suspected_hacking: Vec::new(),
        added: true,
    }
}

#[test]
fn a_sweep_is_followed_event_by_event() {
    let mut desk = Desk::new(120, 40);
    desk.app.open(ROOT.into());
    desk.news(&snapshot(7, Vec::new(), true));
    let screen = desk.draw();
    assert!(screen.contains("● live") && screen.contains("7 of 12 epochs") && screen.contains(" left"), "{screen}");
    assert!(screen.contains("less than a minute"), "the words of the log:\n{screen}");
    let epochs =
        runs(7, moa_core::RunState::Training).iter().map(|run| RunEvent::EpochFinished(epoch(run, 8))).collect();
    desk.tell(Message::News(ROOT.into(), News::Events(epochs)));
    assert!(desk.draw().contains("8 of 12 epochs"));
    let base = RunEvent::Evaluated(evaluation("base", PointKind::Base, None));
    desk.tell(Message::News(ROOT.into(), News::Events(vec![base])));
    assert!(
        desk.work.iter().any(|work| matches!(work, Work::Figures(_, evaluations) if evaluations.len() == 1)),
        "intervals are asked for in the background"
    );
    desk.keys("3");
    assert!(desk.draw().contains("◆ base"));
}

#[test]
fn news_of_an_experiment_that_is_no_longer_open_changes_nothing() {
    let mut desk = Desk::opened(80, 24);
    desk.tell(Message::News("results/other".into(), News::Failed("lost".into())));
    desk.reply(Reply::Failed { root: "results/other".into(), what: Asked::Preview, reason: "lost".into() });
    assert!(!desk.draw().contains("lost"));
}

#[test]
fn sliders_move_by_keys_and_shares_always_sum_to_one() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("5");
    assert_eq!(shares(&desk), [0.34, 0.33, 0.33]);
    desk.press(KeyCode::Right);
    assert_eq!(shares(&desk)[0].to_bits(), 0.39f64.to_bits());
    desk.keys(">j");
    desk.press(KeyCode::Home);
    assert_eq!(shares(&desk)[1].to_bits(), 0.0f64.to_bits());
    assert!((shares(&desk).iter().sum::<f64>() - 1.0).abs() < 1e-12);
    desk.press(KeyCode::End);
    assert_eq!(shares(&desk), [0.0, 1.0, 0.0]);
    desk.keys("=");
    assert_eq!(shares(&desk), [0.34, 0.33, 0.33]);
    assert!(desk.draw().contains("34 % aesthetics + 33 % alignment + 33 % safety"));
}

#[test]
fn the_triangle_and_the_sliders_take_the_mouse() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("5");
    let (x, y) = desk.find("Drag");
    desk.mouse(MouseEventKind::Down(MouseButton::Left), (x + 2, y + 7));
    desk.mouse(MouseEventKind::Drag(MouseButton::Left), (x, y + 30));
    assert_eq!(shares(&desk), [0.0, 1.0, 0.0], "dragged beyond the left corner");
    let (x, y) = desk.find("▸ aesthetics");
    desk.mouse(MouseEventKind::Down(MouseButton::Left), (x + 14, y));
    desk.mouse(MouseEventKind::Drag(MouseButton::Left), (x + 90, y));
    assert_eq!(shares(&desk), [1.0, 0.0, 0.0]);
}

#[test]
fn a_preview_of_shares_that_have_moved_on_is_not_shown() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("5");
    let old = shares(&desk);
    desk.press(KeyCode::Right);
    let reply =
        |shares, coarse| Reply::Preview { root: ROOT.into(), shares, pictures: vec![support::picture(9); 8], coarse };
    desk.reply(reply(old, false));
    assert!(desk.draw().contains("drawing …"));
    let new = shares(&desk);
    desk.reply(reply(new.clone(), true));
    assert!(desk.draw().contains("coarse, refining"));
    desk.reply(reply(new, false));
    let screen = desk.draw();
    assert!(!screen.contains("refining") && !screen.contains("drawing"), "{screen}");
}

#[test]
fn a_measured_soup_joins_the_front() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("5e");
    assert!(matches!(desk.work.last(), Some(Work::Evaluate(..))));
    desk.reply(Reply::Measuring { label: "measuring: soup-a34-b33-c33".into(), fraction: 0.25 });
    assert!(desk.draw().contains(" 25 %"));
    desk.keys("e");
    assert!(desk.draw().contains("a measurement is in progress: wait for it, or stop it with x"), "{}", desk.draw());
    desk.keys("3");
    assert!(desk.draw().contains("5 x stops"), "x means another thing here:\n{}", desk.draw());
    desk.keys("5");
    assert!(desk.draw().contains("   x stops"), "{}", desk.draw());
    desk.reply(Reply::Measured { root: ROOT.into(), point: Box::new(measured()), sheet: sheet(1) });
    assert!(desk.draw().contains("measured soup-mine"));
    desk.keys("3");
    let screen = desk.draw();
    assert!(screen.contains("○ soup-mine") && screen.contains("─ provisional"), "{screen}");
    assert!(screen.contains("provisional: one point is new"), "and so is the hypervolume:\n{screen}");
    assert!(screen.contains("+0.400"), "its gain over the base:\n{screen}");
    // The sweep's own figures come again: the point stays.
    desk.news(&snapshot(12, evaluations()[..5].to_vec(), false));
    desk.keys("4");
    assert!(desk.draw().contains("soup-mine"));
}

#[test]
fn wishes_are_checked_before_they_are_sent() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("5wsafety>=base+0.02, max beauty");
    desk.press(KeyCode::Enter);
    assert!(desk.draw().contains("there is no reward `beauty`"));
    (0..6).for_each(|_| desk.press(KeyCode::Backspace));
    desk.keys("aesthetics");
    desk.press(KeyCode::Enter);
    // Rewards first, then their gains over the base.
    let constraint = Constraint { objective: 3 + 2, bound: Bound::AtLeast(0.02) };
    assert_eq!(desk.work.last(), Some(&Work::Solve(ROOT.into(), vec![constraint], Goal::Maximise(0))));
    let solved =
        |met| Reply::Solved { root: ROOT.into(), shares: vec![0.2, 0.0, 0.8], met, verdict: "soup-x keeps".into() };
    desk.reply(solved(true));
    assert_eq!(shares(&desk), [0.2, 0.0, 0.8], "the sliders are put there");
    assert!(desk.draw().contains("✓ soup-x keeps"));
    desk.keys("x");
    assert!(!desk.work.contains(&Work::CancelMeasuring), "nothing is measured any more");
}

#[test]
fn saving_asks_for_the_format() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("5s");
    desk.press(KeyCode::Down);
    desk.press(KeyCode::Enter);
    assert_eq!(desk.work.last(), Some(&Work::Save(ROOT.into(), vec![0.34, 0.33, 0.33], SaveFormat::Diffusers)));
    desk.keys("sk");
    assert!(matches!(desk.work.last(), Some(Work::Save(_, _, SaveFormat::Kohya))));
    desk.reply(Reply::Saved("results/pareto/merged/x".into()));
    assert!(desk.draw().contains("✓ saved results/pareto/merged/x"));
}

#[test]
fn the_worker_can_die_and_the_rest_goes_on() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("5e");
    desk.tell(Message::WorkerGone("a bug stopped the worker: page 7 is gone".into()));
    assert!(desk.draw().contains("page 7 is gone"));
    desk.keys("s");
    assert!(desk.draw().contains("not possible"));
    desk.keys("3l4q");
    assert!(desk.app.is_done());
}

#[test]
fn leaving_asks_where_something_would_stop() {
    let mut desk = Desk::opened(80, 24);
    desk.app.sweeps();
    desk.keys("q");
    assert!(!desk.app.is_done() && desk.draw().contains("Leave?"));
    desk.keys("n");
    assert!(!desk.draw().contains("Leave?"));
    desk.tell(Message::SweepEnded(Ok(())));
    assert!(desk.draw().contains("the sweep is complete"), "and the UI stays open");
    desk.keys("q");
    assert!(desk.app.is_done());
}

#[test]
fn marks_are_compared_and_four_are_the_most() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("4 j j j j ");
    assert!(desk.draw().contains("four points are marked already"));
    desk.keys("M");
    assert!(!desk.draw().contains("four"));
}

#[test]
fn points_are_found_by_direction_click_and_brush() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("3hhhhhh");
    let left = desk.draw();
    desk.keys("llllll");
    assert_ne!(desk.draw(), left);
    assert!(desk.draw().contains("● aesthetics ─"), "the furthest right in aesthetics");
    // Points of the lower half are brushed away by a drag over the upper one.
    let (x, y) = (20, 4);
    desk.draw();
    desk.mouse(MouseEventKind::Down(MouseButton::Left), (x, y));
    desk.mouse(MouseEventKind::Drag(MouseButton::Left), (x + 40, y + 6));
    desk.mouse(MouseEventKind::Up(MouseButton::Left), (x + 40, y + 6));
    assert!(desk.draw().contains("of 6 brushed"), "{}", desk.draw());
    desk.keys("B");
    assert!(!desk.draw().contains("brushed"));
}

#[test]
fn tabs_hints_and_rows_take_clicks() {
    let mut desk = Desk::opened(120, 40);
    let place = desk.find("3 Front");
    desk.click(place);
    assert!(desk.draw().contains("hypervolume"));
    let place = desk.find("? help");
    desk.click(place);
    assert!(desk.draw().contains("Everywhere"));
    desk.press(KeyCode::Esc);
    desk.keys("2");
    let place = desk.find("safety      ━");
    desk.click(place);
    desk.click(place);
    assert!(desk.draw().contains("Curves of"), "a second click opens the curves");
}

#[test]
fn actions_are_searched_by_typing() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("2:pareto");
    desk.press(KeyCode::Enter);
    assert!(desk.draw().contains("alignment over aesthetics"));
    desk.keys(":zzzz");
    assert!(desk.draw().contains("no action of that name"));
    desk.press(KeyCode::Enter);
    assert!(!desk.draw().contains("Actions"));
}

#[test]
fn the_cursor_is_the_same_point_on_every_screen() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("2jj");
    desk.keys("3");
    assert!(desk.draw().contains("● safety ─"));
    desk.keys("m");
    assert_eq!(shares(&desk), [0.0, 0.0, 1.0]);
}

#[test]
fn what_is_worth_choosing_is_stepped_through_with_its_sentence() {
    let mut desk = Desk::opened(120, 40);
    desk.reply(Reply::Figures(ROOT.into(), Box::new(resampled(evaluations()))));
    desk.keys("3");
    let first = desk.draw();
    assert!(first.contains("Worth choosing"), "{first}");
    assert!(first.contains("★ aesthetics: the most aesthetics"), "the one under the cursor:\n{first}");
    desk.keys("r");
    assert!(
        desk.draw().contains("★ safety: the most safety"),
        "what gains nothing beyond noise is passed by:\n{}",
        desk.draw()
    );
    assert!(desk.draw().contains("● safety ─"), "and the cursor is on it");
}

#[test]
fn the_list_is_sorted_by_any_column() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("3");
    let order = |desk: &mut Desk| -> Vec<String> {
        let (x, y) = desk.find("Points ─");
        let text = desk.draw();
        let rows = text.lines().skip(usize::from(y) + 2).take(6);
        let name = |line: &str| line.chars().skip(usize::from(x) + 6).take_while(|letter| *letter != ' ').collect();
        rows.map(name).collect()
    };
    assert_eq!(order(&mut desk)[..2], ["base", "aesthetics"]);
    desk.keys("oo");
    assert_eq!(order(&mut desk)[0], "alignment", "by the second reward");
    desk.keys(",,,,,,");
    assert!(desk.draw().contains("● alignment ─"), "the first of the list");
}

#[test]
fn runs_that_train_are_on_the_front_before_they_are_evaluated() {
    let mut desk = Desk::new(120, 40);
    desk.app.open(ROOT.into());
    desk.news(&snapshot(8, evaluations()[..1].to_vec(), true));
    desk.keys("3");
    let screen = desk.draw();
    assert!(screen.contains("◌ in training") && screen.contains("gains over the base"), "{screen}");
    let (_, row) = desk.find("◌   aesthetics");
    let line = desk.draw().lines().nth(usize::from(row)).unwrap().to_owned();
    assert!(line.contains("+0.090"), "what the probe of epoch 8 found: {line}");
}

#[test]
fn two_points_are_set_against_each_other() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("4");
    desk.press(KeyCode::Down);
    desk.keys("d");
    let screen = desk.draw();
    assert!(screen.contains("Difference") && screen.contains("alignment − base"), "{screen}");
    desk.keys("b");
    assert!(desk.draw().contains("Blinking"));
    let one = desk.draw();
    desk.tell(Message::Tick(support::now() + std::time::Duration::from_millis(500)));
    assert_ne!(desk.draw(), one, "the other one is shown half a second later");
    desk.keys("b");
    assert!(desk.draw().contains("Same prompts, same noise"));
}

#[test]
fn all_images_of_a_prompt_stand_in_a_row_with_its_scores() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("4n");
    desk.press(KeyCode::Right);
    let screen = desk.draw();
    assert!(screen.contains("prompt 2 of 8, 2 noises"), "{screen}");
    assert!(screen.contains("this prompt: aesthetics 0.672 (+0.1"), "{screen}");
}

#[test]
fn few_prompts_are_said_to_be_few_and_point_nowhere() {
    let mut few = evaluations();
    for column in few.iter_mut().flat_map(|record| record.rewards.iter_mut().chain(&mut record.judges)) {
        column.prompt_means.truncate(2);
    }
    let mut desk = Desk::new(120, 40);
    desk.app.open(ROOT.into());
    desk.news(&snapshot(12, few.clone(), false));
    assert!(desk.draw().contains("2 held-out prompts are too few"), "{}", desk.draw());
    desk.reply(Reply::Figures(ROOT.into(), Box::new(resampled(few))));
    desk.keys("3");
    let screen = desk.draw();
    assert!(screen.contains("2 prompts are too few"), "{screen}");
    assert!(!screen.contains('↑') && !screen.contains('↓'), "{screen}");
}

#[test]
fn marked_experiments_are_compared() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("1c");
    assert!(desk.draw().contains("mark at least two experiments"));
    desk.keys("j j c");
    let roots: Vec<PathBuf> = vec![ROOT.into(), "results/stopped".into()];
    assert_eq!(desk.work.last(), Some(&Work::Compare(roots.clone())));
    desk.reply(Reply::Compared(roots.clone(), Err("results/stopped has no safety".into())));
    assert!(desk.draw().contains("cannot be compared"));
    let results = |name: &str, rate: f64| {
        let mut own = support::spec();
        (own.name, own.optimiser.learning_rate) = (Some(name.into()), rate);
        own.evaluation.resamples = 100;
        SweepResults {
            folder: name.into(),
            spec: own,
            snapshot: snapshot(12, evaluations(), false),
            moa: None,
            sha256: BTreeMap::new(),
            images: None,
            peak_memory: None,
            device_memory: None,
        }
    };
    let comparison = Comparison::of(&[results("slow", 1e-4), results("fast", 1e-3)], Fronts::All, None).unwrap();
    desk.reply(Reply::Compared(roots, Ok(Box::new(comparison))));
    let both = desk.draw();
    assert!(both.contains("━━ slow") && both.contains("╍╍ fast"), "{both}");
    desk.keys("j ");
    assert!(!desk.draw().contains("╍╍ fast"), "its front is hidden:\n{}", desk.draw());
    assert!(desk.draw().contains("hypervolume over slow"), "{}", desk.draw());
}

#[test]
fn the_cursor_of_experiments_stays_on_its_experiment() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("1j");
    let mut entries = support::library();
    entries.rotate_left(1);
    desk.tell(Message::Library(entries));
    assert!(desk.draw().contains("▸   pareto"), "{}", desk.draw());
}

#[test]
fn two_points_have_their_paired_difference_on_front_and_images() {
    for (width, height) in [(120, 40), (80, 24), (60, 20)] {
        let mut desk = Desk::opened(width, height);
        desk.keys("2j 3");
        desk.keys(".");
        let screen = desk.draw();
        assert!(screen.contains("safety − alignment"), "the mark and the cursor:\n{screen}");
        let line = |screen: &str, reward: &str| {
            let mut below = screen.split("safety − alignment").nth(1).unwrap_or_default().lines();
            below.find(|line| line.contains(reward)).unwrap_or_default().to_owned()
        };
        assert!(line(&screen, "alignment").contains("-0.18") && line(&screen, "alignment").contains('↓'), "{screen}");
        assert!(line(&screen, "safety").contains("+0.15") && line(&screen, "safety").contains('↑'), "{screen}");
        assert!(line(&screen, "aesthetics").contains("+0.03"), "{screen}");
        desk.keys(" ,,,");
        assert!(desk.draw().contains("safety − alignment"), "of two marks both:\n{}", desk.draw());
        desk.keys("4");
        if height >= 24 {
            assert!(desk.draw().contains("safety − alignment, 95 %:"), "{}", desk.draw());
        }
    }
}

#[test]
fn what_is_typed_during_a_measurement_is_no_key_and_x_stops_the_mixture() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("5e");
    let asked = desk.work.len();
    desk.keys("wsafety>=0.6, max alignment");
    desk.press(KeyCode::Enter);
    let screen = desk.draw();
    assert!(screen.contains("a measurement is in progress: press ⏎ again"), "{screen}");
    assert!(screen.contains("safety>=0.6, max alignment"), "the text stays:\n{screen}");
    assert_eq!(desk.work.len(), asked, "neither stopped nor saved");
    desk.press(KeyCode::Esc);
    desk.keys("x");
    assert_eq!(desk.work.last(), Some(&Work::CancelMeasuring));
    desk.reply(Reply::Measuring { label: "measuring: soup".into(), fraction: 0.5 });
    assert!(desk.draw().contains("stopping …"), "{}", desk.draw());
    desk.reply(Reply::Stopped);
    assert!(desk.draw().contains("stopped measuring"));
}

#[test]
fn a_search_goes_on_after_a_mixture() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("5wmax safety");
    desk.press(KeyCode::Enter);
    desk.reply(Reply::Measured { root: ROOT.into(), point: Box::new(measured()), sheet: sheet(1) });
    desk.keys("e");
    assert!(matches!(desk.work.last(), Some(Work::Solve(..) | Work::Preview(..))), "{:?}", desk.work.last());
    assert!(desk.draw().contains("a measurement is in progress"));
}

#[test]
fn the_list_takes_the_plots_place_and_the_arrows_move_in_it() {
    for (width, height) in [(120, 40), (80, 24), (60, 20)] {
        let mut desk = Desk::opened(width, height);
        desk.keys("3i");
        let screen = desk.draw();
        let heading = screen.lines().nth(2).unwrap().to_owned();
        for reward in support::REWARDS {
            assert!(heading.contains(&reward[..5]), "{width}x{height}, {reward}:\n{screen}");
        }
        let row = screen.lines().find(|line| line.contains("soup centre")).unwrap();
        assert!(row.contains("+0.041") && row.contains("+0.040") && row.contains("+0.039"), "{screen}");
        let selected = |desk: &mut Desk| {
            desk.keys(" ");
            let screen = desk.draw();
            desk.keys("M");
            let line = screen.lines().find(|line| line.contains('■')).unwrap_or_default();
            line.split_whitespace().nth(2).unwrap_or_default().to_owned()
        };
        desk.press(KeyCode::End);
        assert_eq!(selected(&mut desk), "soup");
        desk.press(KeyCode::Up);
        assert_eq!(selected(&mut desk), "centre", "the row above, not the nearest point above");
        desk.press(KeyCode::Home);
        desk.press(KeyCode::Down);
        assert_eq!(selected(&mut desk), "aesthetics");
        desk.press(KeyCode::PageDown);
        assert_eq!(selected(&mut desk), "soup");
        desk.keys("i");
        assert!(desk.draw().contains("alignment over aesthetics"), "the plot is back");
    }
}

#[test]
fn the_list_beside_the_plot_shows_the_gains_of_all_rewards() {
    use moa_core::experiment::RewardKind;
    let more = [RewardKind::Composition, RewardKind::Diversity, RewardKind::Colourfulness];
    let mut spec = support::spec();
    spec.rewards.extend(more.map(Into::into));
    let mut snapshot = snapshot(12, evaluations(), false);
    for record in &mut snapshot.evaluations {
        for name in ["composition", "diversity", "colourfulness"] {
            let column = moa_core::ScoreColumn { name: name.into(), ..record.rewards[0].clone() };
            record.rewards.push(column);
        }
        record.weighting = None;
    }
    let mut desk = Desk::opened(120, 40);
    let experiment = moa_tui::Experiment::new(ROOT.into(), &snapshot, spec);
    let figures = moa_tui::Figures::of(&experiment);
    desk.tell(Message::News(ROOT.into(), News::Opened(Box::new(experiment), Box::new(figures))));
    desk.keys("3");
    let screen = desk.draw();
    let row = screen.lines().find(|line| line.contains("◆   base")).unwrap();
    assert_eq!(row.matches("+0.000").count(), 6, "{screen}");
    assert!(screen.contains("alignment over aesthetics"), "and the plot has room:\n{screen}");

    let mut desk_of_60 = Desk::opened(60, 20);
    let experiment = moa_tui::Experiment::new(ROOT.into(), &snapshot, {
        let mut spec = support::spec();
        spec.rewards
            .extend([RewardKind::Composition, RewardKind::Diversity, RewardKind::Colourfulness].map(Into::into));
        spec
    });
    let figures = moa_tui::Figures::of(&experiment);
    desk_of_60.tell(Message::News(ROOT.into(), News::Opened(Box::new(experiment), Box::new(figures))));
    desk_of_60.keys("3i");
    let screen = desk_of_60.draw();
    assert!(screen.contains("1 to 5 of 6, ← → the others"), "{screen}");
    desk_of_60.press(KeyCode::Right);
    assert!(desk_of_60.draw().contains("2 to 6 of 6") && desk_of_60.draw().contains("colour"), "{}", desk_of_60.draw());
}

#[test]
fn esc_leads_back_the_way_one_came() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("3p");
    assert!(desk.draw().contains("Same prompts"));
    desk.press(KeyCode::Esc);
    assert!(desk.draw().contains("hypervolume"), "from images back to the front:\n{}", desk.draw());
    desk.keys("m");
    desk.keys("34");
    desk.press(KeyCode::Esc);
    assert!(desk.draw().contains("hypervolume"));
    desk.press(KeyCode::Esc);
    assert!(desk.draw().contains("Runs ─"), "a screen that was passed is left once:\n{}", desk.draw());
    desk.press(KeyCode::Esc);
    assert!(desk.draw().contains("pareto  "), "{}", desk.draw());
}

#[test]
fn esc_clears_a_filter_before_it_leaves() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("/saf");
    desk.press(KeyCode::Enter);
    assert!(desk.draw().contains("1 of 4 with “saf”"));
    desk.press(KeyCode::Esc);
    let screen = desk.draw();
    assert!(screen.contains("Runs ─") && !screen.contains("“saf”"), "{screen}");
    desk.press(KeyCode::Esc);
    assert!(desk.draw().contains("Experiments ─"));
}

#[test]
fn a_soup_under_the_cursor_leaves_the_list_of_runs_its_cursor_and_has_no_curve() {
    let mut desk = Desk::opened(120, 40);
    desk.press(KeyCode::Enter);
    desk.keys("3....2");
    let screen = desk.draw();
    assert!(screen.contains("soup-centre has no training curve"), "{screen}");
    assert!(!screen.contains("▸"), "the curves are still open:\n{screen}");
    desk.keys("2");
    assert!(desk.draw().contains("▸  centre"), "the run that was under the cursor last:\n{}", desk.draw());
}

#[test]
fn last_values_of_gains_have_their_sign() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("c");
    assert!(desk.draw().contains("+0.140"), "{}", desk.draw());
}

#[test]
fn where_nothing_is_compared_no_key_is_hinted_that_does_nothing() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("6");
    let screen = desk.draw();
    assert!(screen.contains("Nothing is compared") && !screen.contains("space toggle"), "{screen}");
}

#[test]
fn a_mark_does_not_move_the_plot() {
    for (width, height) in [(120, 40), (80, 24), (60, 20)] {
        let mut desk = Desk::opened(width, height);
        desk.keys("3");
        let (_, before) = desk.find("└");
        desk.keys(" ");
        assert_eq!(desk.find("└").1, before, "{width}x{height}");
        desk.keys("]]]]");
        assert_eq!(desk.find("└").1, before, "{width}x{height}, brushed");
    }
}

#[test]
fn long_warnings_news_and_keys_are_wrapped() {
    let warning = "suspected reward hacking: aesthetics rises by 0.1500 while its judge attributes falls by 0.1000 on the prompts \
                   that it can see, and colour_harmony falls by 0.2000 beyond noise on all prompts but those with two objects. END";
    let mut desk = Desk::opened(80, 24);
    let mut long = snapshot(12, evaluations(), false);
    long.runs[0].warnings = vec![warning.into()];
    desk.news(&long);
    assert!(desk.draw().contains("END"), "{}", desk.draw());
    let verdict = "no measured mixture keeps the constraints; the nearest is soup-a60-b40 (12 mixtures measured; search again \
                   to continue); the interval of safety includes the base in 3 of 12 mixtures. END";
    desk.reply(Reply::Failed { root: ROOT.into(), what: Asked::Save, reason: verdict.into() });
    assert!(desk.draw().contains("END"), "{}", desk.draw());
    let mut desk = Desk::opened(60, 20);
    desk.keys("3?");
    let screen = desk.draw();
    assert!(screen.contains("left; in the") && screen.contains("columns to the left"), "{screen}");
}

#[test]
fn the_save_menu_names_the_programs_at_60_columns() {
    let mut desk = Desk::opened(60, 20);
    desk.keys("5s");
    let screen = desk.draw();
    for program in ["and ComfyUI", "ComfyUI, A1111 and Forge"] {
        assert!(screen.contains(program), "{screen}");
    }
}

#[test]
fn steps_of_a_slider_are_exact_where_others_were_rounded() {
    let mut desk = Desk::opened(120, 40);
    desk.keys("5jj");
    desk.press(KeyCode::Home);
    desk.keys("kkll");
    assert_eq!(shares(&desk), [0.6, 0.4, 0.0]);
}

#[test]
fn every_image_has_its_scores_below_it_where_they_were_kept() {
    for (width, height) in [(120, 40), (80, 24)] {
        let mut desk = Desk::opened(width, height);
        desk.scored = true;
        desk.keys("4n");
        let screen = desk.draw();
        assert!(screen.contains("aesthetics 0.000") && screen.contains("aesthetics 0.001"), "{screen}");
        assert!(screen.contains("safety 2.001"), "of the second noise:\n{screen}");
        desk.press(KeyCode::Right);
        assert!(desk.draw().contains("aesthetics 0.003"), "of the second prompt:\n{}", desk.draw());
    }
}
