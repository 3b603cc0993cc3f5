//! What lies at the broker from an earlier run, and what is said anew, against a real mosquitto.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use gatehouse::clock::Clock;
use gatehouse::mqtt::Boxed;
use gatehouse::mqtt::commands::CommandName;
use gatehouse::mqtt::link::{Names, OutboxError};
use gatehouse::report::Retained;

use super::{CLIENT, House, Mosquitto, door, hasty, house_with, real, wait_for};

/// Keeps nothing.
pub struct NoNames;

impl Names for NoNames {
    fn load(&self) -> Boxed<'_, Result<BTreeSet<String>, OutboxError>> {
        Box::pin(async { Ok(BTreeSet::new()) })
    }

    fn keep(&self, _topics: BTreeSet<String>) -> Boxed<'_, Result<(), OutboxError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Keeps names as a disk does, and how often it was asked to.
#[derive(Default)]
struct Disk {
    names: Mutex<BTreeSet<String>>,
    kept: Mutex<usize>,
}

impl Names for Disk {
    fn load(&self) -> Boxed<'_, Result<BTreeSet<String>, OutboxError>> {
        Box::pin(async { Ok(self.names.lock().unwrap().clone()) })
    }

    fn keep(&self, topics: BTreeSet<String>) -> Boxed<'_, Result<(), OutboxError>> {
        *self.names.lock().unwrap() = topics;
        *self.kept.lock().unwrap() += 1;
        Box::pin(async { Ok(()) })
    }
}

impl Disk {
    fn names(&self) -> BTreeSet<String> {
        self.names.lock().unwrap().clone()
    }
}

/// A run with that disk; `discovery`: under which prefix Home Assistant is told.
fn run(broker: &Mosquitto, disk: &Arc<Disk>, discovery: Option<&str>, served: &[CommandName]) -> House {
    house_with(real(broker.port), Clock::system(), hasty(), |link| {
        link.names = Arc::clone(disk) as Arc<dyn Names>;
        link.discovery = discovery.map(str::to_owned);
        link.served = served.iter().copied().collect();
    })
}

fn doors(numbers: &[u64], whole: bool) -> impl FnOnce(&mut Retained) {
    let doors = numbers.iter().map(|number| door(*number, "Front")).collect();
    move |retained| (retained.doors, retained.whole) = (doors, whole)
}

/// Dies as by a power cut: the task is gone, and nothing is said.
async fn die(house: House) {
    house.task.abort();
    _ = house.task.await;
}

/// What lies at the broker now, but for the last will.
async fn lying(broker: &Mosquitto) -> BTreeSet<String> {
    let mark = format!("mark/{}", fastrand::u64(..));
    let late = broker.subscriber().await;
    // What lies there comes with the subscription, and whatever is published from then on after it.
    wait_for("all that lies there", || {
        broker.publish(&mark, "now", &[]);
        late.last(&mark)
    })
    .await;
    let seen = late.seen().into_iter().filter(|(topic, _)| *topic != mark && !topic.ends_with("availability"));
    seen.map(|(topic, _)| topic).collect()
}

fn state(number: u64) -> String {
    format!("gatehouse/house/door/{number}/state")
}

/// Contract 3, issue 6: a door that went while no gateway ran is cleared by the next; but not while it is not known
/// what is there. Names are noted before their topics are published, so that a cut between the two leaves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn contract_3_what_went_while_nobody_ran_is_cleared_once_all_is_known() {
    let broker = Mosquitto::start().await;
    let disk = Arc::new(Disk::default());
    let first = run(&broker, &disk, None, &[]);
    first.retained.send_modify(doors(&[1, 2], true));
    wait_for("both doors", || broker.received_from(CLIENT).contains(&state(2)).then_some(())).await;
    assert_eq!(disk.names(), [state(1), state(2)].into());
    die(first).await;

    let second = run(&broker, &disk, None, &[]);
    // A reading that came short shows one door, then another: nothing is cleared for want of it.
    second.retained.send_modify(doors(&[1], false));
    second.retained.send_modify(doors(&[1, 3], false));
    wait_for("the new door", || broker.received_from(CLIENT).contains(&state(3)).then_some(())).await;
    assert_eq!(lying(&broker).await, [state(1), state(2), state(3)].into());
    assert_eq!(disk.names(), [state(1), state(2), state(3)].into());
    second.retained.send_modify(doors(&[1, 3], true));
    wait_for("the name to go", || (!disk.names().contains(&state(2))).then_some(())).await;
    assert_eq!(lying(&broker).await, [state(1), state(3)].into());

    // Idle costs nothing: what has a name already is not noted again.
    let before = *disk.kept.lock().unwrap();
    second.retained.send_modify(|retained| {
        retained.doors.extend([door(1, "Main")]);
    });
    let said = || broker.received_from(CLIENT).into_iter().filter(|topic| *topic == state(1)).count();
    wait_for("the change", || (said() == 3).then_some(())).await;
    assert_eq!(*disk.kept.lock().unwrap(), before);
}

