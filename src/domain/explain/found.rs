//! Who is meant: customers and a Kisi user; and whom somebody may have meant who is not found.

use super::super::person::{Match, Matcher};
use super::super::reconcile::Known;
use super::super::snapshot::Customer;
use super::super::{CustomerId, Email, UserId};
use super::Who;

/// How many letters a suggested address may differ by: a slip, not a search.
const SLIPS: usize = 2;
/// How many addresses are suggested at most.
const SUGGESTED: usize = 3;

/// Who was found.
pub(super) struct Found {
    pub(super) customers: Vec<CustomerId>,
    pub(super) user: Option<UserId>,
    pub(super) email: Option<Email>,
    /// The user of a changed e-mail that is not followed.
    pub(super) not_followed: Option<UserId>,
}

impl Found {
    pub(super) fn new(known: &Known<'_>, who: &Who) -> Option<Found> {
        let by_email = |email: &Email| -> Vec<CustomerId> {
            let same = |customer: &&Customer| customer.email.as_ref() == Some(email);
            known.snapshot.customers.iter().filter(same).map(|customer| customer.id).collect()
        };
        let (customers, email) = match who {
            Who::Email(email) => (by_email(email), Some(email.clone())),
            Who::Customer(id) => {
                let email = known.snapshot.customers.get(*id)?.email.clone();
                (email.as_ref().map_or_else(|| vec![*id], by_email), email)
            }
            Who::User(id) => {
                let user = known.roster.users.get(id)?;
                let noted = known.ledger.accounts.get(id).map(|account| account.customers.clone()).unwrap_or_default();
                let marked = user.marked_customer().filter(|id| known.snapshot.customers.get(*id).is_some());
                let customers = match (noted.is_empty(), &user.email) {
                    (false, _) => noted,
                    (true, Some(email)) if marked.is_none() => by_email(email),
                    _ => marked.into_iter().collect(),
                };
                return Some(Found { customers, user: Some(*id), email: user.email.clone(), not_followed: None });
            }
        };
        let matcher = Matcher::new(&known.rules.site, known.roster, known.ledger);
        let (user, not_followed) = match email.as_ref().map(|email| matcher.find(email, &customers)) {
            Some(Match::User(user)) => (Some(user), None),
            Some(Match::Elevated { user, was }) => (Some(was), Some(user)),
            Some(Match::New) | None => (None, None),
        };
        (!customers.is_empty() || user.is_some()).then_some(Found { customers, user, email, not_followed })
    }

    pub(super) fn suspended(&self, known: &Known<'_>) -> bool {
        self.user.and_then(|user| known.roster.users.get(&user)).is_some_and(|user| !user.enabled)
    }
}

/// Whom somebody may have meant by an address or a number that nobody has: addresses a slip away, the closest first,
/// or the same number on the other side. Nothing that does not nearly stand in the question already.
pub fn suggest(known: &Known<'_>, who: &Who) -> Vec<String> {
    match who {
        Who::Email(email) => {
            let customers = known.snapshot.customers.iter().filter_map(|customer| customer.email.as_ref());
            let users = known.roster.users.values().filter_map(|user| user.email.as_ref());
            let far = |other: &Email| strsim::osa_distance(email.as_str(), other.as_str());
            let mut near: Vec<(usize, &Email)> =
                customers.chain(users).map(|other| (far(other), other)).filter(|(far, _)| *far <= SLIPS).collect();
            near.sort();
            near.dedup();
            near.into_iter().take(SUGGESTED).map(|(_, email)| email.to_string()).collect()
        }
        Who::Customer(id) => {
            let user = known.roster.users.contains_key(&UserId(id.0));
            user.then(|| format!("kisi:{id}")).into_iter().collect()
        }
        Who::User(id) => {
            let customer = known.snapshot.customers.get(CustomerId(id.0)).is_some();
            customer.then(|| id.to_string()).into_iter().collect()
        }
    }
}
