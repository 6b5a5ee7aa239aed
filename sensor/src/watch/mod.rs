//! `activity-sensor watch`: live activity in the terminal.

mod source;
mod text;

use std::io::{self, IsTerminal as _, Write};

use activity_proto::{
    json,
    v1::{Event, EventType, Filter as Request, event::Payload},
};
use rustix::termios::tcgetwinsize;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::{WatchArgs, WatchFormat},
    config::Config,
    enrich::ancestry::Ancestry,
    failure::{Failure, printed},
    pipeline,
    policy::{Policy, Verdict},
    run::Termination,
};
use source::Source;
pub use text::word;
use text::{Renderer, Style};

/// Shows events until interrupted, or until nobody reads.
///
/// # Errors
/// When there is neither a daemon nor the right to record, and when the daemon
/// goes away.
pub fn watch(args: &WatchArgs) -> Result<(), Failure> {
    crate::log::start("warn");
    let mut config = Config::load(args.common.config.as_deref())?;
    if let Some(socket) = &args.common.socket {
        config.stream.socket.clone_from(socket);
    }
    let request = request(args)?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("the runtime cannot be started ({error})")))?
        .block_on(show(args, config, request))
}

async fn show(args: &WatchArgs, config: Config, request: Request) -> Result<(), Failure> {
    let mut termination = Termination::listen();
    let mut source = Source::open(args, &config, request).await?;
    // What a daemon sends is its policy's choice already. One that records
    // everything still shows only what this configuration would choose, unless
    // everything was asked for.
    let chosen_already = args.common.all || !source.records_all();
    let policy = pipeline::policy(&config, chosen_already).map_err(Failure::config)?;
    notice(args, &source);
    let mut view = View::new(args);
    let mut resized = signal(SignalKind::window_change()).ok();
    let result = view.begin();
    let mut result = result.map(|()| true);
    while let Ok(true) = result {
        result = tokio::select! {
            events = source.next() => match events? {
                Some(events) => view.show(events, &policy),
                None => {
                    source.close().await;
                    view.end()?;
                    return Err(Failure::unavailable("the sensor has ended; start it again, then this"));
                }
            },
            () = termination.wait() => Ok(false),
            () = resize(&mut resized) => { view.resize(); Ok(true) }
        };
    }
    source.close().await;
    match result {
        Err(error) => printed(Err(error)),
        Ok(_) => view.end(),
    }
}

async fn resize(resized: &mut Option<tokio::signal::unix::Signal>) {
    match resized {
        Some(resized) => {
            resized.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// The part of the request that the daemon evaluates.
fn request(args: &WatchArgs) -> Result<Request, Failure> {
    let humans = match &args.user {
        None => Vec::new(),
        Some(user) => vec![uid_of(user)?],
    };
    Ok(Request {
        types: args.types.iter().map(|event_type| i32::from(*event_type)).collect(),
        uids: Vec::new(),
        session_ids: args.session.into_iter().collect(),
        humans,
    })
}

fn uid_of(user: &str) -> Result<u32, Failure> {
    user.parse()
        .ok()
        .or_else(|| uzers::get_user_by_name(user).map(|user| user.uid()))
        .ok_or_else(|| Failure::usage(format!("there is no user {user:?}; give a name or a number")))
}

/// Says on standard error where the events come from and how they are chosen.
fn notice(args: &WatchArgs, source: &Source) {
    if args.format != WatchFormat::Text || !io::stderr().is_terminal() {
        return;
    }
    let from = source.description();
    let chosen = match (args.common.all, source.records_all()) {
        (true, true) => "everything",
        (true, false) => {
            "all that the daemon records, which is its policy's choice: restart it with --all for everything"
        }
        (false, _) => "what people do, without noise (--all for everything)",
    };
    eprintln!("{from}; showing {chosen}. Ctrl-C ends.");
}

/// What is on the screen.
struct View {
    format: WatchFormat,
    /// Whether heartbeats are shown.
    heartbeats: bool,
    renderer: Renderer,
    out: io::BufWriter<io::Stdout>,
    shown: u64,
    lost: u64,
}

impl View {
    fn new(args: &WatchArgs) -> Self {
        let terminal = io::stdout().is_terminal();
        let style = Style {
            colour: terminal && std::env::var_os("NO_COLOR").is_none(),
            width: width(),
            all_exits: args.exits || !args.types.is_empty(),
        };
        let heartbeats =
            args.format == WatchFormat::Json || args.common.all || args.types.contains(&EventType::Heartbeat);
        Self {
            format: args.format,
            heartbeats,
            renderer: Renderer::new(style),
            out: io::BufWriter::with_capacity(64 * 1024, io::stdout()),
            shown: 0,
            lost: 0,
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.format == WatchFormat::Text {
            self.renderer.header(&mut self.out)?;
        }
        self.out.flush()
    }

    /// Shows events; `Ok(true)` to go on.
    fn show(&mut self, events: Vec<Event>, policy: &Policy) -> io::Result<bool> {
        // What led to a program is known to the daemon only.
        let unknown = Ancestry::default();
        for event in events {
            if let Some(Payload::Gap(gap)) = &event.payload {
                self.lost += gap.counts.iter().map(|count| count.count).sum::<u64>();
            }
            let is_hidden = event.event_type() == EventType::Heartbeat && !self.heartbeats;
            if is_hidden || policy.decide(&event, &unknown) == Verdict::LeaveOut {
                continue;
            }
            self.shown += 1;
            match self.format {
                WatchFormat::Text => self.renderer.render(&event, &mut self.out)?,
                WatchFormat::Json => {
                    json::write_json(&event, &mut self.out)?;
                    self.out.write_all(b"\n")?;
                }
            }
        }
        self.out.flush()?;
        Ok(true)
    }

    fn resize(&mut self) {
        self.renderer.resize(width());
    }

    fn end(&mut self) -> Result<(), Failure> {
        let _ = self.out.flush();
        if io::stderr().is_terminal() || self.lost > 0 {
            eprintln!("{} events, {} lost.", self.shown, self.lost);
        }
        Ok(())
    }
}

/// Columns of the terminal; `None` when the output is no terminal.
fn width() -> Option<usize> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}
