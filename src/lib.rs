//! Gatehouse: keeps Kisi door access right from Nexudus, on a box in the building.
//!
//! The rooms, in the order in which data meets them, and what each may know. `tests/gatehouse/rooms.rs` holds them to
//! this table.
//!
//! | room | what it is for | knows |
//! | --- | --- | --- |
//! | [`clock`] | the one place that reads a clock | nobody |
//! | [`domain`] | who gets in and when: pure rules over plain values | nobody |
//! | [`config`] | the file as typed values; secrets; errors with line and column | `domain` |
//! | [`net`] | the one place that builds HTTP clients; pace, backoff | `clock` |
//! | [`nexudus`] | reads Nexudus: sign-in, pages, complete readings | `clock`, `domain`, `net` |
//! | [`kisi`] | reads and writes Kisi: roster, changes, events | `clock`, `domain`, `net` |
//! | [`store`] | what is kept on the box: cache, ledger, outbox | `domain` |
//! | [`report`] | what the gateway says of itself: payloads of topics, socket and page | `domain` |
//! | [`mqtt`] | topics and the connection to the broker | `clock`, `domain`, `report` |
//! | [`gateway`] | the loops and their order: the only one that knows all of the above | all above |
//! | [`web`] | page, health, socket | `clock`, `domain`, `report` |
//! | [`cli`] | one file a verb | all others |
//! | `twin` | feature `demo`: both clouds in process; shares nothing with their clients, speaks HTTP | `clock` |
//! | `demo` | feature `demo`: a site, its scripted day, and the checker of the promises | `clock`, `twin` |
//! | `simulate` | feature `demo`: the whole gateway on virtual time, one seed a run | `clock`, `config`, `net`, `store`, `report`, `mqtt`, `gateway`, `twin`, `demo` |

pub mod cli;
pub mod clock;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod domain;
pub mod gateway;
pub mod kisi;
pub mod mqtt;
pub mod net;
pub mod nexudus;
pub mod report;
#[cfg(feature = "demo")]
pub mod simulate;
pub mod store;
#[cfg(feature = "demo")]
pub mod twin;
pub mod web;
