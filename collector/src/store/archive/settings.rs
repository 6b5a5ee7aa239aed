//! Where an archive is, and what opens it.

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use activity_segments::{Machine, replace};
use object_store::{
    ObjectStoreScheme, aws::AmazonS3ConfigKey, azure::AzureConfigKey, gcp::GoogleConfigKey,
    path::Path as ObjectPath,
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::ArchiveError;
use crate::store::{Layout, StoreError};

/// Options that are asked for most, to be told where one is not known.
const USUAL: [&str; 5] = ["region", "endpoint", "allow_http", "virtual_hosted_style_request", "timeout"];
/// How unlike a known option a suggestion may be, from 0 (anything) to 1 (equal).
const SIMILAR: f64 = 0.6;

/// Where an archive is: what `archive.toml` has of it. No secrets are in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Of the object store, and the prefix in it.
    pub url: String,
    /// The file with what opens it; without one the environment has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<PathBuf>,
    /// What else the object store has to know, by the names that `object_store` has for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// The object stores there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory, of a network file system for example.
    Directory,
    /// S3, or what speaks its protocol.
    S3,
    /// Azure's.
    Azure,
    /// Google's.
    Google,
}

impl Kind {
    /// An option's name as `object_store` has it; `None` where it has none.
    pub fn option(self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        match self {
            Self::Directory => None,
            Self::S3 => name.parse().ok().map(|key: AmazonS3ConfigKey| key.as_ref().to_owned()),
            Self::Azure => name.parse().ok().map(|key: AzureConfigKey| key.as_ref().to_owned()),
            Self::Google => name.parse().ok().map(|key: GoogleConfigKey| key.as_ref().to_owned()),
        }
    }

    /// What the variables of its environment begin with.
    fn prefix(self) -> Option<&'static str> {
        match self {
            Self::Directory => None,
            Self::S3 => Some("AWS_"),
            Self::Azure => Some("AZURE_"),
            Self::Google => Some("GOOGLE_"),
        }
    }
}

/// Whether an option opens doors: such are not written into files that others read.
fn is_secret(option: &str) -> bool {
    let marks =
        ["secret", "token", "sas_key", "account_key", "service_account_key", "access_key", "sse_customer"];
    // Those name files or places.
    let places = ["token_file", "token_service", "authorization_token"];
    marks.iter().any(|mark| option.contains(mark)) && !places.iter().any(|mark| option.contains(mark))
}

/// What a URL says.
pub struct Target {
    /// Of what kind.
    pub kind: Kind,
    /// The URL.
    pub url: Url,
    /// What all objects' paths begin with; of a directory, that directory.
    pub prefix: ObjectPath,
}

