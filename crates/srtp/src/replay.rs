//! The replay window ([RFC 3711 §3.3.2](https://www.rfc-editor.org/rfc/rfc3711#section-3.3.2)).

/// Which of the latest indices were seen: a ring of bits behind the highest one.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    highest: Option<u64>,
    ring: Box<[u64]>,
}

impl Window {
    /// A window over at least `packets` indices, rounded up to a multiple of 64.
    pub(crate) fn new(packets: usize) -> Self {
        Self { highest: None, ring: vec![0; packets.div_ceil(64).max(1)].into() }
    }

    /// The highest index marked so far.
    pub(crate) fn highest(&self) -> Option<u64> {
        self.highest
    }

    fn size(&self) -> u64 {
        self.ring.len() as u64 * 64
    }

    /// The word and the bit that stand for an index.
    fn place(&self, index: u64) -> (usize, u64) {
        let words = self.ring.len() as u64;
        (usize::try_from(index / 64 % words).unwrap_or_default(), 1 << (index % 64))
    }

    /// Is the index new: ahead of all, or within the window and not marked?
    pub(crate) fn is_new(&self, index: u64) -> bool {
        let Some(highest) = self.highest else { return true };
        if index > highest {
            return true;
        }
        let (word, bit) = self.place(index);
        highest - index < self.size() && self.ring.get(word).is_some_and(|word| word & bit == 0)
    }

    /// Marks an index as seen; to be called only once the packet has proved authentic.
    pub(crate) fn mark(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index <= highest => {}
            Some(highest) if index - highest < self.size() => {
                (highest + 1..index).for_each(|skipped| self.set(skipped, false));
                self.highest = Some(index);
            }
            _ => {
                self.ring.fill(0);
                self.highest = Some(index);
            }
        }
        self.set(index, true);
    }

    fn set(&mut self, index: u64, seen: bool) {
        let (word, bit) = self.place(index);
        if let Some(word) = self.ring.get_mut(word) {
            *word = if seen { *word | bit } else { *word & !bit };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use testkit::Rng;

    // rfc: 3711 §3.3.2 — at least 64 packets, each accepted once, older ones refused
    #[test]
    fn agrees_with_a_set_of_all_that_was_seen() {
        for size in [64_u64, 128, 1024] {
            let mut rng = Rng::new(size);
            let mut window = Window::new(usize::try_from(size).unwrap());
            let mut seen = BTreeSet::new();
            let mut base = 0;
            for step in 0..50_000 {
                base += if step % 5_000 == 4_999 { 3 * size } else { rng.below(4) };
                let index = (base + rng.below(20)).saturating_sub(rng.below(size + 70));
                let highest = seen.last().copied();
                let expected = !seen.contains(&index) && highest.is_none_or(|top| top < index + size);
                assert_eq!(window.is_new(index), expected, "size {size}, step {step}, index {index}");
                if expected {
                    window.mark(index);
                    seen.insert(index);
                }
            }
        }
    }

    #[test]
    fn a_size_between_is_rounded_up() {
        let mut window = Window::new(65);
        window.mark(127);
        assert!(window.is_new(0));
        window.mark(128);
        assert!(!window.is_new(0));
    }
}
