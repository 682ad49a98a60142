//! What attributes say: serde's, as far as they are known here, and `record`.

use std::collections::BTreeSet;

use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, DeriveInput, Error, Expr, ExprPath, Field, LitStr, Result, Token};

use crate::case::{CASES, Rename};

/// What stands on the struct.
pub(super) struct Container {
    /// Whether what is missing comes from the struct's `Default`.
    pub(super) default: bool,
    /// Whether keys that mean no field are refused.
    pub(super) deny_unknown: bool,
    rename: Rename,
}

/// What stands on a field.
pub(super) struct Named {
    /// The name that errors give it.
    pub(super) name: String,
    /// All names that mean it.
    pub(super) names: BTreeSet<String>,
    pub(super) default: Option<FieldDefault>,
    /// Whether serde reads it.
    pub(super) by_serde: bool,
}

/// What a field has that is not there.
pub(super) enum FieldDefault {
    /// Its type's default.
    OfType,
    /// What this function returns.
    Path(ExprPath),
}

impl Container {
    pub(super) fn of(input: &DeriveInput) -> Result<Self> {
        let mut container = Self { default: false, deny_unknown: false, rename: str::to_owned };
        for attribute in &input.attrs {
            if attribute.path().is_ident("record") {
                return Err(Error::new_spanned(attribute, "`record` stands on fields: `#[record(deserialize)]`"));
            }
            if attribute.path().is_ident("serde") {
                attribute.parse_nested_meta(|meta| container.read(&meta))?;
            }
        }
        Ok(container)
    }

    fn read(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("deny_unknown_fields") {
            self.deny_unknown = true;
        } else if meta.path.is_ident("default") && !meta.input.peek(Token![=]) {
            self.default = true;
        } else if meta.path.is_ident("rename_all") && meta.input.peek(Token![=]) {
            let wanted: LitStr = meta.value()?.parse()?;
            let found = CASES.iter().find(|(name, _)| *name == wanted.value());
            let names = CASES.map(|(name, _)| format!("{name:?}")).join(", ");
            let unknown = || Error::new(wanted.span(), format!("there is no such case, there are {names}"));
            self.rename = found.ok_or_else(unknown)?.1;
        } else {
            return Err(unknown(meta));
        }
        Ok(())
    }
}

impl Named {
    pub(super) fn of(field: &Field, container: &Container) -> Result<Self> {
        let ident = field.ident.as_ref().map(|ident| ident.unraw().to_string()).unwrap_or_default();
        let name = (container.rename)(&ident);
        let mut named = Self { name, names: BTreeSet::new(), default: None, by_serde: false };
        for attribute in &field.attrs {
            named.read(attribute)?;
        }
        named.names.insert(named.name.clone());
        Ok(named)
    }

    fn read(&mut self, attribute: &Attribute) -> Result<()> {
        if attribute.path().is_ident("record") {
            return attribute.parse_nested_meta(|meta| match meta.path.is_ident("deserialize") {
                true => {
                    self.by_serde = true;
                    Ok(())
                }
                false => Err(meta.error("here there is: deserialize")),
            });
        }
        if !attribute.path().is_ident("serde") {
            return Ok(());
        }
        attribute.parse_nested_meta(|meta| {
            let has_value = meta.input.peek(Token![=]);
            if meta.path.is_ident("rename") && has_value {
                self.name = meta.value()?.parse::<LitStr>()?.value();
            } else if meta.path.is_ident("alias") && has_value {
                self.names.insert(meta.value()?.parse::<LitStr>()?.value());
            } else if meta.path.is_ident("default") && has_value {
                self.default = Some(FieldDefault::Path(meta.value()?.parse::<LitStr>()?.parse()?));
            } else if meta.path.is_ident("default") {
                self.default = Some(FieldDefault::OfType);
            } else if OF_NO_CONCERN.iter().any(|name| meta.path.is_ident(name)) {
                if has_value {
                    meta.value()?.parse::<Expr>()?;
                }
            } else {
                return Err(unknown(&meta));
            }
            Ok(())
        })
    }
}

/// What is said about writing, and about borrowing, which is always done here.
const OF_NO_CONCERN: [&str; 4] = ["borrow", "skip_serializing", "skip_serializing_if", "serialize_with"];

fn unknown(meta: &ParseNestedMeta<'_>) -> Error {
    let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
    meta.error(format!("`Record` does not know `#[serde({name})]` as it stands here; derive `Deserialize` and let serde read this struct"))
}
