//! The fields of each kind of record (Nexudus API notes, 3; those of `ContractPausedPeriod` by Nexudus' own REST
//! pages).

use super::shape::{Entity, Field, Kind, Place, Shape};

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, place: Place::Everywhere }
}
const fn int(name: &'static str) -> Field {
    field(name, Kind::Int)
}
const fn refers(name: &'static str) -> Field {
    field(name, Kind::Ref)
}
const fn decimal(name: &'static str) -> Field {
    field(name, Kind::Decimal)
}
const fn flag(name: &'static str) -> Field {
    field(name, Kind::Bool)
}
const fn text(name: &'static str) -> Field {
    field(name, Kind::Text)
}
const fn date(name: &'static str) -> Field {
    field(name, Kind::Date)
}
const fn local(name: &'static str, of: &'static str) -> Field {
    field(name, Kind::Local(of))
}
const fn commas(name: &'static str) -> Field {
    field(name, Kind::Commas)
}
const fn customer_type(name: &'static str) -> Field {
    field(name, Kind::CustomerType)
}
const fn collection(name: &'static str) -> Field {
    Field { name, kind: Kind::Collection, place: Place::ById }
}
const fn access(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, place: Place::Access }
}

macro_rules! booking_fields {
    ($($more:expr),* $(,)?) => { &[
        refers("ResourceId"), text("ResourceName"), int("ResourceResourceTypeId"), text("ResourceResourceTypeName"),
        refers("FloorPlanDeskId"), text("FloorPlanDeskName"), refers("CoworkerId"),
        customer_type("CoworkerCoworkerType"), text("CoworkerFullName"), text("CoworkerMobilePhone"),
        text("CoworkerLandLine"), text("CoworkerBillingName"), text("CoworkerCompanyName"),
        text("CoworkerTeamNames"), date("FromTime"), date("ToTime"), local("FromTimeLocal", "FromTime"),
        local("ToTimeLocal", "ToTime"), flag("Tentative"), flag("Online"), date("CheckedInAt"),
        flag("CancelIfNotPaid"), flag("CancelIfNotCheckedIn"), int("MaxOccupancy"), text("RepeatSeriesUniqueId"),
        flag("RepeatBooking"), int("Repeats"), int("WhichBookingsToUpdate"), int("RepeatEvery"), date("RepeatUntil"),
        int("KisiKeyId"), text("StartScheduledJobId"), text("EndScheduledJobId"), text("Notes"),
        text("InternalNotes"), flag("Reminded"), flag("ChargeNow"), flag("InvoiceNow"), decimal("OverridePrice"),
        flag("Invoiced"), int("BookingNumber"), text("TeamsAtTheTimeOfBooking"), text("TariffAtTheTimeOfBooking"),
        $($more),*
    ] };
}

