//! What messages do to the rating UI.

use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::app::{App, Hit, Overlay};
use super::clerk::{Order, Reply};
use super::keys;
use super::message::Message;
use crate::shared::{Line, Tone};

/// Takes a message. Never waits; what must be done elsewhere is in [`App::requests`] afterwards.
pub fn update(app: &mut App, message: Message) {
    match message {
        Message::Input(Event::Key(key)) if key.kind != KeyEventKind::Release => press(app, key),
        Message::Input(Event::Mouse(mouse)) => point(app, mouse),
        Message::Input(Event::Paste(text)) => {
            if let Some(Overlay::Name(line)) = &mut app.overlay {
                text.chars().for_each(|character| type_character(line, character));
            }
        }
        Message::Input(_) => {}
        Message::Tick(now) => app.tick(now),
        Message::Reply(reply) => take(app, *reply),
        Message::Picture(place, picture) => app.take_picture(place, picture),
        Message::Painted(key, drawn) => app.gallery.put(key, *drawn),
        Message::Stop => app.done = true,
    }
}

fn press(app: &mut App, event: KeyEvent) {
    let quits = matches!(event.code, KeyCode::Char('c' | 'q')) && event.modifiers.contains(KeyModifiers::CONTROL);
    match &mut app.overlay {
        Some(Overlay::Name(line)) => match event.code {
            _ if quits => app.done = true,
            KeyCode::Esc => app.done = true,
            KeyCode::Enter => {
                let who = line.text.clone();
                app.sit(who);
            }
            KeyCode::Backspace => drop(line.text.pop()),
            KeyCode::Char('u') if event.modifiers.contains(KeyModifiers::CONTROL) => line.text.clear(),
            KeyCode::Char(character) if !event.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {
                type_character(line, character);
            }
            _ => {}
        },
        Some(Overlay::Help | Overlay::Progress) if !quits => match event.code {
            KeyCode::Down | KeyCode::Char('j') => app.scroll += 1,
            KeyCode::Up | KeyCode::Char('k') => app.scroll = app.scroll.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => app.scroll += 10,
            KeyCode::PageUp => app.scroll = app.scroll.saturating_sub(10),
            KeyCode::Esc | KeyCode::Enter | KeyCode::Tab | KeyCode::Char('q' | '?') => app.overlay = None,
            _ => {}
        },
        // A key that is held down decides once.
        _ if event.kind == KeyEventKind::Press => {
            app.news = None;
            app.press(keys::key(event));
        }
        _ => {}
    }
}

fn type_character(line: &mut Line, character: char) {
    if !character.is_control() {
        line.text.push(character);
        line.error = None;
    }
}

fn point(app: &mut App, mouse: MouseEvent) {
    let is_open = matches!(app.overlay, Some(Overlay::Help | Overlay::Progress));
    match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) if is_open => app.overlay = None,
        MouseEventKind::Down(MouseButton::Left) if app.overlay.is_none() => {
            match app.clicks.at((mouse.column, mouse.row)) {
                Some((_, Hit::Key(key))) => app.press(key),
                Some((_, Hit::Tag(tag))) => app.toggle(tag),
                Some((_, Hit::Image(image))) => app.rank(image),
                None => {}
            }
        }
        MouseEventKind::ScrollDown if is_open => app.scroll += 3,
        MouseEventKind::ScrollUp if is_open => app.scroll = app.scroll.saturating_sub(3),
        _ => {}
    }
}

/// Takes what came of an order.
fn take(app: &mut App, reply: Reply) {
    let before = app.progress.answered;
    let was_seated = app.who.is_some();
    match (&reply.order, reply.result) {
        (Order::Sit(_), Ok(_)) => app.overlay = None,
        (Order::Sit(name), Err(reason)) => app.ask_name(name.clone(), Some(reason)),
        (Order::Answer(..), Ok(_)) => {
            let said = app.writing.take().unwrap_or_default();
            app.say(said, Tone::Good);
        }
        (Order::Answer(..), Err(reason)) => {
            (app.writing, app.leaving) = (None, false);
            app.say(format!("not written: {reason}; nothing else is lost, answer again"), Tone::Bad);
        }
        (Order::Undo, result) => {
            app.writing = None;
            match result {
                Ok(true) => app.say("undone: it is asked again", Tone::Good),
                Ok(false) => app.say("there is nothing to undo", Tone::Plain),
                Err(reason) => {
                    app.leaving = false;
                    app.say(format!("not undone: {reason}"), Tone::Bad);
                }
            }
        }
        (Order::Look, result) => {
            app.looking = false;
            if let Err(reason) = result {
                app.say(reason, Tone::Bad);
            }
        }
    }
    if let Some(held) = reply.held {
        app.hold(held);
    }
    let goal = app.progress.goal.filter(|goal| was_seated && before < *goal && app.progress.answered >= *goal);
    if let Some(goal) = goal {
        app.say(format!("the goal of {goal} answers is reached; further answers count, too"), Tone::Good);
    }
    app.done |= app.leaving && app.writing.is_none();
}
