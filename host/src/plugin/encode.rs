//! From a core module to a component. A module says in a custom section which interfaces it was built for; that section is a
//! tenant's and its decoder trusts it, so it is replaced by the host's own contract: what does not fit that is refused.

use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// The contract's versions that modules may be built for, the newest last. A minor version adds to the one before and takes nothing
/// away, so that one implementation serves all.
pub(super) const CONTRACTS: [(&str, &str); 2] = [
    ("1.0.0", include_str!("../../contracts/plugin-1.0.0.wit")),
    ("1.1.0", include_str!("../../../guest-sdk/wit/plugin.wit")),
];

/// The interface that makes a component a plugin, without its version.
pub(super) const TRANSFORMER: &str = "tidegate:plugin/transformer@";

/// The custom sections that describe interfaces begin with this.
const DESCRIPTION: &[u8] = b"component-type";

/// Wraps a module that is known to be valid.
///
/// # Errors
/// Where its imports or exports are not those of the contract.
pub(super) fn encode(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let contract = contract(module)?;
    let mut module = without_descriptions(module);
    let mut resolve = Resolve::default();
    let package = resolve.push_source("plugin.wit", contract)?;
    let world = resolve.select_world(&[package], Some("plugin"))?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)?;
    ComponentEncoder::default().validate(true).module(&module)?.encode()
}

/// The contract of the version that the module exports; the newest where it exports none, for the encoder to tell what is missing.
fn contract(module: &[u8]) -> anyhow::Result<&'static str> {
    let Some(version) = exported_version(module) else {
        return Ok(CONTRACTS.last().map(|(_, text)| *text).unwrap_or_default());
    };
    let known = CONTRACTS.iter().find(|(known, _)| *known == version);
    known.map(|(_, text)| *text).ok_or_else(|| anyhow::anyhow!("{}", unknown_version(&version)))
}

/// What an operator reads of a plugin for a contract that this gateway does not have.
pub(super) fn unknown_version(version: &str) -> String {
    let known: Vec<_> = CONTRACTS.iter().map(|(known, _)| *known).collect();
    format!("it is built for version {version} of the contract, and this gateway has {}", known.join(" and "))
}

/// Whether it exports the interface by some version, or at least names it.
pub(super) fn exports_transformer(module: &[u8]) -> bool {
    module.windows(TRANSFORMER.len()).any(|window| window == TRANSFORMER.as_bytes())
}

/// The version behind the interface's name in an export such as `tidegate:plugin/transformer@1.0.0#init`.
fn exported_version(module: &[u8]) -> Option<String> {
    let at = module.windows(TRANSFORMER.len()).position(|window| window == TRANSFORMER.as_bytes())?;
    let behind = module.get(at + TRANSFORMER.len()..)?;
    let version = behind.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').take(32);
    String::from_utf8(version.copied().collect()).ok()
}

/// The module without the sections in which it describes itself. A section is its number, its length as LEB128 and its
/// bytes; those of a custom section, number 0, begin with its name (WebAssembly core specification, 5.5).
fn without_descriptions(module: &[u8]) -> Vec<u8> {
    let (preamble, mut rest) = module.split_at(module.len().min(8));
    let mut kept = preamble.to_vec();
    while let Some((section, behind)) = next_section(rest) {
        if !is_description(section) {
            kept.extend_from_slice(section);
        }
        rest = behind;
    }
    // Nothing in a valid module; where it is not, whatever stands there is for the encoder to refuse.
    kept.extend_from_slice(rest);
    kept
}

/// The first section with its number and length, and what stands behind it.
fn next_section(module: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, header) = leb128(module.get(1..)?)?;
    module.split_at_checked(1 + header + length)
}

fn is_description(section: &[u8]) -> bool {
    let name = || {
        let (_, header) = leb128(section.get(1..)?)?;
        let content = section.get(1 + header..)?;
        let (length, header) = leb128(content)?;
        content.get(header..header + length)
    };
    section.first() == Some(&0) && name().is_some_and(|name| name.starts_with(DESCRIPTION))
}

/// A number of at most 32 bits and how many bytes it takes.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_that_describe_interfaces_go_and_all_others_stay() {
        let custom = |name: &[u8], content: &[u8]| {
            let length = u8::try_from(1 + name.len() + content.len()).unwrap();
            [&[0, length, u8::try_from(name.len()).unwrap()], name, content].concat()
        };
        let preamble = b"\0asm\x01\0\0\0".to_vec();
        let (name, types) = (custom(b"name", b"x"), vec![1, 1, 0]);
        let described = custom(b"component-type:any", b"yz");
        let module = [&preamble[..], &types, &described, &name].concat();
        assert_eq!(without_descriptions(&module), [&preamble[..], &types, &name].concat());
        // Cut off anywhere it neither panics nor loses what is not a whole description.
        for end in 0..module.len() {
            assert!(without_descriptions(&module[..end]).len() <= end);
        }
    }
}
