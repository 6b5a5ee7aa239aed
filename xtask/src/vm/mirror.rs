//! The machine's own mirror of Debian, asked for another suite.
//!
//! No host name is written down here: the mirror is the one that the machine's
//! package manager is set up for, with the suite exchanged. Lists and downloads
//! go to a directory of ours; the machine's own are not touched.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::{
    exit::{self, Result, failure},
    setup::on_path,
    step,
};

/// Where Debian says where its packages come from.
const CONFIGURED: &str = "/etc/apt";
/// Names under which Debian's archive offers its releases. What others offer
/// for Debian mostly has names of its own.
const SUITES: [&str; 11] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "stable",
    "oldstable",
    "oldoldstable",
    "testing",
    "unstable",
];

/// The main archive as one source of the machine names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Its address.
    pub uri: String,
    /// The keyring or key that its signatures are checked against, as
    /// configured; without one, those that the machine trusts for anything.
    pub signed_by: Option<String>,
}

impl Mirror {
    /// A source for apt that has this suite instead.
    pub fn source(&self, suite: &str) -> String {
        let signed_by = self.signed_by.iter().map(|keys| format!("Signed-By: {keys}\n")).collect::<String>();
        format!("Types: deb\nURIs: {}\nSuites: {suite}\nComponents: main\n{signed_by}", self.uri)
    }
}

/// The mirror that this machine uses.
pub fn configured() -> Result<Mirror> {
    let sources = source_files(Path::new(CONFIGURED));
    let mirrors: Vec<_> = sources
        .iter()
        .flat_map(|(path, text)| match path.extension() {
            Some(extension) if extension == "sources" => from_stanzas(text),
            _ => from_lines(text),
        })
        .collect();
    // Others may use Debian's names for their suites, but not its keys.
    let debians =
        |mirror: &&Mirror| mirror.signed_by.as_deref().is_some_and(|keys| keys.contains("debian-archive"));
    let chosen = mirrors.iter().find(debians).or(mirrors.first()).cloned();
    chosen.ok_or_else(|| {
        failure(
            exit::MISSING,
            format!("guests are made of Debian's packages, and {CONFIGURED} names no mirror of Debian"),
        )
    })
}

/// The files in the order in which apt reads them.
fn source_files(configured: &Path) -> Vec<(PathBuf, String)> {
    let parts = fs::read_dir(configured.join("sources.list.d")).into_iter().flatten().flatten();
    let mut parts: Vec<_> = parts.map(|entry| entry.path()).collect();
    parts.retain(|path| path.extension().is_some_and(|kind| kind == "list" || kind == "sources"));
    parts.sort();
    std::iter::once(configured.join("sources.list"))
        .chain(parts)
        .filter_map(|path| fs::read_to_string(&path).ok().map(|text| (path, text)))
        .collect()
}

/// `deb [signed-by=…] URI SUITE COMPONENT…`
fn from_lines(text: &str) -> Vec<Mirror> {
    let mirror = |line: &str| {
        let rest = line.trim().strip_prefix("deb")?;
        let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        let rest = rest.split('#').next().unwrap_or_default();
        let mut words = rest.split_whitespace();
        let (uri, suite) = (words.next()?, words.next()?);
        let wanted = is_archive(uri, suite) && words.any(|component| component == "main");
        wanted
            .then(|| Mirror { uri: uri.to_owned(), signed_by: signed_by.map(|keys| keys.replace(',', " ")) })
    };
    text.lines().filter_map(mirror).collect()
}

/// Paragraphs of `Types:`, `URIs:`, `Suites:`, `Components:`, `Signed-By:`.
fn from_stanzas(text: &str) -> Vec<Mirror> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let text: String = lines.map(|line| format!("{}\n", line.trim_end())).collect();
    let mirror = |stanza: &str| {
        let words = |name| {
            let value = field(stanza, name).unwrap_or_default();
            value.split_whitespace().map(str::to_owned).collect::<Vec<_>>().into_iter()
        };
        let uri = words("URIs").next()?;
        let wanted = words("Types").any(|kind| kind == "deb")
            && words("Components").any(|component| component == "main")
            && words("Suites").any(|suite| is_archive(&uri, &suite))
            && words("Enabled").all(|word| !["no", "false", "off"].contains(&word.as_str()));
        wanted.then(|| Mirror { uri, signed_by: field(stanza, "Signed-By") })
    };
    text.split("\n\n").filter_map(mirror).collect()
}

/// A field's value; the lines that continue it keep their indentation.
fn field(stanza: &str, name: &str) -> Option<String> {
    let mut lines = stanza.lines();
    let first = lines.find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })?;
    let more = lines.take_while(|line| line.starts_with([' ', '\t'])).map(|line| format!("\n{line}"));
    Some(std::iter::once(first.to_owned()).chain(more).collect())
}

fn is_archive(uri: &str, suite: &str) -> bool {
    SUITES.contains(&suite) && !uri.contains("security") && !uri.starts_with("cdrom:")
}

