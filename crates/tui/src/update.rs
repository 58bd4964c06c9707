//! What messages do to the state.

use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::{Position, Rect};

use crate::app::{App, Drag, Hit, Overlay, PromptKind, Tone};
use crate::key::{Action, Screen, find};
use crate::message::{Asked, Message, News, Reply, Request, SaveFormat, Work};
use crate::screen;
use crate::session::{Pictures, Status};
use crate::wish;

/// Takes a message. Never waits; what must be done elsewhere is in [`App::requests`] afterwards.
pub fn update(app: &mut App, message: Message) {
    match message {
        Message::Input(Event::Key(key)) if key.kind != KeyEventKind::Release => press(app, key),
        Message::Input(Event::Mouse(mouse)) => point(app, mouse),
        Message::Input(Event::Paste(text)) => text.chars().for_each(|letter| type_letter(app, letter)),
        Message::Input(_) => {}
        Message::Tick(now) => app.now = now,
        Message::Library(entries) => {
            app.library = Some(entries);
            app.library_cursor = app.library_cursor.min(app.shown_experiments().len().saturating_sub(1));
        }
        Message::News(root, news) => take_news(app, &root, news),
        Message::Reply(reply) => take_reply(app, &reply),
        Message::Model(root, model) => {
            if let Some(session) = app.session.as_mut().filter(|session| session.root == root) {
                session.soup.model = model.map(|model| *model);
            }
        }
        Message::Sheet(root, id, sheet) => {
            if let Some(session) = app.session.as_mut().filter(|session| session.root == root) {
                session.sheets.insert(id, sheet.map_or_else(Pictures::Missing, Pictures::Ready));
            }
        }
        Message::Volumes(root, volumes) => {
            if let Some(session) = app.session.as_mut().filter(|session| session.root == root) {
                session.volumes = volumes;
            }
        }
        Message::Encoded(key, protocol) => app.gallery.put(key, *protocol),
        Message::WorkerGone(reason) => {
            app.measuring = None;
            if let Some(session) = &mut app.session {
                session.soup.previewing = false;
            }
            app.say(format!("previews, measurements and saving are gone: {reason}"), Tone::Bad);
            app.worker_gone = Some(reason);
        }
        Message::SweepEnded(result) => {
            app.sweeping = false;
            match result {
                Ok(()) => app.say("the sweep is complete", Tone::Good),
                Err(reason) => app.say(format!("the sweep ended: {reason}"), Tone::Bad),
            }
        }
        Message::Stop => app.done = true,
    }
    follow_up(app);
}

/// Asks for what the state needs now.
fn follow_up(app: &mut App) {
    let (now, screen) = (app.now, app.screen);
    let Some(session) = &mut app.session else { return };
    let mut requests = session.requests(now);
    if matches!(screen, Screen::Front | Screen::Pictures | Screen::Soup) {
        let mut wanted = session.compared();
        wanted.extend(session.figures.base().map(|base| base.id.clone()));
        requests.extend(wanted.iter().filter_map(|id| session.want_sheet(id)));
    }
    if screen == Screen::Soup && app.worker_gone.is_none() {
        requests.extend(session.soup.preview_request(&session.root, &session.figures));
    }
    for request in requests {
        app.ask(request);
    }
}

fn take_news(app: &mut App, root: &std::path::Path, news: News) {
    let now = app.now;
    let Some(session) = app.session.as_mut().filter(|session| session.root == root) else { return };
    match news {
        News::Waiting => session.status = Status::Waiting,
        News::Opened(experiment, figures) => session.opened(*experiment, *figures, now),
        News::Events(events) => session.events(&events, now),
        News::Failed(reason) if session.experiment.is_some() => app.say(reason, Tone::Bad),
        News::Failed(reason) => session.status = Status::Failed(reason),
    }
}

