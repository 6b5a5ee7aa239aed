//! The configuration: the file, and what the command line changes of it.

mod archive;
mod export;
mod file;

#[cfg(test)]
mod tests;

use std::{path::Path, time::Duration};

use activity_peers::{Address, Files, Name};

use crate::{
    cli::{RunArgs, TlsArgs},
    failure::Failure,
    query::Limits,
    state::Rules,
    store::{ArchiveConfig, Layout, Retention, RollSettings},
};
use archive::shared;
pub use export::ExportConfig;
use file::{Door, File, Keep, Part, Query, Roll, Tls};

/// Where events are kept when nothing else is said.
pub const DEFAULT_STORE: &str = "/var/lib/activity-collector";
/// Where the sensor of this machine is reached.
const DEFAULT_SENSOR: &str = "/run/activity-sensor/sensor.sock";

/// What `run` works with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Each with all that is its own: they share nothing but the process.
    pub tenants: Vec<Tenant>,
}

/// Whose events are kept together.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its name, which its certificate has to have too; `None` where there is only one.
    pub name: Option<Name>,
    /// The sensors to receive from.
    pub sensors: Vec<Address>,
    /// Where sensors come in that dial out.
    pub listen: Option<Address>,
    /// Where to keep what they send.
    pub store: Layout,
    /// When the log becomes a Parquet file.
    pub roll: RollSettings,
    /// How long files are kept.
    pub retention: Retention,
    /// Where files of days that are over go.
    pub archive: Option<ArchiveConfig>,
    /// What looking at it needs.
    pub rules: Rules,
    /// Where those come in who ask.
    pub answers: Option<Address>,
    /// What an answer to them may cost.
    pub limits: Limits,
    /// Its certificate, key and authority, for sensors over TCP.
    pub tls: Option<Files>,
    /// Where its events are passed on to.
    pub exports: Vec<ExportConfig>,
}

