//! Reads fill lists: CSV with the columns application, port, property, user, value, in any order.

use sealport_core::{Code, Error, api::FillRow, secret::SecretText};

const COLUMNS: [&str; 5] = ["application", "port", "property", "user", "value"];

/// The rows of a fill list that calls itself `name`. Errors name the row, never a value.
pub fn read_rows(content: &[u8], name: &str) -> Result<Vec<FillRow>, Error> {
    let wrong = |message: String| {
        Error::new(Code::Usage, format!("{name}: {message}"))
            .hint(format!("The first row names the columns {}, in any order.", COLUMNS.join(", ")))
    };
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut reader = csv::ReaderBuilder::new().from_reader(content);
    let heading = reader.headers().map_err(|e| wrong(format!("row 0 (the heading) {}", reason(&e))))?;
    let heading: Vec<String> = heading.iter().map(|column| column.trim().to_lowercase()).collect();
    if let Some(unknown) = heading.iter().find(|column| !COLUMNS.contains(&column.as_str())) {
        return Err(wrong(format!("unknown column `{unknown}`")));
    }
    let place = |wanted: &str| {
        let mut places = heading.iter().enumerate().filter(|(_, column)| *column == wanted);
        match (places.next(), places.next()) {
            (Some((place, _)), None) => Ok(place),
            (None, _) => Err(wrong(format!("the column `{wanted}` is not there"))),
            (Some(_), Some(_)) => Err(wrong(format!("the column `{wanted}` is there twice"))),
        }
    };
    let places = [place(COLUMNS[0])?, place(COLUMNS[1])?, place(COLUMNS[2])?, place(COLUMNS[3])?];
    let value = place(COLUMNS[4])?;
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let row = index + 1;
        let record = record.map_err(|e| wrong(format!("row {row} {}", reason(&e))))?;
        let text = |place: usize| record.get(place).unwrap_or_default().to_owned();
        if text(places[1]).trim().is_empty() {
            return Err(wrong(format!("row {row} names no port")));
        }
        // A list that is filled in by and by: rows without a value wait.
        if text(value).is_empty() {
            continue;
        }
        let [application, port, property, user] = places.map(|place| text(place).trim().to_owned());
        rows.push(FillRow { application, port, property, user, value: SecretText::new(text(value)) });
    }
    if rows.is_empty() {
        return Err(wrong("no row below the heading has a value".to_owned()));
    }
    Ok(rows)
}

// The csv crate's own text can quote a field, and a field can be a secret.
fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} fields, not {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "isn't UTF-8 text".to_owned(),
        _ => "can't be read as CSV".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_come_in_any_order_and_values_keep_their_spaces() {
        let list = "\u{feff}Value,user,property,Port,application\r\n\" a, \"\"b\"\" \",u,Password,SendOrders,Orders\r\n";
        let rows = read_rows(list.as_bytes(), "list").unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].value.expose(), " a, \"b\" ");
        assert_eq!((rows[0].application.as_str(), rows[0].port.as_str()), ("Orders", "SendOrders"));
        assert_eq!((rows[0].property.as_str(), rows[0].user.as_str()), ("Password", "u"));
    }

    #[test]
    fn rows_without_a_value_wait() {
        let list = "application,port,property,user,value\nA,P,,,\nA,Q,,,v\n";
        let rows = read_rows(list.as_bytes(), "list").unwrap();
        assert_eq!((rows.len(), rows[0].port.as_str()), (1, "Q"));
    }

    #[test]
    fn errors_name_the_row_and_never_a_value() {
        let heading = "application,port,property,user,value\n";
        for (list, said) in [
            (format!("{heading}A,P,,,s3cret\nA,P,s3cret\n"), "row 2 has 3 fields, not 5"),
            (format!("{heading}A,,,,s3cret\n"), "row 1 names no port"),
            (format!("{heading}A,P,,,\n"), "no row below the heading has a value"),
            (heading.to_owned(), "no row below the heading"),
            ("application,port,property,user\n".to_owned(), "`value` is not there"),
            ("application,port,property,user,value,value\n".to_owned(), "twice"),
            ("application,port,property,user,value,extra\n".to_owned(), "unknown column `extra`"),
        ] {
            let error = read_rows(list.as_bytes(), "list").unwrap_err();
            assert_eq!(error.code, Code::Usage);
            assert!(error.message.contains(said), "{} / {said}", error.message);
            assert!(!format!("{error:?}").contains("s3cret"));
        }
        let error = read_rows(b"application,port,property,user,value\nA,P,,,\xff\n", "list").unwrap_err();
        assert!(error.message.contains("row 1 isn't UTF-8"), "{}", error.message);
    }
}
