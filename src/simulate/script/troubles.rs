//! What goes wrong at a site by chance: clouds, lists, dates, keys, the broker, the box's power and its clock.

use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use serde_json::json;

use crate::simulate::power::Side;
use crate::simulate::site::Site;
use crate::simulate::step::{BrokerMood, Cloud, Passing, Step, What};
use crate::twin::faults::{Effect, Rule, Says};

/// The troubles of a run, until `ends`.
pub(super) fn steps(site: &Site, ends: DateTime<Utc>, rng: &mut Rng) -> Vec<Step> {
    let hours = (ends - site.start).num_hours().max(1);
    let a_day = [0, 2, 6, 12, 30][rng.usize(..5)];
    let count = (hours * a_day + 23) / 24;
    let mut troubles = Troubles { site, ends, steps: Vec::new(), alone: Vec::new() };
    for _ in 0..count {
        troubles.one(rng);
    }
    if hours > 79 {
        troubles.long(rng);
    }
    troubles.steps
}

struct Troubles<'a> {
    site: &'a Site,
    ends: DateTime<Utc>,
    steps: Vec<Step>,
    /// When a wrong date stands: nothing else goes wrong with a cloud, which might make it look right.
    alone: Vec<(DateTime<Utc>, DateTime<Utc>)>,
}

fn one<T: Clone>(of: &[T], rng: &mut Rng) -> T {
    of[rng.usize(..of.len())].clone()
}

impl Troubles<'_> {
    fn one(&mut self, rng: &mut Rng) {
        let span_s = (self.ends - self.site.start).num_seconds().max(2);
        let at = self.site.start + TimeDelta::seconds(rng.i64(1..span_s));
        let for_s = match rng.u8(..20) {
            0..=11 => rng.i64(1..120),
            12..=17 => rng.i64(120..1_200),
            _ => rng.i64(1_200..6 * 3_600),
        };
        let trouble = match rng.u8(..30) {
            0..=10 => fault(for_s, rng),
            11 => Passing::Away(Cloud::Nexudus),
            12..=13 => Passing::Away(Cloud::Kisi),
            14..=15 => Passing::Internet,
            16..=18 => list(self.site, rng),
            19 => return self.wrong_date(at, rng),
            20 => one(
                &[Passing::KeyRefused(401, false), Passing::KeyRefused(403, false), Passing::KeyRefused(403, true)],
                rng,
            ),
            21 => Passing::PasswordChanged,
            22..=23 => Passing::Broker(one(
                &[BrokerMood::Away, BrokerMood::Away, BrokerMood::Refusing, BrokerMood::Mute, BrokerMood::Deaf],
                rng,
            )),
            24 => return self.steps.push(Step { at, what: What::BrokerRestarts }),
            25 => Passing::Dark,
            26..=27 => {
                let side = if rng.bool() { Side::Before } else { Side::After };
                match rng.bool() {
                    true => Passing::DarkAtCall(rng.u64(1..60), side),
                    false => Passing::DarkAtWrite(rng.u64(1..80)),
                }
            }
            28 => return self.wrong_clock(at, for_s, rng),
            _ => match rng.bool() {
                true => Passing::Paused,
                false => return self.steps.push(Step { at, what: What::Restart }),
            },
        };
        self.add(at, for_s, trouble);
    }

    fn add(&mut self, at: DateTime<Utc>, for_s: i64, trouble: Passing) {
        let until = at + TimeDelta::seconds(for_s);
        let broker = matches!(trouble, Passing::Broker(_));
        if !broker && self.alone.iter().any(|(from, to)| at < *to && *from < until) {
            return;
        }
        self.steps.push(Step { at, what: What::For { for_s, trouble } });
    }

    /// One outage of days.
    fn long(&mut self, rng: &mut Rng) {
        let at = self.site.start + TimeDelta::minutes(rng.i64(30..300));
        let for_s = one(&[36 * 3_600, 72 * 3_600], rng);
        let trouble = one(
            &[
                Passing::Internet,
                Passing::Away(Cloud::Nexudus),
                Passing::Away(Cloud::Kisi),
                Passing::Broker(BrokerMood::Away),
                Passing::Dark,
            ],
            rng,
        );
        self.add(at, for_s, trouble);
    }

    fn wrong_date(&mut self, at: DateTime<Utc>, rng: &mut Rng) {
        let for_s = rng.i64(10..900);
        let guard = TimeDelta::minutes(10);
        let (from, until) = (at - guard, at + TimeDelta::seconds(for_s) + guard);
        let clear = |step: &Step| {
            let ends = step.at + step.what.lasts().unwrap_or_default();
            ends < from || until < step.at || matches!(&step.what, What::For { trouble: Passing::Broker(_), .. })
        };
        if !self.steps.iter().all(clear) {
            return;
        }
        self.alone.push((from, until));
        let skew = one(&[180, 3_600, 86_400], rng) * if rng.bool() { 1 } else { -1 };
        let cloud = if rng.u8(..4) == 0 { Cloud::Nexudus } else { Cloud::Kisi };
        self.steps.push(Step { at, what: What::For { for_s, trouble: Passing::Date(cloud, skew) } });
    }

    /// The box's own clock goes wrong, to 1970 too, and is mended.
    fn wrong_clock(&mut self, at: DateTime<Utc>, for_s: i64, rng: &mut Rng) {
        let by_s = match rng.u8(..3) {
            0 => -at.timestamp(),
            1 => rng.i64(200..200_000),
            _ => -rng.i64(200..200_000),
        };
        let mended = at + TimeDelta::seconds(for_s.max(300));
        self.steps.push(Step { at, what: What::ClockShift { by_s } });
        self.steps.push(Step { at: mended, what: What::ClockShift { by_s: -by_s } });
    }
}

