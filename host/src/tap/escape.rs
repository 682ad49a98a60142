//! What of a text would command the terminal that shows it. Records come from anybody.

/// Whether a character does more than stand there: control characters of either set, what turns the direction of writing, and what
/// cannot be seen.
pub fn commands_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with such characters written out, as Rust and JSON would.
pub fn escaped(text: &str) -> String {
    if !text.chars().any(commands_terminal) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if commands_terminal(c) => match u32::from(c) {
                number @ 0..0x80 => escaped.push_str(&format!("\\x{number:02x}")),
                number => escaped.push_str(&format!("\\u{{{number:x}}}")),
            },
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_command_the_terminal_and_other_letters_stay() {
        assert_eq!(escaped("a\x1b[2J\x07\u{9b}1m\x7f"), "a\\x1b[2J\\x07\\u{9b}1m\\x7f");
        assert_eq!(escaped("one\r\n\ttwo"), "one\\r\\n\\ttwo");
        assert_eq!(escaped("abc\u{202e}cba\u{feff}"), "abc\\u{202e}cba\\u{feff}");
        assert_eq!(escaped("1\u{61c}2\u{180e}3"), "1\\u{61c}2\\u{180e}3");
        assert_eq!(escaped("жёлтый 😀 \\n"), "жёлтый 😀 \\n");
    }
}
