//! A moment, as told by the node. There is no clock here, and nothing safe depends on a moment.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z. As text and in JSON: RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(as = "String"))]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment this many milliseconds after 1970; held within the years that RFC 3339 can write.
    pub fn from_millis(millis: i64) -> Self {
        Self(millis.clamp(-62_135_596_800_000, 253_402_207_200_000))
    }

    /// Milliseconds since 1970.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds from `earlier` to this moment; zero where `earlier` is the later one.
    pub fn seconds_since(self, earlier: Timestamp) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0) / 1000).unwrap_or(0)
    }

    /// As people read it at the moment `now`: the time of day in UTC, and the day too where it is another one.
    pub fn at_a_glance(self, now: Timestamp) -> String {
        const DAY: i64 = 86_400_000;
        let text = self.to_string();
        let readable = text.get(..10).zip(text.get(11..19));
        match readable {
            Some((_, time)) if self.0.div_euclid(DAY) == now.0.div_euclid(DAY) => format!("{time} UTC"),
            Some((day, time)) => format!("{day} {time} UTC"),
            None => text,
        }
    }
}

/// A length of time in a few words, such as "40 s" or "3 h".
pub fn in_words(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self::from_millis(moment.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_rfc_3339_with_milliseconds_and_comes_back() {
        let moment = Timestamp::from_millis(1_795_393_425_007);
        let json = serde_json::to_string(&moment).unwrap();
        assert_eq!(json, "\"2026-11-23T00:23:45.007Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), moment);
    }

    /// Sabotage: leave the day out where it is another one.
    #[test]
    fn people_read_the_time_and_the_day_only_where_it_is_another() {
        let moment = Timestamp::from_millis(1_795_393_425_007);
        let later = |millis| moment.at_a_glance(Timestamp::from_millis(moment.as_millis() + millis));
        assert_eq!(later(3_600_000), "00:23:45 UTC");
        assert_eq!(later(-2_000_000), "2026-11-23 00:23:45 UTC");
        assert_eq!(later(86_400_000), "2026-11-23 00:23:45 UTC");
        assert_eq!(in_words(5), "5 s");
        assert_eq!(in_words(120), "2 min");
        assert_eq!(in_words(7200), "2 h");
        assert_eq!(in_words(400_000), "4 days");
    }

    #[test]
    fn a_clock_that_went_back_gives_zero_seconds() {
        assert_eq!(Timestamp::from_millis(1_000).seconds_since(Timestamp::from_millis(9_000)), 0);
    }
}
