//! From [`Output`] columns to DuckDB's vectors.

use std::ptr;

use libduckdb_sys::v2::*;

use super::{Result, call, get};
use crate::ffi::output::Buffer;
use crate::ffi::{Output, room};

/// Copies all rows of `out` to `vector`, the first one to row `offset`.
///
/// # Safety
/// `vector` is a flat vector of the column's type with room for `offset + out.len()` rows.
pub(super) unsafe fn write(
    out: &Output,
    vector: duckdb_v2_vector_handle,
    offset: usize,
) -> Result<()> {
    // SAFETY: promised by the caller; a list's child is given its size before its rows are written,
    // and data pointers are fetched after that.
    unsafe {
        if out.valid.contains(&false) {
            let mask: *mut u64 =
                get(|out, err| duckdb_v2_vector_flat_get_validity_mutable(vector, out, err))?;
            for (row, valid) in out.valid.iter().enumerate() {
                let (word, bit) = ((offset + row) / 64, 1u64 << ((offset + row) % 64));
                let word = mask.add(word);
                *word = if *valid { *word | bit } else { *word & !bit };
            }
        }
        match &out.buffer {
            Buffer::Boolean(rows) => copy(rows, vector, offset),
            Buffer::Int32(rows) => copy(rows, vector, offset),
            Buffer::Int64(rows) => copy(rows, vector, offset),
            Buffer::UInt128(rows) => copy(rows, vector, offset),
            Buffer::Float64(rows) => copy(rows, vector, offset),
            Buffer::Text { bytes, ends } => copy(&strings(bytes, ends, vector)?, vector, offset),
            Buffer::List { ends, child } => {
                let elements = child_of(vector, 0)?;
                // An earlier call may have filled rows of this vector already.
                let before = get(|out, err| duckdb_v2_vector_get_size(elements, out, err))?;
                room::for_vector(before as usize + child.len(), child.bytes_a_row())?;
                call(|err| duckdb_v2_vector_set_size(elements, before + child.len() as u64, err))?;
                let mut start = 0;
                let entries: Vec<duckdb_v2_list_entry> = ends
                    .iter()
                    .map(|end| {
                        let (offset, length) = (before + start as u64, (end - start) as u64);
                        start = *end;
                        duckdb_v2_list_entry { offset, length }
                    })
                    .collect();
                copy(&entries, vector, offset)?;
                write(child, elements, before as usize)
            }
            Buffer::Struct(fields) => {
                for (i, (_, field)) in fields.iter().enumerate() {
                    write(field, child_of(vector, i as u64)?, offset)?;
                }
                Ok(())
            }
        }
    }
}

/// # Safety
/// `vector` is nested and has a child at `index`.
unsafe fn child_of(vector: duckdb_v2_vector_handle, index: u64) -> Result<duckdb_v2_vector_handle> {
    // SAFETY: promised by the caller.
    unsafe { get(|out, err| duckdb_v2_vector_get_child(vector, index, out, err)) }
}

/// The texts that end at `ends` as DuckDB stores them; the bytes of long ones go to the vector's
/// own memory at once.
///
/// # Safety
/// `vector` is a VARCHAR vector.
unsafe fn strings(
    bytes: &str,
    ends: &[usize],
    vector: duckdb_v2_vector_handle,
) -> Result<Vec<duckdb_v2_bytes>> {
    const INLINE: usize = DUCKDB_V2_BYTES_INLINE_LENGTH as usize;
    let starts = || std::iter::once(&0).chain(ends);
    let long = |start: usize, end: usize| end - start > INLINE;
    let room: usize = starts().zip(ends).filter(|(s, e)| long(**s, **e)).map(|(s, e)| e - s).sum();
    let mut memory: *mut u8 = ptr::null_mut();
    if room > 0 {
        // SAFETY: promised by the caller.
        unsafe {
            let arena = get(|out, err| duckdb_v2_vector_get_arena(vector, out, err))?;
            memory = get(|out, err| duckdb_v2_arena_allocate(arena, room as u64, out, err))?;
        }
    }
    let mut strings = Vec::with_capacity(ends.len());
    for (start, end) in starts().zip(ends) {
        let text = &bytes.as_bytes()[*start..*end];
        let length = u32::try_from(text.len()).expect("a text of less than 4 GB");
        let value = if long(*start, *end) {
            // SAFETY: the memory has room for all long texts one after the other.
            let ptr = unsafe {
                ptr::copy_nonoverlapping(text.as_ptr(), memory, text.len());
                let ptr = memory.cast();
                memory = memory.add(text.len());
                ptr
            };
            let prefix = std::array::from_fn(|i| text[i].cast_signed());
            let pointer = duckdb_v2_bytes__bindgen_ty_1__bindgen_ty_1 { length, prefix, ptr };
            duckdb_v2_bytes__bindgen_ty_1 { pointer }
        } else {
            let inlined = std::array::from_fn(|i| text.get(i).map_or(0, |byte| byte.cast_signed()));
            let inlined = duckdb_v2_bytes__bindgen_ty_1__bindgen_ty_2 { length, inlined };
            duckdb_v2_bytes__bindgen_ty_1 { inlined }
        };
        strings.push(duckdb_v2_bytes { value });
    }
    Ok(strings)
}

/// # Safety
/// `vector` stores values laid out as `T`, with room for `offset + rows.len()` of them.
unsafe fn copy<T: Copy>(rows: &[T], vector: duckdb_v2_vector_handle, offset: usize) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    // SAFETY: promised by the caller. Bytes are copied because DuckDB aligns 128-bit integers to 8
    // bytes only.
    unsafe {
        let start = get(|out, err| duckdb_v2_vector_get_data_mutable(vector, out, err))?;
        let start = start.cast::<u8>().add(offset * size_of::<T>());
        ptr::copy_nonoverlapping(rows.as_ptr().cast::<u8>(), start, size_of_val(rows));
    }
    Ok(())
}
