//! Counts what is allocated, by Rust and C alike: the C library's names are taken by functions that count and pass on
//! to it. Two more instructions an allocation.

use std::{
    ffi::c_void,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// How many blocks were asked for so far; one that was made longer counts again.
pub fn allocations() -> u64 {
    ALLOCATIONS.load(Relaxed)
}

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(block: *mut c_void, size: usize) -> *mut c_void;
}

// SAFETY, of all three: the same arguments and the same result as the C library's own function.

#[unsafe(no_mangle)]
unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    ALLOCATIONS.fetch_add(1, Relaxed);
    unsafe { __libc_malloc(size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    ALLOCATIONS.fetch_add(1, Relaxed);
    unsafe { __libc_calloc(count, size) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    ALLOCATIONS.fetch_add(1, Relaxed);
    unsafe { __libc_realloc(block, size) }
}
