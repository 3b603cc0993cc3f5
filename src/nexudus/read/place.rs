//! The location itself: its name, and whether its zone in Nexudus is the site's.

use chrono::TimeDelta;
use serde_json::value::RawValue;

use super::paging::{Each, read_all};
use super::whole::sifted;
use super::{BUSINESSES, Reader, ZONES, windows_zones};
use crate::domain::{Timestamp, Zone};
use crate::nexudus::error::NexudusError;
use crate::nexudus::wire::{BusinessRow, NamedRow, read_row};

/// How far ahead two zones are compared: both nights of daylight saving and a little more.
const COMPARED: i64 = 400;

/// Whether the location's zone in Nexudus is `site.timezone`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneCheck {
    /// Their clocks show the same time from now on, over a year at least, whatever the zones are called.
    Agrees,
    /// They do not.
    Differs {
        /// As Nexudus names it, with the IANA zone that it stands for.
        nexudus: String,
        /// `site.timezone`.
        ours: String,
    },
    /// It can't be said, and why.
    Unknown(String),
}

impl Reader {
    /// Reads the location (`nexudus.location`) and its zone. `now` need not be exact.
    pub async fn zone_check(&self, now: Timestamp) -> Result<ZoneCheck, NexudusError> {
        let Some(business) = self.by_id::<BusinessRow>(&BUSINESSES, self.location).await? else {
            return Ok(ZoneCheck::Unknown(format!(
                "Nexudus has no location {}; correct nexudus.location",
                self.location
            )));
        };
        let Some(zone) = business.simple_time_zone_id else {
            return Ok(ZoneCheck::Unknown(format!("location {} has no time zone in Nexudus", self.location)));
        };
        match self.by_id::<NamedRow>(&ZONES, zone).await? {
            Some(row) => Ok(compare(&row.name.unwrap_or_default(), &self.zone, now)),
            None => Ok(ZoneCheck::Unknown(format!("Nexudus does not show its time zone {zone}"))),
        }
    }

    /// The location's name, where there is one.
    pub async fn location_name(&self) -> Result<Option<String>, NexudusError> {
        Ok(self.by_id::<BusinessRow>(&BUSINESSES, self.location).await?.and_then(|business| business.name))
    }
}

/// A location as `init` offers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Its id: `nexudus.location`.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The IANA zone that its zone in Nexudus stands for, where one does.
    pub zone: Option<String>,
}

impl Reader {
    /// Every location that this user sees.
    pub async fn locations(&self, began: Timestamp) -> Result<Vec<Location>, NexudusError> {
        let sieve = || Each(|row: &RawValue| sifted(read_row::<BusinessRow>(row)));
        let (pile, _) = read_all(&self.client, &BUSINESSES, began, sieve).await?;
        let mut locations = Vec::new();
        for row in pile.rows {
            let Some(id) = row.id else { continue };
            let zone = match row.simple_time_zone_id {
                Some(zone) => self.by_id::<NamedRow>(&ZONES, zone).await?.and_then(|row| row.name),
                None => None,
            };
            let iana = zone.map(|name| windows_zones::iana(&name).map_or(name.trim().to_owned(), str::to_owned));
            let zone = iana.filter(|name| Zone::named(name).is_ok());
            locations.push(Location { id, name: row.name.unwrap_or_default(), zone });
        }
        Ok(locations)
    }
}

/// Compares by what the clocks show, not by name: London and Dublin have one Windows zone. A name that Windows does not
/// have is tried as an IANA name.
fn compare(name: &str, ours: &Zone, now: Timestamp) -> ZoneCheck {
    let iana = windows_zones::iana(name).unwrap_or(name.trim());
    let theirs = match Zone::named(iana) {
        Ok(zone) => zone,
        Err(_) => return ZoneCheck::Unknown(format!("Nexudus' time zone '{name}' is not known here")),
    };
    let days = (0..COMPARED).map(|day| now + TimeDelta::days(day));
    if days.into_iter().all(|at| theirs.offset_at(at) == ours.offset_at(at)) {
        return ZoneCheck::Agrees;
    }
    let nexudus = if iana == name { name.to_owned() } else { format!("{name} ({iana})") };
    ZoneCheck::Differs { nexudus, ours: ours.name().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_20_zones_are_compared_by_their_clocks() {
        let now = "2026-07-01T00:00:00Z".parse().expect("a time");
        let check = |theirs: &str, ours: &str| compare(theirs, &Zone::named(ours).expect("in tzdata"), now);
        assert_eq!(check("GMT Standard Time", "Europe/Dublin"), ZoneCheck::Agrees);
        assert_eq!(check("W. Europe Standard Time", "Europe/Vienna"), ZoneCheck::Agrees);
        // The same in winter only.
        assert!(matches!(check("Greenwich Standard Time", "Europe/London"), ZoneCheck::Differs { .. }));
        // The same today only: Arizona keeps no daylight saving.
        assert!(matches!(check("US Mountain Standard Time", "America/Los_Angeles"), ZoneCheck::Differs { .. }));
        assert_eq!(check("Europe/Paris", "Europe/Berlin"), ZoneCheck::Agrees);
        assert!(matches!(check("Moon Standard Time", "Europe/Berlin"), ZoneCheck::Unknown(_)));
    }
}
