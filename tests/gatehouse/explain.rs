//! `explain`: every reason by its code, each brought about once; and the paper that lists them.

use std::collections::BTreeSet;

use gatehouse::domain::event::Door;
use gatehouse::domain::explain::{CODES, Code, Explanation, Left, Question, Undone, Who, Writes, explain, suggest};
use gatehouse::domain::roster::{Group, mark};
use gatehouse::domain::snapshot::{Contract, Listing, Pass, PassKind, Pause, Record, Shelf};
use gatehouse::domain::*;

use crate::world::{GROUP, ROOM, World, at, window};

const ADA: &str = "ada@example.org";
const DOOR: LockId = LockId(5501);
const OTHER_DOOR: LockId = LockId(5502);
const NOW: &str = "2026-03-03T10:00:00Z";
const BEGIN: &str = "2026-03-03T09:00:00Z";
const END: &str = "2026-03-03T11:00:00Z";

/// What is asked, and what the last passes left undone.
struct Asked {
    world: World,
    who: &'static str,
    door: Option<LockId>,
    verified: bool,
    writes: Writes,
    left: Vec<Left>,
}

impl Undone for Asked {
    fn left(&self, _: Option<&Email>, _: Option<UserId>) -> Vec<Left> {
        self.left.clone()
    }
}

impl Asked {
    fn told(&self) -> Explanation {
        let who: Who = self.who.parse().unwrap();
        let question = Question {
            who: &who,
            at: self.world.now,
            door: self.door,
            group: None,
            verified: self.verified,
            writes: self.writes,
        };
        explain(&self.world.known(), &question, self).expect("somebody known")
    }

    fn codes(&self) -> Vec<String> {
        self.told().why_not.into_iter().map(|why| why.code).collect()
    }
}

/// Ada, known to both clouds, asked about at ten; nothing is booked.
fn ada() -> Asked {
    let mut world = World::new(NOW);
    let doors = vec![Door { id: DOOR, name: "Boardroom".to_owned() }];
    let group = Group { id: GROUP, name: "Boardroom".to_owned(), time_restricted: false, doors };
    world.roster.groups.insert(GROUP, group);
    world.customer(90_210, ADA);
    world.user(771_001, ADA);
    Asked { world, who: ADA, door: None, verified: true, writes: Writes::Yes, left: Vec::new() }
}

const ID: CustomerId = CustomerId(90_210);
const USER: UserId = UserId(771_001);

/// Ada in the boardroom from nine to eleven, and so in Kisi.
fn ada_inside() -> Asked {
    let mut asked = ada();
    asked.world.booking(7, ID, BEGIN, END);
    asked.world.own_row(USER, GROUP, window("2026-03-03T08:45:00Z", "2026-03-03T11:15:00Z"), ID);
    asked
}

fn put<T: Record>(shelf: &mut Shelf<T>, row: T) {
    shelf.absorb(Listing { rows: vec![row], aside: vec![], whole: None, began: at(NOW) });
}

fn link(item: Item) -> Link {
    Link { item, ..crate::world::rules().links[0].clone() }
}

const KIND: PassKindId = PassKindId(31);

/// Ada holds a day pass of a linked kind; `change` spoils it.
fn with_pass(change: impl FnOnce(&mut Pass, &mut PassKind)) -> Asked {
    let mut asked = ada();
    asked.world.rules.links = vec![link(Item::Pass(KIND))];
    let mut kind = PassKind { id: KIND, name: "Day pass".to_owned(), minutes: None, slots: false };
    let mut pass = Pass {
        id: PassId(9),
        customer: ID,
        kind: KIND,
        used: false,
        used_on: None,
        remaining: None,
        expires: Some(at("2026-03-04T00:00:00Z")),
    };
    change(&mut pass, &mut kind);
    put(&mut asked.world.snapshot.passes, pass);
    put(&mut asked.world.snapshot.pass_kinds, kind);
    asked
}

/// Ada rents a linked desk; `change` spoils the contract.
fn with_contract(change: impl FnOnce(&mut Contract)) -> Asked {
    let mut asked = ada();
    asked.world.rules.links = vec![link(Item::Desk(DeskId(801)))];
    let mut contract = Contract {
        id: ContractId(3),
        customer: ID,
        plan: None,
        desks: vec![DeskId(801)],
        active: true,
        start_day: "2026-01-01".parse().ok(),
        cancellation_day: None,
        pause: None,
        runs: false,
    };
    change(&mut contract);
    put(&mut asked.world.snapshot.contracts, contract);
    asked
}

