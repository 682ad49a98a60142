//! What a plugin says of itself, checked: names that can be told apart, types that exist.

use std::collections::BTreeSet;

use super::contract;
use crate::rows::{Column, RowWalker, TypeFault, shortened};

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

/// More tables than any plugin writes to, few enough for every list of them.
const MOST_ROUTES: usize = 1_000;

/// More columns than a table has that anybody queries.
const MOST_COLUMNS: usize = 10_000;

/// Why a description is refused.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum DescriptionFault {
    #[error("the plugin has no routes; it must describe at least one")]
    NoRoutes,
    #[error("the plugin has {0} routes; it may describe {MOST_ROUTES}")]
    TooManyRoutes(usize),
    #[error("route `{route}` has {columns} columns; it may have {MOST_COLUMNS}")]
    TooManyColumns { route: String, columns: usize },
    #[error("two routes are called `{0}`; each needs a name of its own")]
    RouteTwice(String),
    #[error("route `{route}` has two columns called `{column}`")]
    ColumnTwice { route: String, column: String },
    #[error("route `{route}`, column `{column}`: {}", shortened(fault.to_string(), SHOWN))]
    Type { route: String, column: String, fault: TypeFault },
    #[error("{what} is called `{}`; a name has 1 to 200 characters and no control characters", shortened(name.clone(), SHOWN))]
    Name { what: &'static str, name: String },
}

impl Description {
    /// Checks what a plugin answered.
    ///
    /// # Errors
    /// The first fault found, with the route and the column.
    pub fn new(description: contract::Description) -> Result<Self, DescriptionFault> {
        let contract::Description { name, version, stateless, routes } = description;
        check_name("the plugin", &name)?;
        if !version.is_empty() {
            check_name("the plugin's version", &version)?;
        }
        match routes.len() {
            0 => return Err(DescriptionFault::NoRoutes),
            1..=MOST_ROUTES => {}
            more => return Err(DescriptionFault::TooManyRoutes(more)),
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
    if columns.len() > MOST_COLUMNS {
        return Err(DescriptionFault::TooManyColumns { route: name, columns: columns.len() });
    }
    let (mut checked, mut names): (Vec<Column>, _) = (Vec::with_capacity(columns.len()), BTreeSet::new());
    for column in columns {
        check_name("a column", &column.name)?;
        if !names.insert(column.name.clone()) {
            return Err(DescriptionFault::ColumnTwice { route: name, column: column.name });
        }
        match column.type_.parse() {
            Ok(kind) => checked.push(Column { name: column.name, kind }),
            Err(fault) => return Err(DescriptionFault::Type { route: name, column: column.name, fault }),
        }
    }
    Ok(Route { name, walker: RowWalker::new(&checked), columns: checked })
}

/// How much of a wrong name or type is shown, in bytes.
const SHOWN: usize = 200;

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
        let unknown = fault(&[("sale", &[("a", &"x".repeat(1 << 20))])]);
        assert!(unknown.ends_with("xxx...") && unknown.len() < 300, "{unknown}");
        let unknown = fault(&[("sale", &[("a", "Unt8")])]);
        assert_eq!(unknown, "route `sale`, column `a`: there is no type `Unt8`; the nearest is `UInt8`");
        assert!(fault(&[("", &[("a", "UInt8")])]).contains("a route is called ``"));
        let long = "x".repeat(1 << 20);
        let text = fault(&[(&long, &[])]);
        assert!(text.contains("xxx...`; a name has 1 to 200 characters") && text.len() < 400, "{text}");
    }

    #[test]
    fn more_routes_or_columns_than_anybody_needs_are_refused_by_their_number() {
        let names: Vec<String> = (0..=MOST_COLUMNS).map(|number| format!("c{number}")).collect();
        let columns: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "UInt8")).collect();
        let fault = described(&[("wide", &columns)]).unwrap_err();
        assert_eq!(fault, "route `wide` has 10001 columns; it may have 10000");
        described(&[("wide", &columns[..MOST_COLUMNS])]).unwrap();
        let routes: Vec<(&str, &[(&str, &str)])> =
            names.iter().take(1_001).map(|name| (name.as_str(), &[][..])).collect();
        assert_eq!(described(&routes).unwrap_err(), "the plugin has 1001 routes; it may describe 1000");
    }
}