fn take_reply(app: &mut App, reply: &Reply) {
    let current = |app: &App, root: &std::path::Path| app.session.as_ref().is_some_and(|session| session.root == root);
    match reply {
        Reply::Figures(root, _) | Reply::Failed { root, what: Asked::Figures, .. } => {
            if let Some(session) = app.session.as_mut().filter(|session| session.root == *root) {
                session.reply(reply);
            }
        }
        Reply::Preview { root, shares, pictures, coarse } => {
            if let Some(session) = app.session.as_mut().filter(|session| session.root == *root) {
                session.soup.take_preview(shares, pictures.clone(), *coarse);
            }
        }
        Reply::Measuring { label, fraction } => app.measuring = Some((label.clone(), *fraction)),
        Reply::Measured { root, point, sheet } => {
            app.measuring = None;
            if let Some(session) = app.session.as_mut().filter(|session| session.root == *root) {
                let place = point.place();
                let text = format!("measured {}: see it among the points of the front (3), {place}", point.id);
                session.measured((**point).clone(), sheet.clone());
                app.say(text, Tone::Good);
            }
        }
        Reply::Solved { root, shares, met, verdict } => {
            app.measuring = None;
            if let Some(session) = app.session.as_mut().filter(|session| session.root == *root) {
                session.soup.set(shares);
                app.say(verdict.clone(), if *met { Tone::Good } else { Tone::Bad });
            }
        }
        Reply::Saved(path) => app.say(format!("saved {}", path.display()), Tone::Good),
        Reply::Stopped => {
            app.measuring = None;
            app.say("stopped measuring", Tone::Plain);
        }
        Reply::Failed { root, what, reason } => {
            if *what == Asked::Measurement {
                app.measuring = None;
            }
            if current(app, root) {
                if let Some(session) = app.session.as_mut().filter(|_| *what == Asked::Preview) {
                    session.soup.previewing = false;
                    session.soup.failed = Some(reason.clone());
                } else {
                    app.say(reason.clone(), Tone::Bad);
                }
            }
        }
    }
}

fn press(app: &mut App, key: KeyEvent) {
    let quits = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    if app.overlay.is_some() && !quits {
        return press_over(app, key);
    }
    app.news = None;
    if let Some(action) = find(app.scope(), key) {
        act(app, action);
    }
}

/// Keys while something lies over the screen.
fn press_over(app: &mut App, key: KeyEvent) {
    let Some(overlay) = &mut app.overlay else { return };
    match (overlay, key.code) {
        (Overlay::Help { scroll }, KeyCode::Down | KeyCode::Char('j')) => *scroll += 1,
        (Overlay::Help { scroll }, KeyCode::Up | KeyCode::Char('k')) => *scroll = scroll.saturating_sub(1),
        (Overlay::Help { scroll }, KeyCode::PageDown | KeyCode::Char(' ')) => *scroll += 10,
        (Overlay::Help { scroll }, KeyCode::PageUp) => *scroll = scroll.saturating_sub(10),
        (Overlay::Palette { cursor, .. } | Overlay::SaveAs { cursor }, KeyCode::Down) => *cursor += 1,
        (Overlay::Palette { cursor, .. } | Overlay::SaveAs { cursor }, KeyCode::Up) => {
            *cursor = cursor.saturating_sub(1);
        }
        (Overlay::SaveAs { .. } | Overlay::Palette { .. } | Overlay::Prompt { .. }, KeyCode::Enter) => confirm(app),
        (Overlay::Palette { query, cursor }, KeyCode::Backspace) => {
            query.pop();
            *cursor = 0;
        }
        (Overlay::Prompt { text, .. }, KeyCode::Backspace) => {
            text.pop();
            filter(app);
        }
        (Overlay::Prompt { text, .. }, KeyCode::Char('u')) if key.modifiers.contains(KeyModifiers::CONTROL) => {
            text.clear();
            filter(app);
        }
        (Overlay::Prompt { kind, .. }, KeyCode::Esc) => {
            let kind = *kind;
            app.overlay = None;
            match kind {
                PromptKind::FilterExperiments => app.library_filter.clear(),
                PromptKind::FilterRuns => {
                    if let Some(session) = &mut app.session {
                        session.sweep.filter.clear();
                        session.list_runs();
                    }
                }
                PromptKind::Wish => {}
            }
        }
        (Overlay::Leave, KeyCode::Char('y') | KeyCode::Enter) => app.done = true,
        (Overlay::Leave, KeyCode::Char(_)) | (Overlay::Help { .. }, KeyCode::Char('q' | '?')) | (_, KeyCode::Esc) => {
            app.overlay = None;
        }
        (Overlay::SaveAs { .. }, KeyCode::Char(letter)) => {
            let chosen = SaveFormat::ALL.iter().find(|(_, name, _)| name.starts_with(letter));
            if let Some((format, ..)) = chosen {
                save(app, *format);
            }
        }
        (_, KeyCode::Char(letter)) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
            type_letter(app, letter);
        }
        _ => {}
    }
}

