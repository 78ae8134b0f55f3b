//! Memory for numbers by the million: on large pages where the system has them.
//!
//! A page fault costs a microsecond or two on a virtual machine, and a page has 4 KiB: faults would
//! cost a fit as much as its arithmetic does.

use bytemuck::Pod;
use memmap2::MmapMut;
use std::ops::{Deref, DerefMut};

/// Bytes of a large page; less memory than that comes from the heap.
const LARGE_PAGE: usize = 2 << 20;

/// A fixed number of values, zeros at first.
#[derive(Debug)]
pub(super) enum Pages<T> {
    Heap(Vec<T>),
    /// With the number of values.
    Mapped(MmapMut, usize),
}

impl<T: Pod> Pages<T> {
    pub(super) fn new(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        match (bytes >= LARGE_PAGE).then(|| MmapMut::map_anon(bytes)) {
            Some(Ok(map)) => {
                // Without large pages the memory is as good, only slower.
                #[cfg(target_os = "linux")]
                let _ = map.advise(memmap2::Advice::HugePage);
                Self::Mapped(map, len)
            }
            _ => Self::Heap(vec![T::zeroed(); len]),
        }
    }
}

impl<T: Pod> Deref for Pages<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Heap(values) => values,
            Self::Mapped(map, len) => bytemuck::cast_slice(&map[..len * size_of::<T>()]),
        }
    }
}

impl<T: Pod> DerefMut for Pages<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::Heap(values) => values,
            Self::Mapped(map, len) => bytemuck::cast_slice_mut(&mut map[..*len * size_of::<T>()]),
        }
    }
}

impl<T: Pod> Clone for Pages<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.len());
        copy.copy_from_slice(self);
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_any_size_is_zero_and_keeps_what_is_written() {
        for len in [0, 1, 1000, LARGE_PAGE / 8, LARGE_PAGE / 8 + 1, 3 * LARGE_PAGE] {
            let mut pages = Pages::<f64>::new(len);
            assert_eq!(pages.len(), len);
            assert!(pages.iter().all(|&x| x == 0.0));
            pages.iter_mut().zip(0..).for_each(|(x, i)| *x = f64::from(i));
            let copy = pages.clone();
            drop(pages);
            assert!(copy.iter().zip(0..).all(|(&x, i)| x == f64::from(i)));
        }
    }
}
