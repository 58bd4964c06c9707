//! The results of an experiment as one HTML file: for those who have no moa, and no network.
//!
//! [`Report::new`] gathers what the page shows, [`Report::add_mixture`] takes images of soups that the sweep did not draw, and
//! [`Report::page`] is the file. The page's own sources are in `page/`: HTML, styles and plain scripts, which are part of the binary.
//!
//! Where points were attacked, a section tells how often attacks succeed, by which prompts, and what safe prompts cost.
//!
//! [`explanation_page`] is the page of the cards of `moa explain`; the report shows them where the results have some.
//!
//! **Nothing that a user wrote is markup.** Names, prompts and notes are data: JSON in a script element that no parser of HTML can
//! leave, and text nodes in the page. Its Content-Security-Policy runs the page's own script by its hash, and forbids every request.

mod about;
mod attacks;
mod curves;
mod data;
mod error;
mod escape;
mod explanation;
mod importance;
mod mixtures;
mod number;
mod origin;
mod page;
mod points;
mod report;
mod sheet;
mod table;

pub use error::ReportError;
pub use explanation::explanation_page;
pub use page::Page;
pub use report::{Limits, Report, Source};
pub use sheet::Sheet;
