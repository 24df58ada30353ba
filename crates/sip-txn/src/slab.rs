//! [`Slab`]: things by number, where a number is never used twice.
//!
//! Each has an allocation of its own: a table that doubles must not double what thousands of transactions take.

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<Box<T>>,
}

/// A table whose places are used again under new numbers.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Puts a value in; `None` when four thousand million are there.
    pub(crate) fn insert(&mut self, value: T) -> Option<u64> {
        if let Some(index) = self.free.pop() {
            let slot = self.slots.get_mut(usize::try_from(index).ok()?)?;
            slot.value = Some(Box::new(value));
            return Some(u64::from(slot.generation) << 32 | u64::from(index));
        }
        let index = u32::try_from(self.slots.len()).ok()?;
        self.slots.push(Slot { generation: 0, value: Some(Box::new(value)) });
        Some(u64::from(index))
    }

    fn slot(&self, id: u64) -> Option<&Slot<T>> {
        let slot = self.slots.get(usize::try_from(id & 0xffff_ffff).ok()?)?;
        (u64::from(slot.generation) == id >> 32).then_some(slot)
    }

    pub(crate) fn get(&self, id: u64) -> Option<&T> {
        self.slot(id)?.value.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut T> {
        let slot = self.slots.get_mut(usize::try_from(id & 0xffff_ffff).ok()?)?;
        if u64::from(slot.generation) == id >> 32 { slot.value.as_deref_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        self.slot(id)?;
        let index = u32::try_from(id & 0xffff_ffff).ok()?;
        let slot = self.slots.get_mut(usize::try_from(index).ok()?)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        Some(*value)
    }

    /// The numbers in use, in the order of their places.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u64> {
        self.slots
            .iter()
            .zip(0_u64..)
            .filter(|(slot, _)| slot.value.is_some())
            .map(|(slot, index)| u64::from(slot.generation) << 32 | index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_never_used_twice() {
        let mut slab = Slab::new();
        let first = slab.insert('a').unwrap();
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b').unwrap();
        assert_ne!(first, second);
        assert_eq!((slab.get(first), slab.get(second), slab.len()), (None, Some(&'b'), 1));
        assert_eq!((slab.remove(first), slab.get_mut(first)), (None, None));
        assert_eq!(slab.ids().collect::<Vec<_>>(), [second]);
    }
}
