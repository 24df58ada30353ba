//! [`Outbox`]: the few outputs of one step of a transaction, without a heap.

/// A queue of three: no step of a transaction gives more (an ACK to send, a response to deliver, the end).
#[derive(Clone, Debug)]
pub(crate) struct Outbox<T> {
    items: [Option<T>; 3],
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self { items: [None, None, None] }
    }
}

impl<T> Outbox<T> {
    pub(crate) fn push_back(&mut self, item: T) {
        if let Some(free) = self.items.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(item);
        }
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        self.items.iter_mut().find(|slot| slot.is_some())?.take()
    }
}
