//! Table functions on the C API v1: generators of rows from constant parameters.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

use libduckdb_sys::*;

use super::types::LogicalType;
use super::{Registered, c_text, drop_box, read, write};
use crate::ffi::{BATCH_ROWS, Error, Generator, Output, Result, Signature, SqlType, Value, contain};

/// What `extra_info` points to.
struct Table<G> {
    registered: Registered<G>,
    signature: Signature,
    n_positional: usize,
}

/// State of one scan, shared by its threads.
struct Scan {
    next_block: AtomicU64,
    /// Columns of the generator that the query reads, in the order of the output's vectors.
    projected: Vec<usize>,
}

/// State of one thread of a scan.
struct Worker<L> {
    local: L,
    columns: Vec<Output>,
}

fn columns(signature: &Signature) -> &'static [(&'static str, SqlType)] {
    match signature.returns {
        SqlType::Struct(columns) => columns,
        other => panic!("the columns of a table function are a STRUCT, not {other}"),
    }
}

/// One overload: the first `n_positional` parameters by position, all optional ones that are left by name.
///
/// # Safety
/// The API is initialised. The caller owns the handle that is returned.
pub(super) unsafe fn create<G: Generator>(
    signature: &Signature,
    n_positional: usize,
    generator: G,
) -> duckdb_table_function {
    // SAFETY: every pointer lives during its call; the extra info is freed by `drop_box` of its own type.
    unsafe {
        let function = duckdb_create_table_function();
        duckdb_table_function_set_name(function, c_text(signature.name).as_ptr());
        for (i, parameter) in signature.parameters.iter().enumerate() {
            let logical = LogicalType::new(&parameter.sql_type);
            if i < n_positional {
                duckdb_table_function_add_parameter(function, logical.0);
            } else {
                let name = c_text(parameter.name);
                duckdb_table_function_add_named_parameter(function, name.as_ptr(), logical.0);
            }
        }
        let registered = Registered { name: signature.name, returns: signature.returns, function: generator };
        let table = Box::new(Table { registered, signature: *signature, n_positional });
        duckdb_table_function_set_extra_info(
            function,
            Box::into_raw(table).cast(),
            Some(drop_box::<Table<G>>),
        );
        duckdb_table_function_set_bind(function, Some(bind::<G>));
        duckdb_table_function_set_init(function, Some(init::<G>));
        duckdb_table_function_set_local_init(function, Some(local_init::<G>));
        duckdb_table_function_set_function(function, Some(fill::<G>));
        duckdb_table_function_supports_projection_pushdown(function, true);
        function
    }
}

unsafe extern "C" fn bind<G: Generator>(info: duckdb_bind_info) {
    // SAFETY: DuckDB passes the extra info that `create` set; the bind data is freed by `drop_box` of its own type.
    unsafe {
        let table = &*duckdb_bind_get_extra_info(info).cast::<Table<G>>();
        let result = contain(|| {
            let mut arguments = Vec::new();
            for (i, parameter) in table.signature.parameters.iter().enumerate() {
                let handle = if i < table.n_positional {
                    duckdb_bind_get_parameter(info, i as idx_t)
                } else {
                    duckdb_bind_get_named_parameter(info, c_text(parameter.name).as_ptr())
                };
                arguments.push(argument(handle, parameter.sql_type));
            }
            let generator = &table.registered.function;
            let bound = generator.bind(&arguments)?;
            let columns = columns(&table.signature);
            for (name, sql_type) in &columns[..generator.n_columns(&bound, columns.len())] {
                let name = c_text(name);
                duckdb_bind_add_result_column(info, name.as_ptr(), LogicalType::new(sql_type).0);
            }
            duckdb_bind_set_cardinality(info, generator.n_rows(&bound), true);
            duckdb_bind_set_bind_data(
                info,
                Box::into_raw(Box::new(bound)).cast(),
                Some(drop_box::<G::Bound>),
            );
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
    // SAFETY: the binder cast the value to `sql_type`, so that the getters do not throw; NULL is asked for first.
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
            let projected = (0..n_columns).map(|i| duckdb_init_get_column_index(info, i) as usize).collect();
            let scan = Box::new(Scan { next_block: AtomicU64::new(0), projected });
            duckdb_init_set_init_data(info, Box::into_raw(scan).cast(), Some(drop_box::<Scan>));
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
            let columns = columns(&table.signature).iter().map(|(_, t)| Output::new(t)).collect();
            let worker = Box::new(Worker { local: G::Local::default(), columns });
            let data = Box::into_raw(worker).cast::<c_void>();
            duckdb_init_set_init_data(info, data, Some(drop_box::<Worker<G::Local>>));
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
    // SAFETY: DuckDB passes the extra info, bind data and init data that were set above; the worker belongs to the
    // calling thread alone.
    unsafe {
        let table = &*duckdb_function_get_extra_info(info).cast::<Table<G>>();
        let result = contain(|| {
            let bound = &*duckdb_function_get_bind_data(info).cast::<G::Bound>();
            let scan = &*duckdb_function_get_init_data(info).cast::<Scan>();
            let worker = &mut *duckdb_function_get_local_init_data(info).cast::<Worker<G::Local>>();
            next_block(&table.registered.function, bound, scan, worker, output)
        });
        if let Err(error) = result {
            duckdb_function_set_error(info, c_text(&error.text(table.registered.name)).as_ptr());
        }
    }
}

/// Fills `output` with the next block that has rows; no rows at the end.
///
/// # Safety
/// `output` has a vector for each projected column.
unsafe fn next_block<G: Generator>(
    generator: &G,
    bound: &G::Bound,
    scan: &Scan,
    worker: &mut Worker<G::Local>,
    output: duckdb_data_chunk,
) -> Result<()> {
    loop {
        let block = scan.next_block.fetch_add(1, Ordering::Relaxed);
        let mut n_rows = 0;
        if block < generator.n_blocks(bound) {
            worker.columns.iter_mut().for_each(Output::clear);
            generator.fill(bound, &mut worker.local, block, &mut worker.columns)?;
            n_rows = worker.columns.first().map_or(0, Output::len);
            if n_rows > BATCH_ROWS {
                return Err(Error::new(format!("internal error: a block of {n_rows} rows")));
            }
            if n_rows == 0 {
                continue;
            }
        }
        // SAFETY: the vectors have room for a batch. A query that counts rows only projects no column of ours, or
        // one whose index lies behind them (the row identifier).
        unsafe {
            for (vector, column) in scan.projected.iter().enumerate() {
                if let Some(column) = worker.columns.get(*column).filter(|_| n_rows > 0) {
                    write::write(column, duckdb_data_chunk_get_vector(output, vector as idx_t), 0);
                }
            }
            duckdb_data_chunk_set_size(output, n_rows as idx_t);
        }
        return Ok(());
    }
}
