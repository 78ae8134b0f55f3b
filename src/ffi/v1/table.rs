//! Table functions on the C API v1: generators of rows from constant parameters.

use libduckdb_sys::*;

use super::types::LogicalType;
use super::{c_text, read, write};
use crate::ffi::registered::{drop_box, into_raw};
use crate::ffi::scan::{Scan, Table, Worker};
use crate::ffi::{Generator, Result, Signature, SqlType, Value, contain};

/// Required parameters by position, optional ones by name.
///
/// # Safety
/// The API is initialised. The caller owns the handle that is returned.
pub(super) unsafe fn create<G: Generator>(
    signature: &Signature,
    generator: G,
) -> duckdb_table_function {
    // SAFETY: every pointer lives during its call; the extra info is freed by `drop_box` of its own
    // type.
    unsafe {
        let function = duckdb_create_table_function();
        duckdb_table_function_set_name(function, c_text(signature.name).as_ptr());
        for parameter in signature.parameters {
            let logical = LogicalType::new(&parameter.sql_type);
            if parameter.optional {
                let name = c_text(parameter.name);
                duckdb_table_function_add_named_parameter(function, name.as_ptr(), logical.0);
            } else {
                duckdb_table_function_add_parameter(function, logical.0);
            }
        }
        let table = Table::new(signature, generator);
        duckdb_table_function_set_extra_info(function, into_raw(table), Some(drop_box::<Table<G>>));
        duckdb_table_function_set_bind(function, Some(bind::<G>));
        duckdb_table_function_set_init(function, Some(init::<G>));
        duckdb_table_function_set_local_init(function, Some(local_init::<G>));
        duckdb_table_function_set_function(function, Some(fill::<G>));
        duckdb_table_function_supports_projection_pushdown(function, true);
        function
    }
}

unsafe extern "C" fn bind<G: Generator>(info: duckdb_bind_info) {
    // SAFETY: DuckDB passes the extra info that `create` set; the bind data is freed by `drop_box`
    // of its own type.
    unsafe {
        let table = &*duckdb_bind_get_extra_info(info).cast::<Table<G>>();
        let result = contain(|| {
            let mut arguments = Vec::new();
            for (i, parameter) in table.signature.parameters.iter().enumerate() {
                let handle = if parameter.optional {
                    duckdb_bind_get_named_parameter(info, c_text(parameter.name).as_ptr())
                } else {
                    duckdb_bind_get_parameter(info, i as idx_t)
                };
                arguments.push(argument(handle, parameter.sql_type));
            }
            let generator = &table.registered.function;
            let bound = generator.bind(&arguments)?;
            for (name, sql_type) in table.bound_columns(&bound) {
                let name = c_text(name);
                duckdb_bind_add_result_column(info, name.as_ptr(), LogicalType::new(sql_type).0);
            }
            duckdb_bind_set_cardinality(info, generator.n_rows(&bound), true);
            duckdb_bind_set_bind_data(info, into_raw(bound), Some(drop_box::<G::Bound>));
            Ok(())
        });
        if let Err(error) = result {
            duckdb_bind_set_error(info, c_text(&error.text(table.registered.name)).as_ptr());
        }
    }
}

/// The value of a parameter; frees the handle.
///
/// # Safety
/// `handle` is NULL or an owned value.
unsafe fn argument(mut handle: duckdb_value, sql_type: SqlType) -> Value {
    if handle.is_null() {
        return Value::Null;
    }
    // SAFETY: the binder cast the value to `sql_type`, so that the getters do not throw; NULL is
    // asked for first.
    unsafe {
        let value = if duckdb_is_null_value(handle) {
            Value::TypedNull
        } else {
            match sql_type {
                SqlType::Boolean => Value::Boolean(duckdb_get_bool(handle)),
                SqlType::BigInt => Value::Integer(i128::from(duckdb_get_int64(handle))),
                SqlType::Double => Value::Double(duckdb_get_double(handle)),
                SqlType::Timestamp => Value::Timestamp(duckdb_get_timestamp(handle).micros),
                SqlType::Varchar => Value::Text(read::owned(duckdb_get_varchar(handle))),
                other => panic!("no table function has a parameter of type {other}"),
            }
        };
        duckdb_destroy_value(&mut handle);
        value
    }
}

unsafe extern "C" fn init<G: Generator>(info: duckdb_init_info) {
    // SAFETY: DuckDB passes the extra info and bind data that were set above.
    unsafe {
        let table = &*duckdb_init_get_extra_info(info).cast::<Table<G>>();
        let bound = &*duckdb_init_get_bind_data(info).cast::<G::Bound>();
        let result = contain(|| {
            let n_columns = duckdb_init_get_column_count(info);
            let projected =
                (0..n_columns).map(|i| duckdb_init_get_column_index(info, i) as usize).collect();
            duckdb_init_set_init_data(info, into_raw(Scan::new(projected)), Some(drop_box::<Scan>));
            duckdb_init_set_max_threads(info, table.registered.function.n_blocks(bound).max(1));
            Ok(())
        });
        fail_init(info, result, table.registered.name);
    }
}

unsafe extern "C" fn local_init<G: Generator>(info: duckdb_init_info) {
    // SAFETY: DuckDB passes the extra info that `create` set.
    unsafe {
        let table = &*duckdb_init_get_extra_info(info).cast::<Table<G>>();
        let result = contain(|| {
            let worker = Worker::<G::Local>::new(table.columns());
            duckdb_init_set_init_data(info, into_raw(worker), Some(drop_box::<Worker<G::Local>>));
            Ok(())
        });
        fail_init(info, result, table.registered.name);
    }
}

/// # Safety
/// `info` is that of a running init callback.
unsafe fn fail_init(info: duckdb_init_info, result: Result<()>, function: &str) {
    if let Err(error) = result {
        // SAFETY: DuckDB copies the text.
        unsafe { duckdb_init_set_error(info, c_text(&error.text(function)).as_ptr()) }
    }
}

unsafe extern "C" fn fill<G: Generator>(info: duckdb_function_info, output: duckdb_data_chunk) {
    // SAFETY: DuckDB passes the extra info, bind data and init data that were set above; the worker
    // belongs to the calling thread alone.
    unsafe {
        let table = &*duckdb_function_get_extra_info(info).cast::<Table<G>>();
        let result = contain(|| {
            let bound = &*duckdb_function_get_bind_data(info).cast::<G::Bound>();
            let scan = &*duckdb_function_get_init_data(info).cast::<Scan>();
            let worker = &mut *duckdb_function_get_local_init_data(info).cast::<Worker<G::Local>>();
            let n_rows = worker.next_block(&table.registered.function, bound, scan)?;
            if n_rows > 0 {
                for (vector, column) in worker.projected(scan) {
                    write::write(column, duckdb_data_chunk_get_vector(output, vector as idx_t), 0)?;
                }
            }
            duckdb_data_chunk_set_size(output, n_rows as idx_t);
            Ok(())
        });
        if let Err(error) = result {
            duckdb_function_set_error(info, c_text(&error.text(table.registered.name)).as_ptr());
        }
    }
}
