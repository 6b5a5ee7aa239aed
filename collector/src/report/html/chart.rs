//! Charts as SVG within the page: nothing to load, sharp on paper.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday};
use maud::{Markup, html};

use super::super::hours::Hours;
use crate::query::grouped;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const ACCENT: &str = "#23558f";
const AMBER: &str = "#c06a00";
const EMPTY: &str = "#eef1f4";
/// Side of a cell, with its margin.
const CELL: u32 = 15;
/// Room for the names of days.
const LEFT: u32 = 26;

/// How dark: the square root, so that little can be seen beside much.
fn shade(number: u64, most: u64) -> String {
    if most == 0 {
        return "0".to_owned();
    }
    let share = (number as f64 / most as f64).sqrt();
    format!("{:.2}", 0.12 + 0.88 * share)
}

/// Weekdays by hours. What is outside of somebody's working hours is of another colour.
pub fn heat(hours: &[[u64; 24]; 7], working: Option<&Hours>) -> Markup {
    let most = hours.iter().flatten().copied().max().unwrap_or(0);
    let cell = |day: u32, hour: u32, number: u64| {
        let is_within = working.is_none_or(|working| is_within(working, day, hour));
        let (x, y) = (LEFT + hour * CELL, 12 + day * CELL);
        let name = DAYS.get(day as usize).copied().unwrap_or_default();
        html! {
            rect x=(x) y=(y) width=(CELL - 2) height=(CELL - 2) rx="2" fill=(EMPTY) {}
            @if number > 0 {
                rect x=(x) y=(y) width=(CELL - 2) height=(CELL - 2) rx="2"
                    fill=(if is_within { ACCENT } else { AMBER }) fill-opacity=(shade(number, most)) {
                    title { (name) " " (hour) ":00: " (grouped(number)) }
                }
            }
        }
    };
    let (width, height) = (LEFT + 24 * CELL, 12 + 7 * CELL);
    html! {
        svg viewBox=(format!("0 0 {width} {height}")) role="img" aria-label="acts by weekday and hour" {
            @for hour in (0..24).step_by(3) {
                text x=(LEFT + hour * CELL) y="8" { (hour) }
            }
            @for (day, numbers) in (0_u32..).zip(hours) {
                text x="0" y=(12 + day * CELL + 10) { (DAYS.get(day as usize).copied().unwrap_or_default()) }
                @for (hour, number) in (0_u32..).zip(numbers) { (cell(day, hour, *number)) }
            }
        }
    }
}

/// Whether an hour of a weekday is a working hour. 2024 began with a Monday.
fn is_within(working: &Hours, day: u32, hour: u32) -> bool {
    let day = i8::try_from(day + 1).unwrap_or(1);
    let hour = i8::try_from(hour).unwrap_or_default();
    working.contains(jiff::civil::date(2024, 1, day).at(hour, 0, 0, 0))
}

/// A bar for each day of a period.
pub fn days(days: &BTreeMap<Date, u64>, from: Date, to: Date, end: Option<Date>) -> Markup {
    const HEIGHT: f64 = 86.0;
    const WIDTH: f64 = 386.0;
    let all: Vec<Date> = from.series(jiff::ToSpan::days(1)).take_while(|day| *day <= to).take(400).collect();
    let most = days.values().copied().max().unwrap_or(0);
    let step = WIDTH / all.len().max(1) as f64;
    let height = |number: u64| if most == 0 { 0.0 } else { (number as f64 / most as f64) * HEIGHT };
    let every = (all.len() / 8).max(1);
    let at = |index: usize| index as f64 * step;
    html! {
        svg viewBox=(format!("0 0 {WIDTH} 117")) role="img" aria-label="acts by day" {
            text x="0" y="8" { "most in a day: " (grouped(most)) }
            line x1="0" x2=(WIDTH) y1=(HEIGHT + 14.0) y2=(HEIGHT + 14.0) stroke="#b9c3ce" stroke-width="1" {}
            @for (index, day) in all.iter().enumerate() {
                @let number = days.get(day).copied().unwrap_or(0);
                @let is_weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
                @let is_late = end.is_some_and(|end| *day > end);
                @if is_weekend {
                    rect x=(format!("{:.1}", at(index))) y="14" width=(format!("{step:.1}")) height=(HEIGHT) fill="#f3f5f7" {}
                }
                @if number > 0 {
                    @let tall = height(number).max(1.5);
                    rect x=(format!("{:.1}", at(index) + step * 0.12)) y=(format!("{:.1}", HEIGHT + 14.0 - tall))
                        width=(format!("{:.1}", step * 0.76)) height=(format!("{tall:.1}"))
                        fill=(if is_late { "#a5231b" } else { ACCENT }) {
                        title { (day) ": " (grouped(number)) }
                    }
                }
                @if index % every == 0 && at(index) + 34.0 < WIDTH {
                    text x=(format!("{:.1}", at(index) + step * 0.12)) y=(HEIGHT + 26.0) { (day.strftime("%-d %b").to_string()) }
                }
            }
        }
    }
}

/// When a sensor was heard: a strip of the period with holes in it.
pub fn strip(from: i64, to: i64, first: i64, holes: impl Iterator<Item = (i64, i64)>) -> Markup {
    const WIDTH: f64 = 400.0;
    let length = (to - from).max(1) as f64;
    let place = |at: i64| ((at.clamp(from, to) - from) as f64 / length) * WIDTH;
    let begun = place(first);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} 10")) preserveAspectRatio="none" role="img" aria-label="when it was heard" {
            rect x="0" y="1" width=(WIDTH) height="8" fill=(EMPTY) {}
            rect x=(format!("{begun:.1}")) y="1" width=(format!("{:.1}", WIDTH - begun)) height="8" fill="#1d6b43" fill-opacity=".65" {}
            @for (from, to) in holes {
                rect x=(format!("{:.1}", place(from))) y="0" width=(format!("{:.1}", (place(to) - place(from)).max(1.0)))
                    height="10" fill="#a5231b" {}
            }
        }
    }
}