fn type_letter(app: &mut App, letter: char) {
    if letter.is_control() {
        return;
    }
    match &mut app.overlay {
        Some(Overlay::Palette { query, cursor }) => {
            query.push(letter);
            *cursor = 0;
        }
        Some(Overlay::Prompt { text, error, .. }) => {
            text.push(letter);
            *error = None;
            filter(app);
        }
        _ => {}
    }
}

/// Filters while one types.
fn filter(app: &mut App) {
    let Some(Overlay::Prompt { kind, text, .. }) = &app.overlay else { return };
    match (kind, &mut app.session) {
        (PromptKind::FilterExperiments, _) => {
            app.library_filter.clone_from(text);
            app.library_cursor = 0;
        }
        (PromptKind::FilterRuns, Some(session)) => {
            session.sweep.filter.clone_from(text);
            session.list_runs();
        }
        _ => {}
    }
}

fn confirm(app: &mut App) {
    match app.overlay.take() {
        Some(Overlay::Palette { query, cursor }) => {
            let found = screen::palette::search(app.scope(), &query);
            if let Some(binding) = found.get(cursor.min(found.len().saturating_sub(1))) {
                act(app, binding.action);
            }
        }
        Some(Overlay::SaveAs { cursor }) => {
            let (format, ..) = SaveFormat::ALL[cursor.min(SaveFormat::ALL.len() - 1)];
            save(app, format);
        }
        Some(Overlay::Prompt { kind: PromptKind::Wish, text, .. }) => {
            let Some(session) = &mut app.session else { return };
            match wish::read(&text, &session.figures.rewards) {
                Ok((constraints, goal)) => {
                    session.soup.wish = text;
                    let request = Request::Work(Work::Solve(session.root.clone(), constraints, goal));
                    app.measuring = Some(("looking for shares".into(), 0.0));
                    app.ask(request);
                }
                Err(error) => {
                    app.overlay = Some(Overlay::Prompt { kind: PromptKind::Wish, text, error: Some(error) });
                }
            }
        }
        _ => {}
    }
}

fn save(app: &mut App, format: SaveFormat) {
    app.overlay = None;
    if let Some(session) = &app.session {
        let request = Request::Work(Work::Save(session.root.clone(), session.soup.shares(&session.figures), format));
        app.ask(request);
        app.say("saving …", Tone::Plain);
    }
}

/// Does what a key, a click or the palette asks for.
pub(crate) fn act(app: &mut App, action: Action) {
    match action {
        Action::GoTo(screen) => go(app, screen),
        Action::NextScreen => go(app, Screen::ALL[(app.screen.index() + 1) % Screen::ALL.len()]),
        Action::PreviousScreen => go(app, Screen::ALL[(app.screen.index() + 4) % Screen::ALL.len()]),
        Action::Help => app.overlay = Some(Overlay::Help { scroll: 0 }),
        Action::Palette => app.overlay = Some(Overlay::Palette { query: String::new(), cursor: 0 }),
        Action::TurnTheme => app.theme = app.theme.turned(),
        Action::Quit if app.sweeping || app.measuring.is_some() => {
            app.done = app.overlay == Some(Overlay::Leave);
            app.overlay = Some(Overlay::Leave);
        }
        Action::Quit => app.done = true,
        Action::Back => back(app),
        _ if app.screen == Screen::Experiments => screen::experiments::act(app, action),
        _ => {
            let ready = app.session.as_ref().is_some_and(|session| session.experiment.is_some());
            match app.screen {
                _ if !ready => {}
                Screen::Experiments => {}
                Screen::Sweep => screen::sweep::act(app, action),
                Screen::Front => screen::front::act(app, action),
                Screen::Pictures => screen::pictures::act(app, action),
                Screen::Soup => screen::soup::act(app, action),
            }
        }
    }
}

