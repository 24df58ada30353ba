//! A list that is nearly always of one.

use std::fmt;

/// A list whose first item needs no allocation: most descriptions have one `c=` and one `t=` line.
#[derive(Clone, Eq, PartialEq)]
pub struct Few<T> {
    first: Option<T>,
    rest: Vec<T>,
}

impl<T> Few<T> {
    /// The empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: None, rest: Vec::new() }
    }

    /// Appends an item.
    pub fn push(&mut self, item: T) {
        if self.first.is_none() {
            self.first = Some(item);
        } else {
            self.rest.push(item);
        }
    }

    /// The first item.
    #[must_use]
    pub const fn first(&self) -> Option<&T> {
        self.first.as_ref()
    }

    /// The last item, to add to.
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.rest.last_mut().or(self.first.as_mut())
    }

    /// The items in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.rest)
    }

    /// How many items there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.first.is_some() as usize + self.rest.len()
    }

    /// True when there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for Few<T> {
    fn from(item: T) -> Self {
        Self { first: Some(item), rest: Vec::new() }
    }
}

impl<T> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        items.into_iter().for_each(|item| self.push(item));
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut few = Self::new();
        few.extend(items);
        few
    }
}

impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_in_the_order_they_went_in() {
        let mut few: Few<u8> = [1, 2, 3].into_iter().collect();
        *few.last_mut().unwrap() = 4;
        assert_eq!(few.iter().copied().collect::<Vec<_>>(), [1, 2, 4]);
        assert_eq!(few.len(), 3);
        assert_eq!(few.first(), Some(&1));
    }
}
