//! Rules 1, Person: which Kisi user a customer is.

use std::collections::BTreeMap;

use gatehouse::domain::ledger::{Account, Ledger};
use gatehouse::domain::person::{Match, Matcher};
use gatehouse::domain::roster::{Roster, User, mark};
use gatehouse::domain::{CustomerId, Email, UserId};
use serde_json::json;

use super::*;

const ADAS: UserId = UserId(771_001);
const BENS: UserId = UserId(771_002);

fn email(text: &str) -> Email {
    Email::parse(text).expect("an address")
}

/// A Kisi user, with the mark of a customer or none.
fn user(id: UserId, address: &str, marked: Option<u64>) -> User {
    let mut metadata = BTreeMap::new();
    if let Some(customer) = marked {
        metadata.insert(mark::SITE.to_owned(), json!("harbour-house"));
        metadata.insert(mark::CUSTOMER.to_owned(), json!(customer.to_string()));
    }
    User { id, email: Some(email(address)), name: "Ada Jones".to_owned(), enabled: true, metadata }
}

fn noted(user: UserId, customers: &[u64], address: &str) -> Account {
    let customers = customers.iter().map(|id| CustomerId(*id)).collect();
    Account {
        user,
        customers,
        email: Some(email(address)),
        managed: true,
        no_access_since: None,
        adopted_suspended: false,
    }
}

fn find(users: &[User], noted: &[Account], address: &str, customer: u64) -> Match {
    let users = users.iter().map(|user| (user.id, user.clone())).collect();
    let accounts = noted.iter().map(|account| (account.user, account.clone())).collect();
    let roster = Roster { users, ..Roster::default() };
    let ledger = Ledger { accounts, ..Ledger::default() };
    Matcher::new("harbour-house", &roster, &ledger).find(&email(address), &[CustomerId(customer)])
}

#[test]
fn rule_1_a_customer_is_matched_by_ledger_or_mark_else_by_email_in_any_spelling() {
    let anothers = user(BENS, "ben@example.org", None);
    let by_email = [user(ADAS, " ADA@Example.org", None), anothers.clone()];
    assert_eq!(find(&by_email, &[], "ada@example.org", ADA), Match::User(ADAS));
    let by_mark = [user(ADAS, "old@example.org", Some(ADA)), anothers.clone()];
    assert_eq!(find(&by_mark, &[], "ada@example.org", ADA), Match::User(ADAS));
    let by_ledger = [user(ADAS, "old@example.org", None), anothers.clone()];
    assert_eq!(find(&by_ledger, &[noted(ADAS, &[ADA], "ada@example.org")], "ada@example.org", ADA), Match::User(ADAS));
    assert_eq!(find(&[anothers], &[], "ada@example.org", ADA), Match::New);
}

#[test]
fn rule_1_of_two_users_that_hold_the_customers_id_it_is_the_one_with_the_email() {
    let users = [user(BENS, "old@example.org", Some(ADA)), user(ADAS, "ada@example.org", Some(ADA))];
    assert_eq!(find(&users, &[], "ada@example.org", ADA), Match::User(ADAS));
}

#[test]
fn rule_1_a_customer_whose_email_has_changed_is_the_user_of_the_new_one() {
    let old = [noted(ADAS, &[ADA], "old@example.org")];
    let users = [user(ADAS, "old@example.org", Some(ADA))];
    assert_eq!(find(&users, &old, "ada@example.org", ADA), Match::New);
    let users = [users[0].clone(), user(BENS, "ada@example.org", None)];
    assert_eq!(find(&users, &old, "ada@example.org", ADA), Match::User(BENS));
}

#[test]
fn rule_1_a_change_of_email_is_not_undone_by_an_old_mark_once_the_user_is_another_customers() {
    // Ada gave her address up to Ben: the user that carries her mark is noted as his.
    let users = [user(ADAS, "shared@example.org", Some(ADA))];
    let now_bens = [noted(ADAS, &[BEN], "shared@example.org")];
    assert_eq!(find(&users, &now_bens, "ada@example.org", ADA), Match::New);
    assert_eq!(find(&users, &now_bens, "shared@example.org", BEN), Match::User(ADAS));
}

#[test]
fn rule_1_a_change_of_email_onto_a_user_with_a_role_is_not_followed() {
    let mut roster = Roster::default();
    for user in [user(ADAS, "old@example.org", Some(ADA)), user(BENS, "boss@example.org", None)] {
        roster.users.insert(user.id, user);
    }
    roster.elevated.insert(BENS);
    let mut ledger = Ledger::default();
    ledger.accounts.insert(ADAS, noted(ADAS, &[ADA], "old@example.org"));
    let found = Matcher::new("harbour-house", &roster, &ledger).find(&email("boss@example.org"), &[CustomerId(ADA)]);
    assert_eq!(found, Match::Elevated { user: BENS, was: ADAS });
}