/// Discovery is off now, or under another prefix, or a command is no longer served: what stood there is cleared.
#[tokio::test(flavor = "multi_thread")]
async fn contract_3_entities_go_with_their_door_their_command_and_the_setting() {
    let broker = Mosquitto::start().await;
    let disk = Arc::new(Disk::default());
    let lock = |prefix: &str, number: u64| format!("{prefix}/lock/gatehouse_house/door_{number}_lock/config");
    let button = "homeassistant/button/gatehouse_house/sync/config".to_owned();
    let until = async |what: &str, wanted: &dyn Fn(&BTreeSet<String>) -> bool| {
        let clock = Clock::system();
        let begun = clock.mono();
        loop {
            let lying = lying(&broker).await;
            if wanted(&lying) {
                return lying;
            }
            assert!(clock.mono().since(begun) < super::super::mosquitto::PATIENCE, "{what}: {lying:?}");
        }
    };
    let both = [CommandName::Sync, CommandName::Unlock];
    let first = run(&broker, &disk, Some("homeassistant"), &both);
    first.retained.send_modify(doors(&[1, 2], true));
    let all = [lock("homeassistant", 1), lock("homeassistant", 2), button.clone()];
    let lies = until("all", &|lying| all.iter().all(|topic| lying.contains(topic))).await;
    let of_door = |lying: &BTreeSet<String>, number: u64| {
        lying.iter().filter(|topic| topic.contains(&format!("/door_{number}_"))).count()
    };
    assert_eq!((of_door(&lies, 1), of_door(&lies, 2)), (5, 5));
    first.retained.send_modify(doors(&[1], true));
    until("a door to go", &|lying| of_door(lying, 2) == 0 && of_door(lying, 1) == 5).await;
    die(first).await;

    let second = run(&broker, &disk, Some("homeassistant"), &[]);
    second.retained.send_modify(doors(&[1], true));
    let lies = until("commands to go", &|lying| !lying.contains(&button) && of_door(lying, 1) == 4).await;
    assert!(!lies.contains(&lock("homeassistant", 1)));
    die(second).await;

    let third = run(&broker, &disk, Some("elsewhere/ha"), &[]);
    third.retained.send_modify(doors(&[1], true));
    let under = |lying: &BTreeSet<String>, prefix: &str| lying.iter().any(|topic| topic.starts_with(prefix));
    until("another prefix", &|lying| under(lying, "elsewhere/ha/") && !under(lying, "homeassistant/")).await;
    die(third).await;

    let fourth = run(&broker, &disk, None, &[]);
    fourth.retained.send_modify(doors(&[1], true));
    until("discovery off", &|lying| *lying == [state(1)].into()).await;
    wait_for("the names to go", || (disk.names() == [state(1)].into()).then_some(())).await;
}

/// Home Assistant clears an entity that a person deletes there; once it has started anew, all is there again. What is
/// retained is its last birth, which is no news.
#[tokio::test(flavor = "multi_thread")]
async fn all_is_said_anew_when_home_assistant_starts() {
    let broker = Mosquitto::start().await;
    broker.publish("homeassistant/status", "online", &["-r"]);
    let disk = Arc::new(Disk::default());
    let house = run(&broker, &disk, Some("homeassistant"), &[]);
    house.retained.send_modify(doors(&[1], true));
    let topic = "homeassistant/sensor/gatehouse_house/pending/config";
    let said = || broker.received_from(CLIENT).iter().filter(|on| *on == topic).count();
    let all = || broker.received_from(CLIENT).len();
    wait_for("the entity", || (said() == 1).then_some(())).await;
    wait_for("the door", || broker.received_from(CLIENT).contains(&state(1)).then_some(())).await;
    let before = all();
    broker.publish(topic, "", &["-r"]);
    broker.publish("homeassistant/status", "offline", &[]);
    broker.publish("homeassistant/status", "online", &[]);
    wait_for("the entity again", || (said() == 2).then_some(())).await;
    let wanted = lying(&broker).await;
    assert!(wanted.contains(topic));
    wait_for("the rest", || (all() >= before + wanted.len() - 1).then_some(())).await;
}
