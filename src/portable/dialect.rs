//! Where the SQL of databases differs.

/// What a database's SQL is like.
#[derive(Debug, PartialEq, Eq)]
pub struct Dialect {
    /// Its name.
    pub name: &'static str,
    /// What stands around a name that is taken as it is written.
    quote: char,
    /// Whether names that were made without quotes are upper case.
    upper_case: bool,
    /// The type of 64-bit floating-point numbers.
    pub double: &'static str,
    /// The function of several arguments that returns the least.
    pub least: &'static str,
}

const fn dialect(name: &'static str, double: &'static str) -> Dialect {
    Dialect { name, quote: '"', upper_case: false, double, least: "LEAST" }
}

const DIALECTS: [Dialect; 6] = [
    dialect("duckdb", "DOUBLE"),
    dialect("postgres", "DOUBLE PRECISION"),
    Dialect { least: "MIN", ..dialect("sqlite", "REAL") },
    Dialect { quote: '`', ..dialect("bigquery", "FLOAT64") },
    Dialect { upper_case: true, ..dialect("snowflake", "FLOAT") },
    Dialect { quote: '`', ..dialect("mysql", "DOUBLE") },
];

impl Dialect {
    /// The names of all dialects.
    pub const NAMES: &[&str] = &["duckdb", "postgres", "sqlite", "bigquery", "snowflake", "mysql"];

    /// The dialect of that name.
    pub fn from_name(name: &str) -> Option<&'static Self> {
        DIALECTS.iter().find(|dialect| dialect.name == name)
    }

    /// The name of a column, in quotes.
    pub fn column(&self, name: &str) -> String {
        let Self { quote, upper_case, .. } = self;
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let doubled = name.replace(*quote, &format!("{quote}{quote}"));
        if *upper_case && name.chars().all(is_plain) {
            format!("{quote}{}{quote}", doubled.to_ascii_uppercase())
        } else {
            format!("{quote}{doubled}{quote}")
        }
    }

    /// The least of some expressions, which are all NULL or all not.
    pub fn least(&self, expressions: &[String]) -> String {
        /// Arguments of one call: databases take about 100 at most.
        const MOST: usize = 50;
        match expressions {
            [only] => only.clone(),
            few if few.len() <= MOST => format!("{}({})", self.least, few.join(", ")),
            many => {
                let parts: Vec<String> = many.chunks(MOST).map(|part| self.least(part)).collect();
                self.least(&parts)
            }
        }
    }
}

/// A finite number as a literal that every dialect reads as the same double.
///
/// The exponent makes it a floating-point number where `0.1` alone would be a decimal one.
pub fn literal(x: f64) -> String {
    format!("{x:e}")
}

/// `x - y`, without a sign after the minus.
pub fn minus(x: &str, y: f64) -> String {
    if y == 0.0 {
        x.to_string()
    } else if y < 0.0 {
        format!("({x} + {})", literal(-y))
    } else {
        format!("({x} - {})", literal(y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_dialects() {
        let names: Vec<&str> = DIALECTS.iter().map(|dialect| dialect.name).collect();
        assert_eq!(names, Dialect::NAMES);
        assert_eq!(Dialect::from_name("oracle"), None);
    }

    #[test]
    fn names_of_columns_stand_in_the_quotes_of_their_dialect() {
        let column = |dialect, name| Dialect::from_name(dialect).expect("a dialect").column(name);
        assert_eq!(column("duckdb", "Total \"net\""), "\"Total \"\"net\"\"\"");
        assert_eq!(column("bigquery", "order"), "`order`");
        assert_eq!(column("mysql", "a`b"), "`a``b`");
        assert_eq!(column("snowflake", "order"), "\"ORDER\"");
        assert_eq!(column("snowflake", "Order"), "\"Order\"");
    }

    #[test]
    fn literals_are_doubles_that_read_back_to_the_same_bits() {
        for x in [0.1, -1.0 / 3.0, 1e100, 5e-324, f64::MAX, 12.0, 0.0] {
            assert!(literal(x).contains('e'), "{x}");
            assert_eq!(literal(x).parse::<f64>().map(f64::to_bits), Ok(x.to_bits()));
        }
        assert_eq!(minus("x", -0.5), "(x + 5e-1)");
        assert_eq!(minus("x", 2.0), "(x - 2e0)");
        assert_eq!(minus("x", -0.0), "x");
    }

    #[test]
    fn calls_of_the_least_have_few_arguments() {
        let expressions: Vec<String> = (0..120).map(|i| format!("d{i}")).collect();
        let sqlite = Dialect::from_name("sqlite").expect("a dialect");
        let text = sqlite.least(&expressions);
        assert_eq!(text.matches("MIN(").count(), 4);
        assert!(text.starts_with("MIN(MIN(d0, d1, ") && text.ends_with(", d118, d119))"));
        assert_eq!(sqlite.least(&expressions[..1]), "d0");
    }
}
