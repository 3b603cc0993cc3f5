//! Nexudus' JSON, as it really comes: the only place that knows how its fields are spelt and typed.
//!
//! Lenient in shape, strict in meaning: a number as text is a number, but a booking without its `Tentative` grants
//! nothing. A row that can't be read is set aside with the path of its fault; the rest of the page goes on.

mod date;
mod item;
mod lenient;
mod page;
mod rows;

pub use date::{for_filter, parse as parse_date};
pub use item::ItemRow;
pub use lenient::Lifetime;
pub use page::{BadBody, Page, check_record, message, read_page, shortened};
pub use rows::*;
