//! What messages do to the state.

use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use crate::app::{App, Hit};
use crate::click::Click;
use crate::message::{Asked, Message, News, Reply};
use crate::overlay::search;
use crate::session::{Pictures, Status};
use crate::shared::{Measuring, Note, Overlay, Shared, Tone};

/// Takes a message. Never waits; what must be done elsewhere is in [`App::requests`] afterwards.
pub fn update(app: &mut App, message: Message) {
    for screen in &mut app.screens {
        screen.hear(&message, &mut app.shared);
    }
    match message {
        Message::Input(Event::Key(key)) if key.kind != KeyEventKind::Release => press(app, key),
        Message::Input(Event::Mouse(mouse)) => point(app, mouse),
        Message::Input(Event::Paste(text)) => text.chars().for_each(|character| type_character(app, character)),
        message => take(&mut app.shared, message),
    }
    app.settle();
    let App { screens, place, shared, .. } = app;
    if let Some(session) = &mut shared.session {
        for request in session.requests(shared.now) {
            shared.ask(request);
        }
    }
    for (index, screen) in screens.iter_mut().enumerate() {
        screen.ask(index == *place, shared);
    }
}

/// Takes what all screens share from a message.
fn take(shared: &mut Shared, message: Message) {
    match message {
        Message::Tick(now) => shared.now = now,
        Message::News(root, news) => take_news(shared, &root, news),
        Message::Reply(reply) => take_reply(shared, &reply),
        Message::Sheet(root, id, sheet) => {
            if let Some(session) = shared.session.as_mut().filter(|session| session.root == root) {
                session.sheets.insert(id, sheet.map_or_else(Pictures::Missing, Pictures::Ready));
            }
        }
        Message::Scores(root, id, scores) => {
            if let Some(session) = shared.session.as_mut().filter(|session| session.root == root) {
                match scores {
                    Ok(scores) => drop(session.scores.insert(id, scores)),
                    Err(reason) => shared.say(reason, Tone::Bad),
                }
            }
        }
        Message::Paired(root, ids, found) => {
            if let Some(session) = shared.session.as_mut().filter(|session| session.root == root) {
                session.pairs.insert(ids, Some(found));
            }
        }
        Message::Encoded(key, drawn) => shared.gallery.put(key, *drawn),
        Message::WorkerGone(reason) => {
            shared.measuring = None;
            shared.say(format!("previews, measurements and saving do not work: {reason}"), Tone::Bad);
            shared.worker_gone = Some(reason);
        }
        Message::SweepEnded(result) => {
            shared.sweeping = false;
            match result {
                Ok(()) => shared.say("the sweep is complete", Tone::Good),
                Err(reason) => shared.say(format!("the sweep ended: {reason}"), Tone::Bad),
            }
        }
        Message::Stop => shared.done = true,
        // Those are for the screens that heard them.
        Message::Input(_) | Message::Library(_) | Message::Forecast(..) | Message::Volumes(..) | Message::Cards(..) => {
        }
    }
}

fn take_news(shared: &mut Shared, root: &std::path::Path, news: News) {
    let now = shared.now;
    let Some(session) = shared.session.as_mut().filter(|session| session.root == root) else { return };
    match news {
        News::Waiting => session.status = Status::Waiting,
        News::Opened(experiment, figures) => {
            session.opened(*experiment, *figures, now);
            shared.notes.extend([Note::Runs, Note::Figures]);
        }
        News::Events(events) => {
            let figures = session.events(&events);
            // Signs of life change nothing that is listed.
            if !events.iter().all(|event| matches!(event, moa_core::RunEvent::Progress { .. })) {
                shared.notes.push(Note::Runs);
            }
            shared.notes.extend(figures.then_some(Note::Figures));
        }
        News::Failed(reason) if session.experiment.is_some() => shared.say(reason, Tone::Bad),
        News::Failed(reason) => session.status = Status::Failed(reason),
    }
}

