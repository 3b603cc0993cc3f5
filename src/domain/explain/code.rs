//! The reasons by their names for programs: each with its cause and its cure. `docs/explain.md` holds the same table.

/// A reason why somebody may not, or why something is not as one might think.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// Suspended in Kisi by us.
    Suspended,
    /// Suspended in Kisi by another hand.
    SuspendedByOther,
    /// Nexudus: `Active` is false.
    CustomerSuspended,
    /// Nexudus: `Archived` is true.
    CustomerArchived,
    /// Nexudus knows no address.
    NoEmail,
    /// The address matches `access.never_touch`.
    NeverTouch,
    /// Kisi alone knows the person.
    NotInNexudus,
    /// A changed e-mail is not followed.
    EmailNotFollowed,
    /// A removal or suspension is held.
    HeldByGuard,
    /// Kisi refused a change for this person.
    NotDone,
    /// Another hand removes the row again and again.
    RemovedByOther,
    /// Nothing is written: `pause`.
    Paused,
    /// Nothing is written: `access.write`.
    WriteOff,
    /// Nothing is written: Kisi's time is not known.
    ClockNotTrusted,
    /// A grant begins later.
    StartsAt,
    /// The last one ended.
    EndedAt,
    /// What was booked, bought or rented is not linked.
    NoLink,
    /// The booking is not approved.
    Tentative,
    /// The pass has no use left.
    PassUsedUp,
    /// The pass is past its date.
    PassExpired,
    /// The kind of pass has time slots.
    PassSlots,
    /// The kind of pass has not been read.
    PassNotRead,
    /// The contract is in a pause.
    ContractPaused,
    /// The contract is not active.
    ContractInactive,
    /// There are grants, for other doors.
    OtherDoors,
    /// No linked group has that door.
    DoorNotLinked,
    /// Not written to Kisi yet: too early.
    NotDue,
    /// Not written to Kisi yet: the slot is taken by an earlier window.
    SlotTaken,
    /// A row of another hand takes the slot.
    SlotOfAnother,
    /// Not written to Kisi yet: about to be.
    BeingWritten,
    /// A row of another hand that nothing in Nexudus asks for.
    ForeignRow,
    /// A row of ours that nothing asks for any more.
    NotRemovedYet,
    /// Kisi's own hours apply too.
    GroupTimeRestriction,
    /// A day pass that opens day and night.
    UnendingPass,
    /// Nothing of the kind was found.
    NoGrant,
}

