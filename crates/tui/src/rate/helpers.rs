//! The threads of the rating UI: one at the desk, one that prepares images.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use moa_rating::Desk;

use super::clerk::{Clerk, Order, Reply};
use super::decode::picture;
use super::message::{Message, Request};
use crate::picture::Painter;

/// The threads that do what the rating UI asks for.
#[derive(Debug)]
pub struct Helpers {
    orders: Sender<Order>,
    images: Sender<Request>,
    clerk: JoinHandle<()>,
}

impl Helpers {
    /// Starts the threads; their answers go to the inbox.
    pub fn start(desk: &Desk, painter: Painter, inbox: &Sender<Message>) -> Self {
        let (orders, ordered) = channel();
        let (images, wanted) = channel();
        let (mut clerk, replies) = (Clerk::new(desk.clone()), inbox.clone());
        let clerk = thread::spawn(move || {
            for order in ordered {
                // The UI may be gone: what was ordered is done all the same.
                let _ = replies.send(Message::Reply(Box::new(clerk.serve(order))));
            }
        });
        let (desk, inbox) = (desk.clone(), inbox.clone());
        thread::spawn(move || prepare(&desk, &painter, &wanted, &inbox));
        Self { orders, images, clerk }
    }

    /// Passes a request on. Returns what to tell the UI where nobody is there to answer an order.
    pub(super) fn ask(&self, request: Request) -> Option<Message> {
        match request {
            Request::Order(order) => {
                let order = self.orders.send(order).err()?.0;
                let result = Err("answers can no longer be written: leave, and start again".to_owned());
                Some(Message::Reply(Box::new(Reply { order, result, held: None })))
            }
            // Without its thread images stay away, and a question without them can be skipped.
            request => {
                let _ = self.images.send(request);
                None
            }
        }
    }

    /// Waits until everything that was ordered is done, and leaves the desk.
    pub fn finish(self) {
        drop(self.orders);
        // A panic was reported where it happened.
        let _ = self.clerk.join();
    }
}

fn prepare(desk: &Desk, painter: &Painter, wanted: &Receiver<Request>, inbox: &Sender<Message>) {
    for request in wanted {
        if let Some(message) = prepared(desk, painter, request)
            && inbox.send(message).is_err()
        {
            return;
        }
    }
}

fn prepared(desk: &Desk, painter: &Painter, request: Request) -> Option<Message> {
    match request {
        Request::Picture(place) => Some(Message::Picture(place, picture(desk.pool(), place))),
        Request::Paint(key, rgb, size) => Some(Message::Painted(key, Box::new(painter.paint(&rgb, size)?))),
        Request::Order(_) => None,
    }
}

/// Does at once what a request asks for.
pub fn serve_now(clerk: &mut Clerk, desk: &Desk, painter: &Painter, request: Request) -> Option<Message> {
    match request {
        Request::Order(order) => Some(Message::Reply(Box::new(clerk.serve(order)))),
        request => prepared(desk, painter, request),
    }
}
