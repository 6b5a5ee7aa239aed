//! `ca`, `enrol` and `revoke`: a small authority for those who have none.

use std::path::{Path, PathBuf};

use activity_peers::{
    Identity, Name, NotAnIdentity, Role,
    issue::{Ca, Issued, days},
};
use clap::{Args, Subcommand};

use crate::failure::{Failure, say};

/// Most days that anything is signed for.
const DAYS_MAX: i64 = 3650;

/// `ca`
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Make an authority in a directory; it lasts ten years
    Init {
        /// Where; whoever can read it can be anybody
        #[arg(long, value_name = "DIR")]
        directory: PathBuf,
        /// What it is called in its certificate
        #[arg(long, default_value = "activity", value_parser = authority_name)]
        name: String,
    },
    /// Write the list of revoked certificates anew, so that it does not expire
    Refresh {
        /// The authority's directory
        #[arg(long, value_name = "DIR")]
        directory: PathBuf,
        /// How long it is good for
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=DAYS_MAX))]
        days: u32,
    },
}

/// `enrol`
#[derive(Debug, Args)]
#[command(after_help = ENROL_EXAMPLES)]
pub struct EnrolArgs {
    /// The authority's directory
    #[arg(long, value_name = "DIR")]
    pub directory: PathBuf,
    /// sensor, collector (reads and acknowledges), viewer (reads) or admin (reads and administers)
    #[arg(long, value_parser = role)]
    pub role: Role,
    /// Which one of its role it is, such as the host's name
    #[arg(long, value_parser = name)]
    pub name: Name,
    /// To whom it belongs; those of different tenants do not meet
    #[arg(long, default_value = "default", value_parser = name)]
    pub tenant: Name,
    /// How long the certificate is good for
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=DAYS_MAX))]
    pub days: u32,
    /// Where to write certificate.pem, key.pem, authority.pem and revoked.pem [default: ROLE-NAME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    pub force: bool,
}

const ENROL_EXAMPLES: &str = "\
Examples:
  activity-collector ca init --directory ca
  activity-collector enrol --directory ca --role sensor --name web-1
  activity-collector enrol --directory ca --role collector --name main

Copy the directory to its machine over a way that you trust, and remove it here.
Programs read the files again when they change.";

/// `revoke`
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The authority's directory
    #[arg(long, value_name = "DIR")]
    pub directory: PathBuf,
    /// A name or activity://TENANT/ROLE/NAME, of which all certificates are revoked, or a serial number
    #[arg(value_name = "NAME|SERIAL")]
    pub whom: String,
}

fn role(text: &str) -> Result<Role, NotAnIdentity> {
    text.parse()
}

fn name(text: &str) -> Result<Name, NotAnIdentity> {
    text.parse()
}

/// As long as a certificate can take it.
fn authority_name(text: &str) -> Result<String, String> {
    let fitting = (1..=64).contains(&text.len()) && !text.chars().any(char::is_control);
    fitting
        .then(|| text.to_owned())
        .ok_or_else(|| "it must be 1 to 64 bytes without control characters".into())
}

/// `ca`
pub fn ca(command: &CaCommand) -> Result<(), Failure> {
    match command {
        CaCommand::Init { directory, name } => {
            Ca::init(directory, name)?;
            say(format_args!(
                "an authority is in {}: keep its authority.key to yourself",
                directory.display()
            ))?;
        }
        CaCommand::Refresh { directory, days: lasts } => {
            let count = Ca::open(directory)?.refresh(days(*lasts))?;
            say(format_args!(
                "{} is good for {lasts} days; revoked on it: {count}",
                list(directory).display()
            ))?;
            remind();
        }
    }
    Ok(())
}

/// `enrol`
pub fn enrol(args: &EnrolArgs) -> Result<(), Failure> {
    let identity = Identity { tenant: args.tenant.clone(), role: args.role, name: args.name.clone() };
    let out = args.out.clone().unwrap_or_else(|| format!("{}-{}", args.role, args.name).into());
    let ca = Ca::open(&args.directory)?;
    // Asked before anything is signed.
    Issued::room(&out, args.force)?;
    let issued = ca.enrol(&identity, days(args.days))?;
    issued.write(&out, args.force)?;
    let record = &issued.record;
    say(format_args!(
        "{identity}, good until {}, serial number {}, is in {}",
        record.until,
        record.serial,
        out.display()
    ))
}

/// `revoke`
pub fn revoke(args: &RevokeArgs) -> Result<(), Failure> {
    for record in Ca::open(&args.directory)?.revoke(&args.whom)? {
        say(format_args!(
            "{}, serial number {}, is revoked in {}",
            record.identity,
            record.serial,
            list(&args.directory).display()
        ))?;
    }
    remind();
    Ok(())
}

fn list(directory: &Path) -> PathBuf {
    directory.join("revoked.pem")
}

fn remind() {
    eprintln!("copy it to every sensor and collector; it holds where it was copied, within seconds");
}
