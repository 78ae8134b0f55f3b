//! An error at `LOAD` where no function of DuckDB may be called, because nobody knows where it is.
//!
//! The entry point returns nothing; an error is left through a call of the API. An entry point that
//! returns without having asked for the API ends with a fatal error, after which the database
//! refuses to work. DuckDB's own code reports by exceptions of C++, and takes one from an entry
//! point too, so that is what is thrown; where the host has no library of C++ that throws for
//! others, the text goes to standard error, and `LOAD` registers nothing.

use std::ffi::CString;

use libduckdb_sys::v2::duckdb_v2_extension_input;

/// Refuses the load. Comes back only where nothing can be thrown.
///
/// # Safety
/// `input` is the entry point's; an exception may pass all frames between here and DuckDB.
pub(super) unsafe fn refuse(input: &duckdb_v2_extension_input, text: &str) {
    let text = CString::new(text.replace('\0', "\u{FFFD}")).unwrap_or_default();
    if let Some(throw) = thrower() {
        // The text outlives the frame that an exception leaves for good.
        // SAFETY: the function copies the text; promised by the caller.
        unsafe { throw(text.into_raw()) };
        return;
    }
    eprintln!("{}", text.to_string_lossy());
    if let Some(get_api) = input.get_api {
        // SAFETY: promised by the caller; nothing is called through the table.
        unsafe { get_api(input.extension, c"".as_ptr()) };
    }
}

/// `std::__throw_runtime_error(const char *)` of the host's library of C++.
type Throw = unsafe extern "C-unwind" fn(*const std::ffi::c_char);

#[cfg(unix)]
fn thrower() -> Option<Throw> {
    const LIBRARIES: [(&std::ffi::CStr, &std::ffi::CStr); 2] = [
        (c"libstdc++.so.6", c"_ZSt21__throw_runtime_errorPKc"),
        (c"/usr/lib/libc++.1.dylib", c"_ZNSt3__121__throw_runtime_errorEPKc"),
    ];
    LIBRARIES.iter().find_map(|(library, function)| {
        // SAFETY: a library that is loaded already is looked up, and stays loaded; the function has
        // this type.
        unsafe {
            let handle = libc::dlopen(library.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
            if handle.is_null() {
                return None;
            }
            let address = libc::dlsym(handle, function.as_ptr());
            (!address.is_null()).then(|| std::mem::transmute::<*mut libc::c_void, Throw>(address))
        }
    })
}

#[cfg(not(unix))]
fn thrower() -> Option<Throw> {
    None
}
