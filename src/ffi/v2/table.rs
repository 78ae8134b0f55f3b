//! Table functions on the C API v2: generators of rows from constant parameters.

use libduckdb_sys::v2::*;

use super::handle::{Owned, OwnedValue, add_parameter, logical_type, null};
use super::{Result, Slot, call, get, hand_over, read, report, write};
use crate::ffi::scan::{Scan, Table, Worker};
use crate::ffi::{Generator, Parameter, Signature, SqlType, Value};

pub(super) type Function = Owned<duckdb_v2_table_function_handle>;

/// What errors of the callbacks are.
const KIND: DUCKDB_V2_ERROR = DUCKDB_V2_ERROR::DUCKDB_V2_ERROR_INPUT_INVALID;

/// Required parameters by position, optional ones by name.
///
/// # Safety
/// The factory is alive.
pub(super) unsafe fn create<G: Generator>(
    factory: duckdb_v2_factory_handle,
    signature: &Signature,
    generator: G,
) -> Result<Function> {
    use DUCKDB_V2_FUNCTION_PARAMETER_KIND as Kind;
    let name = duckdb_v2_str::from(signature.name);
    // SAFETY: promised by the caller; every pointer lives during its call.
    unsafe {
        let function = Function::new(duckdb_v2_table_function_destroy, |out, err| {
            duckdb_v2_table_function_create(factory, out, err)
        })?;
        let handle = function.get();
        call(|err| duckdb_v2_table_function_set_name(handle, &name, err))?;
        let types = get(|out, err| duckdb_v2_table_function_get_signature(handle, out, err))?;
        for parameter in signature.parameters {
            if parameter.optional {
                // The binder of this API casts as for an operator, that of the C API v1 as `::`
                // does: so do we, in `bind`.
                let kind = Kind::DUCKDB_V2_FUNCTION_PARAMETER_KIND_NAMED_ONLY;
                let (any, default) =
                    (logical_type(factory, &SqlType::Any)?, null(factory, "\"NULL\"")?);
                add_parameter(types, parameter.name, &any, Some(&default), kind)?;
            } else {
                let logical = logical_type(factory, &parameter.sql_type)?;
                let kind = Kind::DUCKDB_V2_FUNCTION_PARAMETER_KIND_POSITIONAL_ONLY;
                add_parameter(types, parameter.name, &logical, None, kind)?;
            }
        }
        let table = Table::new(signature, generator);
        hand_over(table, |data, err| duckdb_v2_table_function_set_user_data(handle, data, err))?;
        call(|err| duckdb_v2_table_function_set_bind_callback(handle, Some(bind::<G>), err))?;
        call(|err| {
            duckdb_v2_table_function_set_init_global_callback(handle, Some(init::<G>), err)
        })?;
        call(|err| {
            duckdb_v2_table_function_set_init_local_callback(handle, Some(local_init::<G>), err)
        })?;
        call(|err| duckdb_v2_table_function_set_exec_callback(handle, Some(fill::<G>), err))?;
        call(|err| duckdb_v2_table_function_set_projection_pushdown(handle, true, err))?;
        call(|err| {
            duckdb_v2_table_function_set_partition_data_callback(
                handle,
                Some(batch_index::<G>),
                err,
            )
        })?;
        Ok(function)
    }
}

unsafe extern "C" fn bind<G: Generator>(
    info: duckdb_v2_function_bind_info_handle,
    result: duckdb_v2_table_function_bind_info_handle,
    context: duckdb_v2_context_handle,
    err: Slot,
) {
    // SAFETY: DuckDB passes the user data that `create` set, and one value a parameter, defaults
    // included.
    unsafe {
        report::<Table<G>>(
            err,
            DUCKDB_V2_ERROR::DUCKDB_V2_ERROR_QUERY_BINDER,
            |out, err| duckdb_v2_function_bind_get_user_data(info, out, err),
            |table| {
                let factory = get(|out, err| duckdb_v2_context_get_factory(context, out, err))?;
                let mut arguments = Vec::new();
                for (i, parameter) in table.signature.parameters.iter().enumerate() {
                    let value = OwnedValue::new(duckdb_v2_value_destroy, |out, err| {
                        duckdb_v2_function_bind_get_arg_value(info, i as u64, out, err)
                    })?;
                    arguments.push(argument(factory, value, parameter)?);
                }
                let generator = &table.registered.function;
                let bound = generator.bind(&arguments)?;
                for (name, sql_type) in table.bound_columns(&bound) {
                    let (name, logical) =
                        (duckdb_v2_str::from(*name), logical_type(factory, sql_type)?);
                    call(|err| {
                        duckdb_v2_table_function_bind_add_result_column(
                            result,
                            &name,
                            logical.get(),
                            err,
                        )
                    })?;
                }
                let n_rows = generator.n_rows(&bound);
                call(|err| {
                    duckdb_v2_table_function_bind_set_cardinality(result, n_rows, true, err)
                })?;
                hand_over(bound, |data, err| duckdb_v2_function_bind_set_bind_data(info, data, err))
            },
        );
    }
}

