//! Tables.

use maud::{Markup, html};

use crate::query::grouped;

/// What is in a cell.
pub enum Cell {
    Text(String),
    /// A name that a program or a file has.
    Mono(String),
    /// Something that should not be.
    Bad(String),
    Number(u64),
    Time(String),
}

impl Cell {
    /// Text, or nothing.
    pub fn text(text: Option<&str>) -> Self {
        Self::Text(text.unwrap_or_default().to_owned())
    }

    /// A name, or nothing.
    pub fn mono(text: Option<&str>) -> Self {
        Self::Mono(text.unwrap_or_default().to_owned())
    }
}

/// A table. Columns whose names begin with `#` hold numbers.
pub fn table(head: &[&str], rows: Vec<Vec<Cell>>) -> Markup {
    html! {
        table {
            thead {
                tr {
                    @for name in head {
                        @match name.strip_prefix('#') {
                            Some(name) => th class="number" { (name) },
                            None => th { (name) },
                        }
                    }
                }
            }
            tbody {
                @for row in rows {
                    tr {
                        @for cell in row {
                            @match cell {
                                Cell::Text(text) => td { (text) },
                                Cell::Mono(text) => td class="mono" { (text) },
                                Cell::Bad(text) => td class="bad" { (text) },
                                Cell::Number(number) => td class="number" { (grouped(number)) },
                                Cell::Time(text) => td class="time" { (text) },
                            }
                        }
                    }
                }
            }
        }
    }
}
