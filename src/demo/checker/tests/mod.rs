//! The checker is checked: whole days of a puppet that does everything right pass, each way of doing wrong is found by
//! the promise that it breaks, and a day on which nothing happened shows nothing.

mod days;
mod puppet;
mod rules;
