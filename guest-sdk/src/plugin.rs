//! A plugin as the gateway sees it: a description, a start, and batches. `plugin!` writes the first part, this file
//! holds the rest; the component and the native instance both run it, so what a test runs is what production runs.

use std::fmt::Display;

use tidegate_json::Stream;

use crate::contract::{Batch, Column, Description, Output, Route};
use crate::out::Out;
use crate::record::{Record, Records};
use crate::reject::Reject;
use crate::setup::{Setup, SetupError};

/// A plugin. [`plugin!`](crate::plugin!) implements it for the type `Exported` of the plugin's crate.
pub trait Plugin: 'static {
    /// What the plugin is called, whether it keeps state, and what rows it writes.
    fn describe() -> Description;

    /// Makes the plugin ready for the batches of a range.
    fn start(setup: &Setup) -> Result<Box<dyn Transformer>, SetupError>;
}

/// A plugin that has been started. The call through it is one a batch; within, everything is known to the compiler.
pub trait Transformer {
    /// The rows and the refusals of a batch.
    fn transform(&mut self, batch: &Batch) -> Output;

    /// The rows for what was gathered over a range.
    fn finish(&mut self) -> Output;
}

/// Declares a crate as a plugin.
///
/// A plugin that is a plain function:
/// ```ignore
/// plugin! { routes: { "sale" => Sale<'_>, "refund" => Refund }, transform: transform }
/// ```
/// with `fn transform(record: Record<'_>, out: &mut Out) -> Result<(), Reject>`.
///
/// One with settings or lookup tables, which it cannot change:
/// ```ignore
/// plugin! { init: Sales::init, routes: { "sale" => Sale<'_> }, transform: Sales::transform }
/// ```
/// with `fn init(setup: &Setup) -> Result<Self, SetupError>` (any error that can be displayed will do) and
/// `fn transform(&self, record: Record<'_>, out: &mut Out) -> Result<(), Reject>`.
///
/// One that keeps state over a range, such as an aggregate; the gateway starts it anew for every range:
/// ```ignore
/// plugin! { init: Sums::init, routes: { "sum" => Sum }, transform_mut: Sums::transform, finish: Sums::finish }
/// ```
/// with `fn transform(&mut self, record: Record<'_>, out: &mut Out) -> Result<(), Reject>` and
/// `fn finish(&mut self, out: &mut Out) -> Result<(), Reject>`; `finish` may be left out. An error of `finish` takes
/// back what it emitted and fails the range as a whole: no record stands behind it.
///
/// The plugin's name and version are those of its crate. Each row type belongs to one route. The macro defines the
/// type `Exported`, which [`native`](crate::native) runs in tests, and exports it when compiled for WebAssembly.
#[macro_export]
macro_rules! plugin {
    (routes: $routes:tt, transform: $transform:expr $(,)?) => {
        $crate::__plugin! { stateless: true, routes: $routes, start: |_setup| $crate::expansion::plain($transform) }
    };
    (init: $init:expr, routes: $routes:tt, transform: $transform:expr $(,)?) => {
        $crate::__plugin! {
            stateless: true,
            routes: $routes,
            start: |setup| $crate::expansion::stateless(setup, $init, $transform)
        }
    };
    (init: $init:expr, routes: $routes:tt, transform_mut: $transform:expr $(,)?) => {
        $crate::plugin! {
            init: $init, routes: $routes, transform_mut: $transform, finish: $crate::expansion::keep_silent
        }
    };
    (init: $init:expr, routes: $routes:tt, transform_mut: $transform:expr, finish: $finish:expr $(,)?) => {
        $crate::__plugin! {
            stateless: false,
            routes: $routes,
            start: |setup| $crate::expansion::stateful(setup, $init, $transform, $finish)
        }
    };
}

