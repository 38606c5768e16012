//! A JSON object as a shipper sends it, walked once for all that shippers are known by.

use super::labels::Asked;
use crate::core::json::{Malformed, Raw, Walker};

macro_rules! keys {
    ($($variant:ident $path:literal;)+) => {
        /// What a shipper is known by, where its line lies, and what tells one container from another.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(super) enum Key { $($variant),+ }

        const PATHS: &[&str] = &[$($path),+];
    };
}

keys! {
    Message "message";
    Log "log";
    LogProcessed "log_processed";
    EventOriginal "event.original";
    Payload "payload";
    Records "records";
    LogEvents "logEvents";
    ResourceLogs "resourceLogs";
    AtTimestamp "@timestamp";
    AtMetadata "@metadata";
    AtVersion "@version";
    AgentType "agent.type";
    Beat "beat";
    Date "date";
    Kubernetes "kubernetes";
    Docker "docker";
    LogGroup "logGroup";
    MessageType "messageType";
    Schema "schema";
    SourceType "source_type";
    Stream "stream";
    Tag "tag";
    Time "time";
    LogFilePath "log.file.path";
    File "file";
    Filename "filename";
    Namespace "kubernetes.namespace_name";
    PodName "kubernetes.pod_name";
    ContainerName "kubernetes.container_name";
    VectorNamespace "kubernetes.pod_namespace";
    BeatNamespace "kubernetes.namespace";
    BeatPod "kubernetes.pod.name";
    BeatContainer "kubernetes.container.name";
    Host "host";
}

/// Members that tell one container's lines from another's.
pub(super) const ORIGIN: [Key; 12] = [
    Key::LogFilePath,
    Key::File,
    Key::Filename,
    Key::Namespace,
    Key::PodName,
    Key::ContainerName,
    Key::VectorNamespace,
    Key::BeatNamespace,
    Key::BeatPod,
    Key::BeatContainer,
    Key::Tag,
    Key::Host,
];

/// What is needed to look into one envelope: those inside it have levels of their own.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) walker: Walker,
    /// What was decoded or unpacked out of it.
    pub(super) text: Vec<u8>,
}

impl Level {
    pub(super) fn new(asked: &Asked) -> Level {
        Level { walker: Walker::new(PATHS.iter().copied().chain(asked.paths())), text: Vec::new() }
    }
}

/// The number of the first path that a label asks for.
pub(super) const FIRST_LABEL: usize = PATHS.len();

/// An object that was walked, as far as it could be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'p> {
    walker: &'p Walker,
    bytes: &'p [u8],
}

impl<'p> Document<'p> {
    /// Walks over the object; what was found is there even if it is torn.
    pub(super) fn walk(walker: &'p mut Walker, bytes: &'p [u8]) -> (Document<'p>, Result<(), Malformed>) {
        let walked = walker.walk(bytes);
        (Document { walker, bytes }, walked)
    }

    /// The value of a path of the walker, by its number.
    pub(super) fn raw(&self, path: usize) -> Option<Raw<'p>> {
        self.walker.get(self.bytes, path)
    }

    pub(super) fn get(&self, key: Key) -> Option<Raw<'p>> {
        self.raw(key as usize)
    }

    pub(super) fn has(&self, key: Key) -> bool {
        self.walker.has(key as usize)
    }

    /// The member, if it is a text.
    pub(super) fn text(&self, key: Key) -> Option<Raw<'p>> {
        self.get(key).filter(|raw| matches!(raw, Raw::Text(_) | Raw::Escaped(_)))
    }

    /// The member, if it can be a line: a text, or an object that stands for one.
    pub(super) fn line(&self, key: Key) -> Option<Raw<'p>> {
        self.get(key).filter(|raw| matches!(raw, Raw::Text(_) | Raw::Escaped(_) | Raw::Object(_)))
    }

    pub(super) fn array(&self, key: Key) -> Option<&'p [u8]> {
        match self.get(key)? {
            Raw::Array(array) => Some(array),
            _ => None,
        }
    }

    pub(super) fn is_object(&self, key: Key) -> bool {
        matches!(self.get(key), Some(Raw::Object(_)))
    }

    pub(super) fn is_number(&self, key: Key) -> bool {
        matches!(self.get(key), Some(Raw::Number(_)))
    }
}
