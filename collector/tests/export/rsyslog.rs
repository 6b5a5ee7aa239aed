//! Debian's rsyslogd.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;

const MODULES: [&str; 2] = ["/usr/lib/x86_64-linux-gnu/rsyslog", "/usr/lib/aarch64-linux-gnu/rsyslog"];

/// A server that writes the text of each message as a line.
struct Rsyslog {
    program: PathBuf,
    directory: PathBuf,
    port: u16,
}

impl Rsyslog {
    /// `tls` is what its configuration says about it.
    fn new(program: PathBuf, directory: &Path, tls: &str) -> Self {
        let port = free_port();
        let mode = if tls.is_empty() { "" } else { "StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"anon\"" };
        let text = format!(
            "global(workDirectory=\"{0}\" maxMessageSize=\"64k\" {tls})\n\
             module(load=\"imtcp\" {mode})\n\
             template(name=\"text\" type=\"string\" string=\"%msg%\\n\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n\
             action(type=\"omfile\" file=\"{0}/arrived\" template=\"text\")\n",
            directory.display()
        );
        std::fs::write(directory.join("rsyslog.conf"), text).unwrap();
        Self { program, directory: directory.to_owned(), port }
    }

    fn start(&self) -> Running {
        let _ = std::fs::remove_file(self.directory.join("pid"));
        let mut command = Command::new(&self.program);
        command
            .arg("-n")
            .arg("-f")
            .arg(self.directory.join("rsyslog.conf"))
            .arg("-i")
            .arg(self.directory.join("pid"));
        let running = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        until("rsyslogd listens", || listens(self.port));
        running
    }

    fn arrived(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.directory.join("arrived")).unwrap_or_default();
        text.lines().map(|line| line.trim_start().to_owned()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rsyslogd_receives_every_event_through_kills_of_either() {
    let Some(program) = program("rsyslog::through_kills", "rsyslogd", "rsyslog") else { return };
    let directory = tempfile::tempdir().unwrap();
    let sensor = Sensor::start(directory.path());
    let rsyslog = Rsyslog::new(program, directory.path(), "");
    let export = format!("to = 'syslog://127.0.0.1:{}'\nformat = 'cef'", rsyslog.port);
    let collector = Collector::new(directory.path(), &sensor, &export);
    tokio::task::block_in_place(|| {
        through_kills(&collector, &sensor, "cef", || rsyslog.start(), || rsyslog.arrived());
    });
}

/// An authority and a certificate of it for `localhost`, with its key.
fn certificates(directory: &Path) -> [PathBuf; 3] {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let files = ["ca.pem", "server.pem", "server.key"].map(|name| directory.join(name));
    for (file, text) in files.iter().zip([authority.pem(), server.pem(), key.serialize_pem()]) {
        std::fs::write(file, text).unwrap();
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rsyslogd_receives_every_event_over_tls_through_kills_of_either() {
    let test = "rsyslog::over_tls";
    let Some(program) = program(test, "rsyslogd", "rsyslog") else { return };
    if !MODULES.iter().any(|folder| Path::new(folder).join("lmnsd_ossl.so").exists()) {
        return skip(test, "needs TLS for rsyslogd, which Debian's package rsyslog-openssl has");
    }
    let directory = tempfile::tempdir().unwrap();
    let [authority, certificate, key] = certificates(directory.path());
    let tls = format!(
        "DefaultNetstreamDriver=\"ossl\" DefaultNetstreamDriverCAFile=\"{}\" DefaultNetstreamDriverCertFile=\"{}\" \
         DefaultNetstreamDriverKeyFile=\"{}\"",
        authority.display(),
        certificate.display(),
        key.display()
    );
    let sensor = Sensor::start(directory.path());
    let rsyslog = Rsyslog::new(program, directory.path(), &tls);
    let export = format!(
        "to = 'syslog+tls://localhost:{}'\nformat = 'ocsf'\nauthority = '{}'",
        rsyslog.port,
        authority.display()
    );
    let collector = Collector::new(directory.path(), &sensor, &export);
    tokio::task::block_in_place(|| {
        through_kills(&collector, &sensor, "ocsf", || rsyslog.start(), || rsyslog.arrived());
    });
}