/// Ada as Nexudus has her, changed.
fn with_customer(change: impl FnOnce(&mut gatehouse::domain::snapshot::Customer)) -> Asked {
    let mut asked = ada_inside();
    let mut row = asked.world.snapshot.customers.get(ID).unwrap().clone();
    change(&mut row);
    asked.world.put_customer(row);
    asked
}

fn suspended(by_us: bool) -> Asked {
    let mut asked = ada_inside();
    let user = asked.world.roster.users.get_mut(&USER).unwrap();
    user.enabled = false;
    if by_us {
        user.metadata.insert(mark::SUSPENDED_AT.to_owned(), "2026-03-01T00:00:00Z".into());
    }
    asked
}

/// A case in which the code must be told. The compiler sees to it that none is forgotten.
fn case(code: Code) -> Asked {
    let mut asked = ada_inside();
    match code {
        Code::Suspended => return suspended(true),
        Code::SuspendedByOther => return suspended(false),
        Code::CustomerSuspended => return with_customer(|row| row.active = false),
        Code::CustomerArchived => return with_customer(|row| row.archived = true),
        Code::NoEmail => return Asked { who: "90210", ..with_customer(|row| row.email = None) },
        Code::NeverTouch => asked.world.rules.never_touch = vec![EmailPattern::new("ada@*")],
        Code::NotInNexudus => {
            asked.world.user(771_009, "eve@example.org");
            asked.who = "eve@example.org";
        }
        Code::EmailNotFollowed => {
            let was = asked.world.user(771_009, "old@example.org");
            asked.world.account(was, ID, "old@example.org", true);
            asked.world.roster.elevated.insert(USER);
        }
        Code::HeldByGuard => {
            asked.left = vec![Left::Held { change: "removed", group: Some(GROUP), plan: "5f1c".to_owned() }];
        }
        Code::NotDone => {
            asked.left = vec![Left::Refused { change: "added", group: Some(GROUP), why: "422: no".to_owned() }];
        }
        Code::RemovedByOther => {
            asked.left = vec![Left::Contested { group: GROUP, times: 3, back_at: at("2026-03-03T12:00:00Z") }];
        }
        Code::Paused => asked.writes = Writes::Paused,
        Code::WriteOff => asked.writes = Writes::Off,
        Code::ClockNotTrusted => asked.verified = false,
        Code::StartsAt => {
            asked = ada();
            asked.world.booking(8, ID, "2026-03-03T12:00:00Z", "2026-03-03T13:00:00Z");
        }
        Code::EndedAt => {
            asked = ada();
            asked.world.booking(8, ID, "2026-03-03T07:00:00Z", "2026-03-03T08:00:00Z");
        }
        Code::NoLink => asked.world.rules.links = vec![link(Item::Resource(ResourceId(ROOM.0 + 1)))],
        Code::Tentative => {
            let mut row = asked.world.snapshot.bookings.get(BookingId(7)).unwrap().clone();
            row.tentative = true;
            asked.world.put_booking(row);
        }
        Code::PassUsedUp => {
            return with_pass(|pass, kind| (kind.minutes, pass.remaining) = (Some(600), Some(0)));
        }
        Code::PassExpired => return with_pass(|pass, _| pass.expires = Some(at("2026-03-03T00:00:00Z"))),
        Code::PassSlots => return with_pass(|_, kind| kind.slots = true),
        Code::PassNotRead => return with_pass(|pass, kind| (kind.id, pass.kind) = (PassKindId(32), KIND)),
        Code::ContractPaused => {
            let pause = Pause { from_day: "2026-03-01".parse().ok(), until_day: "2026-03-05".parse().ok() };
            return with_contract(|contract| contract.pause = Some(pause));
        }
        Code::ContractInactive => return with_contract(|contract| contract.active = false),
        Code::OtherDoors => {
            let doors = vec![Door { id: OTHER_DOOR, name: "Oak".to_owned() }];
            let oak = Group { id: GroupId(45_902), name: "Oak".to_owned(), time_restricted: false, doors };
            asked.world.roster.groups.insert(oak.id, oak);
            let oak = Link { group: GroupId(45_902), ..link(Item::Resource(ResourceId(556))) };
            asked.world.rules.links.push(oak);
            asked.door = Some(OTHER_DOOR);
        }
        Code::DoorNotLinked => asked.door = Some(OTHER_DOOR),
        Code::NotDue => {
            asked.world.booking(8, ID, "2026-03-06T12:00:00Z", "2026-03-06T13:00:00Z");
        }
        Code::SlotTaken => {
            asked.world.booking(8, ID, "2026-03-03T14:00:00Z", "2026-03-03T15:00:00Z");
        }
        Code::SlotOfAnother => {
            asked = ada();
            asked.world.booking(7, ID, BEGIN, END);
            asked.world.foreign_row(USER, GROUP, Window::ALWAYS);
        }
        Code::BeingWritten => {
            asked = ada();
            asked.world.booking(7, ID, BEGIN, END);
        }
        Code::ForeignRow => {
            asked = ada();
            asked.world.foreign_row(USER, GROUP, Window::ALWAYS);
        }
        Code::NotRemovedYet => {
            asked = ada();
            asked.world.own_row(USER, GROUP, window(BEGIN, END), ID);
        }
        Code::GroupTimeRestriction => {
            asked.world.roster.groups.get_mut(&GROUP).unwrap().time_restricted = true;
        }
        Code::UnendingPass => return with_pass(|pass, _| pass.expires = None),
        Code::NoGrant => return ada(),
    }
    asked
}

