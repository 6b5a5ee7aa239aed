//! Functions that statements may call besides those of the query engine.

use std::{net::IpAddr, sync::Arc};

use datafusion::{
    arrow::{
        array::{ArrayRef, AsArray as _, BooleanArray, UInt32Array},
        compute::cast,
        datatypes::{DataType, TimeUnit, TimestampNanosecondType},
    },
    error::{DataFusionError, Result},
    logical_expr::{
        ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
    },
};
use jiff::{Timestamp, tz::TimeZone};

/// Nanoseconds for which an offset from UTC holds: zones change at quarters of an hour.
const QUARTER: i64 = 900 * 1_000_000_000;
const MINUTE: i64 = 60 * 1_000_000_000;
const MINUTES_OF_WEEK: i64 = 7 * 24 * 60;
/// 1970-01-01 was a Thursday; weeks begin on Monday.
const FIRST_DAY: i64 = 3 * 24 * 60;

/// All of them, with one line each.
pub const FUNCTIONS: [(&str, &str); 2] = [
    (
        "minute_of_week(time, zone)",
        "minutes since Monday 00:00 in that zone; / 1440 is the weekday, % 1440 the minute of the day",
    ),
    ("in_network(address, networks)", "whether it is in one of the networks, as '10.0.0.0/8,fc00::/7'"),
];

/// What the engine registers.
pub fn functions() -> [ScalarUDF; 2] {
    [ScalarUDF::from(Function::new(Kind::MinuteOfWeek)), ScalarUDF::from(Function::new(Kind::InNetwork))]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    MinuteOfWeek,
    InNetwork,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Function {
    kind: Kind,
    signature: Signature,
}

impl Function {
    fn new(kind: Kind) -> Self {
        // Any two: a parameter has no type before it is bound.
        let signature = Signature::new(TypeSignature::Any(2), Volatility::Immutable);
        Self { kind, signature }
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        match self.kind {
            Kind::MinuteOfWeek => "minute_of_week",
            Kind::InNetwork => "in_network",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.kind {
            Kind::MinuteOfWeek => DataType::UInt32,
            Kind::InNetwork => DataType::Boolean,
        })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = arguments.number_rows;
        let [values, second] = <[ColumnarValue; 2]>::try_from(arguments.args)
            .map_err(|_| DataFusionError::Plan(format!("{} takes two arguments", self.name())))?;
        let values = values.into_array(rows)?;
        let second = constant(&second).ok_or_else(|| {
            DataFusionError::Plan(format!("the second argument of {} is a text in quotes", self.name()))
        })?;
        let answer = match self.kind {
            Kind::MinuteOfWeek => minutes_of_week(&values, second)?,
            Kind::InNetwork => in_networks(&values, second)?,
        };
        Ok(ColumnarValue::Array(answer))
    }
}

fn constant(value: &ColumnarValue) -> Option<&str> {
    match value {
        ColumnarValue::Scalar(value) => value.try_as_str().flatten(),
        ColumnarValue::Array(_) => None,
    }
}

fn minutes_of_week(values: &ArrayRef, zone: &str) -> Result<ArrayRef> {
    let zone = super::moment::zone(zone).map_err(|failure| DataFusionError::Plan(failure.to_string()))?;
    let times = cast(values, &DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())))?;
    let mut clock = Clock { zone, quarter: i64::MIN, offset: 0 };
    let minutes =
        times.as_primitive::<TimestampNanosecondType>().iter().map(|time| clock.minute_of_week(time?));
    Ok(Arc::new(minutes.collect::<UInt32Array>()))
}

/// Remembers the offset of the last quarter of an hour it was asked about.
struct Clock {
    zone: TimeZone,
    quarter: i64,
    /// In minutes.
    offset: i64,
}

