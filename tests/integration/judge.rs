//! Programs that no one here wrote and that judge what Callgate does. A test whose judge is not installed is skipped,
//! which is said once; it fails where `CALLGATE_REQUIRE` names that judge. The names of skipped tests are added to the
//! file that `CALLGATE_SKIPPED` names, a line each, so that they can be run by themselves once their judges are there.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

/// A program, or a set of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judge {
    Redis,
    Httpbin,
    Oidc,
    Dialects,
    Mcp,
    Agent,
    Openapi,
    Curl,
}

/// The names of judges that have to be there, with commas between them.
const REQUIRE: &str = "CALLGATE_REQUIRE";
/// The file that takes the names of skipped tests.
const SKIPPED: &str = "CALLGATE_SKIPPED";

impl Judge {
    const ALL: [Self; 8] = [
        Self::Redis,
        Self::Httpbin,
        Self::Oidc,
        Self::Dialects,
        Self::Mcp,
        Self::Agent,
        Self::Openapi,
        Self::Curl,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Httpbin => "httpbin",
            Self::Oidc => "oidc",
            Self::Dialects => "dialects",
            Self::Mcp => "mcp",
            Self::Agent => "agent",
            Self::Openapi => "openapi",
            Self::Curl => "curl",
        }
    }

    /// Which tests it is for.
    fn tests(self) -> &'static str {
        match self {
            Self::Redis => "tests on Redis",
            Self::Httpbin => "tests against httpbin",
            Self::Oidc => "tests against oidc-provider",
            Self::Dialects => "tests with the vendors' packages",
            Self::Mcp => "tests with MCP clients",
            Self::Agent => "tests of agents with the clients of voice teams",
            Self::Openapi => "tests of published OpenAPI documents",
            Self::Curl => "the test that runs the command of a preview",
        }
    }

    /// Why it is not there.
    fn absence(self) -> &'static str {
        match self {
            Self::Redis if !cfg!(feature = "redis") => "this build has no store in Redis",
            Self::Redis => {
                "neither redis-server nor valkey-server is on the PATH; tests/external/install_redis.sh installs one"
            }
            Self::Httpbin | Self::Oidc | Self::Dialects => "tests/external/install.sh has not run",
            Self::Mcp => "tests/external/install_mcp.sh has not run",
            Self::Agent => "tests/external/install_agents.sh has not run",
            Self::Openapi => "tests/external/install_openapi.sh has not run",
            Self::Curl => "curl is not on the PATH",
        }
    }

    /// The program, or the folder that its installer fills; `None` where the test is to be skipped.
    ///
    /// Panics where it is required and not there.
    #[track_caller]
    pub(crate) fn find(self) -> Option<PathBuf> {
        let is_required = required().contains(&self);
        let found = match self {
            Self::Redis if !cfg!(feature = "redis") => None,
            Self::Redis => on_path(&["redis-server", "valkey-server"]),
            Self::Httpbin | Self::Oidc | Self::Dialects => installed(""),
            Self::Mcp => installed("mcp"),
            Self::Agent => installed("agents"),
            Self::Openapi => installed("openapi"),
            Self::Curl => on_path(&["curl"]),
        };
        if found.is_none() {
            assert!(!is_required, "{REQUIRE} names {}, but {}", self.name(), self.absence());
            self.say_skipped();
            note_skipped();
        }
        found
    }

    /// Says once what is skipped, and why.
    fn say_skipped(self) {
        static SAID: AtomicU8 = AtomicU8::new(0);
        let bit = 1 << self as u8;
        if SAID.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            let said = format!("skipped: {}, because {}\n", self.tests(), self.absence());
            // Past the test runner, which swallows what a passing test prints.
            std::io::stderr().write_all(said.as_bytes()).unwrap();
        }
    }
}

/// Adds the name of the test to the file of [`SKIPPED`].
fn note_skipped() {
    let Some(file) = std::env::var_os(SKIPPED) else { return };
    let thread = std::thread::current();
    let test = thread.name().filter(|name| name.contains("::"));
    let test = test.expect("a judge is looked for on the thread of its test, which has the test's name");
    let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(format!("{test}\n").as_bytes()).unwrap();
}

/// Whose absence is a failure.
#[track_caller]
fn required() -> Vec<Judge> {
    let names = std::env::var(REQUIRE).unwrap_or_default();
    parse(&names).unwrap_or_else(|error| panic!("{error}"))
}

fn parse(names: &str) -> Result<Vec<Judge>, String> {
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    let judge = |name| {
        let judge = Judge::ALL.into_iter().find(|judge| judge.name() == name);
        let all = Judge::ALL.map(Judge::name).join(", ");
        judge.ok_or_else(|| format!("{REQUIRE} names {name}, which is none of {all}"))
    };
    names.map(judge).collect()
}

fn on_path(programs: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .flat_map(|folder| programs.iter().map(move |name| folder.join(name)))
        .find(|program| program.is_file())
}

/// Where an installer of `tests/external` puts things, if it has run.
fn installed(folder: &str) -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/external");
    let dir = std::env::var_os("CALLGATE_EXTERNAL").map_or(default, PathBuf::from).join(folder);
    dir.join("installed").exists().then_some(dir)
}

#[test]
fn every_judge_that_is_required_is_known_and_there() {
    for judge in required() {
        assert!(judge.find().is_some(), "{judge:?}");
    }
}

#[test]
fn judges_are_required_by_their_names_and_by_no_other() {
    assert_eq!(parse(""), Ok(vec![]));
    assert_eq!(parse("redis, mcp"), Ok(vec![Judge::Redis, Judge::Mcp]));
    let all = Judge::ALL.map(Judge::name).join(",");
    assert_eq!(parse(&all).as_deref(), Ok(&Judge::ALL[..]));
    let unknown = "CALLGATE_REQUIRE names reddis, which is none of redis, httpbin, oidc, dialects, mcp, agent, openapi, curl";
    assert_eq!(parse("httpbin,reddis"), Err(unknown.to_owned()));
}