impl Settings {
    /// Looks whether they can be.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn check(&self) -> Result<(), ArchiveError> {
        let kind = self.target()?.kind;
        for name in self.options.keys() {
            let option = kind.option(name).ok_or_else(|| self.unknown(kind, name))?;
            if is_secret(&option) {
                return Err(ArchiveError::Settings(format!(
                    "`archive.options.{name}` is a secret, which others could read there: put it into the environment, \
                     or as {}=… into a file that `archive.credentials` names",
                    option.to_ascii_uppercase()
                )));
            }
        }
        self.credentials.as_ref().map_or(Ok(()), |path| secrets(kind, path).map(|_| ()))
    }

    fn unknown(&self, kind: Kind, name: &str) -> ArchiveError {
        let name = name.escape_debug();
        if kind == Kind::Directory {
            return ArchiveError::Settings(format!(
                "`archive.options` has `{name}`, and a directory has no options"
            ));
        }
        let likeness = |known: &&str| strsim::normalized_damerau_levenshtein(&name.to_string(), known);
        let nearest = USUAL.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let hint = match nearest.filter(|known| likeness(known) >= SIMILAR) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("there are {}, and what else the crate object_store knows", USUAL.join(", ")),
        };
        ArchiveError::Settings(format!("unknown option `{name}` in `archive.options`; {hint}"))
    }

    /// What the URL says.
    ///
    /// # Errors
    /// When it is none of an object store.
    pub fn target(&self) -> Result<Target, ArchiveError> {
        let wrong = |why: &str| {
            let url = self.url.escape_debug();
            ArchiveError::Settings(format!(
                "`{url}` is no place for an archive: {why}; give it as s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, \
                 az://CONTAINER/PREFIX, abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PREFIX or file:///DIRECTORY"
            ))
        };
        let url = Url::parse(&self.url).map_err(|error| wrong(&error.to_string()))?;
        if url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("a password, `?` and `#` do not belong into it"));
        }
        let scheme = ObjectStoreScheme::parse(&url);
        let (scheme, prefix) = scheme.map_err(|_| wrong("no object store has such a URL"))?;
        let kind = match scheme {
            ObjectStoreScheme::Local if url.path().len() > 1 => Kind::Directory,
            ObjectStoreScheme::AmazonS3 => Kind::S3,
            ObjectStoreScheme::MicrosoftAzure => Kind::Azure,
            ObjectStoreScheme::GoogleCloudStorage => Kind::Google,
            _ => return Err(wrong("it is not one of the object stores that are known")),
        };
        Ok(Target { kind, url, prefix })
    }

    /// All options: of the environment or the file with credentials, and over them those of
    /// the configuration.
    ///
    /// # Errors
    /// When the file cannot be read or has something else in it.
    pub fn all_options(&self, kind: Kind) -> Result<BTreeMap<String, String>, ArchiveError> {
        // A tenant that has a file of its own gets nothing of what is there for others.
        let mut options = match &self.credentials {
            Some(path) => secrets(kind, path)?,
            None => environment(kind),
        };
        let own = self.options.iter().filter_map(|(name, value)| Some((kind.option(name)?, value.clone())));
        options.extend(own);
        Ok(options)
    }

    /// Reads what a store says of its archive; `None` where it has none.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(layout: &Layout) -> Result<Option<Self>, StoreError> {
        let path = layout.archive();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::file("read", &path, source)),
        };
        let wrong = |error: toml::de::Error| {
            let why = error.message().lines().next().unwrap_or_default().to_owned();
            ArchiveError::Settings(format!("{} does not say where the archive is: {why}", path.display()))
        };
        Ok(Some(toml::from_str(&text).map_err(wrong)?))
    }

    /// Says in the store where its archive is.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, layout: &Layout) -> Result<(), StoreError> {
        let path = layout.archive();
        let failed = |source| StoreError::file("write", &path, source);
        let text = toml::to_string(self).map_err(|error| failed(std::io::Error::other(error)))?;
        let text = format!("# Where `run` keeps files of days that are over; it writes this.\n{text}");
        replace(&Machine, &path, text.as_bytes()).map_err(failed)
    }
}

/// What the environment says, as `object_store` names it.
fn environment(kind: Kind) -> BTreeMap<String, String> {
    let Some(prefix) = kind.prefix() else { return BTreeMap::new() };
    let named = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let ours = named.filter(|(name, _)| name.starts_with(prefix));
    ours.filter_map(|(name, value)| Some((kind.option(&name)?, value))).collect()
}

