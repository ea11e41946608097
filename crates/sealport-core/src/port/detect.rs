//! What looks like a secret: by its name, and within the text of a value. Byte scans, no expressions.

use std::ops::Range;

use memchr::memchr;

/// What stands where a secret was taken out.
pub(super) const MASK: &str = "******";

/// A secret within a text: what it is called, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub name: String,
    pub span: Range<usize>,
}

/// Whether a property of this name holds a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    const AT_END: [&str; 3] = ["pwd", "accesskey", "token"];
    let ends = |end: &str| {
        let at = name.len().checked_sub(end.len());
        at.is_some_and(|at| name.as_bytes()[at..].eq_ignore_ascii_case(end.as_bytes()))
    };
    // Two letters tell most names from all the words.
    let begins_word = |(at, pair): (usize, &[u8])| {
        let words: &[&str] = match &[pair[0] | 0x20, pair[1] | 0x20] {
            b"pa" => &["password", "passphrase"],
            b"se" => &["secret"],
            b"ac" => &["accountkey"],
            b"ap" => &["apikey"],
            _ => return false,
        };
        let rest = &name.as_bytes()[at..];
        let begins = |word: &&str| {
            rest.len() >= word.len() && rest[..word.len()].eq_ignore_ascii_case(word.as_bytes())
        };
        words.iter().any(begins)
    };
    name.len() <= 128
        && (name.as_bytes().windows(2).enumerate().any(begins_word) || AT_END.into_iter().any(ends))
        && !name.eq_ignore_ascii_case("publickeytoken")
        && !ABOUT.into_iter().any(ends)
}

/// Ends of names that tell something about a secret and hold none.
const ABOUT: [&str; 24] = [
    "type",
    "mode",
    "format",
    "validator",
    "required",
    "enabled",
    "policy",
    "length",
    "age",
    "name",
    "url",
    "uri",
    "path",
    "file",
    "option",
    "options",
    "count",
    "timeout",
    "expires",
    "property",
    "encryption",
    "encrypted",
    "version",
    "provider",
];

/// What may stand between the parts of a name.
const DIVIDERS: [u8; 4] = *b"_-. ";

/// Whether the text is nothing but a mask.
pub(super) fn is_mask(value: &str) -> bool {
    value.len() >= 4 && value.bytes().all(|b| b == b'*')
}

/// Whether the text names a value that stands elsewhere: `${x}`, `$(x)`, `{x}`, `%x%`.
pub(super) fn is_reference(value: &str) -> bool {
    let between = |open: &str, close: char| {
        value
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close))
            .is_some_and(|name| !name.is_empty() && !name.contains([' ', '{', '}', '(', ')', '%', '$']))
    };
    between("${", '}') || between("$(", ')') || between("{", '}') || between("%", '%')
}

/// The secrets within a text: of a URI, a query, a connection string, header lines.
pub(super) fn parts(value: &str) -> Vec<Part> {
    let mut found = Vec::new();
    let holds = |byte| memchr(byte, value.as_bytes()).is_some();
    let colon = holds(b':');
    if colon && holds(b'@') {
        uri(value, &mut found);
    }
    if holds(b'=') {
        query(value, &mut found);
        connection(value, &mut found);
    }
    if colon {
        headers(value, &mut found);
    }
    found.sort_by_key(|part| part.span.start);
    found.dedup_by(|next, first| next.span.start < first.span.end || next.span == first.span);
    found
}

/// The text with its secrets masked.
pub(super) fn masked(value: &str, parts: &[Part]) -> String {
    let mut out = String::with_capacity(value.len());
    let mut at = 0;
    for part in parts {
        let secret = &value[part.span.clone()];
        out.push_str(&value[at..part.span.start]);
        out.push_str(if secret.is_empty() || is_reference(secret) { secret } else { MASK });
        at = part.span.end;
    }
    out.push_str(&value[at..]);
    out
}

/// `scheme://user:secret@host`.
fn uri(value: &str, found: &mut Vec<Part>) {
    let mut from = 0;
    while let Some(scheme) = value[from..].find("://") {
        let start = from + scheme + 3;
        let length = value[start..]
            .find(|c: char| matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>') || c.is_whitespace())
            .unwrap_or(value.len() - start);
        let authority = &value[start..start + length];
        if let Some((user, _)) = authority.rsplit_once('@')
            && let Some((_, secret)) = user.split_once(':')
        {
            let end = start + user.len();
            found.push(Part { name: "password".to_owned(), span: end - secret.len()..end });
        }
        from = start + length;
    }
}

/// `?name=secret&name=secret`.
fn query(value: &str, found: &mut Vec<Part>) {
    let mut taken = 0;
    for (at, _) in value.match_indices(['?', '&']) {
        if at < taken {
            continue;
        }
        let rest = &value[at + 1..];
        // An escaped `&amp;` in text that is itself markup.
        let rest = rest.strip_prefix("amp;").unwrap_or(rest);
        let length =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))).unwrap_or(0);
        if length == 0 || !rest[length..].starts_with('=') {
            continue;
        }
        let name = &rest[..length];
        let short = is_any_of(name, &["pwd", "sig", "code", "key", "pass", "subscriptionkey"]);
        if short || is_secret_name(&bare(name)) {
            let start = value.len() - rest.len() + length + 1;
            let end = value[start..]
                .find(|c: char| matches!(c, '&' | '#' | '"' | '\'' | '<' | '>') || c.is_whitespace())
                .unwrap_or(value.len() - start);
            taken = start + end;
            found.push(Part { name: name.to_owned(), span: start..taken });
        }
    }
}

