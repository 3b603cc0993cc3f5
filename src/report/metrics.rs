//! What the gateway counts, as plain values: `/metrics` shows them (contract 5). No person is named in any.

/// What a family measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, until the process ends. Its name ends with `_total`.
    Counter,
    /// Rises and falls.
    Gauge,
    /// How often a value was how large.
    Histogram,
}

/// One metric with all its label values.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// As `gatehouse_calls_total`, in base units.
    pub name: &'static str,
    /// In a sentence.
    pub help: &'static str,
    /// What it measures.
    pub kind: Kind,
    /// By label values.
    pub samples: Vec<Sample>,
}

/// One value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Names and values of its labels.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a counter or gauge.
    Number(f64),
    /// Of a histogram.
    Spread(Histogram),
}

/// Counts of values, by how large they were.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// The upper bounds, rising.
    pub bounds: &'static [f64],
    /// How many values fell under each bound and not under the one before; the last: over all.
    pub counts: Vec<u64>,
    /// The sum of all values.
    pub sum: f64,
}

impl Histogram {
    /// Nothing yet.
    pub fn new(bounds: &'static [f64]) -> Histogram {
        Histogram { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// One more value. One that is no number, or below 0, counts as 0.
    pub fn observe(&mut self, value: f64) {
        let value = if value > 0.0 { value } else { 0.0 };
        let at = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        if let Some(count) = self.counts.get_mut(at) {
            *count = count.saturating_add(1);
        }
        self.sum += value;
    }
}

impl Family {
    /// A family without values.
    pub fn new(name: &'static str, kind: Kind, help: &'static str) -> Family {
        Family { name, help, kind, samples: Vec::new() }
    }

    /// With one more number.
    pub fn with(mut self, labels: &[(&'static str, &str)], value: f64) -> Family {
        self.push(labels, Value::Number(value));
        self
    }

    /// One more value.
    pub fn push(&mut self, labels: &[(&'static str, &str)], value: Value) {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.samples.push(Sample { labels, value });
    }
}
