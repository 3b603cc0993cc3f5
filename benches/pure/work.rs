//! What is measured: each piece of work as the gateway does it, from values to values.

use gatehouse::domain::CustomerId;
use gatehouse::domain::event::Event;
use gatehouse::mqtt::payload::{self, Fitted};
use gatehouse::mqtt::topics::Root;
use gatehouse::nexudus::wire::{BookingRow, read_page, read_row};
use gatehouse::report::People;

/// Reads the rows of a page; gives how many could be read.
pub fn parse(page: &[u8]) -> usize {
    let mut read = 0;
    let mut take = |row: &serde_json::value::RawValue| read += usize::from(read_row::<BookingRow>(row).is_ok());
    match read_page(page, &mut take) {
        Ok(_) => read,
        Err(why) => panic!("the page: {why:?}"),
    }
}

/// Writes an event as its message; gives its size.
pub fn encode(root: &Root, event: &Event) -> usize {
    match payload::event(root, event, Some(CustomerId(1)), People::Id, 65_536) {
        Fitted::Fits(message) => message.payload.len(),
        Fitted::TooLarge(why) => panic!("{why}"),
    }
}
