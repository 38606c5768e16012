//! An HTTP server that keeps what it is posted and answers as a test wants.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A request as it came; names of headers in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Posted {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// What to answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Status(u16),
    /// Nothing, for so long; then the connection is closed.
    Silence(Duration),
}

/// A server on a port of its own.
pub(crate) struct Receiver {
    address: SocketAddr,
    posted: Arc<Mutex<Vec<Posted>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    stop: Arc<AtomicBool>,
}

impl Receiver {
    /// Starts one that answers 200.
    pub(crate) fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        Receiver::on(listener)
    }

    /// Starts one at an address that was used before.
    pub(crate) fn at(address: SocketAddr) -> Receiver {
        Receiver::on(TcpListener::bind(address).expect("the port is free again"))
    }

    fn on(listener: TcpListener) -> Receiver {
        let receiver = Receiver {
            address: listener.local_addr().expect("an address"),
            posted: Arc::default(),
            answers: Arc::default(),
            stop: Arc::default(),
        };
        let (posted, answers, stop) =
            (receiver.posted.clone(), receiver.answers.clone(), receiver.stop.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (posted, answers) = (posted.clone(), answers.clone());
                // a client that goes away in the middle is no failure of the test
                std::thread::spawn(move || stream.and_then(|stream| serve(stream, &posted, &answers)));
            }
        });
        receiver
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers these to the next requests, then 200 again.
    pub(crate) fn answer(&self, answers: &[Answer]) {
        held(&self.answers).extend(answers);
    }

    /// All that was posted so far.
    pub(crate) fn posted(&self) -> Vec<Posted> {
        held(&self.posted).clone()
    }

    /// Waits until so much was posted.
    pub(crate) fn wait(&self, requests: usize) -> Vec<Posted> {
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let posted = self.posted();
            if posted.len() >= requests {
                return posted;
            }
            assert!(Instant::now() < until, "{} requests came, not {requests}: {posted:?}", posted.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // wakes the listener, which then closes
        let _ = TcpStream::connect(self.address);
        while TcpStream::connect(self.address).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn serve(
    mut stream: TcpStream,
    posted: &Mutex<Vec<Posted>>,
    answers: &Mutex<VecDeque<Answer>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let answer = held(answers).pop_front().unwrap_or(Answer::Status(200));
    if !line.is_empty() {
        held(posted).push(Posted { path, headers, body });
    }
    match answer {
        Answer::Status(status) => {
            let said =
                format!("HTTP/1.1 {status} Said\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
            stream.write_all(said.as_bytes())
        }
        Answer::Silence(length) => {
            std::thread::sleep(length);
            Ok(())
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds this")
}
