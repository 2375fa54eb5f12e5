//! A list whose elements are lifted out and put back where they were (Knuth's dancing links).

/// A list of the numbers from 1 on; 0 is the end on both sides.
#[derive(Debug)]
pub struct Links {
    next: Vec<u32>,
    previous: Vec<u32>,
}

impl Links {
    /// All numbers from 1 to `length`.
    pub fn new(length: usize) -> Self {
        let length = u32::try_from(length).expect("a history has fewer than 2^32 events");
        Self {
            next: (1..=length).chain([0]).collect(),
            previous: std::iter::once(length).chain(0..length).collect(),
        }
    }

    /// The element behind this one. Behind 0 is the first, behind the last is 0.
    pub fn after(&self, element: usize) -> usize {
        self.next[element] as usize
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.next[0] == 0
    }

    /// Takes an element out. It remembers its neighbours.
    pub fn lift(&mut self, element: usize) {
        let (before, after) = (self.previous[element], self.next[element]);
        self.next[before as usize] = after;
        self.previous[after as usize] = before;
    }

    /// Puts the element back that was lifted last of those that are out.
    pub fn unlift(&mut self, element: usize) {
        let (before, after) = (self.previous[element], self.next[element]);
        self.next[before as usize] = element as u32;
        self.previous[after as usize] = element as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::Links;

    fn all(links: &Links) -> Vec<usize> {
        let from = |&element: &usize| Some(links.after(element)).filter(|next| *next != 0);
        std::iter::successors(from(&0), from).collect()
    }

    #[test]
    fn lifted_and_unlifted() {
        let mut links = Links::new(4);
        assert_eq!(all(&links), [1, 2, 3, 4]);
        for element in [2, 3, 1, 4] {
            links.lift(element);
        }
        assert!(links.is_empty());
        for (element, left) in [(4, vec![4]), (1, vec![1, 4]), (3, vec![1, 3, 4])] {
            links.unlift(element);
            assert_eq!(all(&links), left);
        }
        links.unlift(2);
        assert_eq!(all(&links), [1, 2, 3, 4]);
        assert!(Links::new(0).is_empty());
    }
}