/// Proves that every code can come up, in the case that it is meant for; not that no other is told beside it.
#[test]
fn contract_1_every_reason_is_told_by_its_code() {
    for (code, name, ..) in CODES {
        let told = case(*code).told();
        let codes: Vec<&str> = told.why_not.iter().map(|why| why.code.as_str()).collect();
        assert!(codes.contains(name), "{name} is not among {codes:?}: {told:?}");
    }
}

/// Proves that nothing is told where all is well, so that a code means something.
#[test]
fn contract_1_where_all_is_well_nothing_is_told() {
    let told = ada_inside().told();
    assert_eq!((told.allowed, told.why_not.as_slice()), (true, &[][..]));
    let via = &told.grants[0].via;
    assert_eq!(
        via.as_slice(),
        ["booking 7, 2026-03-03 09:00 (09:00Z) to 2026-03-03 11:00 (11:00Z) → resource 555, linked, 15 min before \
          and 15 min after → group 45901 'Boardroom'"]
    );
}

/// What ended long ago is no reason beside what is near: of several that ended, the last is told.
#[test]
fn contract_1_the_nearest_reasons_are_told_and_no_others() {
    let mut asked = ada();
    asked.world.booking(1, ID, "2026-03-02T07:00:00Z", "2026-03-02T08:00:00Z");
    asked.world.booking(2, ID, "2026-03-03T07:00:00Z", "2026-03-03T08:00:00Z");
    let told = asked.told().why_not;
    assert!(matches!(&told[..], [why] if why.code == "ended_at" && why.message.contains("booking 2 ")), "{told:?}");
    assert_eq!(case(Code::NotDue).codes(), ["not_due"]);
    assert_eq!(case(Code::SlotOfAnother).codes(), ["slot_of_another"]);
}

/// A slip of the hand finds whom it meant; a search finds nobody.
#[test]
fn contract_1_an_unknown_person_has_near_misses_and_no_more() {
    let mut world = ada().world;
    world.customer(90_211, "ada.jones@example.org");
    let near = |text: &str| suggest(&world.known(), &text.parse().unwrap());
    assert_eq!(near("adda@example.org"), [ADA]);
    assert_eq!(near("aad@example.org"), [ADA]);
    assert!(near("someone@example.org").is_empty());
    assert_eq!(near("kisi:90210"), ["90210"]);
    assert_eq!(near("771001"), ["kisi:771001"]);
}

/// Proves that the paper lists every code with its cause and cure, and none that there is not.
#[test]
fn the_paper_lists_every_code_with_its_cause_and_cure() {
    let paper = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/explain.md")).unwrap();
    let rows: Vec<&str> = paper.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<String> =
        CODES.iter().map(|(_, name, cause, cure)| format!("| `{name}` | {cause} | {cure} |")).collect();
    assert_eq!(rows, expected, "docs/explain.md should be\n{}\n", expected.join("\n"));
    let names: BTreeSet<&str> = CODES.iter().map(|(_, name, ..)| *name).collect();
    assert_eq!(names.len(), CODES.len(), "a name for each");
}
