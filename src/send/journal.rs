//! Writing down: one thread appends to the journal and keeps acknowledgements and problems, many lines at a time.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::thread::JoinHandle;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::send::folder::{Folder, private_file, private_folder};

/// Orders that are carried out together, at most.
const GROUP: usize = 1_000;

/// Messages whose acknowledgements share a file.
pub(super) const SHARED: u32 = 1_000;

/// Something that is to be kept.
enum Order {
    /// Lines of the journal; who asks is told once they are on disk.
    Lines(Vec<u8>, Option<oneshot::Sender<()>>),
    /// The acknowledgement of a message.
    Acknowledgement(u32, String),
    /// A message that somebody must look at: the name of its files, its text, the reason.
    Problem(String, String, String),
}

/// The journal could not be written; the run ends.
#[derive(Debug)]
pub(super) struct Lost;

/// The way to the thread that writes. Nobody else writes; what is ordered first is written first.
#[derive(Clone)]
pub(super) struct Journal(UnboundedSender<Order>);

impl Journal {
    /// Starts the thread; it ends when no way to it is left, and gives what went wrong.
    pub(super) fn start(folder: &Folder, file: File) -> (Self, JoinHandle<io::Result<()>>) {
        let (sender, orders) = unbounded_channel();
        let mut writer = Writer {
            file,
            acknowledgements: folder.acknowledgements(),
            problems: folder.problems(),
            open: None,
        };
        (Self(sender), std::thread::spawn(move || writer.run(orders)))
    }

    /// Writes lines; back when they are on disk.
    pub(super) async fn written(&self, lines: Vec<u8>) -> Result<(), Lost> {
        let (done, told) = oneshot::channel();
        self.0.send(Order::Lines(lines, Some(done))).map_err(|_ended| Lost)?;
        told.await.map_err(|_dropped| Lost)
    }

    /// Writes lines soon.
    pub(super) fn write(&self, lines: Vec<u8>) {
        self.order(Order::Lines(lines, None));
    }

    /// Keeps the acknowledgement of a message.
    pub(super) fn keep(&self, m: u32, text: String) {
        self.order(Order::Acknowledgement(m, text));
    }

    /// Keeps a message that somebody must look at.
    pub(super) fn problem(&self, name: String, text: String, reason: String) {
        self.order(Order::Problem(name, text, reason));
    }

    fn order(&self, order: Order) {
        let _ = self.0.send(order); // the next one who waits hears that the journal is lost
    }
}

/// The name of the file that holds the acknowledgement of a message, and of others.
pub(super) fn acknowledgement_file(m: u32) -> String {
    let first = m / SHARED * SHARED;
    format!("{:07}-{:07}.hl7", first.saturating_add(1), first.saturating_add(SHARED))
}

/// The thread that writes.
struct Writer {
    file: File,
    acknowledgements: PathBuf,
    problems: PathBuf,
    /// The file of acknowledgements that was written last.
    open: Option<(u32, File)>,
}

impl Writer {
    /// Carries out orders in groups, each made durable once.
    fn run(&mut self, mut orders: UnboundedReceiver<Order>) -> io::Result<()> {
        let (mut group, mut lines, mut waiting) = (vec![], vec![], vec![]);
        while orders.blocking_recv_many(&mut group, GROUP) > 0 {
            for order in group.drain(..) {
                match order {
                    Order::Lines(text, done) => {
                        lines.extend_from_slice(&text);
                        waiting.extend(done);
                    }
                    Order::Acknowledgement(m, text) => self.keep(m, &text)?,
                    Order::Problem(name, text, reason) => self.problem(&name, &text, &reason)?,
                }
            }
            if !lines.is_empty() {
                self.file.write_all(&lines)?;
                self.file.sync_data()?;
                lines.clear();
            }
            for done in waiting.drain(..) {
                let _ = done.send(()); // who asked may have been stopped
            }
        }
        Ok(())
    }

    fn keep(&mut self, m: u32, text: &str) -> io::Result<()> {
        let number = m / SHARED;
        if self.open.as_ref().is_none_or(|(open, _)| *open != number) {
            private_folder(&self.acknowledgements)?;
            let path = self.acknowledgements.join(acknowledgement_file(m));
            self.open = Some((number, private_file(&path)?));
        }
        let Some((_, file)) = &mut self.open else { return Ok(()) };
        let end = if text.ends_with(['\r', '\n']) { "" } else { "\r" };
        file.write_all(format!("{text}{end}").as_bytes())
    }

    fn problem(&self, name: &str, text: &str, reason: &str) -> io::Result<()> {
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
