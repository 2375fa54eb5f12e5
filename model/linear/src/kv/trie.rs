//! Names for values that are cheap to compare and to extend.
//!
//! What a value is matters only as far as somebody sees it. So all values that replies show, or that a Cas expects, are
//! put into a trie, and a value that begins one of them is named by its point there: equal names are equal values,
//! and an append walks on from the point by as many bytes as it adds, however long the value has become. A value that
//! leaves the trie was never seen by anyone, nor was anything made of it by appending: it needs no name.
//!
//! Values grow one from the other, so each is put in from where the one before ended. The cost of it all is one
//! comparison of the bytes that were shown.

use super::op::Bytes;

/// A node: the end of a value that was put in, or a place where two values part.
#[derive(Debug)]
struct Node {
    /// Some value that goes through it, and how many of its bytes lead here.
    text: Bytes,
    depth: usize,
    parent: u32,
    /// Its first child, and the next one of its parent; 0 for none.
    child: u32,
    sibling: u32,
}

/// A value that begins one in the trie: it lies on the edge that ends in this node, or on the node itself. Its other
/// name is its length, so two values have the same point only if they are the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Point {
    node: u32,
    length: u32,
}

/// The trie.
#[derive(Debug)]
pub struct Trie {
    nodes: Vec<Node>,
    /// By node, when a walk through all of it comes there and when it leaves: what begins what is seen by these.
    visits: Vec<(u32, u32)>,
}

/// How many bytes two texts have in common at their beginning.
fn common(one: &[u8], two: &[u8]) -> usize {
    const CHUNK: usize = 256;
    // Nearly always one begins the other.
    let shorter = one.len().min(two.len());
    if one[..shorter] == two[..shorter] {
        return shorter;
    }
    let whole = one.chunks_exact(CHUNK).zip(two.chunks_exact(CHUNK));
    let start = CHUNK * whole.take_while(|(one, two)| one == two).count();
    let rest = one[start..].iter().zip(&two[start..]);
    start + rest.take_while(|(one, two)| one == two).count()
}

impl Trie {
    /// With nothing in it but the empty value.
    pub fn new() -> Self {
        let text: Bytes = [].into();
        let nodes = vec![Node { text, depth: 0, parent: 0, child: 0, sibling: 0 }];
        Self { nodes, visits: Vec::new() }
    }

    /// The empty value.
    pub const fn root() -> Point {
        Point { node: 0, length: 0 }
    }

    /// Puts a value in: its node. `near` is the node of another, best of one that has much in common.
    pub fn insert(&mut self, near: u32, value: &Bytes) -> u32 {
        let shared = common(self.text(near), value);
        let mut at = near;
        while self.node(at).depth > shared {
            at = self.node(at).parent;
        }
        loop {
            let depth = self.node(at).depth;
            if depth == value.len() {
                return at;
            }
            let child = self.child(at, value[depth]);
            if child == 0 {
                return self.add(at, value);
            }
            let shared = depth + common(&self.text(child)[depth..], &value[depth..]);
            at = if shared == self.node(child).depth { child } else { self.split(child, shared) };
        }
    }

    fn node(&self, node: u32) -> &Node {
        &self.nodes[node as usize]
    }

    /// The bytes that lead to a node.
    fn text(&self, node: u32) -> &[u8] {
        let Node { text, depth, .. } = self.node(node);
        &text[..*depth]
    }

    /// The child to which this byte leads, or 0.
    fn child(&self, parent: u32, byte: u8) -> u32 {
        let Node { child, depth, .. } = *self.node(parent);
        let mut child = child;
        while child != 0 && self.node(child).text[depth] != byte {
            child = self.node(child).sibling;
        }
        child
    }

    fn push(&mut self, node: Node) -> u32 {
        let number = u32::try_from(self.nodes.len()).expect("there are fewer than 2^32 values");
        self.nodes.push(node);
        number
    }

    /// A new leaf.
    fn add(&mut self, parent: u32, value: &Bytes) -> u32 {
        let sibling = self.node(parent).child;
        let (text, depth) = (Bytes::clone(value), value.len());
        let leaf = self.push(Node { text, depth, parent, child: 0, sibling });
        self.nodes[parent as usize].child = leaf;
        leaf
    }

    /// A new node on the edge above `below`. That one stays what it was, for others know it.
    fn split(&mut self, below: u32, depth: usize) -> u32 {
        let Node { parent, sibling, .. } = *self.node(below);
        let text = Bytes::clone(&self.node(below).text);
        let middle = self.push(Node { text, depth, parent, child: below, sibling });
        let mut before = self.node(parent).child;
        if before == below {
            self.nodes[parent as usize].child = middle;
        } else {
            while self.node(before).sibling != below {
                before = self.node(before).sibling;
            }
            self.nodes[before as usize].sibling = middle;
        }
        let below = &mut self.nodes[below as usize];
        (below.parent, below.sibling) = (middle, 0);
        middle
    }

