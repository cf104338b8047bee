//! A mail server that says what it is told to: for the answers that a real one gives only when something is wrong.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// What it does with one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Manner {
    /// Takes the letter.
    Take,
    /// Answers the begin of the connection like this.
    Greet(&'static str),
    /// Answers the recipient like this.
    Recipient(&'static str),
    /// Answers a sign-in like this.
    SignIn(&'static str),
    /// Hangs up when it has read the letter.
    HangUp,
}

/// A letter as it came over the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Posted {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) data: String,
}

/// The server; it ends with the process of the tests.
pub(crate) struct PostOffice {
    pub(crate) port: u16,
    manners: Arc<Mutex<VecDeque<Manner>>>,
    posted: Arc<Mutex<Vec<Posted>>>,
    said: Arc<Mutex<Vec<String>>>,
}

impl PostOffice {
    /// A server that does these things with the next connections, and takes every letter after them.
    pub(crate) fn start(manners: &[Manner]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let office = Self {
            port: listener.local_addr().unwrap().port(),
            manners: Arc::new(Mutex::new(manners.iter().copied().collect())),
            posted: Arc::default(),
            said: Arc::default(),
        };
        let (manners, posted, said) =
            (Arc::clone(&office.manners), Arc::clone(&office.posted), Arc::clone(&office.said));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let manner = lock(&manners).pop_front().unwrap_or(Manner::Take);
                let (posted, said) = (Arc::clone(&posted), Arc::clone(&said));
                std::thread::spawn(move || serve(&stream, manner, &posted, &said));
            }
        });
        office
    }

    /// A configuration whose letters go here.
    pub(crate) fn config(&self) -> String {
        format!(
            "[mail]\nsmtp = \"smtp+plain://127.0.0.1:{}\"\nfrom = \"IZ Portal <iz@example.gov>\"\n",
            self.port
        )
    }

    /// The letters that it took, or read before it hung up.
    pub(crate) fn posted(&self) -> Vec<Posted> {
        lock(&self.posted).clone()
    }

    /// Every command that it heard.
    pub(crate) fn said(&self) -> Vec<String> {
        lock(&self.said).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    stream: &TcpStream,
    manner: Manner,
    posted: &Mutex<Vec<Posted>>,
    said: &Mutex<Vec<String>>,
) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let say = |text: &str| {
        let mut stream = stream;
        let _ = stream.write_all(format!("{text}\r\n").as_bytes()); // the client may have gone
    };
    match manner {
        Manner::Greet(text) => return say(text),
        _ => say("220 post.example.org ESMTP"),
    }
    let mut letter = Posted::default();
    while let Some(line) = lines.next() {
        lock(said).push(line.clone());
        let address = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        match line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "EHLO" => say("250-post.example.org\r\n250 AUTH PLAIN"),
            "AUTH" => match manner {
                Manner::SignIn(text) => say(text),
                _ => say("235 2.7.0 welcome"),
            },
            "MAIL" => {
                letter.from = address();
                say("250 2.1.0 fine");
            }
            "RCPT" => {
                if let Manner::Recipient(text) = manner {
                    say(&text.replace("{}", &address()));
                } else {
                    letter.to.push(address());
                    say("250 2.1.5 fine");
                }
            }
            "DATA" => {
                say("354 go on");
                for line in lines.by_ref().take_while(|line| line != ".") {
                    letter.data.push_str(&line);
                    letter.data.push('\n');
                }
                lock(posted).push(std::mem::take(&mut letter));
                match manner {
                    Manner::HangUp => return,
                    _ => say("250 2.0.0 taken"),
                }
            }
            "QUIT" => return say("221 2.0.0 bye"),
            _ => say("500 5.5.1 what?"),
        }
    }
}
