//! From [`Output`] columns to DuckDB's vectors.

use std::ffi::c_char;
use std::ptr;

use libduckdb_sys::*;

use crate::ffi::output::Buffer;
use crate::ffi::{Output, Result, room};

/// Copies all rows of `out` to `vector`, the first one to row `offset`.
///
/// # Safety
/// `vector` is a flat vector of the column's type with room for `offset + out.len()` rows.
pub(super) unsafe fn write(out: &Output, vector: duckdb_vector, offset: usize) -> Result<()> {
    // SAFETY: promised by the caller; a list's child is reserved before its rows are written, and
    // data pointers are fetched anew after each reserve.
    unsafe {
        if out.valid.contains(&false) {
            duckdb_vector_ensure_validity_writable(vector);
            let validity = duckdb_vector_get_validity(vector);
            for (row, valid) in out.valid.iter().enumerate() {
                duckdb_validity_set_row_validity(validity, (offset + row) as idx_t, *valid);
            }
        }
        match &out.buffer {
            Buffer::Boolean(rows) => copy(rows, vector, offset),
            Buffer::Int32(rows) => copy(rows, vector, offset),
            Buffer::Int64(rows) => copy(rows, vector, offset),
            Buffer::UInt128(rows) => copy(rows, vector, offset),
            Buffer::Float64(rows) => copy(rows, vector, offset),
            Buffer::Text { bytes, ends } => {
                let mut start = 0;
                for (row, end) in ends.iter().enumerate() {
                    let text = &bytes[start..*end];
                    duckdb_vector_assign_string_element_len(
                        vector,
                        (offset + row) as idx_t,
                        text.as_ptr().cast::<c_char>(),
                        text.len() as idx_t,
                    );
                    start = *end;
                }
            }
            Buffer::List { ends, child } => {
                // An earlier call may have filled rows of this vector already.
                let before = duckdb_list_vector_get_size(vector) as usize;
                room::for_vector(before + child.len(), child.bytes_a_row())?;
                let size = (before + child.len()) as idx_t;
                assert!(
                    duckdb_list_vector_reserve(vector, size) == duckdb_state_DuckDBSuccess,
                    "list memory"
                );
                assert!(
                    duckdb_list_vector_set_size(vector, size) == duckdb_state_DuckDBSuccess,
                    "list size"
                );
                let mut start = 0;
                let entries: Vec<duckdb_list_entry> = ends
                    .iter()
                    .map(|end| {
                        let entry = duckdb_list_entry {
                            offset: (before + start) as u64,
                            length: (end - start) as u64,
                        };
                        start = *end;
                        entry
                    })
                    .collect();
                copy(&entries, vector, offset);
                write(child, duckdb_list_vector_get_child(vector), before)?;
            }
            Buffer::Struct(fields) => {
                for (i, (_, field)) in fields.iter().enumerate() {
                    write(field, duckdb_struct_vector_get_child(vector, i as idx_t), offset)?;
                }
            }
        }
    }
    Ok(())
}

/// # Safety
/// `vector` stores values laid out as `T`, with room for `offset + rows.len()` of them.
unsafe fn copy<T: Copy>(rows: &[T], vector: duckdb_vector, offset: usize) {
    if rows.is_empty() {
        return;
    }
    // SAFETY: promised by the caller. Bytes are copied because DuckDB aligns 128-bit integers to 8
    // bytes only.
    unsafe {
        let start = duckdb_vector_get_data(vector).cast::<u8>().add(offset * size_of::<T>());
        ptr::copy_nonoverlapping(rows.as_ptr().cast::<u8>(), start, size_of_val(rows));
    }
}