impl Clock {
    fn minute_of_week(&mut self, time: i64) -> Option<u32> {
        let quarter = time.div_euclid(QUARTER);
        if quarter != self.quarter {
            let timestamp = Timestamp::from_nanosecond(time.into()).ok()?;
            self.offset = i64::from(self.zone.to_offset(timestamp).seconds()).div_euclid(60);
            self.quarter = quarter;
        }
        let minute = time.div_euclid(MINUTE).checked_add(self.offset)?.checked_add(FIRST_DAY)?;
        u32::try_from(minute.rem_euclid(MINUTES_OF_WEEK)).ok()
    }
}

fn in_networks(values: &ArrayRef, networks: &str) -> Result<ArrayRef> {
    let networks = Networks::read(networks).map_err(DataFusionError::Plan)?;
    let texts = cast(values, &DataType::Utf8)?;
    let within = |address: Option<&str>| Some(networks.contains(address?.parse().ok()?));
    Ok(Arc::new(texts.as_string::<i32>().iter().map(within).collect::<BooleanArray>()))
}

/// Blocks of addresses.
pub struct Networks(Vec<(u128, u32)>);

impl Networks {
    /// Reads networks with commas between them.
    ///
    /// # Errors
    /// When one is no network: a sentence that says which.
    pub fn read(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(network).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an address is in one of them. An address of version 4 is the same when it is
    /// written as one of version 6.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = bits(address);
        self.0.iter().any(|(network, prefix)| {
            let shift = 128 - prefix;
            shift == 128 || bits >> shift == network >> shift
        })
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn network(text: &str) -> Result<(u128, u32), String> {
    let wrong = || format!("`{}` is no network; give them as 10.0.0.0/8,2001:db8::/32", text.escape_debug());
    let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let (most, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
    let prefix = if text.contains('/') { prefix.parse::<u32>().map_err(|_| wrong())? } else { most };
    if prefix > most { Err(wrong()) } else { Ok((bits(address), before + prefix)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_of_the_week_is_that_of_the_zone_in_summer_and_winter() {
        let mut clock = Clock { zone: TimeZone::get("Europe/Berlin").unwrap(), quarter: i64::MIN, offset: 0 };
        let mut at = |text: &str| {
            let time: Timestamp = text.parse().unwrap();
            clock.minute_of_week(i64::try_from(time.as_nanosecond()).unwrap())
        };
        // A Monday in winter and one in summer.
        assert_eq!(at("2026-03-02T08:30:59Z"), Some(9 * 60 + 30));
        assert_eq!(at("2026-07-06T08:30:00Z"), Some(10 * 60 + 30));
        // A Sunday's last minute, and the moment when summer begins.
        assert_eq!(at("2026-03-08T22:59:00Z"), Some(7 * 1440 - 1));
        assert_eq!(at("2026-03-29T00:59:59Z"), Some(6 * 1440 + 119));
        assert_eq!(at("2026-03-29T01:00:00Z"), Some(6 * 1440 + 180));
        assert_eq!(at("1969-12-31T23:00:00Z"), Some(3 * 1440));
    }

    #[test]
    fn an_address_is_in_a_network_or_not() {
        let networks = Networks::read("10.0.0.0/8, 192.0.2.7,2001:db8::/32").unwrap();
        let within = |text: &str| networks.contains(text.parse().unwrap());
        for inside in ["10.1.2.3", "192.0.2.7", "2001:db8::1", "::ffff:10.0.0.1"] {
            assert!(within(inside), "{inside}");
        }
        for outside in ["11.0.0.1", "192.0.2.8", "2001:db9::1", "::1"] {
            assert!(!within(outside), "{outside}");
        }
        assert!(Networks::read("0.0.0.0/0").unwrap().contains("1.2.3.4".parse().unwrap()));
        assert!(Networks::read("::/0").unwrap().contains("1.2.3.4".parse().unwrap()));
        for wrong in ["10", "10.0.0.0/33", "10.0.0.0/", "x/8", "10.0.0.0/-1"] {
            assert!(Networks::read(wrong).is_err(), "{wrong}");
        }
    }
}
