//! `/metrics`: families as Prometheus' text format, version 0.0.4. Pure.
//!
//! Written here and not by a crate: the format is three kinds of line, everything is gathered anew for each scrape, and
//! the crates that are kept keep registries of live objects, or speak OpenMetrics alone.

use std::fmt::{self, Write};

use crate::report::metrics::{Family, Histogram, Kind, Sample, Value};

/// What the format is called.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All of them, one after another.
pub(super) fn text(families: &[Family]) -> String {
    let mut out = String::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        // A String takes everything.
        let _ = write_family(&mut out, family);
    }
    out
}

fn write_family(out: &mut String, family: &Family) -> fmt::Result {
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let name = family.name;
    writeln!(out, "# HELP {name} {}", family.help.replace('\\', "\\\\").replace('\n', "\\n"))?;
    writeln!(out, "# TYPE {name} {kind}")?;
    for sample in &family.samples {
        match &sample.value {
            Value::Number(number) => line(out, name, sample, None, *number)?,
            Value::Spread(histogram) => spread(out, name, sample, histogram)?,
        }
    }
    Ok(())
}

fn spread(out: &mut String, name: &str, sample: &Sample, histogram: &Histogram) -> fmt::Result {
    let bounds = histogram.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
    let (bucket, mut so_far) = (format!("{name}_bucket"), 0u64);
    for (bound, count) in bounds.zip(&histogram.counts) {
        so_far = so_far.saturating_add(*count);
        line(out, &bucket, sample, Some(&bound), number(so_far))?;
    }
    line(out, &format!("{name}_sum"), sample, None, histogram.sum)?;
    line(out, &format!("{name}_count"), sample, None, number(so_far))
}

fn line(out: &mut String, name: &str, sample: &Sample, bound: Option<&str>, value: f64) -> fmt::Result {
    let labels = sample.labels.iter().map(|(name, value)| (*name, value.as_str()));
    let labels: Vec<String> = labels
        .chain(bound.map(|bound| ("le", bound)))
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    writeln!(out, "{name}{labels} {value}")
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Exact up to 2^53, as all numbers of the format are.
#[expect(clippy::cast_precision_loss, reason = "the format knows no other numbers")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contract_5_metrics_are_written_as_prometheus_reads_them() {
        let mut lag = Histogram::new(&[0.5, 10.0]);
        for value in [0.25, 0.5, 3.0, 99.0, -1.0] {
            lag.observe(value);
        }
        let calls = Family::new("gatehouse_calls_total", Kind::Counter, "Calls.")
            .with(&[("cloud", "kisi"), ("outcome", "a \"b\" \\ c\nd")], 7.0);
        let mut spread = Family::new("gatehouse_lag_seconds", Kind::Histogram, "Lag.");
        spread.push(&[], Value::Spread(lag));
        let empty = Family::new("gatehouse_nothing", Kind::Gauge, "Nothing.");
        let expected = "# HELP gatehouse_calls_total Calls.\n# TYPE gatehouse_calls_total counter\n\
            gatehouse_calls_total{cloud=\"kisi\",outcome=\"a \\\"b\\\" \\\\ c\\nd\"} 7\n\
            # HELP gatehouse_lag_seconds Lag.\n# TYPE gatehouse_lag_seconds histogram\n\
            gatehouse_lag_seconds_bucket{le=\"0.5\"} 3\ngatehouse_lag_seconds_bucket{le=\"10\"} 4\n\
            gatehouse_lag_seconds_bucket{le=\"+Inf\"} 5\ngatehouse_lag_seconds_sum 102.75\n\
            gatehouse_lag_seconds_count 5\n";
        assert_eq!(text(&[calls, spread, empty]), expected);
    }
}
