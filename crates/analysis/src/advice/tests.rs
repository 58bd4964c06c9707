use super::*;
use crate::sample::{snapshot, spec};
use crate::{FrontReport, trade_off};

const BASE: (&str, PointKind, [f64; 2]) = ("base", PointKind::Base, [0.5, 0.5]);

fn report(points: &[(&str, PointKind, [f64; 2])], prompts: usize) -> FrontReport {
    let (snapshot, spec) = (snapshot(points, prompts), spec());
    let scales = Scales::of(&spec, &snapshot.evaluations);
    FrontReport::of(&snapshot, &spec, scales).unwrap()
}

fn front(prompts: usize) -> FrontReport {
    let points = [
        BASE,
        ("safety", PointKind::Trained, [0.7, 0.45]),
        ("contrast", PointKind::Trained, [0.45, 0.7]),
        ("centre", PointKind::Trained, [0.6, 0.59]),
        ("soup-centre", PointKind::Soup, [0.65, 0.64]),
    ];
    report(&points, prompts)
}

fn of(report: &FrontReport, is_sought: impl Fn(&Why) -> bool) -> Option<&Recommendation> {
    report.advice.iter().find(|one| is_sought(&one.why))
}

#[test]
fn the_best_of_each_reward_the_knee_and_what_loses_nothing_are_named() {
    let report = front(64);
    let most = of(&report, |why| *why == Why::Most(0)).unwrap();
    assert_eq!(most.point.as_str(), "safety");
    assert!(most.picked.unwrap() > 0.99, "{most:?}");
    assert!(
        most.sentence.starts_with("the most safety; safety +0.2") && most.sentence.contains("costs contrast -0.0"),
        "{}",
        most.sentence
    );
    let knee = of(&report, |why| *why == Why::Knee).unwrap();
    assert_eq!(knee.point.as_str(), "soup-centre");
    let free = of(&report, |why| *why == Why::NoLoss).unwrap();
    assert_eq!(free.point.as_str(), "soup-centre");
    assert!(free.sentence.contains("no loss") || !free.sentence.contains("costs"), "{}", free.sentence);
}

#[test]
fn a_mixture_that_is_better_than_a_trained_adapter_is_named_with_how_sure_that_is() {
    let report = front(64);
    let beats: Vec<&Recommendation> = report.advice.iter().filter(|one| matches!(one.why, Why::Beats { .. })).collect();
    assert_eq!(beats.len(), 1, "it beats neither corner: {beats:?}");
    let Why::Beats { trained, sure } = &beats[0].why else { unreachable!() };
    assert_eq!((beats[0].point.as_str(), trained.as_str()), ("soup-centre", "centre"));
    assert!(*sure >= 0.95 && beats[0].sentence.contains("beats centre in every reward"), "{:?}", beats[0]);
}

#[test]
fn points_that_are_not_told_apart_are_said_with_the_choice() {
    let alike = [
        BASE,
        ("safety", PointKind::Trained, [0.7, 0.5]),
        ("contrast", PointKind::Trained, [0.45, 0.7]),
        ("centre", PointKind::Trained, [0.7, 0.5]),
    ];
    let report = report(&alike, 64);
    let most = of(&report, |why| *why == Why::Most(0)).unwrap();
    assert_eq!(most.alike.len(), 1, "{most:?}");
    assert!(most.sentence.contains("not distinguishable in safety from"), "{}", most.sentence);
    assert_eq!(report.groups, [vec![1, 3]]);
}

#[test]
fn few_prompts_leave_how_sure_it_is_open_and_nothing_is_shown() {
    let report = front(8);
    assert!(report.advice.iter().all(|one| one.picked.is_none()), "{:?}", report.advice);
    let beats = report.advice.iter().find(|one| matches!(one.why, Why::Beats { .. })).unwrap();
    assert!(beats.sentence.contains("not beyond noise"), "{}", beats.sentence);
    assert!(of(&report, |why| *why == Why::NoLoss).is_none(), "nothing is shown to gain");
}

#[test]
fn what_no_point_gains_beyond_noise_is_no_reason_to_choose_one() {
    let report = report(
        &[BASE, ("safety", PointKind::Trained, [0.7, 0.495]), ("contrast", PointKind::Trained, [0.6, 0.496])],
        64,
    );
    assert!(of(&report, |why| *why == Why::Most(0)).is_some());
    assert!(of(&report, |why| *why == Why::Most(1)).is_none(), "{:?}", report.advice);
}

#[test]
fn before_another_point_is_evaluated_nothing_is_recommended() {
    assert_eq!(report(&[BASE], 64).advice, []);
    assert_eq!(report(&[], 64).advice, []);
    let worse = [BASE, ("safety", PointKind::Trained, [0.4, 0.4])];
    assert_eq!(report(&worse, 64).advice, [], "what is worse than the base is no advice");
}

#[test]
fn the_best_under_constraints_keeps_them_surely_or_says_that_it_does_not() {
    let points = [
        BASE,
        ("safety", PointKind::Trained, [0.7, 0.45]),
        ("contrast", PointKind::Trained, [0.45, 0.7]),
        ("centre", PointKind::Trained, [0.6, 0.505]),
    ];
    let report = report(&points, 64);
    let within = |text: &str| {
        let constraint = trade_off::constraint(text, &report.rewards).unwrap();
        report.best_within(&snapshot(&points, 64), &spec(), &[constraint], Some(0)).unwrap()
    };
    let kept = within("contrast>=base-0.02").unwrap();
    assert_eq!(kept.point.as_str(), "centre");
    assert!(
        kept.sentence.starts_with("the most safety that keeps contrast>=base-0.02; safety +0.0"),
        "{}",
        kept.sentence
    );
    let by_means = within("contrast>=base+0.004").unwrap();
    assert!(
        by_means.point.as_str() == "contrast" || by_means.sentence.contains("its bounds on other prompts do not"),
        "{by_means:?}"
    );
    assert_eq!(within("contrast>=0.99"), None);
}
