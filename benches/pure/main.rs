//! How long the pure parts take, and how that grows with the site: `cargo bench --bench pure`.
//!
//! Times mean something beside other times of the same machine only. `benches/counts` counts instructions, which are
//! the same on a noisy one.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a benchmark that can't be set up has nothing to say")]

mod site;
mod work;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gatehouse::domain::entitle::entitle;
use gatehouse::domain::person::people;
use gatehouse::domain::reconcile::reconcile;
use gatehouse::mqtt::topics::Root;
use site::Site;

/// People and bookings: the site of the budgets, and the way to fifty times as much.
const SIZES: [(u64, u64); 4] = [(2_000, 10_000), (10_000, 50_000), (50_000, 250_000), (100_000, 500_000)];

fn decide(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide");
    group.sample_size(10);
    for (persons, bookings) in SIZES {
        let site = Site::new(persons, bookings);
        let known = site.known();
        group.throughput(Throughput::Elements(bookings));
        group.bench_function(BenchmarkId::new("entitle", bookings), |b| {
            b.iter(|| entitle(known.snapshot, known.rules, known.now));
        });
        let entitled = entitle(known.snapshot, known.rules, known.now);
        group.bench_function(BenchmarkId::new("people", bookings), |b| {
            b.iter(|| people(known.snapshot, &entitled));
        });
        group.bench_function(BenchmarkId::new("reconcile", bookings), |b| b.iter(|| reconcile(known)));
    }
    group.finish();
}

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    for rows in [100, 1_000] {
        let page = site::page(rows);
        group.throughput(Throughput::Bytes(page.len() as u64));
        group.bench_function(BenchmarkId::new("page of bookings", rows), |b| b.iter(|| work::parse(&page)));
    }
    group.finish();
}

fn publish(c: &mut Criterion) {
    let (root, event) = (Root::new("gatehouse", "bench"), site::event(1));
    c.bench_function("publish/encode an event", |b| b.iter(|| work::encode(&root, &event)));
}

criterion_group!(pure, decide, read, publish);
criterion_main!(pure);