fn fault(for_s: i64, rng: &mut Rng) -> Passing {
    let cloud = if rng.bool() { Cloud::Nexudus } else { Cloud::Kisi };
    let path = match cloud {
        Cloud::Nexudus => one(
            &[
                "",
                "/api/spaces/bookings",
                "/api/spaces/cancelledbookings",
                "/api/spaces/coworkers",
                "/api/billing",
                "/api/token",
            ],
            rng,
        ),
        Cloud::Kisi => one(&["", "", "/role_assignments", "/role_assignments", "/users", "/event_sets", "/locks"], rng),
    };
    let after = |status: u16, rng: &mut Rng| match rng.u8(..3) {
        0 => Says::new(status, ""),
        1 => Says::new(status, "").header("retry-after", &rng.u8(1..60).to_string()),
        _ => Says::new(status, "<html><body>Too many</body></html>").header("content-type", "text/html"),
    };
    let effect = match rng.u8(..16) {
        0 => Effect::Refuse,
        1 => Effect::Hang,
        2..=3 => Effect::Lose,
        4 => Effect::Cut(rng.usize(..400)),
        5 => Effect::DelayMs(rng.u64(1_000..30_000)),
        6 => Effect::Instead(after(409, rng)),
        7..=8 => Effect::Instead(after(429, rng)),
        9 => Effect::Instead(after(one(&[500, 502, 503, 504], rng), rng)),
        10 => Effect::Instead(Says::new(200, "<html>Please sign in</html>").header("content-type", "text/html")),
        11 => Effect::Instead(Says::new(200, r#"{"Status":500,"Message":"Failed","WasSuccessful":false,"Errors":[]}"#)),
        12..=13 => Effect::Afterwards(Says::new(one(&[500, 502, 504], rng), "<html>Bad gateway</html>")),
        14 => Effect::Instead(Says::new(one(&[401, 403], rng), r#"{"code":"000403","error":"No."}"#)),
        _ => Effect::Instead(Says::new(408, "")),
    };
    let mut rule = Rule::on(path, effect);
    if cloud == Cloud::Kisi && rng.bool() {
        rule = rule.method(one(&["POST", "PATCH", "DELETE", "GET"], rng));
    }
    // Long ones let some through now and then; short ones may be met but once.
    if for_s < 120 && rng.bool() {
        rule = rule.times(rng.u32(1..5));
    }
    Passing::Fault(cloud, rule)
}

fn list(site: &Site, rng: &mut Rng) -> Passing {
    let entity = one(
        &["Booking", "Booking", "CoworkerTimePass", "CoworkerContract", "Coworker", "Team", "CancelledBooking"],
        rng,
    );
    let fault = match rng.u8(..6) {
        0 => json!({ "shift": rng.i32(-3..4) }),
        1 => json!({ "total_off": one(&[-2, -1, 1, 5], rng) }),
        2 => json!({ "no_records": true }),
        3 | 4 => json!({ "keep": 0 }),
        _ => json!({ "keep": rng.usize(1..site.people.len() + 1) }),
    };
    Passing::List { entity: entity.to_owned(), fault }
}