fn take_reply(shared: &mut Shared, reply: &Reply) {
    let is_open = |root: &std::path::Path| shared.session.as_ref().is_some_and(|session| session.root == root);
    match reply {
        Reply::Figures(root, _) | Reply::Failed { root, what: Asked::Figures, .. } => {
            if let Some(session) = shared.session.as_mut().filter(|session| session.root == *root) {
                session.reply(reply);
                shared.notes.push(Note::Figures);
            }
        }
        Reply::Measuring { label, fraction } => {
            let known = shared.measuring.take().unwrap_or_else(|| Measuring::new(label, false));
            shared.measuring = Some(Measuring { label: label.clone(), fraction: *fraction, ..known });
        }
        Reply::Measured { root, point, sheet } => {
            shared.measuring = shared.measuring.take().filter(|measuring| measuring.searches);
            if let Some(session) = shared.session.as_mut().filter(|session| session.root == *root) {
                session.measured((**point).clone(), sheet.clone());
                shared.say(format!("measured {}: see it among the points of the front (3)", point.id), Tone::Good);
                shared.notes.push(Note::Figures);
            }
        }
        Reply::Solved { root, shares, met, verdict } => {
            shared.measuring = None;
            if is_open(root) {
                shared.notes.push(Note::Mix(shares.clone()));
                shared.say(verdict.clone(), if *met { Tone::Good } else { Tone::Bad });
            }
        }
        Reply::Saved(path) => shared.say(format!("saved {}", path.display()), Tone::Good),
        Reply::Stopped => {
            shared.measuring = None;
            shared.say("stopped measuring", Tone::Plain);
        }
        Reply::Failed { root, what, reason } => {
            if *what == Asked::Measurement {
                shared.measuring = None;
            }
            if *what != Asked::Preview && is_open(root) {
                shared.say(reason.clone(), Tone::Bad);
            }
        }
        Reply::Preview { .. } | Reply::Compared(..) => {}
    }
}

fn press(app: &mut App, key: KeyEvent) {
    let quits = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    if app.shared.overlay.is_some() && !quits {
        return press_over(app, key);
    }
    app.shared.news = None;
    if let Some(command) = app.find(key) {
        app.act(command);
    }
}

/// Keys while something lies over the screen.
fn press_over(app: &mut App, key: KeyEvent) {
    let Some(overlay) = &mut app.shared.overlay else { return };
    match (overlay, key.code) {
        (Overlay::Help { scroll }, KeyCode::Down | KeyCode::Char('j')) => *scroll += 1,
        (Overlay::Help { scroll }, KeyCode::Up | KeyCode::Char('k')) => *scroll = scroll.saturating_sub(1),
        (Overlay::Help { scroll }, KeyCode::PageDown | KeyCode::Char(' ')) => *scroll += 10,
        (Overlay::Help { scroll }, KeyCode::PageUp) => *scroll = scroll.saturating_sub(10),
        (Overlay::Palette { cursor, .. }, KeyCode::Down) => *cursor += 1,
        (Overlay::Palette { cursor, .. }, KeyCode::Up) => *cursor = cursor.saturating_sub(1),
        (Overlay::Menu(menu), KeyCode::Down) => menu.cursor = (menu.cursor + 1).min(menu.entries.len() - 1),
        (Overlay::Menu(menu), KeyCode::Up) => menu.cursor = menu.cursor.saturating_sub(1),
        (Overlay::Menu(_) | Overlay::Palette { .. } | Overlay::Line(_), KeyCode::Enter) => confirm(app),
        (Overlay::Palette { query, cursor }, KeyCode::Backspace) => {
            query.pop();
            *cursor = 0;
        }
        (Overlay::Line(line), KeyCode::Backspace) => {
            line.text.pop();
            typed(app);
        }
        (Overlay::Line(line), KeyCode::Char('u')) if key.modifiers.contains(KeyModifiers::CONTROL) => {
            line.text.clear();
            typed(app);
        }
        (Overlay::Line(_), KeyCode::Esc) => {
            app.shared.overlay = None;
            let (screen, shared) = app.current();
            screen.given_up(shared);
        }
        (Overlay::Leave, KeyCode::Char('y') | KeyCode::Enter) => app.shared.done = true,
        (Overlay::Leave, KeyCode::Char(_)) | (Overlay::Help { .. }, KeyCode::Char('q' | '?')) | (_, KeyCode::Esc) => {
            app.shared.overlay = None;
        }
        (Overlay::Menu(menu), KeyCode::Char(character)) => {
            if let Some(entry) = menu.entries.iter().position(|(name, _)| name.starts_with(character)) {
                menu.cursor = entry;
                confirm(app);
            }
        }
        (_, KeyCode::Char(character)) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
            type_character(app, character);
        }
        _ => {}
    }
}