/// Packages of one suite, in a directory of ours.
pub struct Suite {
    name: &'static str,
    dir: PathBuf,
}

impl Suite {
    /// Fetches the suite's list of packages into this directory.
    pub fn open(name: &'static str, dir: &Path) -> Result<Self> {
        if on_path("apt-get").is_none() {
            bail!("Debian's packages are fetched with apt-get, which is not here");
        }
        let mirror = configured()?;
        for sub in ["lists/partial", "cache/archives/partial", "sources", "none"] {
            let path = dir.join(sub);
            fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        }
        fs::write(dir.join("sources/debian.sources"), mirror.source(name))?;
        fs::write(dir.join("apt.conf"), settings(dir))?;
        let suite = Self { name, dir: dir.to_owned() };
        let mut update = suite.apt("apt-get");
        update.args(["update", "--quiet", "--error-on=any"]);
        step::run(&format!("fetching the list of packages of {name}"), &format!("apt-{name}"), &mut update)?;
        Ok(suite)
    }

    /// The names of all packages that begin like this.
    pub fn packages(&self, prefix: &str) -> Result<Vec<String>> {
        let output = self.apt("apt-cache").args(["pkgnames", prefix]).output().context("apt-cache")?;
        if !output.status.success() {
            bail!("apt-cache: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
    }

    /// Fetches a package and unpacks it.
    pub fn unpack(&self, package: &str, to: &Path) -> Result {
        let mut download = self.apt("apt-get");
        download.current_dir(&self.dir).args(["download", "--quiet", package]);
        step::run(&format!("fetching {package}"), &format!("apt-{}", self.name), &mut download)?;
        let files = fs::read_dir(&self.dir)?.flatten().map(|entry| entry.path());
        let wanted = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "deb");
        let file =
            files.into_iter().find(wanted).with_context(|| format!("apt-get did not bring {package}"))?;
        let mut unpack = Command::new("dpkg");
        unpack.arg("-x").arg(&file).arg(to);
        step::run(&format!("unpacking {package}"), "dpkg", &mut unpack)?;
        fs::remove_file(&file).with_context(|| file.display().to_string())
    }

    /// One of apt's programs, which knows nothing but our directory.
    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(self.dir.join("apt.conf")).env("LC_ALL", "C");
        command
    }
}

/// Settings after which the machine's own lists and cache are not touched.
fn settings(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "Dir::State::Lists \"{dir}/lists\";\n\
         Dir::State::Status \"/dev/null\";\n\
         Dir::Cache \"{dir}/cache\";\n\
         Dir::Etc::SourceList \"{dir}/none/sources.list\";\n\
         Dir::Etc::SourceParts \"{dir}/sources\";\n\
         Dir::Etc::Preferences \"{dir}/none/preferences\";\n\
         Dir::Etc::PreferencesParts \"{dir}/none\";\n\
         APT::Default-Release \"\";\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

    fn mirror(uri: &str, signed_by: Option<&str>) -> Mirror {
        Mirror { uri: uri.to_owned(), signed_by: signed_by.map(str::to_owned) }
    }

    #[test]
    fn a_line_of_the_main_archive_is_told_from_security_and_others() {
        let text = "# deb http://old.example/debian bookworm main\n\
            deb-src http://a.example/debian bookworm main\n\
            deb http://s.example/debian-security bookworm-security main\n\
            deb [arch=amd64] http://other.example/apt nodistro main\n\
            deb [arch=amd64 signed-by=/k.gpg] http://a.example/debian bookworm contrib main # ours\n\
            deb http://b.example/debian sid main\n";
        let found = from_lines(text);
        let wanted =
            [mirror("http://a.example/debian", Some("/k.gpg")), mirror("http://b.example/debian", None)];
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_paragraph_of_the_main_archive_is_found_with_its_keyring() {
        let text = format!(
            "Types: deb deb-src\n# once http://old.example\nURIs: http://a.example/debian\n\
             Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: {KEYRING}\n\n\
             Types: deb\nURIs: http://a.example/debian-security\nSuites: bookworm-security\nComponents: main\n\n\
             Enabled: no\nTypes: deb\nURIs: http://c.example/debian\nSuites: sid\nComponents: main\n"
        );
        assert_eq!(from_stanzas(&text), [mirror("http://a.example/debian", Some(KEYRING))]);
    }

    #[test]
    fn a_key_written_into_the_source_is_kept_whole() {
        let text = "Types: deb\nURIs: http://a.example/debian\nSuites: trixie\nComponents: main\n\
            Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQ\n -----END PGP PUBLIC KEY BLOCK-----\n";
        let found = from_stanzas(text);
        let ours = found[0].source("sid");
        assert!(
            ours.contains("Suites: sid\n") && ours.contains("\n -----BEGIN") && ours.contains("\n mQ\n"),
            "{ours}"
        );
    }
}
