//! Writing down: what is to be kept is gathered, and put on disk many lines at a time, before the next messages are sent.
//!
//! It is written in the thread that sends. Nothing may go out before it is on disk anyway, and the way to another thread and
//! back takes longer on a busy machine than the write.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::mem;
use std::path::PathBuf;

use crate::send::book::Line;
use crate::send::folder::{Folder, private_file, private_folder};

/// Messages whose acknowledgements share a file.
pub(super) const SHARED: u32 = 1_000;

/// A message that somebody must look at.
pub(super) struct Aside {
    /// The name of its files, without their endings.
    pub(super) name: String,
    /// The message.
    pub(super) text: String,
    /// What is wrong with it.
    pub(super) reason: String,
}

/// What is kept of a run. Nobody else writes it.
pub(super) struct Journal {
    file: File,
    acknowledgements: PathBuf,
    problems: PathBuf,
    /// The file of acknowledgements that was written last, by the number of what it holds.
    open: Option<(u32, File)>,
    /// Lines that are not written yet.
    lines: Vec<u8>,
    /// Acknowledgements that are not written yet, by message.
    kept: Vec<(u32, String)>,
    /// Messages that are not put aside yet.
    aside: Vec<Aside>,
    /// Whether a write has failed: what stands at the end is not known, so nothing is written behind it.
    lost: bool,
}

impl Journal {
    /// The journal of a folder; `file` is where its lines go.
    pub(super) fn new(folder: &Folder, file: File) -> Self {
        Self {
            file,
            acknowledgements: folder.acknowledgements(),
            problems: folder.problems(),
            open: None,
            lines: vec![],
            kept: vec![],
            aside: vec![],
            lost: false,
        }
    }

    /// A line, for the next [`Journal::save`].
    pub(super) fn line(&mut self, line: &Line) {
        line.write(&mut self.lines);
    }

    /// The acknowledgement of a message, for the next [`Journal::save`].
    pub(super) fn keep(&mut self, m: u32, text: String) {
        self.kept.push((m, text));
    }

    /// A message that somebody must look at, for the next [`Journal::save`].
    pub(super) fn put_aside(&mut self, aside: Aside) {
        self.aside.push(aside);
    }

    /// Writes what was gathered; the lines are on disk after it, and say nothing that is not kept beside them.
    ///
    /// # Errors
    /// When something cannot be written. Nothing more is written afterwards.
    pub(super) fn save(&mut self) -> io::Result<()> {
        let (lines, kept, aside) =
            (mem::take(&mut self.lines), mem::take(&mut self.kept), mem::take(&mut self.aside));
        if self.lost {
            return Ok(());
        }
        let saved = self.save_all(&lines, kept, &aside);
        self.lost = saved.is_err();
        self.lines = lines;
        self.lines.clear();
        saved
    }

    fn save_all(
        &mut self,
        lines: &[u8],
        kept: Vec<(u32, String)>,
        aside: &[Aside],
    ) -> io::Result<()> {
        self.save_kept(kept)?;
        for one in aside {
            self.save_aside(one)?;
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.file.write_all(lines)?;
        self.file.sync_data()
    }

    fn save_kept(&mut self, kept: Vec<(u32, String)>) -> io::Result<()> {
        let mut kept = kept.into_iter().peekable();
        let mut text = String::new();
        while let Some((m, one)) = kept.next() {
            text.push_str(&one);
            if !one.ends_with(['\r', '\n']) {
                text.push('\r');
            }
            let number = m / SHARED;
            if kept.peek().is_none_or(|(next, _)| next / SHARED != number) {
                self.acknowledgement_file(m)?.write_all(text.as_bytes())?;
                text.clear();
            }
        }
        Ok(())
    }

    fn acknowledgement_file(&mut self, m: u32) -> io::Result<&mut File> {
        let number = m / SHARED;
        let open = match self.open.take() {
            Some(open) if open.0 == number => open,
            _ => {
                private_folder(&self.acknowledgements)?;
                (number, private_file(&self.acknowledgements.join(acknowledgement_file(m)))?)
            }
        };
        Ok(&mut self.open.insert(open).1)
    }

    fn save_aside(&self, aside: &Aside) -> io::Result<()> {
        let Aside { name, text, reason } = aside;
        private_folder(&self.problems)?;
        for (ending, content) in [("hl7", text), ("reason.txt", reason)] {
            let path = self.problems.join(format!("{name}.{ending}"));
            if path.exists() {
                fs::remove_file(&path)?;
            }
            private_file(&path)?.write_all(content.as_bytes())?;
        }
        Ok(())
    }
}

/// The name of the file that holds the acknowledgement of a message, and of others.
pub(super) fn acknowledgement_file(m: u32) -> String {
    let first = m / SHARED * SHARED;
    format!("{:07}-{:07}.hl7", first.saturating_add(1), first.saturating_add(SHARED))
}