/// The value of a parameter as one of its type.
///
/// # Safety
/// The factory is alive.
unsafe fn argument(
    factory: duckdb_v2_factory_handle,
    mut value: OwnedValue,
    parameter: &Parameter,
) -> Result<Value> {
    if read::is_null(&value)? {
        return Ok(Value::Null);
    }
    if parameter.optional {
        // SAFETY: promised by the caller; value and type live during the call.
        value = unsafe {
            let logical = logical_type(factory, &parameter.sql_type)?;
            Owned::new(duckdb_v2_value_destroy, |out, err| {
                duckdb_v2_value_cast(factory, value.get(), logical.get(), out, err)
            })?
        };
    }
    let value_handle = value.get();
    // SAFETY: the value is alive.
    Ok(unsafe {
        match parameter.sql_type {
            SqlType::Boolean => {
                Value::Boolean(get(|out, err| duckdb_v2_value_get_bool(value_handle, out, err))?)
            }
            SqlType::BigInt => {
                let number: i64 =
                    get(|out, err| duckdb_v2_value_get_bigint(value_handle, out, err))?;
                Value::Integer(i128::from(number))
            }
            SqlType::Double => {
                Value::Double(get(|out, err| duckdb_v2_value_get_double(value_handle, out, err))?)
            }
            SqlType::Timestamp => Value::Timestamp(get(|out, err| {
                duckdb_v2_value_get_timestamp(value_handle, out, err)
            })?),
            SqlType::Varchar => Value::Text(read::text(&value)?),
            other => panic!("no table function has a parameter of type {other}"),
        }
    })
}

unsafe extern "C" fn init<G: Generator>(
    info: duckdb_v2_table_function_init_global_info_handle,
    _context: duckdb_v2_context_handle,
    err: Slot,
) {
    // SAFETY: DuckDB passes the user data and bind data that were set above.
    unsafe {
        report::<Table<G>>(
            err,
            KIND,
            |out, err| duckdb_v2_table_function_init_global_get_user_data(info, out, err),
            |table| {
                let bound = get(|out, err| {
                    duckdb_v2_table_function_init_global_get_bind_data(info, out, err)
                })?;
                let bound = &*bound.cast::<G::Bound>();
                let n_columns = get(|out, err| {
                    duckdb_v2_table_function_init_global_get_column_count(info, out, err)
                })?;
                let column = |i| {
                    let index = get(|out, err| {
                        duckdb_v2_table_function_init_global_get_column_index(info, i, out, err)
                    });
                    Ok(index? as usize)
                };
                let scan = Scan::new((0..n_columns).map(column).collect::<Result<_>>()?);
                hand_over(scan, |data, err| {
                    duckdb_v2_table_function_init_global_set_global_state(info, data, err)
                })?;
                let threads = table.registered.function.n_blocks(bound).max(1);
                call(|err| duckdb_v2_table_function_init_global_set_max_threads(info, threads, err))
            },
        );
    }
}

unsafe extern "C" fn local_init<G: Generator>(
    info: duckdb_v2_table_function_init_local_info_handle,
    _context: duckdb_v2_context_handle,
    err: Slot,
) {
    // SAFETY: DuckDB passes the user data that `create` set.
    unsafe {
        report::<Table<G>>(
            err,
            KIND,
            |out, err| duckdb_v2_table_function_init_local_get_user_data(info, out, err),
            |table| {
                hand_over(Worker::<G::Local>::new(table.columns()), |data, err| {
                    duckdb_v2_table_function_init_local_set_local_state(info, data, err)
                })
            },
        );
    }
}

unsafe extern "C" fn fill<G: Generator>(
    info: duckdb_v2_table_function_exec_info_handle,
    _context: duckdb_v2_context_handle,
    err: Slot,
) {
    // SAFETY: DuckDB passes the data that were set above, and a chunk with a vector for each
    // projected column; the worker belongs to the calling thread alone.
    unsafe {
        report::<Table<G>>(
            err,
            KIND,
            |out, err| duckdb_v2_table_function_exec_get_user_data(info, out, err),
            |table| {
                let bound =
                    get(|out, err| duckdb_v2_table_function_exec_get_bind_data(info, out, err))?;
                let scan =
                    get(|out, err| duckdb_v2_table_function_exec_get_global_state(info, out, err))?;
                let worker =
                    get(|out, err| duckdb_v2_table_function_exec_get_local_state(info, out, err))?;
                let (bound, scan) = (&*bound.cast::<G::Bound>(), &*scan.cast::<Scan>());
                let worker = &mut *worker.cast::<Worker<G::Local>>();
                let n_rows = worker.next_block(&table.registered.function, bound, scan)?;
                if n_rows == 0 {
                    return Ok(());
                }
                let chunk =
                    get(|out, err| duckdb_v2_table_function_exec_get_output_chunk(info, out, err))?;
                for (i, column) in worker.projected(scan) {
                    let vector =
                        get(|out, err| duckdb_v2_data_chunk_get_vector(chunk, i as u64, out, err))?;
                    write::write(column, vector, 0)?;
                }
                // The first vector tells the number of rows of the chunk.
                let first = get(|out, err| duckdb_v2_data_chunk_get_vector(chunk, 0, out, err))?;
                call(|err| duckdb_v2_vector_set_size(first, n_rows as u64, err))
            },
        );
    }
}

/// Tells the place of the block that was made last, so that threads may work side by side and rows
/// keep their order.
unsafe extern "C" fn batch_index<G: Generator>(
    info: duckdb_v2_table_function_partition_data_info_handle,
    _context: duckdb_v2_context_handle,
    err: Slot,
) {
    // SAFETY: DuckDB passes the data that were set above.
    unsafe {
        report::<Table<G>>(
            err,
            KIND,
            |out, err| duckdb_v2_table_function_partition_data_get_user_data(info, out, err),
            |_| {
                let worker = get(|out, err| {
                    duckdb_v2_table_function_partition_data_get_local_state(info, out, err)
                })?;
                let block = (*worker.cast::<Worker<G::Local>>()).block;
                call(|err| {
                    duckdb_v2_table_function_partition_data_set_batch_index(info, block, err)
                })
            },
        );
    }
}
