//! Customers whom a booking, pass or contract names before a list has shown them: each is read singly.

use std::collections::BTreeSet;
use std::time::Duration;

use super::engine::Engine;
use crate::domain::CustomerId;
use crate::domain::snapshot::{Absorbed, Entity, Listing};
use crate::store::Batch;

/// How long after it was asked for singly an unknown customer is asked for again.
const ASKED_AGAIN: Duration = Duration::from_secs(3600);
/// How many unknown customers are read singly at a time.
const SINGLY: usize = 20;

/// Customers of new bookings, passes and contracts who have not been read yet: each is read at once.
pub async fn read(engine: &Engine) {
    let now = engine.clock.mono();
    let strangers: Vec<CustomerId> = {
        let state = engine.state();
        let snapshot = &state.snapshot;
        if snapshot.customers.whole().is_none() {
            return;
        }
        let of_bookings = snapshot.bookings.iter().filter_map(|booking| booking.customer);
        let of_passes = snapshot.passes.iter().map(|pass| pass.customer);
        let of_contracts = snapshot.contracts.iter().map(|contract| contract.customer);
        let all: BTreeSet<CustomerId> = of_bookings.chain(of_passes).chain(of_contracts).collect();
        all.into_iter()
            .filter(|id| snapshot.customers.get(*id).is_none())
            .filter(|id| state.strangers.get(id).is_none_or(|asked| now.since(*asked) >= ASKED_AGAIN))
            .take(SINGLY)
            .collect()
    };
    for id in strangers {
        // The complete readings of customers bring it otherwise, or it is none.
        engine.state().strangers.insert(id, now);
        match engine.nexudus.customer(id).await {
            Ok(Some(customer)) => {
                let mut batch = Batch::new();
                {
                    let mut state = engine.state();
                    let began = engine.clock_guess(&state);
                    let listing = Listing { rows: vec![customer], aside: Vec::new(), whole: None, began };
                    let absorbed: Absorbed<CustomerId> = state.snapshot.customers.absorb(listing);
                    batch.shelf(Entity::Customers, &state.snapshot.customers, &absorbed);
                    state.dirty = true;
                }
                let _ = engine.commit(batch).await;
                engine.sync.notify_one();
            }
            Ok(None) => {}
            Err(error) => {
                engine.state().strangers.remove(&id);
                tracing::warn!(customer = %id, %error, "a customer could not be read");
                return;
            }
        }
    }
}
