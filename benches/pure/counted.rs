//! One piece of the pure work, for callgrind to count: `counted WORK TIMES`. `benches/counts` calls it.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a benchmark that can't be set up has nothing to say")]

mod site;
mod work;

use std::hint::black_box;

use gatehouse::domain::reconcile::reconcile;
use gatehouse::mqtt::topics::Root;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [work, times] = &arguments[..] else {
        // `cargo test --benches` and `cargo bench` run it without.
        println!("counted WORK TIMES: for callgrind; see benches/counts");
        return;
    };
    let times: u64 = times.parse().unwrap();
    match work.as_str() {
        "reconcile" => {
            let site = site::Site::new(2_000, 10_000);
            (0..times).for_each(|_| drop(black_box(reconcile(site.known()))));
        }
        "parse" => {
            let page = site::page(1_000);
            (0..times).for_each(|_| _ = black_box(work::parse(&page)));
        }
        "encode" => {
            let (root, event) = (Root::new("gatehouse", "bench"), site::event(1));
            (0..times).for_each(|_| _ = black_box(work::encode(&root, &event)));
        }
        other => panic!("no such work: {other}; one of reconcile, parse, encode"),
    }
}