impl Config {
    /// The configuration that a command line asks for.
    pub fn load(args: &RunArgs) -> Result<Self, Failure> {
        let file = match &args.config {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        let rules = Rules { purpose: file.query.require_purpose, log: file.query.require_log };
        let Query { max_rows: rows, max_seconds, max_calls: calls, .. } = file.query;
        let limits = Limits { rows, time: Duration::from_secs(max_seconds), calls };
        let mut tenants =
            if file.tenants.is_empty() { vec![only(args, file)?] } else { several(args, file)? };
        tenants.iter_mut().for_each(|tenant| (tenant.rules, tenant.limits) = (rules, limits));
        Ok(Self { tenants })
    }
}

/// The tenant of a collector that has no other.
fn only(args: &RunArgs, mut file: File) -> Result<Tenant, Failure> {
    let of_file = args.sensors.is_empty() && args.listen.is_none();
    if !of_file {
        (file.sensors, file.listen) = (Some(args.sensors.clone()), args.listen.clone());
    }
    if file.sensors.is_none() && file.listen.is_none() {
        file.sensors = Some(vec![Address::Unix(DEFAULT_SENSOR.into())]);
    }
    let store = match &args.store {
        Some(url) => Layout::new(url)?,
        None => Layout::new(file.store.as_deref().unwrap_or(DEFAULT_STORE)).map_err(Failure::config)?,
    };
    let tls = files(Some(&args.tls), file.tls)?;
    let plain_text = file.plain_text || args.plain_text;
    let query = Door { listen: file.query.listen };
    let (sensors, listen, archive, export) = (file.sensors, file.listen, file.archive, file.export);
    let part = Part { sensors, listen, query, archive, export, ..Part::default() };
    tenant(None, part, store, (file.roll, file.retention), tls, plain_text)
        .map_err(|sentence| if of_file { Failure::config(sentence) } else { Failure::usage(sentence) })
}

/// Tenants beside each other, each in a directory of its own.
fn several(args: &RunArgs, file: File) -> Result<Vec<Tenant>, Failure> {
    if !args.sensors.is_empty() || args.listen.is_some() || args.tls.is_given() {
        return Err(Failure::usage(
            "the configuration file has tenants: give sensors, addresses and certificates there, to each its own",
        ));
    }
    let for_one = [
        file.sensors.is_some(),
        file.listen.is_some(),
        file.query.listen.is_some(),
        file.tls.is_given(),
        !file.export.is_empty(),
    ];
    if for_one.contains(&true) {
        return Err(Failure::config(
            "with [tenants], `sensors`, `listen`, `query.listen`, `tls` and `export` belong to one of them: move them \
             under [tenants.NAME]",
        ));
    }
    if file.archive.is_some() {
        return Err(Failure::config(
            "with [tenants], each has an archive of its own: move [archive] to [tenants.NAME.archive]",
        ));
    }
    let parent = args.store.as_deref().or(file.store.as_deref()).unwrap_or(DEFAULT_STORE);
    let one = |(name, mut part): (String, Part)| {
        let wrong = |why: String| Failure::config(format!("tenants.{name}: {why}"));
        let name: Name = name.parse().map_err(|error| wrong(format!("{error}")))?;
        let store = match part.store.take() {
            Some(url) => Layout::new(&url).map(|store| store.of(&name)),
            None => Layout::new(parent).map(|parent| parent.tenant(&name)),
        };
        let store = store.map_err(Failure::config)?;
        let tls = files(None, std::mem::take(&mut part.tls))?;
        let roll = part.roll.take().unwrap_or_else(|| file.roll.clone());
        let keep = part.retention.take().unwrap_or(file.retention);
        tenant(Some(name), part, store, (roll, keep), tls, file.plain_text).map_err(wrong)
    };
    let tenants = file.tenants.into_iter().map(one).collect::<Result<Vec<_>, _>>()?;
    let mut stores: Vec<&Path> = tenants.iter().map(|tenant| tenant.store.root()).collect();
    stores.sort_unstable();
    if let Some([store, _]) = stores.array_windows().find(|[one, next]| next.starts_with(one)) {
        return Err(Failure::config(format!(
            "two tenants would share {}: give each its own",
            store.display()
        )));
    }
    if let Some(url) = shared(&tenants) {
        return Err(Failure::config(format!(
            "two tenants would share the archive {url}: give each a prefix of its own"
        )));
    }
    Ok(tenants)
}

fn tenant(
    name: Option<Name>,
    part: Part,
    store: Layout,
    (roll, Keep { keep_days, max_bytes, class_days }): (Roll, Keep),
    tls: Option<Files>,
    plain_text: bool,
) -> Result<Tenant, String> {
    let sensors = part.sensors.unwrap_or_default();
    if sensors.is_empty() && part.listen.is_none() {
        return Err("nothing would come in: name `sensors`, or an address to `listen` on".into());
    }
    let answers = part.query.listen;
    let mut addresses = sensors.iter().chain(&part.listen).chain(&answers);
    if tls.is_none()
        && let Some(sentence) = addresses.find_map(|address| unsafe_without_tls(address, plain_text))
    {
        return Err(sentence);
    }
    let roll = RollSettings { bytes: roll.bytes, age: Duration::from_secs(roll.seconds) };
    let retention = Retention { keep_days, max_bytes, of_class: class_days.all() };
    let exports =
        part.export.into_iter().map(|(name, export)| export.named(&name)).collect::<Result<_, _>>()?;
    let archive = part.archive.map(archive::ArchiveTable::checked).transpose()?;
    let (listen, rules, limits) = (part.listen, Rules::default(), Limits::default());
    Ok(Tenant {
        name,
        sensors,
        listen,
        store,
        roll,
        retention,
        archive,
        rules,
        answers,
        limits,
        tls,
        exports,
    })
}

impl Tls {
    fn is_given(&self) -> bool {
        [&self.certificate, &self.key, &self.authority, &self.revoked].into_iter().any(Option::is_some)
    }
}

/// What the command line and the file say together; all that is needed or nothing.
fn files(given: Option<&TlsArgs>, file: Tls) -> Result<Option<Files>, Failure> {
    let is_given = given.is_some_and(TlsArgs::is_given);
    let given = given.cloned().unwrap_or_default();
    let certificate = given.certificate.or(file.certificate);
    let key = given.key.or(file.key);
    let authority = given.authority.or(file.authority);
    let revoked = given.revoked.or(file.revoked);
    match (certificate, key, authority) {
        (Some(certificate), Some(key), Some(authority)) => {
            Ok(Some(Files { certificate, key, authority, revoked }))
        }
        (None, None, None) if revoked.is_none() => Ok(None),
        _ => {
            let sentence = "mutual TLS needs all of certificate, key and authority: give them as --certificate, \
                            --key and --authority, or in the configuration file under [tls]";
            Err(if is_given { Failure::usage(sentence) } else { Failure::config(sentence) })
        }
    }
}

/// Why an address must not be used without TLS.
fn unsafe_without_tls(address: &Address, plain_text: bool) -> Option<String> {
    match address {
        Address::Unix(_) => None,
        Address::Tcp(host) if host.is_loopback() => (!plain_text).then(|| {
            format!(
                "{host} would be plain text, which every program on this machine can take part in: \
                 use unix:PATH, or accept it with --plain-text or `plain_text = true`"
            )
        }),
        Address::Tcp(host) => Some(format!(
            "{host} is for other machines, which are reached with mutual TLS only: give --certificate, --key and \
             --authority, which `activity-collector enrol` makes"
        )),
    }
}