/// A code, its name, what it comes from, and what to do about it.
type Row = (Code, &'static str, &'static str, &'static str);

/// Every code, in the order in which they are told.
pub const CODES: &[Row] = &[
    (
        Code::Suspended,
        "suspended",
        "Gatehouse suspended the Kisi user, who had had no grant for access.no_access_after",
        "nothing: the user is enabled again when a grant comes",
    ),
    (
        Code::SuspendedByOther,
        "suspended_by_other",
        "the Kisi user is suspended, without Gatehouse's mark: by a person or another program",
        "enable the user in Kisi, or take the suspension over with 'gatehouse adopt --suspended'",
    ),
    (
        Code::CustomerSuspended,
        "customer_suspended",
        "the customer is suspended in Nexudus (Active is false)",
        "enable the customer in Nexudus",
    ),
    (
        Code::CustomerArchived,
        "customer_archived",
        "the customer is archived in Nexudus",
        "take the customer out of the archive in Nexudus",
    ),
    (
        Code::NoEmail,
        "no_email",
        "the customer has no e-mail in Nexudus, by which Kisi would know them",
        "enter the e-mail in Nexudus",
    ),
    (
        Code::NeverTouch,
        "never_touch",
        "the e-mail matches a pattern of access.never_touch",
        "give access in Kisi by hand, or take the pattern out of the configuration",
    ),
    (
        Code::NotInNexudus,
        "not_in_nexudus",
        "Kisi has a user with this e-mail, Nexudus has no such customer",
        "make the customer's e-mail the same in Nexudus and Kisi",
    ),
    (
        Code::EmailNotFollowed,
        "email_not_followed",
        "the customer's e-mail was changed to that of a Kisi user with an organization or place role",
        "mend the e-mail in Nexudus; rows of such a user are made by hand",
    ),
    (
        Code::HeldByGuard,
        "held_by_guard",
        "the guard holds a removal or suspension, since too many people would lose access at once",
        "look at it with 'gatehouse plan'; if it is right, 'gatehouse apply --yes'",
    ),
    (
        Code::NotDone,
        "not_done",
        "Kisi refused a change for this person; it is tried again at growing pauses",
        "mend what Kisi says; 'systemctl reload gatehouse' tries again at once",
    ),
    (
        Code::RemovedByOther,
        "removed_by_other",
        "another hand in Kisi removed the assignment more than once in a day; it is put back at growing pauses",
        "find out whose hand it is; to keep the person out, suspend them, or name them in access.never_touch",
    ),
    (Code::Paused, "paused", "'gatehouse pause' is in force: nothing is written to Kisi", "gatehouse resume"),
    (
        Code::WriteOff,
        "write_off",
        "access.write is false: nothing is written to Kisi",
        "set access.write = true and restart the gateway",
    ),
    (
        Code::ClockNotTrusted,
        "clock_not_trusted",
        "Kisi's time is not known or is contradicted, or no gateway runs to ask for it: nothing is written to Kisi",
        "start 'gatehouse run'; where it runs, 'gatehouse status' shows why Kisi can't be asked",
    ),
    (
        Code::StartsAt,
        "starts_at",
        "a grant is there, and begins later",
        "nothing; 'before' on the link opens bookings earlier",
    ),
    (Code::EndedAt, "ended_at", "what gave access is over", "extend it in Nexudus, or book anew"),
    (
        Code::NoLink,
        "no_link",
        "what was booked, bought or rented has no [[link]] in the configuration",
        "add a link for the item; 'gatehouse links suggest' proposes one",
    ),
    (
        Code::Tentative,
        "tentative",
        "the booking is not approved yet",
        "approve it in Nexudus, or set access.tentative = true",
    ),
    (Code::PassUsedUp, "pass_used_up", "the pass has been used, or has no minutes left", "sell another pass"),
    (Code::PassExpired, "pass_expired", "the pass is past its ExpireDate", "sell another pass, or move its date"),
    (
        Code::PassSlots,
        "pass_slots",
        "the kind of pass has time slots, which Gatehouse does not apply, and its link has no ignore_slots",
        "put the hours on the Kisi group and set ignore_slots = true on the link",
    ),
    (
        Code::PassNotRead,
        "pass_not_read",
        "the definition of the pass has not been read yet",
        "wait for the next reading; where it lasts, 'gatehouse check --online' names a missing right",
    ),
    (Code::ContractPaused, "contract_paused", "the contract is paused today", "end the pause in Nexudus"),
    (
        Code::ContractInactive,
        "contract_inactive",
        "the contract is not active in Nexudus",
        "activate it, or make a new one",
    ),
    (Code::OtherDoors, "other_doors", "there are grants, but their groups open other doors", "ask without --door"),
    (
        Code::DoorNotLinked,
        "door_not_linked",
        "no group that a link names opens this door",
        "add the door to a linked group in Kisi, or a link for its group",
    ),
    (
        Code::NotDue,
        "not_due",
        "the window is written to Kisi access.prestage ahead, which is not yet",
        "nothing, or a longer access.prestage",
    ),
    (
        Code::SlotTaken,
        "slot_taken",
        "Kisi has one slot for each user and group, and an earlier window stands in it",
        "nothing: it is written when the earlier one ends; 'alternate' on the link gives a second slot",
    ),
    (
        Code::SlotOfAnother,
        "slot_of_another",
        "an assignment that Gatehouse did not make takes the slot that the grant needs",
        "delete that assignment in Kisi, or take it over with 'gatehouse adopt'",
    ),
    (
        Code::BeingWritten,
        "being_written",
        "the window is due and not in Kisi as it should be",
        "wait for the next pass; where it lasts, see 'gatehouse status'",
    ),
    (
        Code::ForeignRow,
        "foreign_row",
        "another hand made an assignment in a linked group, and nothing in Nexudus asks for it: doors open by it",
        "delete it in Kisi if it is not meant; Gatehouse leaves it alone",
    ),
    (
        Code::NotRemovedYet,
        "not_removed_yet",
        "an assignment of Gatehouse's is still in Kisi though nothing asks for it any more",
        "wait for the next pass, or for two readings that agree; see 'gatehouse plan'",
    ),
    (
        Code::GroupTimeRestriction,
        "group_time_restriction",
        "the Kisi group has hours of its own, which apply on top",
        "change the hours in Kisi if they are not meant",
    ),
    (
        Code::UnendingPass,
        "unending_pass",
        "an unused day pass without an expiry opens day and night until it is used",
        "give such passes an expiry in Nexudus, or the Kisi group hours of its own",
    ),
    (
        Code::NoGrant,
        "no_grant",
        "no booking, pass or contract of a linked item was found for this time",
        "look for it in Nexudus: whose it is, and when it was last changed",
    ),
];

impl Code {
    fn row(self) -> Option<&'static Row> {
        CODES.iter().find(|(code, ..)| *code == self)
    }

    /// Its name, as JSON shows it. It never changes.
    pub fn name(self) -> &'static str {
        self.row().map_or("unknown", |(_, name, ..)| name)
    }

    /// What to do about the reason of that name; `None` for a name that this version does not know.
    pub fn cure(name: &str) -> Option<&'static str> {
        CODES.iter().find(|(_, other, ..)| *other == name).map(|(.., cure)| *cure)
    }
}