fn go(app: &mut App, screen: Screen) {
    if screen != Screen::Experiments && app.session.is_none() {
        // The one under the cursor is meant.
        let Some(root) = app.shown_experiments().get(app.library_cursor).map(|entry| entry.root.clone()) else {
            return app.say("open an experiment first", Tone::Plain);
        };
        app.open(root);
    }
    app.screen = screen;
}

fn back(app: &mut App) {
    if let Some(session) = app.session.as_mut().filter(|session| session.curves.is_some()) {
        session.curves = None;
    } else if app.screen == Screen::Experiments {
        app.library_filter.clear();
    } else if app.screen != Screen::Sweep {
        app.screen = Screen::Sweep;
    } else if app.results.is_some() {
        app.screen = Screen::Experiments;
    }
}

fn point(app: &mut App, mouse: MouseEvent) {
    let place = (mouse.column, mouse.row);
    match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) => {
            app.news = None;
            let Some((area, hit)) = hit(app, place) else {
                if !matches!(app.overlay, Some(Overlay::Prompt { .. }) | None) {
                    app.overlay = None;
                }
                return;
            };
            app.drag = Some(Drag { hit, area, from: place });
            click(app, hit, area, place);
        }
        MouseEventKind::Drag(MouseButton::Left) => {
            if let Some(drag) = app.drag {
                dragged(app, drag, place);
            }
        }
        MouseEventKind::Up(_) => app.drag = None,
        MouseEventKind::ScrollDown => wheel(app, Action::Down),
        MouseEventKind::ScrollUp => wheel(app, Action::Up),
        _ => {}
    }
}

fn hit(app: &App, (x, y): (u16, u16)) -> Option<(Rect, Hit)> {
    let hits = app.hits.borrow();
    let over = app.overlay.is_some();
    let takes =
        |(area, hit): &&(Rect, Hit)| area.contains(Position { x, y }) && (!over || matches!(hit, Hit::Entry(_)));
    hits.iter().rev().find(takes).copied()
}

fn wheel(app: &mut App, action: Action) {
    match &mut app.overlay {
        Some(Overlay::Help { scroll }) if action == Action::Down => *scroll += 3,
        Some(Overlay::Help { scroll }) => *scroll = scroll.saturating_sub(3),
        Some(Overlay::Palette { cursor, .. }) if action == Action::Down => *cursor += 1,
        Some(Overlay::Palette { cursor, .. }) => *cursor = cursor.saturating_sub(1),
        Some(_) => {}
        None => act(app, action),
    }
}

fn click(app: &mut App, hit: Hit, area: Rect, place: (u16, u16)) {
    match hit {
        Hit::Do(action) => act(app, action),
        Hit::Experiment(index) if app.library_cursor == index => act(app, Action::Open),
        Hit::Experiment(index) => app.library_cursor = index,
        Hit::Entry(index) => {
            if let Some(Overlay::Palette { cursor, .. } | Overlay::SaveAs { cursor }) = &mut app.overlay {
                *cursor = index;
                confirm(app);
            }
        }
        Hit::Run(index) => screen::sweep::click(app, index),
        Hit::Point(index) => screen::pictures::click(app, index),
        Hit::Scatter(plot) => screen::front::click(app, &plot, place),
        Hit::Parallel(..) => {}
        Hit::Slider(index) => screen::soup::slide(app, index, area, place.0),
        Hit::Triangle => screen::soup::drag_in_triangle(app, area, place),
    }
}

fn dragged(app: &mut App, drag: Drag, place: (u16, u16)) {
    match drag.hit {
        Hit::Scatter(plot) => screen::front::brush(app, &plot, drag.from, place),
        Hit::Parallel(index, axis) => screen::front::brush_axis(app, index, axis, drag, place),
        Hit::Slider(index) => screen::soup::slide(app, index, drag.area, place.0),
        Hit::Triangle => screen::soup::drag_in_triangle(app, drag.area, place),
        _ => {}
    }
}
