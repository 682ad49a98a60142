//! What a plugin says of itself, checked: names that can be told apart, types that exist.

use std::collections::BTreeSet;

use super::contract;
use crate::rows::{Column, RowWalker, TypeFault};

/// A plugin's description.
#[derive(Debug)]
pub struct Description {
    /// The plugin's own name.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// Whether its instances may be used again.
    pub stateless: bool,
    /// At least one.
    pub routes: Vec<Route>,
}

/// A kind of row that a plugin emits.
#[derive(Debug)]
pub struct Route {
    /// What pipeline files call it.
    pub name: String,
    /// None where its rows are JSON objects.
    pub columns: Vec<Column>,
    /// Checks its rows.
    pub walker: RowWalker,
}

/// Why a description is refused.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum DescriptionFault {
    #[error("the plugin has no routes; it must describe at least one")]
    NoRoutes,
    #[error("two routes are called `{0}`; each needs a name of its own")]
    RouteTwice(String),
    #[error("route `{route}` has two columns called `{column}`")]
    ColumnTwice { route: String, column: String },
    #[error("route `{route}`, column `{column}`: {fault}")]
    Type { route: String, column: String, fault: TypeFault },
    #[error("{what} is called `{name}`; a name has 1 to 200 characters and no control characters")]
    Name { what: &'static str, name: String },
}

impl Description {
    /// Checks what a plugin answered.
    ///
    /// # Errors
    /// The first fault found, with the route and the column.
    pub fn new(description: contract::Description) -> Result<Self, DescriptionFault> {
        let contract::Description { name, version, stateless, routes } = description;
        if routes.is_empty() {
            return Err(DescriptionFault::NoRoutes);
        }
        let mut names = BTreeSet::new();
        let mut checked = Vec::with_capacity(routes.len());
        for described in routes {
            checked.push(route(described)?);
        }
        for route in &checked {
            if !names.insert(&route.name) {
                return Err(DescriptionFault::RouteTwice(route.name.clone()));
            }
        }
        Ok(Self { name, version, stateless, routes: checked })
    }

    /// The index of a route, by its name.
    pub fn route(&self, name: &str) -> Option<usize> {
        self.routes.iter().position(|route| route.name == name)
    }
}

fn route(described: contract::Route) -> Result<Route, DescriptionFault> {
    let contract::Route { name, columns } = described;
    check_name("a route", &name)?;
    let mut checked: Vec<Column> = Vec::with_capacity(columns.len());
    for column in columns {
        check_name("a column", &column.name)?;
        if checked.iter().any(|other| other.name == column.name) {
            return Err(DescriptionFault::ColumnTwice { route: name, column: column.name });
        }
        match column.type_.parse() {
            Ok(kind) => checked.push(Column { name: column.name, kind }),
            Err(fault) => return Err(DescriptionFault::Type { route: name, column: column.name, fault }),
        }
    }
    Ok(Route { name, walker: RowWalker::new(&checked), columns: checked })
}

fn check_name(what: &'static str, name: &str) -> Result<(), DescriptionFault> {
    let right = (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    right.then_some(()).ok_or_else(|| DescriptionFault::Name { what, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(routes: &[(&str, &[(&str, &str)])]) -> Result<Description, String> {
        let routes = routes
            .iter()
            .map(|(name, columns)| contract::Route {
                name: (*name).to_owned(),
                columns: columns
                    .iter()
                    .map(|(name, kind)| contract::Column { name: (*name).to_owned(), type_: (*kind).to_owned() })
                    .collect(),
            })
            .collect();
        let description = contract::Description { name: "test".into(), version: "1".into(), stateless: true, routes };
        Description::new(description).map_err(|fault| fault.to_string())
    }

    #[test]
    fn faults_name_the_route_and_the_column() {
        let fault = |routes: &[(&str, &[(&str, &str)])]| described(routes).unwrap_err();
        assert!(fault(&[]).contains("no routes"));
        assert!(fault(&[("sale", &[("a", "UInt8")]), ("sale", &[("a", "UInt8")])]).contains("two routes"));
        assert!(fault(&[("sale", &[("a", "UInt8"), ("a", "UInt8")])]).contains("two columns called `a`"));
        let unknown = fault(&[("sale", &[("a", "Unt8")])]);
        assert_eq!(unknown, "route `sale`, column `a`: there is no type `Unt8`; the nearest is `UInt8`");
        assert!(fault(&[("", &[("a", "UInt8")])]).contains("a route is called ``"));
    }
}