/// Every kind of record the twin keeps.
pub const SHAPES: &[Shape] = &[
    Shape {
        entity: Entity::Booking,
        name: "Booking",
        path: "spaces/bookings",
        own: booking_fields![],
        required: &["ResourceId", "FromTime", "ToTime"],
    },
    Shape {
        entity: Entity::CancelledBooking,
        name: "CancelledBooking",
        path: "spaces/cancelledbookings",
        own: booking_fields![
            text("OriginalBookingId"),
            date("CancelledOn"),
            text("CancelledBy"),
            int("CancellationReason"),
            text("CancellationReasonDetails"),
            decimal("Price"),
        ],
        required: &[],
    },
    Shape {
        entity: Entity::BookingVisitor,
        name: "BookingVisitor",
        path: "spaces/bookingvisitors",
        own: &[refers("BookingId"), refers("VisitorId"), text("VisitorFullName"), text("VisitorEmail")],
        required: &["BookingId"],
    },
    Shape {
        entity: Entity::Resource,
        name: "Resource",
        path: "spaces/resources",
        own: &[
            refers("BusinessId"),
            text("Name"),
            refers("ResourceTypeId"),
            text("ResourceTypeName"),
            flag("Visible"),
            flag("RequiresConfirmation"),
            text("GroupName"),
            flag("AllowMultipleBookings"),
            int("Allocation"),
            int("IntervalLimit"),
            access("KisiGroupId", Kind::Text),
            access("AccessControlGroupId", Kind::Text),
            commas("LinkedResourceIds"),
            flag("OnlyForMembers"),
            flag("OnlyForContacts"),
            flag("Archived"),
        ],
        required: &["BusinessId", "Name"],
    },
    Shape {
        entity: Entity::Coworker,
        name: "Coworker",
        path: "spaces/coworkers",
        own: &[
            customer_type("CoworkerType"),
            text("FullName"),
            text("Email"),
            text("CompanyName"),
            text("BillingName"),
            text("MobilePhone"),
            refers("UserId"),
            flag("Active"),
            flag("Archived"),
            text("AccessCardId"),
            text("AccessPincode"),
            text("KeyFobNumber"),
            text("TeamNames"),
            refers("SimpleTimeZoneId"),
            refers("InvoicingBusinessId"),
            date("RegistrationDate"),
            flag("AllowNetworkCheckin"),
            flag("CanMakeBookings"),
            text("Custom1"),
            date("AccessControlDebounceTime"),
            flag("AccessControlErrorNotificationSent"),
            collection("Businesses"),
            collection("Teams"),
        ],
        required: &["FullName", "Email"],
    },
    Shape {
        entity: Entity::CoworkerTimePass,
        name: "CoworkerTimePass",
        path: "billing/coworkertimepasses",
        own: &[
            refers("CoworkerId"),
            refers("BusinessId"),
            refers("TimePassId"),
            text("TimePassName"),
            text("TimePassCurrencyCode"),
            text("Notes"),
            flag("Used"),
            flag("CheckedIn"),
            date("UsedDate"),
            int("RemainingUses"),
            int("TotalUses"),
            flag("Free"),
            decimal("Price"),
            date("ExpireDate"),
            flag("Invoiced"),
            date("InvoiceDate"),
            flag("IsFromTariff"),
            flag("IsPayAsYouGo"),
            text("TariffTimePassUniqueId"),
            text("CoworkerProductUniqueId"),
            text("CoworkerContractUniqueId"),
        ],
        required: &["CoworkerId", "TimePassId"],
    },
    Shape {
        entity: Entity::TimePass,
        name: "TimePass",
        path: "billing/timepasses",
        own: &[
            refers("BusinessId"),
            text("BusinessName"),
            text("Name"),
            decimal("Price"),
            int("MinutesIncluded"),
            flag("CountsTowardsPlanLimits"),
            int("UsePriority"),
            access("KisiGroupId", Kind::Text),
            access("DoorGuardGroupId", Kind::Text),
            access("AccessControlGroupId", Kind::Text),
            flag("AllowNetworkCheckin"),
            flag("Archived"),
            collection("Businesses"),
            collection("Tariffs"),
        ],
        required: &["BusinessId", "Name"],
    },
    Shape {
        entity: Entity::TimePassTimeSlot,
        name: "TimePassTimeSlot",
        path: "billing/timepasstimeslots",
        own: &[refers("TimePassId"), int("DayOfWeek"), date("FromTime"), date("ToTime")],
        required: &["TimePassId"],
    },
    Shape {
        entity: Entity::Tariff,
        name: "Tariff",
        path: "billing/tariffs",
        own: &[refers("BusinessId"), text("Name"), decimal("Price"), flag("Archived"), collection("TimePasses")],
        required: &["BusinessId", "Name"],
    },
    Shape {
        entity: Entity::CoworkerContract,
        name: "CoworkerContract",
        path: "billing/coworkercontracts",
        own: &[
            refers("IssuedById"),
            text("IssuedByName"),
            refers("CoworkerId"),
            customer_type("CoworkerCoworkerType"),
            text("CoworkerFullName"),
            text("CoworkerCompanyName"),
            text("CoworkerBillingName"),
            text("CoworkerEmail"),
            flag("CoworkerActive"),
            refers("TariffId"),
            text("TariffName"),
            refers("NextTariffId"),
            date("StartDate"),
            date("RenewalDate"),
            date("InvoicedPeriod"),
            date("ContractTerm"),
            date("CancellationDate"),
            local("StartDateLocal", "StartDate"),
            local("RenewalDateLocal", "RenewalDate"),
            local("CancellationDateLocal", "CancellationDate"),
            int("BillingDay"),
            int("Quantity"),
            flag("Active"),
            flag("MainContract"),
            flag("Cancelled"),
            access("FloorPlanDeskIds", Kind::Commas),
            access("FloorPlanDeskNames", Kind::Commas),
            commas("FloorPlanDeskVariantIds"),
            flag("InPausedPeriod"),
            date("InPausedPeriodFrom"),
            date("InPausedPeriodUntil"),
            collection("Desks"),
            collection("Variants"),
        ],
        required: &["IssuedById", "CoworkerId", "TariffId"],
    },
    Shape {
        entity: Entity::ContractPausedPeriod,
        name: "ContractPausedPeriod",
        path: "billing/contractpausedperiods",
        own: &[
            refers("CoworkerContractId"),
            int("CoworkerContractQuantity"),
            commas("CoworkerContractFloorPlanDeskIds"),
            commas("CoworkerContractFloorPlanDeskNames"),
            text("CoworkerContractTariffName"),
            int("CoworkerContractCoworkerId"),
            text("CoworkerContractCoworkerFullName"),
            text("CoworkerContractCoworkerBillingName"),
            text("Notes"),
            date("PauseFrom"),
            date("PauseUntil"),
            local("PauseFromLocal", "PauseFrom"),
            local("PauseUntilLocal", "PauseUntil"),
        ],
        required: &["CoworkerContractId", "PauseFrom", "PauseUntil"],
    },
    Shape {
        entity: Entity::FloorPlan,
        name: "FloorPlan",
        path: "sys/floorplans",
        own: &[refers("BusinessId"), text("BusinessName"), text("Name")],
        required: &["BusinessId", "Name"],
    },
    Shape {
        entity: Entity::FloorPlanDesk,
        name: "FloorPlanDesk",
        path: "sys/floorplandesks",
        own: &[
            refers("FloorPlanId"),
            text("FloorPlanName"),
            text("FloorPlanBusinessName"),
            refers("CoworkerId"),
            text("CoworkerFullName"),
            text("CoworkerEmail"),
            text("Name"),
            int("ItemType"),
            refers("ResourceId"),
            int("Capacity"),
            flag("Available"),
            access("AccessControlGroupId", Kind::Text),
            commas("CoworkerContractIds"),
            commas("CoworkerContractFullNames"),
            date("AvailableFromTime"),
            date("AvailableToTime"),
            local("AvailableFromTimeLocal", "AvailableFromTime"),
            local("AvailableToTimeLocal", "AvailableToTime"),
        ],
        required: &["FloorPlanId", "Name"],
    },
    Shape {
        entity: Entity::Team,
        name: "Team",
        path: "spaces/teams",
        own: &[
            refers("BusinessId"),
            text("Name"),
            refers("PayingMemberId"),
            flag("ShareTimePasses"),
            flag("ShareExtraServices"),
            flag("ShareBookingCredit"),
            access("CoworkerIds", Kind::Commas),
            commas("CoworkerFullNames"),
            int("ActiveContracts"),
            collection("TeamMembers"),
            collection("TeamAdministrators"),
        ],
        required: &["BusinessId", "Name"],
    },
    Shape {
        entity: Entity::Checkin,
        name: "Checkin",
        path: "spaces/checkins",
        own: &[
            refers("CoworkerId"),
            refers("BusinessId"),
            date("FromTime"),
            date("ToTime"),
            local("FromTimeLocal", "FromTime"),
            local("ToTimeLocal", "ToTime"),
            int("Source"),
            text("CoworkerTimePassGuid"),
        ],
        required: &["CoworkerId", "BusinessId"],
    },
    Shape {
        entity: Entity::Business,
        name: "Business",
        path: "sys/businesses",
        own: &[
            text("Name"),
            refers("RootLocationId"),
            text("WebAddress"),
            refers("SimpleTimeZoneId"),
            refers("CountryId"),
            text("CurrencyCode"),
            flag("Suspended"),
        ],
        required: &["Name"],
    },
    Shape {
        entity: Entity::SimpleTimeZone,
        name: "SimpleTimeZone",
        path: "sys/simpletimezones",
        own: &[text("Description"), text("Name"), text("TimeOffset"), flag("UsesSummerTime")],
        required: &["Name"],
    },
    Shape {
        entity: Entity::WebHook,
        name: "WebHook",
        path: "sys/webhooks",
        own: &[
            refers("BusinessId"),
            text("Name"),
            int("Action"),
            Field { name: "Description", kind: Kind::Text, place: Place::ById },
            text("URL"),
            flag("Active"),
            text("LastError"),
            int("ErrorCount"),
            date("LastTrigger"),
        ],
        required: &["BusinessId", "Name", "Action", "URL"],
    },
    Shape {
        entity: Entity::CoworkerAccessControlAudit,
        name: "CoworkerAccessControlAudit",
        path: "spaces/coworkeraccesscontrolaudits",
        own: &[refers("CoworkerId"), text("Description"), flag("IsProblem")],
        required: &["CoworkerId", "Description"],
    },
];
