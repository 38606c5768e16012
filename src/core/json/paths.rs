//! Paths as a tree of keys.
//!
//! Invariant: a node's edges are sorted by length and bytes, so that one key is found by halving.

/// No node, or no path.
pub(super) const NONE: u16 = u16::MAX;

/// Most parts of one path that may be joined in every way; further ones are taken as nested.
const PARTS_JOINED_MAX: usize = 8;

/// The tree.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
}

/// What a path leads to so far.
#[derive(Default, Debug)]
pub(super) struct Node {
    edges: Vec<(Box<[u8]>, u16)>,
    /// Paths that end here.
    pub(super) paths: Vec<u16>,
    /// Some edge is an index.
    pub(super) indexed: bool,
}

impl Node {
    /// Whether any path goes on.
    pub(super) fn goes_on(&self) -> bool {
        !self.edges.is_empty()
    }

    /// Where the key leads to, or [`NONE`].
    pub(super) fn child(&self, key: &[u8]) -> u16 {
        self.place(key).map_or(NONE, |at| self.edges[at].1)
    }

    fn place(&self, key: &[u8]) -> Result<usize, usize> {
        self.edges.binary_search_by(|(edge, _)| edge.len().cmp(&key.len()).then_with(|| (**edge).cmp(key)))
    }
}

impl Trie {
    /// No path; allocates nothing.
    pub(super) fn new() -> Trie {
        Trie { nodes: Vec::new() }
    }

    pub(super) fn node(&self, node: u16) -> Option<&Node> {
        self.nodes.get(usize::from(node))
    }

    /// Adds a path of that number.
    pub(super) fn add(&mut self, path: &str, number: usize) {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let parts = parts(path);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        if let Ok(number) = u16::try_from(number)
            && number != NONE
        {
            self.add_below(0, &parts, number);
        }
    }

    fn add_below(&mut self, node: u16, parts: &[&str], number: u16) {
        if parts.is_empty() {
            let paths = &mut self.nodes[usize::from(node)].paths;
            if !paths.contains(&number) {
                paths.push(number);
            }
            return;
        }
        let joined = if parts.len() <= PARTS_JOINED_MAX { parts.len() } else { 1 };
        for count in 1..=joined {
            let child = self.edge(node, &parts[..count].join("."));
            if child != NONE {
                self.add_below(child, &parts[count..], number);
            }
        }
    }

    /// The node that the key leads to, made if there is none.
    fn edge(&mut self, node: u16, key: &str) -> u16 {
        let next = u16::try_from(self.nodes.len()).unwrap_or(NONE);
        let from = &mut self.nodes[usize::from(node)];
        match from.place(key.as_bytes()) {
            Ok(at) => return from.edges[at].1,
            Err(_) if next == NONE => return NONE,
            Err(at) => from.edges.insert(at, (key.as_bytes().into(), next)),
        }
        from.indexed |= key.bytes().all(|b| b.is_ascii_digit());
        self.nodes.push(Node::default());
        next
    }
}

/// The parts of a path: split at dots, and `[0]` at the end of a part is one of its own.
fn parts(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in path.split('.') {
        let index = part.strip_suffix(']').and_then(|part| part.rsplit_once('['));
        match index {
            Some((key, index)) if !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) => {
                parts.extend([key, index].map(str::to_owned));
            }
            _ => parts.push(part.to_owned()),
        }
    }
    parts
}
