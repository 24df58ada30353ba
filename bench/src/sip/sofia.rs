//! sofia-sip, a C library: the only `unsafe` here.

use super::{Parts, Peer};
use bytes::Bytes;
use std::ffi::{c_int, c_uint, c_void};

#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

/// `msg_iovec_t` on Unix.
#[repr(C)]
#[derive(Clone, Copy)]
struct Piece {
    base: *const u8,
    length: usize,
}

unsafe extern "C" {
    static sip_from_class: Opaque;
    static sip_to_class: Opaque;
    static sip_via_class: Opaque;
    static sip_cseq_class: Opaque;
    static sip_contact_class: Opaque;

    fn sip_default_mclass() -> *const Opaque;
    fn msg_make(class: *const Opaque, flags: c_int, data: *const c_void, length: isize) -> *mut Opaque;
    fn msg_destroy(message: *mut Opaque);
    fn msg_object(message: *const Opaque) -> *mut Opaque;
    fn msg_get_flags(message: *const Opaque, mask: c_uint) -> c_uint;
    fn msg_header_access(object: *const Opaque, class: *const Opaque) -> *mut Opaque;
    fn msg_prepare(message: *mut Opaque) -> c_int;
    fn msg_iovec(message: *mut Opaque, pieces: *mut Piece, count: usize) -> usize;
    fn msg_object_e(buffer: *mut u8, size: usize, object: *const Opaque, flags: c_int) -> isize;
}

const COMPLETE: c_uint = 1 << 24;
const ERROR: c_uint = 1 << 25;

pub struct Sofia;

/// A `msg_t *`, never null.
pub struct Message(*mut Opaque);

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: it came from `msg_make`, and this is its only owner.
        unsafe { msg_destroy(self.0) }
    }
}

impl Peer for Sofia {
    type Message = Message;

    /// Reads every header it knows as a value at once, and so does a part of `read`'s work here.
    fn parse(datagram: &Bytes) -> Option<Message> {
        // SAFETY: the length is the buffer's; the data are copied.
        let message =
            unsafe { msg_make(sip_default_mclass(), 0, datagram.as_ptr().cast(), datagram.len() as isize) };
        let message = (!message.is_null()).then_some(Message(message))?;
        // SAFETY: the message lives.
        (unsafe { msg_get_flags(message.0, COMPLETE | ERROR) } == COMPLETE).then_some(message)
    }

    fn read(message: &Message) -> usize {
        // SAFETY: the message lives, and the classes are constants of the library.
        unsafe {
            let object = msg_object(message.0);
            let classes = [
                &raw const sip_from_class,
                &raw const sip_to_class,
                &raw const sip_via_class,
                &raw const sip_cseq_class,
                &raw const sip_contact_class,
            ];
            classes.map(|class| usize::from(!msg_header_access(object, class).is_null())).iter().sum()
        }
    }

    /// The received pieces, as its transport hands them to the socket; copied, as all others copy.
    fn write(message: &Message, out: &mut Vec<u8>) {
        let mut pieces = [Piece { base: std::ptr::null(), length: 0 }; 128];
        // SAFETY: the count is the array's; the pieces it fills point into the message, which lives.
        unsafe {
            msg_prepare(message.0);
            let count = msg_iovec(message.0, pieces.as_mut_ptr(), pieces.len());
            for piece in pieces.iter().take(count) {
                out.extend_from_slice(std::slice::from_raw_parts(piece.base, piece.length));
            }
        }
    }

    /// The values of a message that was read: written by [`Peer::write_built`], they are printed one by one.
    fn build(parts: &Parts) -> Option<Message> {
        let headers: String =
            parts.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut text = format!(
            "{} {} SIP/2.0\r\n{headers}Content-Length: {}\r\n\r\n",
            parts.method,
            parts.uri,
            parts.body.len()
        );
        text.push_str(std::str::from_utf8(&parts.body).ok()?);
        Self::parse(&text.into())
    }

    fn write_built(message: &Message, out: &mut Vec<u8>) {
        // SAFETY: it writes at most what the buffer has room for, and says how much it wrote or would have written.
        unsafe {
            let written = msg_object_e(out.as_mut_ptr(), out.capacity(), msg_object(message.0), 0);
            let written = usize::try_from(written).unwrap_or_default();
            if written > out.capacity() {
                out.reserve(written + 1);
                return Self::write_built(message, out);
            }
            out.set_len(written);
        }
    }
}
