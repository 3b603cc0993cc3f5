//! The 300 people of the site. Names are made up, and the same in each run.

/// What somebody is to the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Books rooms, holds nothing else.
    Member,
    /// Has the desk of that number.
    Desk(i64),
    /// Works in the office of that number; the first of five signed its contract.
    Office {
        /// The office.
        number: i64,
        /// Whether the contract is theirs.
        signed: bool,
    },
    /// Is on the resident's plan.
    Resident,
    /// Holds a pass of that kind.
    Pass(i64),
    /// Comes to events; some book a room.
    Community,
    /// Works for the site: never to be touched.
    Staff,
    /// Is there twice: this record is archived.
    Duplicate,
    /// Has no e-mail.
    NoEmail,
}

/// Somebody known to Nexudus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The customer's id in Nexudus.
    pub customer: i64,
    /// The whole name.
    pub name: String,
    /// The e-mail as Nexudus has it.
    pub email: Option<String>,
    /// What they are to the site.
    pub role: Role,
    /// Their user in Kisi before the day; `None` where the gateway has to make one.
    pub user: Option<u64>,
}

impl Person {
    /// The e-mail by which both clouds' records are compared: in lower case, without space around it.
    pub fn key(&self) -> String {
        self.email.as_deref().unwrap_or_default().trim().to_lowercase()
    }
}

const FIRST: [&str; 25] = [
    "Ada", "Bilal", "Carla", "Dinesh", "Edith", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kirsten", "Lamar", "Mina",
    "Nils", "Oona", "Pavel", "Quentin", "Rosa", "Samir", "Tilda", "Umar", "Vera", "Wanda", "Xenia", "Yusuf",
];

const LAST: [&str; 40] = [
    "Abbott",
    "Brandt",
    "Castell",
    "Dray",
    "Ekholm",
    "Farrow",
    "Gould",
    "Hartmann",
    "Ibsen",
    "Jarvis",
    "Keller",
    "Lindqvist",
    "Marsh",
    "Novak",
    "Okoro",
    "Penrose",
    "Quill",
    "Rahman",
    "Sato",
    "Thorne",
    "Underhill",
    "Vance",
    "Winter",
    "Xu",
    "Yeo",
    "Zeller",
    "Ashby",
    "Bianchi",
    "Cole",
    "Duarte",
    "Elmore",
    "Fosse",
    "Grant",
    "Holm",
    "Iqbal",
    "Joshi",
    "Kaya",
    "Lowe",
    "Mistry",
    "North",
];

/// How many people there are.
pub const COUNT: usize = 300;
/// The first customer's id.
const FIRST_CUSTOMER: i64 = 90_200;
/// The first user's id.
const FIRST_USER: u64 = 771_000;

/// What the person at that place is.
fn role(at: usize) -> Role {
    let n = i64::try_from(at).unwrap_or(0);
    match n {
        0..60 => Role::Member,
        60..100 => Role::Desk(n - 59),
        100..160 => Role::Office { number: (n - 100) / 5 + 1, signed: n % 5 == 0 },
        160..180 => Role::Resident,
        180..240 => Role::Pass(super::PASSES[at % 4]),
        297 => Role::Staff,
        298 => Role::Duplicate,
        299 => Role::NoEmail,
        _ => Role::Community,
    }
}

/// Everybody.
pub fn everybody() -> Vec<Person> {
    (0..COUNT)
        .map(|at| {
            // Steps that are coprime to both lists: no name comes twice.
            let (first, last) = (FIRST[at % FIRST.len()], LAST[(at / FIRST.len() + at) % LAST.len()]);
            let role = role(at);
            let plain = format!("{}.{}", first.to_lowercase(), last.to_lowercase());
            let email = match role {
                Role::Staff => Some(format!("{plain}@staff.example")),
                Role::NoEmail => None,
                // The same address as the first of all.
                Role::Duplicate => Some(format!("{}.{}@members.example", FIRST[0].to_lowercase(), "abbott")),
                // As people type it in.
                _ if at % 37 == 5 => Some(format!(" {first}.{last}@Members.example ")),
                _ => Some(format!("{plain}@members.example")),
            };
            let known = !matches!(role, Role::Duplicate | Role::NoEmail) && at % 4 != 3;
            Person {
                customer: FIRST_CUSTOMER + i64::try_from(at).unwrap_or(0),
                name: format!("{first} {last}"),
                email,
                role,
                user: known.then(|| FIRST_USER + u64::try_from(at).unwrap_or(0)),
            }
        })
        .collect()
}
