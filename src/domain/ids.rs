//! Numbers that name things, one type for each kind of thing, so that none can stand for another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<u64> for $name {
            fn from(id: u64) -> Self {
                $name(id)
            }
        }

        impl From<$name> for u64 {
            fn from(id: $name) -> u64 {
                id.0
            }
        }
    )*};
}

ids! {
    /// A Nexudus customer (`Coworker.Id`).
    CustomerId;
    /// A Nexudus booking (`Booking.Id`).
    BookingId;
    /// A bookable Nexudus resource (`Resource.Id`).
    ResourceId;
    /// A pass that somebody holds (`CoworkerTimePass.Id`).
    PassId;
    /// A kind of pass, its definition (`TimePass.Id`).
    PassKindId;
    /// A contract (`CoworkerContract.Id`).
    ContractId;
    /// A desk or an office of the floor plan (`FloorPlanDesk.Id`).
    DeskId;
    /// A price plan (`Tariff.Id`).
    PlanId;
    /// A team of customers (`Team.Id`).
    TeamId;
    /// A Kisi access group (`Group.id`).
    GroupId;
    /// A Kisi user (`User.id`), never a deprecated member's id.
    UserId;
    /// A Kisi role assignment (`RoleAssignment.id`).
    AssignmentId;
    /// A Kisi lock: a door (`Lock.id`).
    LockId;
    /// A Kisi controller (`Controller.id`).
    ControllerId;
    /// A Kisi reader (`Reader.id`).
    ReaderId;
}
