//! The real binary: an installation in a folder of its own, commands on it, and the service as a child process.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use izportal::config::Config;
use izportal::domain::Environment;
use izportal::soap::{SoapVersion, submit_single_message_request};
use tempfile::TempDir;

use crate::support::{Answer, Sender, TestDatabase, answer, calling_this_machine, client};

/// How long the binary may take to say a line that it must say.
const PATIENCE: Duration = Duration::from_secs(30);

/// A configuration file, a data directory and a database.
pub(crate) struct Installation {
    pub(crate) dir: TempDir,
    pub(crate) database: TestDatabase,
}

impl Installation {
    /// An installation with this configuration over the defaults; free ports.
    pub(crate) fn new(toml: &str) -> Self {
        let installation = Self { dir: TempDir::new().unwrap(), database: TestDatabase::new() };
        installation.configure(toml);
        installation
    }

    /// Puts another configuration in place of the present one.
    pub(crate) fn configure(&self, toml: &str) {
        let mut known = Config::defaults().unwrap();
        self.database.configure(&mut known);
        let text = format!(
            "data_dir = '{}'\n[server]\nlisten = '127.0.0.1:0'\nops_listen = '127.0.0.1:0'\nworkers = 2\n\
             [database]\nurl = '{}'\nschema = '{}'\n{}",
            self.data_dir().display(),
            known.database.url,
            known.database.schema,
            calling_this_machine(toml)
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.path().join("izportal.toml")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Runs a command on this installation: the configuration is named after its first word.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let (command, rest) = arguments.split_first().unwrap();
        let config = self.config();
        run(&[&[*command, "--config", config.to_str().unwrap()], rest].concat())
    }

    /// Runs `admin` with JSON; the command must succeed.
    pub(crate) fn admin(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(&[&["admin", "--format", "json"], arguments].concat());
        assert_eq!(exit_code(&output), 0, "{arguments:?}: {}", error_text(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A type 1 Site `DE-000001` in CAIRBA with a test credential, on a new database.
    pub(crate) fn test_sender(&self) -> Sender {
        assert!(self.run(&["migrate", "up"]).status.success(), "migrated");
        let organization = self.admin(&["organization", "create", "Test"])["id"].to_string();
        let site = [
            "site",
            "create",
            "--organization",
            &organization,
            "--name",
            "Test",
            "--kind",
            "direct",
        ];
        let more = ["--county", "Alameda", "--status", "production", "--id", "DE-000001"];
        self.admin(&[&site[..], &more].concat());
        let issued = self.admin(&["credential", "issue", "DE-000001", "test"]);
        Sender {
            username: issued["username"].as_str().unwrap().to_owned(),
            password: issued["password"].as_str().unwrap().to_owned(),
            facility: "DE-000001".to_owned(),
            environment: Environment::Test,
        }
    }

    /// Starts `serve` and waits until it serves.
    pub(crate) fn serve(&self) -> Served {
        let mut command = program();
        command.arg("serve").arg("--migrate").arg("--config").arg(self.config());
        self.serve_as(&mut command)
    }

    /// The same by a command that ends in running `serve` on this installation.
    pub(crate) fn serve_as(&self, command: &mut Command) -> Served {
        let (child, lines) = start(command);
        let endpoint = line_with(&lines, "serving https://");
        let endpoint = endpoint.split_once("serving ").unwrap().1;
        let endpoint = endpoint.split(' ').next().unwrap().to_owned();
        let ops = line_with(&lines, "health and metrics at ");
        let ops = ops.split_once("health and metrics at ").unwrap().1.to_owned();
        let http = client(Some(&self.data_dir().join("tls/ca.pem")));
        Served { child, lines, endpoint, ops, http }
    }
}

/// A running `serve`; killed when it is dropped. A test that fails prints what it said.
pub(crate) struct Served {
    child: Child,
    lines: Receiver<String>,
    pub(crate) endpoint: String,
    pub(crate) ops: String,
    pub(crate) http: reqwest::Client,
}

impl Served {
    pub(crate) async fn submit(&self, sender: &Sender, hl7: &str) -> Answer {
        submit(&self.http, &self.endpoint, sender, hl7).await.unwrap()
    }

    /// A number of its /proc/PID/status: KiB, or a count.
    pub(crate) fn status(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Sets how long the files that it writes may grow, in bytes or `unlimited`.
    pub(crate) fn limit_files(&self, limit: &str) {
        let pid = self.child.id().to_string();
        let limit = format!("--fsize={limit}:unlimited");
        let done = Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap();
        assert!(done.success(), "prlimit {limit}");
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop as a service manager would; gives its exit code.
    pub(crate) fn terminate(&mut self) -> i32 {
        terminate(&mut self.child)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
        if std::thread::panicking() {
            #[expect(clippy::print_stdout, reason = "a test that fails shows what it prints")]
            self.lines.try_iter().for_each(|line| println!("serve: {line}"));
        }
    }
}

/// Sends SIGTERM to a child of ours and waits for its end; gives its exit code, -1 when a signal ended it.
pub(crate) fn terminate(child: &mut Child) -> i32 {
    let sent = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    assert!(sent.success(), "SIGTERM was sent");
    child.wait().unwrap().code().unwrap_or(-1)
}

/// Submits with any client to any endpoint; an error when the connection broke.
pub(crate) async fn submit(
    http: &reqwest::Client,
    endpoint: &str,
    sender: &Sender,
    hl7: &str,
) -> Result<Answer, reqwest::Error> {
    let Sender { username, password, facility, .. } = sender;
    let body = submit_single_message_request(SoapVersion::V12, username, password, facility, hl7);
    let request = http.post(endpoint).header("Content-Type", "application/soap+xml").body(body);
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, text: response.text().await? })
}

/// Gets a page.
pub(crate) async fn get(http: &reqwest::Client, url: &str) -> Answer {
    answer(http.get(url).send().await.unwrap()).await
}

/// The binary, untouched by the environment of the test run.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_izportal"));
    command.env_remove("IZPORTAL_CONFIG").env_remove("IZPORTAL_DATA_DIR");
    command
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    program().args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Starts the binary; its lines come through the channel, and are read to the end so that it never waits for a reader.
pub(crate) fn start(command: &mut Command) -> (Child, Receiver<String>) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            let _ = sender.send(line); // the test may have heard enough
        }
    });
    (child, lines)
}

/// The next line that contains a text.
pub(crate) fn line_with(lines: &Receiver<String>, text: &str) -> String {
    loop {
        let line = lines
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("the program did not say {text:?}: {error}"));
        if line.contains(text) {
            return line;
        }
    }
}

/// Waits until `done` holds, for at most 40 seconds.
pub(crate) async fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..200 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("not in 40 seconds: {what}");
}

pub(crate) fn exit_code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

pub(crate) fn error_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Every file under a folder.
pub(crate) fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            files.push(path);
        }
    }
    files
}
