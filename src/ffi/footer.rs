//! The metadata at the end of our own file, by which DuckDB has decided to load it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::{Error, Result};

/// A footer is eight fields of this many bytes and room for a signature, which DuckDB's format
/// fixes.
const FIELD_BYTES: usize = 32;
const FOOTER_BYTES: usize = 8 * FIELD_BYTES + 256;
/// Place of the version of the C API among the fields: for a copy of the C API v2, the release that
/// it is stamped for.
const C_API_VERSION: usize = 5;

/// Version of the C API that this copy is stamped for. DuckDB loads a copy of the C API v2 only
/// where it is its own version.
pub(super) fn c_api_version() -> Result<String> {
    let path = own_path().ok_or_else(|| Error::new("the file that is loaded cannot be found"))?;
    let read = || -> std::io::Result<[u8; FOOTER_BYTES]> {
        let mut file = File::open(&path)?;
        file.seek(SeekFrom::End(-(FOOTER_BYTES as i64)))?;
        let mut footer = [0; FOOTER_BYTES];
        file.read_exact(&mut footer)?;
        Ok(footer)
    };
    let footer = read().map_err(|error| {
        Error::new(format!("the metadata of {} cannot be read: {error}", path.to_string_lossy()))
    })?;
    Ok(field(&footer, C_API_VERSION))
}

/// A field of a footer without its padding.
fn field(footer: &[u8; FOOTER_BYTES], place: usize) -> String {
    let bytes = &footer[place * FIELD_BYTES..][..FIELD_BYTES];
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(FIELD_BYTES);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Path of the library that holds this function, as it was given to the system's loader.
#[cfg(unix)]
#[allow(unsafe_code)]
fn own_path() -> Option<PathBuf> {
    use std::ffi::{CStr, OsStr};
    use std::mem::MaybeUninit;
    use std::os::unix::ffi::OsStrExt;

    let address = own_path as fn() -> Option<PathBuf> as *const libc::c_void;
    let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `info` is ours to write; where the call succeeds, the name lives as long as the
    // library.
    unsafe {
        if libc::dladdr(address, info.as_mut_ptr()) == 0 {
            return None;
        }
        let name = info.assume_init().dli_fname;
        (!name.is_null()).then(|| PathBuf::from(OsStr::from_bytes(CStr::from_ptr(name).to_bytes())))
    }
}

/// Path of the library that holds this function.
#[cfg(windows)]
#[allow(unsafe_code)]
fn own_path() -> Option<PathBuf> {
    use std::ffi::{OsString, c_void};
    use std::os::windows::ffi::OsStringExt;
    use std::ptr;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetModuleHandleExW(flags: u32, address: *const c_void, module: *mut *mut c_void) -> i32;
        fn GetModuleFileNameW(module: *mut c_void, name: *mut u16, size: u32) -> u32;
    }
    /// The address is one inside of the module, and the module's count stays as it is.
    const FROM_ADDRESS_UNCHANGED: u32 = 0x4 | 0x2;

    let address = own_path as fn() -> Option<PathBuf> as *const c_void;
    let mut module = ptr::null_mut();
    // Windows' own limit of a path is 32,767 characters.
    let mut name = vec![0_u16; 1 << 15];
    // SAFETY: the address is in this module; `name` has the room that the call is told.
    let length = unsafe {
        if GetModuleHandleExW(FROM_ADDRESS_UNCHANGED, address, &mut module) == 0 {
            return None;
        }
        GetModuleFileNameW(module, name.as_mut_ptr(), name.len() as u32) as usize
    };
    (0 < length && length < name.len()).then(|| PathBuf::from(OsString::from_wide(&name[..length])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_ends_at_its_padding_or_at_its_end() {
        let mut footer = [0; FOOTER_BYTES];
        footer[C_API_VERSION * FIELD_BYTES..][..6].copy_from_slice(b"v2.0.1");
        footer[..FIELD_BYTES].fill(b'x');
        assert_eq!(field(&footer, C_API_VERSION), "v2.0.1");
        assert_eq!(field(&footer, 0), "x".repeat(FIELD_BYTES));
    }

    #[test]
    fn the_file_of_this_code_is_found() {
        let path = own_path().expect("a file");
        assert!(path.is_file(), "{}", path.display());
    }
}