/// What a file of lines NAME=VALUE says. No value is ever told.
fn secrets(kind: Kind, path: &Path) -> Result<BTreeMap<String, String>, ArchiveError> {
    let text = fs::read_to_string(path)
        .map_err(|source| ArchiveError::file("read the credentials in", path, source))?;
    let mut secrets = BTreeMap::new();
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |why: String| ArchiveError::Settings(format!("{}:{number}: {why}", path.display()));
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("give it as NAME=VALUE".into()))?;
        let name = name.trim();
        let option = kind.option(name);
        let option = option.ok_or_else(|| wrong(format!("unknown name `{}`", name.escape_debug())))?;
        secrets.insert(option, value.trim().to_owned());
    }
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, options: &[(&str, &str)]) -> Settings {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Settings { url: url.into(), credentials: None, options }
    }

    #[test]
    fn an_archive_is_a_bucket_a_container_or_a_directory() {
        for (url, kind, prefix) in [
            ("s3://b/p/q", Kind::S3, "p/q"),
            ("s3://b", Kind::S3, ""),
            ("gs://b/p", Kind::Google, "p"),
            ("az://c/p", Kind::Azure, "p"),
            ("abfss://c@a.dfs.core.windows.net/p/", Kind::Azure, "p"),
            ("file:///srv/a", Kind::Directory, "srv/a"),
        ] {
            let target = settings(url, &[]).target().unwrap();
            assert_eq!((target.kind, target.prefix.as_ref()), (kind, prefix), "{url}");
        }
        for wrong in
            ["", "/srv/a", "file:///", "s3:/b", "http://h/p", "memory:///", "s3://k:secret@b/p", "s3://b/p?x"]
        {
            let error = settings(wrong, &[]).check().unwrap_err();
            assert!(error.to_string().contains("no place for an archive"), "{wrong}: {error}");
        }
    }

    #[test]
    fn an_option_that_is_not_known_or_is_a_secret_is_told() {
        assert!(
            settings("s3://b", &[("region", "x"), ("AWS_ENDPOINT", "y"), ("allow_http", "true")])
                .check()
                .is_ok()
        );
        for (url, option, words) in [
            ("s3://b", "regon", "did you mean `region`?"),
            ("s3://b", "zzz", "there are region, endpoint"),
            ("file:///a", "region", "a directory has no options"),
            ("s3://b", "secret_access_key", "is a secret"),
            ("s3://b", "aws_session_token", "is a secret"),
            ("s3://b", "access_key_id", "is a secret"),
            ("az://c", "account_key", "is a secret"),
            ("az://c", "sas_token", "is a secret"),
            ("az://c", "client_secret", "is a secret"),
            ("gs://b", "service_account_key", "is a secret"),
        ] {
            let error = settings(url, &[(option, "hush")]).check().unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("hush"), "{url} {option}: {error}");
        }
        assert!(settings("gs://b", &[("service_account", "/etc/key.json")]).check().is_ok());
        assert!(settings("s3://b", &[("web_identity_token_file", "/run/token")]).check().is_ok());
    }

    #[test]
    fn credentials_of_a_file_stand_alone_and_no_value_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        let mut settings = settings("s3://b", &[("region", "of-options")]);
        settings.credentials = Some(path.clone());
        assert!(settings.check().unwrap_err().to_string().contains("credentials"), "it is not there");
        fs::write(
            &path,
            "# for the archive\n\nAWS_ACCESS_KEY_ID = me\nAWS_SECRET_ACCESS_KEY=a=b\nregion=of-file\n",
        )
        .unwrap();
        settings.check().unwrap();
        let options: Vec<_> = settings.all_options(Kind::S3).unwrap().into_iter().collect();
        let expected =
            [("aws_access_key_id", "me"), ("aws_region", "of-options"), ("aws_secret_access_key", "a=b")];
        assert_eq!(options, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for (text, words) in
            [("hush\n", ":1: give it as NAME=VALUE"), ("\nAWS_X=hush", ":2: unknown name `AWS_X`")]
        {
            fs::write(&path, text).unwrap();
            let error = settings.check().unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn a_store_says_where_its_archive_is() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().to_str().unwrap()).unwrap();
        assert_eq!(Settings::read(&layout).unwrap(), None);
        let written =
            Settings { credentials: Some("/etc/c".into()), ..settings("s3://b/p", &[("region", "r")]) };
        written.write(&layout).unwrap();
        assert_eq!(Settings::read(&layout).unwrap(), Some(written));
        fs::write(layout.archive(), "url = 5").unwrap();
        assert!(
            Settings::read(&layout).unwrap_err().to_string().contains("does not say where the archive is")
        );
    }
}
