//! The cases that `rename_all` knows, from names as fields have them.

/// Writes a field's name in a case.
pub(super) type Rename = fn(&str) -> String;

/// The cases by the names that serde gives them.
pub(super) const CASES: [(&str, Rename); 8] = [
    ("lowercase", str::to_owned),
    ("UPPERCASE", str::to_ascii_uppercase),
    ("PascalCase", pascal),
    ("camelCase", camel),
    ("snake_case", str::to_owned),
    ("SCREAMING_SNAKE_CASE", str::to_ascii_uppercase),
    ("kebab-case", |name| name.replace('_', "-")),
    ("SCREAMING-KEBAB-CASE", |name| name.to_ascii_uppercase().replace('_', "-")),
];

fn pascal(name: &str) -> String {
    let mut upper = true;
    let mut made = String::new();
    for letter in name.chars() {
        if letter == '_' {
            upper = true;
        } else {
            made.push(if upper { letter.to_ascii_uppercase() } else { letter });
            upper = false;
        }
    }
    made
}

fn camel(name: &str) -> String {
    let mut made = pascal(name);
    if let Some(first) = made.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    made
}