    /// The point of a node.
    pub fn point(&self, node: u32) -> Point {
        let length = u32::try_from(self.node(node).depth).expect("a value is below 4 GiB");
        Point { node, length }
    }

    /// Where these bytes lead from a point; None if nobody ever saw such a value. Only once all values are in.
    pub fn walk(&self, from: Point, bytes: &[u8]) -> Option<Point> {
        let (mut node, mut length) = (from.node, from.length as usize);
        let mut bytes = bytes;
        while !bytes.is_empty() {
            if length == self.node(node).depth {
                node = match self.child(node, bytes[0]) {
                    0 => return None,
                    child => child,
                };
            }
            let edge = &self.text(node)[length..];
            let shared = edge.len().min(bytes.len());
            if edge[..shared] != bytes[..shared] {
                return None;
            }
            length += shared;
            bytes = &bytes[shared..];
        }
        Some(Point { node, length: u32::try_from(length).ok()? })
    }

    /// Notes what begins what, once all values are in.
    pub fn finish(&mut self) {
        self.visits = vec![(0, 0); self.nodes.len()];
        let (mut at, mut time) = (0, 0);
        loop {
            time += 1;
            self.visits[at as usize].0 = time;
            if self.node(at).child != 0 {
                at = self.node(at).child;
                continue;
            }
            while self.node(at).sibling == 0 {
                self.visits[at as usize].1 = time;
                if at == 0 {
                    return;
                }
                at = self.node(at).parent;
            }
            self.visits[at as usize].1 = time;
            at = self.node(at).sibling;
        }
    }

    /// Whether these bytes stand anywhere in a value that is in.
    pub fn has(&self, bytes: &[u8]) -> bool {
        let Some(before) = bytes.len().checked_sub(1) else { return true };
        self.nodes.iter().any(|node| {
            // Where they end on the edge to this node.
            let start = self.node(node.parent).depth.saturating_sub(before);
            let text = &node.text[start..node.depth];
            text.windows(bytes.len()).any(|window| window == bytes)
        })
    }

    /// Whether a value begins another, or is the same.
    pub fn begins(&self, one: Point, other: Point) -> bool {
        let (comes, leaves) = self.visits[one.node as usize];
        let there = self.visits[other.node as usize].0;
        comes <= there && there <= leaves && one.length <= other.length
    }

    /// The value of a point.
    pub fn bytes(&self, point: Point) -> &[u8] {
        &self.node(point.node).text[..point.length as usize]
    }
}

impl Point {
    /// How many bytes the value has.
    pub const fn length(self) -> u64 {
        self.length as u64
    }
}

#[cfg(test)]
mod tests {
    use super::Trie;
    use std::collections::HashMap;

    /// Points are names: the same for the same bytes, different for others, and walking is appending.
    #[test]
    fn points_are_values() {
        let mut random = 11_u64;
        let mut next = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        for _ in 0..200 {
            let mut trie = Trie::new();
            let mut values: Vec<Vec<u8>> = vec![vec![]];
            let mut nodes = vec![0];
            for _ in 0..next(40) {
                let from = next(values.len() as u64) as usize;
                let mut value = values[from].clone();
                value.truncate(next(value.len() as u64 + 1) as usize);
                value.extend((0..next(9)).map(|_| b'a' + next(2) as u8));
                let near = nodes[next(nodes.len() as u64) as usize];
                nodes.push(trie.insert(near, &value.as_slice().into()));
                values.push(value);
            }
            trie.finish();
            let mut known = HashMap::new();
            for (value, node) in values.iter().zip(&nodes) {
                assert_eq!(trie.bytes(trie.point(*node)), value);
                for length in 0..=value.len() {
                    let prefix = &value[..length];
                    let point = trie.walk(Trie::root(), prefix).expect("a beginning of a value");
                    assert_eq!(trie.bytes(point), prefix);
                    assert_eq!(*known.entry(point).or_insert(prefix), prefix);
                    assert_eq!(trie.walk(point, &value[length..]), Some(trie.point(*node)));
                    for (other, node) in values.iter().zip(&nodes) {
                        let begins = trie.begins(point, trie.point(*node));
                        assert_eq!(begins, other.starts_with(prefix));
                    }
                    let mut other = prefix.to_vec();
                    for length in 0..prefix.len() {
                        assert!(trie.has(&prefix[length..]));
                    }
                    other.push(b'c');
                    assert!(!trie.has(&other));
                    assert_eq!(trie.walk(Trie::root(), &other), None);
                }
            }
        }
    }
}