/// The part that all forms of [`plugin!`](crate::plugin!) share.
#[doc(hidden)]
#[macro_export]
macro_rules! __plugin {
    (
        stateless: $stateless:literal,
        routes: { $($name:literal => $row:ty),+ $(,)? },
        start: |$setup:ident| $start:expr
    ) => {
        /// This crate's plugin, for the gateway and for tests.
        #[derive(Debug)]
        pub struct Exported;

        impl $crate::Plugin for Exported {
            fn describe() -> $crate::contract::Description {
                $crate::expansion::describe(
                    (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
                    $stateless,
                    vec![$(($name, <$row as $crate::Row>::columns())),+],
                )
            }

            fn start($setup: &$crate::Setup) -> $crate::expansion::Start {
                let routes = [$($name),+].len();
                ($start)(routes)
            }
        }

        $crate::__routes! { 0; $($row,)+ }

        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code)]
        const _: () = {
            $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}

/// Numbers the row types in the order of their routes.
#[doc(hidden)]
#[macro_export]
macro_rules! __routes {
    ($index:expr;) => {};
    ($index:expr; $row:ty, $($rest:ty,)*) => {
        impl $crate::Routed for $row {
            const ROUTE: u32 = $index;
        }
        $crate::__routes! { $index + 1; $($rest,)* }
    };
}

/// What starting a plugin comes to.
pub type Start = Result<Box<dyn Transformer>, SetupError>;

/// The description of a plugin from its crate's name and version and its routes with their columns.
pub fn describe(crate_: (&str, &str), stateless: bool, routes: Vec<(&str, Vec<Column>)>) -> Description {
    let (name, version) = crate_;
    let routes = routes.into_iter().map(|(name, columns)| Route { name: name.to_owned(), columns }).collect();
    Description { name: name.to_owned(), version: version.to_owned(), stateless, routes }
}

/// Starts a plugin that is a plain function.
pub fn plain<T>(transform: T) -> impl FnOnce(usize) -> Start
where
    T: Fn(Record<'_>, &mut Out) -> Result<(), Reject> + 'static,
{
    move |routes| started(routes, (), move |(), record, out| transform(record, out), keep_silent)
}

/// Starts a plugin that reads what `init` made and cannot change it.
pub fn stateless<S, E, T>(
    setup: &Setup,
    init: impl FnOnce(&Setup) -> Result<S, E>,
    transform: T,
) -> impl FnOnce(usize) -> Start
where
    S: 'static,
    E: Display,
    T: Fn(&S, Record<'_>, &mut Out) -> Result<(), Reject> + 'static,
{
    stateful(setup, init, move |state: &mut S, record, out| transform(state, record, out), keep_silent)
}

/// Starts a plugin that changes what `init` made.
pub fn stateful<S, E, T, F>(
    setup: &Setup,
    init: impl FnOnce(&Setup) -> Result<S, E>,
    transform: T,
    finish: F,
) -> impl FnOnce(usize) -> Start
where
    S: 'static,
    E: Display,
    T: Fn(&mut S, Record<'_>, &mut Out) -> Result<(), Reject> + 'static,
    F: Fn(&mut S, &mut Out) -> Result<(), Reject> + 'static,
{
    let state = init(setup).map_err(|error| SetupError::new(error.to_string()));
    move |routes| started(routes, state?, transform, finish)
}

/// The `finish` of a plugin that has nothing to say at the end of a range.
pub fn keep_silent<S>(_: &mut S, _: &mut Out) -> Result<(), Reject> {
    Ok(())
}

fn started<S, T, F>(routes: usize, state: S, transform: T, finish: F) -> Start
where
    S: 'static,
    T: Fn(&mut S, Record<'_>, &mut Out) -> Result<(), Reject> + 'static,
    F: Fn(&mut S, &mut Out) -> Result<(), Reject> + 'static,
{
    Ok(Box::new(Started { state, transform, finish, out: Out::new(routes), stream: Stream::new() }))
}

struct Started<S, T, F> {
    state: S,
    transform: T,
    finish: F,
    out: Out,
    /// Kept from batch to batch: records of a pipeline are alike.
    stream: Stream,
}

impl<S, T, F> Transformer for Started<S, T, F>
where
    T: Fn(&mut S, Record<'_>, &mut Out) -> Result<(), Reject>,
    F: Fn(&mut S, &mut Out) -> Result<(), Reject>,
{
    fn transform(&mut self, batch: &Batch) -> Output {
        self.out.begin(batch);
        let records = Records::new(batch, &self.stream);
        for (origin, record) in (0..).zip(records.iter()) {
            self.out.at_record(origin, record.offset());
            if let Err(reject) = (self.transform)(&mut self.state, record, &mut self.out) {
                self.out.reject(reject);
            }
        }
        self.out.take()
    }

    fn finish(&mut self) -> Output {
        self.out.at_end();
        if let Err(reject) = (self.finish)(&mut self.state, &mut self.out) {
            self.out.reject(reject);
        }
        self.out.take()
    }
}