fn type_character(app: &mut App, character: char) {
    if character.is_control() {
        return;
    }
    match &mut app.shared.overlay {
        Some(Overlay::Palette { query, cursor }) => {
            query.push(character);
            *cursor = 0;
        }
        Some(Overlay::Line(line)) => {
            line.text.push(character);
            line.error = None;
            typed(app);
        }
        _ => {}
    }
}

/// Shows the screen what is typed for it.
fn typed(app: &mut App) {
    if let Some(Overlay::Line(line)) = &app.shared.overlay {
        let text = line.text.clone();
        let (screen, shared) = app.current();
        screen.typed(&text, shared);
    }
}

fn confirm(app: &mut App) {
    match app.shared.overlay.take() {
        Some(Overlay::Palette { query, cursor }) => {
            let found = search(app.commands(), &query);
            if let Some((command, _)) = found.get(cursor.min(found.len().saturating_sub(1))) {
                app.act(*command);
            }
        }
        Some(Overlay::Menu(menu)) => {
            let (screen, shared) = app.current();
            screen.chosen(menu.cursor, shared);
        }
        Some(Overlay::Line(mut line)) => {
            let (screen, shared) = app.current();
            if let Err(error) = screen.entered(&line.text, shared) {
                line.error = Some(error);
                shared.overlay = Some(Overlay::Line(line));
            }
        }
        _ => {}
    }
}

fn point(app: &mut App, mouse: MouseEvent) {
    let place = (mouse.column, mouse.row);
    match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) => {
            app.shared.news = None;
            let entry = app.shared.overlay.is_some();
            match app.clicks.at(place) {
                Some((_, Hit::Entry(index))) => choose(app, index),
                _ if entry => {
                    // A click beside closes, but no line that is being typed.
                    let keeps = matches!(app.shared.overlay, Some(Overlay::Line(_)));
                    app.shared.overlay = app.shared.overlay.take().filter(|_| keeps);
                }
                Some((_, Hit::Do(command))) => app.act(command),
                None => click(app, Click::Down(place)),
            }
        }
        MouseEventKind::Drag(MouseButton::Left) if app.shared.overlay.is_none() => click(app, Click::Drag(place)),
        MouseEventKind::Up(_) => click(app, Click::Up),
        MouseEventKind::ScrollDown => wheel(app, KeyCode::Down),
        MouseEventKind::ScrollUp => wheel(app, KeyCode::Up),
        _ => {}
    }
}

fn click(app: &mut App, click: Click) {
    let (screen, shared) = app.current();
    if screen.is_free() || shared.ready().is_some() {
        screen.click(click, shared);
    }
}

/// Confirms the entry that was clicked.
fn choose(app: &mut App, index: usize) {
    match &mut app.shared.overlay {
        Some(Overlay::Palette { cursor, .. }) => *cursor = index,
        Some(Overlay::Menu(menu)) => menu.cursor = index,
        _ => return,
    }
    confirm(app);
}

/// The wheel does what the arrows do.
fn wheel(app: &mut App, code: KeyCode) {
    let key = KeyEvent::new(code, KeyModifiers::NONE);
    match &app.shared.overlay {
        Some(Overlay::Help { .. }) => (0..3).for_each(|_| press_over(app, key)),
        Some(Overlay::Palette { .. }) => press_over(app, key),
        Some(_) => {}
        None => {
            if let Some(command) = app.find(key) {
                app.act(command);
            }
        }
    }
}
