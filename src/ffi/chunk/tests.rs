//! Numbers of every type as doubles, and texts.

use super::*;

#[test]
fn null_numbers_become_nan() {
    let mask = [0b101u64];
    let column = Column { validity: Validity::Mask(&mask), data: Data::Int32(&[1, 2, 3]), len: 3 };
    let numbers = column.numbers().expect("numbers");
    assert!(numbers[1].is_nan());
    assert_eq!((numbers[0], numbers[2]), (1.0, 3.0));
}

#[test]
fn a_decimal_is_read_at_its_scale() {
    let digits = Box::new(Data::Int16(&[57, -5]));
    let column = Column::of(Data::Decimal { scale: 1, digits }, 2);
    assert_eq!(column.value(0), Value::Double(5.7));
    assert_eq!(column.numbers().expect("numbers")[1], -0.5);
}

#[test]
fn a_decimal_becomes_the_double_nearest_to_its_text() {
    let mut state = 7_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ state >> 29
    };
    for case in 0..60_000_u32 {
        let digits = (u128::from(next()) << 64 | u128::from(next())) >> (case % 127 + 1);
        let digits = i128::try_from(digits).expect("127 bits") * if case % 2 == 0 { 1 } else { -1 };
        // Halves between two doubles, too.
        let digits = if case % 5 == 0 { digits & !0xff | 0x80 } else { digits };
        let scale = (case / 127 % 39) as u8;
        let expected: f64 = format!("{digits}e-{scale}").parse().expect("a number");
        assert_eq!(
            nearest_decimal(digits, scale).to_bits(),
            (expected + 0.0).to_bits(),
            "{digits}e-{scale}"
        );
    }
    let digits = [9_648_055_014_934_041, -9_648_055_014_934_041, 250_000_000_000_000_001];
    let column = Column::of(Data::Decimal { scale: 12, digits: Box::new(Data::Int64(&digits)) }, 3);
    let expected = [9648.055014934041, -9648.055014934041, 250000.000000000001];
    assert_eq!(*column.numbers().expect("numbers"), expected);
    assert_eq!(column.value(0), Value::Double(expected[0]));
}

#[test]
fn short_and_long_strings_are_read() {
    let long = "a text of more than twelve bytes";
    let mut pointer = [0u8; 8];
    pointer[..size_of::<usize>()].copy_from_slice(&(long.as_ptr() as usize).to_ne_bytes());
    let raw = [
        RawString { length: 5, inlined: *b"seve", pointer_or_rest: *b"n\0\0\0\0\0\0\0" },
        RawString { length: long.len() as u32, inlined: *b"a te", pointer_or_rest: pointer },
    ];
    // SAFETY: both strings are laid out as DuckDB does, and outlive `strings`.
    let strings = unsafe { Strings::new(&raw) };
    assert_eq!(strings.get(0), "seven");
    assert_eq!(strings.get(1), long);
    assert_eq!([strings.bytes(0), strings.bytes(1)], [b"seven", long.as_bytes()]);
}

#[test]
fn rows_with_one_list_entry_are_the_same() {
    let child = Box::new(Column::of(Data::Float64(&[1.0, 1.0]), 2));
    let entries = [
        ListEntry { offset: 0, length: 1 },
        ListEntry { offset: 0, length: 1 },
        ListEntry { offset: 1, length: 1 },
    ];
    let column = Column::of(Data::List { entries: &entries, child }, 3);
    assert!(column.same(0, 1));
    assert!(!column.same(1, 2));
}

#[test]
fn a_row_holds_a_value_only_if_every_bit_of_it_is_the_same() {
    let fields = vec![
        ("x".to_string(), Column::of(Data::Float64(&[0.0, -0.0]), 2)),
        ("n".to_string(), Column::of(Data::Int32(&[7, 7]), 2)),
    ];
    let column = Column::of(Data::Struct(fields), 2);
    let values = [column.value(0), column.value(1)];
    assert!(column.holds(0, &values[0]) && column.holds(1, &values[1]));
    assert!(!column.holds(0, &values[1]) && !column.holds(1, &values[0]));
    let Value::Struct(mut fields) = values[0].clone() else { panic!("a STRUCT") };
    fields[0].0 = "y".to_string();
    assert!(!column.holds(0, &Value::Struct(fields.clone())), "another name");
    fields.pop();
    assert!(!column.holds(0, &Value::Struct(fields)), "fewer fields");
}