/// `Key=value;Key=secret`; a secret in quotes keeps them.
fn connection(value: &str, found: &mut Vec<Part>) {
    let mut at = 0;
    while at < value.len() {
        let rest = &value[at..];
        let end = rest.find(';').unwrap_or(rest.len());
        let Some(equals) = rest[..end].find('=') else {
            at += end + 1;
            continue;
        };
        let key = rest[..equals].trim_end();
        // The key is what follows the last border: a connection string may stand in a longer text.
        let key = key.rsplit(['\n', '"', '\'', '?', '&', '<', '>']).next().unwrap_or_default().trim_start();
        let start = at + equals + 1;
        let start = start + (value[start..].len() - value[start..].trim_start_matches(' ').len());
        let quote = value[start..].chars().next().filter(|c| matches!(c, '"' | '\''));
        let stop = match quote.and_then(|quote| value[start + 1..].find(quote)) {
            Some(close) => start + close + 2,
            None => start + value[start..].find([';', '\r', '\n', '"', '\'']).unwrap_or(value.len() - start),
        };
        let known = ["pwd", "password", "accountkey", "sharedaccesskey", "sharedsecretvalue"];
        if key.len() < 40 && is_any_of(key, &known) {
            found.push(Part { name: key.to_owned(), span: start..stop });
        }
        at = value[stop..].find(';').map_or(value.len(), |semicolon| stop + semicolon + 1);
    }
}

/// `Authorization: secret`, one to a line.
fn headers(value: &str, found: &mut Vec<Part>) {
    let mut at = 0;
    for line in value.split('\n') {
        let start = at;
        at += line.len() + 1;
        let Some((name, content)) = line.split_once(':') else { continue };
        let trimmed = name.trim();
        let word = !trimmed.is_empty()
            && trimmed.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if !word || content.starts_with("//") {
            continue;
        }
        let known = ["authorization", "proxyauthorization", "cookie", "ocpapimsubscriptionkey"];
        if is_any_of(trimmed, &known) || (trimmed.contains('-') && is_secret_name(&bare(trimmed))) {
            let secret = content.trim();
            let from = start + name.len() + 1 + (content.len() - content.trim_start().len());
            found.push(Part { name: trimmed.to_owned(), span: from..from + secret.len() });
        }
    }
}

/// Whether a name is one of these words, but for its case and what divides its parts.
fn is_any_of(name: &str, words: &[&str]) -> bool {
    let letters = || name.bytes().filter(|b| !DIVIDERS.contains(b)).map(|b| b.to_ascii_lowercase());
    words.iter().any(|word| letters().eq(word.bytes()))
}

/// A name in lower case, its parts put together.
fn bare(name: &str) -> String {
    name.chars().filter(|c| !DIVIDERS.map(char::from).contains(c)).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(value: &str) -> Vec<(String, &str)> {
        parts(value).into_iter().map(|part| (part.name, &value[part.span])).collect()
    }

    #[test]
    fn secrets_within_texts_are_found() {
        for (text, name, secret) in [
            ("https://h/a?user=x&pwd=s1#f", "pwd", "s1"),
            ("ftp://joe:s:1@host:21/x", "password", "s:1"),
            ("Server=a;User ID=b;Password=s1", "Password", "s1"),
            ("Server=a;Pwd = 's;1';X=y", "Pwd", "'s;1'"),
            ("Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=ab=;", "SharedAccessKey", "ab="),
            ("Content-Type: a\r\nAuthorization: Basic czE=\r\n", "Authorization", "Basic czE="),
            ("X-Api-Key: s1", "X-Api-Key", "s1"),
            ("/f.ashx?subscription-key=s1", "subscription-key", "s1"),
        ] {
            assert_eq!(found(text), [(name.to_owned(), secret)], "{text}");
        }
    }

    #[test]
    fn what_only_resembles_a_secret_is_left_alone() {
        for text in [
            "http://host:8080/a?keyword=x&page=1",
            "C:\\in\\*.xml",
            "Content-Type: text/xml",
            "SharedAccessKeyName=Root",
            "urn:a@b",
            "mailto:a@b.c",
            "Version=1.0.0.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35",
        ] {
            assert_eq!(found(text), [], "{text}");
        }
        for name in [
            "TransportClientCredentialType",
            "MessageClientCredentialType",
            "acceptCredentialsInUri",
            "negotiateServiceCredential",
            "proxyCredentialType",
            "passiveMode",
            "SharedAccessKeyName",
            "bypassProxyOnLocal",
            "tokenProvider",
            "clientCredentials",
            "serviceCredentials",
            "allowSerializedSigningTokenOnReply",
            "PublicKeyToken",
            "SignatureType",
            "CredentialType",
            "PrivateKey",
            "userNamePasswordValidationMode",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
        for name in [
            "Password",
            "OverPassword",
            "firewallPassword",
            "consumerSecret",
            "ApiKey",
            "accessToken",
            "dbPwd",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn references_are_no_values() {
        for text in ["${Pass}", "$(Pass)", "{pwd}", "%PWD%"] {
            assert!(is_reference(text), "{text}");
        }
        for text in ["", "${a}b", "{}", "secret", "100%"] {
            assert!(!is_reference(text), "{text}");
        }
    }
}
