//! The headers that report rate limits, as vendors write them.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::meter::Reading;
use super::reply::Reply;
use crate::behaviour::QuotaHeaders;

/// Adds the headers that report a limit. Those of a later call replace those with their names.
pub fn report(reply: &mut Reply, reading: &Reading, now: DateTime<Utc>) {
    let Reading {
        limit, remaining, ..
    } = *reading;
    let wait_seconds = reading.reset_ms.div_ceil(1_000);
    let reset = now + TimeDelta::milliseconds(reading.reset_ms as i64);
    let reset_seconds = now.timestamp() + wait_seconds as i64;
    let mut set = |name, value| reply.set(name, value);
    let fraction = |number: u64| format!("{number}.0");
    match limit.headers {
        QuotaHeaders::None => {}
        QuotaHeaders::XRateLimit => {
            set("x-ratelimit-limit", limit.number.to_string());
            set("x-ratelimit-remaining", remaining.to_string());
            set("x-ratelimit-reset", reset_seconds.to_string());
            if reply.status == 429 {
                reply.set("x-ratelimit-retryafter", wait_seconds.to_string());
                reply.set("retry-after", wait_seconds.to_string());
            }
        }
        QuotaHeaders::MinuteQuota => {
            set("minute-quota-limit", fraction(limit.number));
            set("minute-quota-available", fraction(remaining));
        }
        QuotaHeaders::HourQuota => {
            set("hour-quota-limit", fraction(limit.number));
            set("hour-quota-available", fraction(remaining));
            set("hour-quota-resettime", reset.timestamp_millis().to_string());
        }
        QuotaHeaders::Burst => {
            set("burst-ratelimit-limit", limit.number.to_string());
            set("burst-ratelimit-remaining", remaining.to_string());
            set("burst-ratelimit-reset", reset_seconds.to_string());
        }
        QuotaHeaders::Application => {
            let reset = reset.to_rfc3339_opts(SecondsFormat::Millis, true);
            set("application-ratelimit-limit", limit.number.to_string());
            set("application-ratelimit-remaining", remaining.to_string());
            set("application-ratelimit-reset", reset);
        }
        QuotaHeaders::RetryAfterSeconds => {
            set("x-rate-limit-remaining", remaining.to_string());
            set("x-rate-limit-retry-after-seconds", wait_seconds.to_string());
        }
    }
}
