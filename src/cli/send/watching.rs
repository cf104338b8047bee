//! `izportal send --watch DIR`: a folder that others put files into.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::cli::send::endpoint::needed;
use crate::cli::send::inputs::ARCHIVES;
use crate::cli::send::{Over, Place, Send};
use crate::cli::{Failure, input, output, serve};
use crate::domain::Timestamp;
use crate::send::{Book, Folder, Head, Looks, Source, State, Stop, Watched};

impl Send {
    /// Sends what comes into a folder until told to stop.
    pub(super) async fn watch(&self, dir: &Path) -> Result<ExitCode, Failure> {
        let place = Place {
            folder: PathBuf::new(),
            url: needed(self.endpoint.access.url.as_deref(), "--url URL")?.to_owned(),
            facility: needed(self.endpoint.access.facility.as_deref(), "--facility ID")?.to_owned(),
            inputs: vec![],
        };
        let plan = self.plan(false)?;
        // Asked once for the password: a watch may run for months.
        let peer = Arc::new(self.peer(&place)?);
        let watched = Watched::open(dir).map_err(Failure::usage)?;
        let (told, stop) = watch::channel(false);
        tokio::spawn(async move {
            if serve::until_told_to_stop().await.is_ok() {
                told.send_replace(true);
            }
            // Until then nobody may take the channel for closed.
            std::future::pending::<()>().await;
        });
        let mut looks = Looks::default();
        self.say(&format!("watching {}", dir.display()));
        while !*stop.borrow() {
            let Some(inputs) = Self::next(&watched, &mut looks)? else {
                let mut stop = stop.clone();
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(self.every)) => {}
                    _ = stop.wait_for(|told| *told) => {}
                }
                continue;
            };
            let mut heard = stop.clone();
            let stopping = async move {
                let _ = heard.wait_for(|told| *told).await; // its sender lives as long as we do
            };
            let folder = Folder::open(&watched.current())?;
            let soap = self.endpoint.soap().word();
            let head = Head::new(&place.url, &place.facility, soap, inputs);
            let book = Book::open(&folder, Some(head))?;
            let inputs = book.head.inputs.clone();
            let sources = there(&inputs);
            let over = self
                .one(&folder, book, sources, (plan.clone(), Arc::clone(&peer)), stopping)
                .await?;
            drop(folder);
            if let Some(code) = self.round(&watched, &place.url, &inputs, &over)? {
                return Ok(code);
            }
        }
        self.say("stopped");
        Ok(ExitCode::SUCCESS)
    }

    /// The files of the next run: of one that was broken off, or those that are whole now.
    fn next(watched: &Watched, looks: &mut Looks) -> Result<Option<Vec<PathBuf>>, Failure> {
        if Head::of(&watched.current())?.is_some() {
            return Ok(Some(vec![]));
        }
        let takes = |path: &Path| input::has_ending(path, ARCHIVES);
        let whole = watched.whole(looks, &takes)?;
        Ok(Some(whole).filter(|files| !files.is_empty()))
    }

    /// What follows a run: its files are moved, unless it was stopped; then the exit code.
    fn round(
        &self,
        watched: &Watched,
        url: &str,
        inputs: &[PathBuf],
        over: &Over,
    ) -> Result<Option<ExitCode>, Failure> {
        if let Some(stop) = &over.finished.stop {
            let code = self.told(url, &watched.current(), over);
            let asked = *stop == Stop::Told;
            return Ok(Some(if asked { ExitCode::SUCCESS } else { code }));
        }
        let problems = &over.finished.problems;
        let settled = watched.settle(inputs, &over.account, problems, Timestamp::now())?;
        let account = &over.account;
        let states = State::ALL.iter().filter(|state| account.of(**state) > 0);
        let states: Vec<String> =
            states.map(|state| format!("{} {state}", account.of(*state))).collect();
        self.say(&format!(
            "{} archived, {} with problems; messages: {}",
            output::counted(settled.archived, "file"),
            settled.problems,
            if states.is_empty() { "none".to_owned() } else { states.join(", ") }
        ));
        Ok(None)
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            output::line(text);
        }
    }
}

/// The files that are still there, none of them by a link.
fn there(inputs: &[PathBuf]) -> Vec<Source> {
    let there = inputs.iter().filter(|path| path.symlink_metadata().is_ok());
    there.map(|path| Source::File { path: path.clone(), follow: false }).collect()
}
