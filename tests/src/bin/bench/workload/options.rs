//! What a workload is told on its command line.

use std::path::PathBuf;

use crate::Result;

/// Which workload, how often, where.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    pub name: String,
    pub count: u64,
    /// Where it finds, or makes, its files.
    pub directory: PathBuf,
    /// Operations a second; without it as fast as it goes.
    pub rate: Option<u64>,
    /// The only core it runs on.
    pub core: Option<usize>,
}

impl Options {
    /// Reads `NAME COUNT DIRECTORY [--rate N] [--core N]`.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let [name, count, directory, rest @ ..] = arguments else {
            return Err("usage: bench workload NAME COUNT DIRECTORY [--rate N] [--core N]".into());
        };
        let count = count.parse().map_err(|_| format!("{count} is not a count"))?;
        let mut options =
            Self { name: name.clone(), count, directory: directory.into(), rate: None, core: None };
        for pair in rest.chunks(2) {
            match pair {
                [option, value] if option == "--rate" => {
                    options.rate = Some(
                        value.parse().ok().filter(|rate| *rate > 0).ok_or("--rate takes a number above 0")?,
                    );
                }
                [option, value] if option == "--core" => {
                    options.core = Some(value.parse().map_err(|_| "--core takes the number of a core")?);
                }
                _ => return Err(format!("not understood: {}", pair.join(" ")).into()),
            }
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_rate_and_a_core_may_follow() {
        let options = parse("open 5 /tmp/x --core 1 --rate 20").unwrap();
        assert_eq!((options.count, options.core, options.rate), (5, Some(1), Some(20)));
        assert_eq!(parse("open 5 /tmp/x").unwrap().rate, None);
        for wrong in ["open", "open five /tmp/x", "open 5 /tmp/x --rate 0", "open 5 /tmp/x --core"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
