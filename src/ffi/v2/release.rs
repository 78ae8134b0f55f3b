//! The table of functions of the running release, in the order of the bindings.
//!
//! The C API v2 is not stable: each release has a table of its own, and neither the table nor what
//! the entry point is given says which release it is of; asking would be a call through that table.
//! But DuckDB loads a copy of the C API v2 only if the copy's footer names the running release, so
//! the footer knows. `releases/` has the table of each known release, which
//! `extension-ci/c_api_v2.py` takes from its header: one line a function, its name and a
//! fingerprint of its signature, then the constants. A function whose signature is another one than
//! in the bindings has no place in the table that they get.

use std::ffi::{c_char, c_void};
use std::mem::{MaybeUninit, size_of};

use libduckdb_sys::v2::*;

use crate::ffi::{Error, Result, footer};

/// The release that the bindings were made of.
const BINDINGS: &str = include_str!("releases/v2.0.0.txt");

/// The known releases.
const RELEASES: &[(&str, &str)] =
    &[("v2.0.0", BINDINGS), ("v2.0.1", include_str!("releases/v2.0.1.txt"))];

/// A pointer in a table; NULL where the running release has no such function.
type Pointer = *const c_void;

/// The release that runs, by the footer of this copy.
pub(super) struct Release {
    /// Its name, such as `v2.0.1`.
    pub(super) name: &'static str,
    table: &'static str,
}

impl Release {
    /// The running release, if its table is known.
    pub(super) fn running() -> Result<Self> {
        Self::named(&footer::c_api_version()?)
    }

    fn named(running: &str) -> Result<Self> {
        RELEASES
            .iter()
            .find(|(name, _)| *name == running)
            .map(|&(name, table)| Release { name, table })
            .ok_or_else(|| {
                let known: Vec<&str> = RELEASES.iter().map(|(name, _)| *name).collect();
                Error::new(format!(
                    "the functions of DuckDB {running} are not known to this copy, which is for \
                     {}: load the copy of the stable C API",
                    known.join(", ")
                ))
            })
    }

    /// Gives the bindings the functions of the running release. `false` where DuckDB has set an
    /// error of its own.
    ///
    /// # Safety
    /// `input` is the entry point's, and this is the release that made it.
    pub(super) unsafe fn connect(&self, input: &duckdb_v2_extension_input) -> Result<bool> {
        let Some(get_api) = input.get_api else {
            return Err(Error::new("DuckDB gives no functions"));
        };
        let version =
            std::ffi::CString::new(self.name).map_err(|error| Error::new(error.to_string()))?;
        // SAFETY: promised by the caller.
        let table = unsafe { get_api(input.extension, version.as_ptr()) }.cast::<Pointer>();
        if table.is_null() {
            return Ok(false);
        }
        let mut arranged = MaybeUninit::<duckdb_ext_api_v2>::zeroed();
        let places = places(BINDINGS, self.table);
        assert_eq!(
            size_of::<duckdb_ext_api_v2>(),
            places.len() * size_of::<Pointer>(),
            "the table of the bindings"
        );
        for (own, place) in places.into_iter().enumerate() {
            if let Some(place) = place {
                // SAFETY: the release's table has as many pointers as the list that the place comes
                // from, and ours as many as the other list.
                unsafe {
                    arranged.as_mut_ptr().cast::<Pointer>().add(own).write(*table.add(place))
                };
            }
        }
        // The bindings take the table that their input's function gives for the extension.
        let ours = duckdb_v2_extension_input {
            get_api: Some(itself),
            extension: arranged.as_mut_ptr().cast(),
            context: input.context,
            err: input.err,
        };
        // SAFETY: the table is complete, and copied during the call.
        unsafe { duckdb_rs_extension_api_v2_init(&ours, self.name).map_err(Error::new) }
    }
}

/// The table that stands in for the extension.
unsafe extern "C" fn itself(
    table: duckdb_v2_extension_handle,
    _version: *const c_char,
) -> *const c_void {
    table.cast()
}

/// The lines of a release's functions: name and fingerprint.
fn functions(release: &str) -> impl Iterator<Item = &str> {
    release.lines().take_while(|line| !line.is_empty())
}

/// For each function of the bindings, its place in the table of the running release.
fn places(bindings: &str, running: &str) -> Vec<Option<usize>> {
    let places: std::collections::HashMap<&str, usize> =
        functions(running).enumerate().map(|(place, line)| (line, place)).collect();
    functions(bindings).map(|line| places.get(line).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bindings_have_the_table_that_the_list_says() {
        assert_eq!(
            functions(BINDINGS).count() * size_of::<Pointer>(),
            size_of::<duckdb_ext_api_v2>()
        );
    }

    #[test]
    fn functions_stand_where_the_running_release_has_them() {
        let bindings = "a 1\nb 2\nc 3\nd 4\n\nERROR 1\n";
        let running = "new 9\nd 4\na 1\nb 7\n\nERROR 1\n";
        // b has another signature, c is gone.
        assert_eq!(places(bindings, running), [Some(2), None, None, Some(1)]);
        assert_eq!(places(bindings, bindings), [Some(0), Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn a_function_of_another_signature_has_no_place() {
        let parse =
            functions(BINDINGS).position(|line| line.contains("_parse_sql ")).expect("listed");
        let missing: Vec<usize> = places(BINDINGS, Release::named("v2.0.1").expect("known").table)
            .iter()
            .enumerate()
            .filter_map(|(own, place)| place.is_none().then_some(own))
            .collect();
        assert_eq!(missing, [parse]);
    }

    #[test]
    fn constants_mean_the_same_in_all_releases() {
        let constants =
            |release: &'static str| release.lines().skip_while(|line| !line.is_empty()).skip(1);
        for (name, release) in RELEASES {
            let known: std::collections::HashSet<&str> = constants(release).collect();
            let changed: Vec<&str> =
                constants(BINDINGS).filter(|line| !known.contains(line)).collect();
            assert_eq!(changed, Vec::<&str>::new(), "{name}");
        }
    }

    #[test]
    fn an_unknown_release_is_refused_by_name() {
        let error = Release::named("v9.9.9").err().expect("not known");
        assert_eq!(
            error.text("amazing"),
            "amazing: the functions of DuckDB v9.9.9 are not known to this copy, which is for \
             v2.0.0, v2.0.1: load the copy of the stable C API"
        );
    }
}
