//! Which questions, views and functions there are.

use std::io;

use super::{functions::FUNCTIONS, named::NAMED, views::VIEWS};
use crate::failure::Failure;

/// Writes everything that can be asked, with one line each.
pub fn list(out: &mut impl io::Write) -> io::Result<()> {
    writeln!(out, "Questions (--name NAME --param NAME=VALUE):")?;
    for named in NAMED {
        writeln!(out, "  {:<20} {}", named.name, named.about)?;
        let parameters: Vec<_> =
            named.parameters.iter().map(|of| format!("{}={}", of.name, shortened(of.default))).collect();
        writeln!(out, "  {:<20}   {}", "", parameters.join(" "))?;
    }
    writeln!(out, "\nParameters, and what they are otherwise:")?;
    let mut told: Vec<&str> = Vec::new();
    for parameter in NAMED.iter().flat_map(|named| named.parameters) {
        if !told.contains(&parameter.name) {
            told.push(parameter.name);
            writeln!(out, "  {:<20} {}: {}", parameter.name, parameter.about, parameter.kind.form())?;
        }
    }
    writeln!(out, "\nViews (`--describe VIEW` shows the columns):")?;
    writeln!(out, "  {:<20} every event with all that is known of it", "events")?;
    for view in VIEWS {
        writeln!(out, "  {:<20} {}", view.name, view.about)?;
    }
    writeln!(out, "\nFunctions besides those of SQL:")?;
    for (name, about) in FUNCTIONS {
        writeln!(out, "  {name}\n  {:<20} {about}", "")?;
    }
    Ok(())
}

/// A long default is cut: it is shown where the parameter is explained.
fn shortened(default: &str) -> String {
    if default.len() > 24 { "…".to_owned() } else { default.to_owned() }
}

/// Writes the columns of a view.
///
/// # Errors
/// When there is no such view.
pub fn describe(name: &str, out: &mut impl io::Write) -> Result<io::Result<()>, Failure> {
    let Some(view) = VIEWS.iter().find(|view| view.name == name) else {
        let names: Vec<_> = VIEWS.iter().map(|view| view.name).collect();
        let (name, names) = (name.escape_debug(), names.join(", "));
        return Err(Failure::usage(format!(
            "there is no view `{name}`; there are {names}. The columns of `events`: `query \"DESCRIBE events\"`"
        )));
    };
    let mut columns = move || {
        writeln!(out, "{}: {}", view.name, view.about)?;
        view.columns.iter().try_for_each(|(column, about)| writeln!(out, "  {column:<20} {about}"))
    };
    Ok(columns())
}
