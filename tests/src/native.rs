//! The `sales` plugin linked natively behind the same seam as a WebAssembly one: what the sandbox costs is the difference.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tidegate::pipeline::Range;
use tidegate::plugin::{
    BoxFuture, Description, Guest, GuestFault, InstanceSettings, LoadFault, Lookups, Plugin, PluginHash,
    contract as host,
};
use tidegate::{LoadPlugin, PluginRequest};
use tidegate_plugin::contract as guest;
use tidegate_plugin::native::{Environment, Instance};

/// Answers every request with the `sales` plugin of this binary, whatever file it names.
#[derive(Debug)]
pub struct NativeSales;

struct NativePlugin {
    description: Description,
    instance: InstanceSettings,
}

/// The work is done by the calling worker's own instance: a native one cannot move between threads.
struct NativeGuest(InstanceSettings);

thread_local! {
    static INSTANCE: RefCell<Option<Instance<sales::Exported>>> = const { RefCell::new(None) };
}

/// The gateway's own tables, for a native instance; what it logs is lost.
pub struct HostTables(pub Arc<Lookups>);

impl Environment for HostTables {
    fn open_table(&self, name: &str) -> Result<guest::Table, String> {
        let (handle, columns) = self.0.open(name)?;
        Ok(guest::Table { handle, columns: columns.to_vec() })
    }

    fn get(&self, table: u32, key: &str) -> Option<Vec<String>> {
        self.0.get(table, key).map(<[String]>::to_vec)
    }

    fn log(&self, _: guest::Level, _: &str) {}
}

impl LoadPlugin for NativeSales {
    fn load(&self, request: PluginRequest) -> BoxFuture<'_, Result<Arc<dyn Plugin>, LoadFault>> {
        Box::pin(async move {
            let described = <sales::Exported as tidegate_plugin::Plugin>::describe();
            let description = Description::new(describe(described))
                .map_err(|problem| LoadFault::Description { path: request.file.path.clone(), problem })?;
            Ok(Arc::new(NativePlugin { description, instance: request.instance }) as Arc<dyn Plugin>)
        })
    }
}

/// A description as the host's side of the contract has it.
pub fn describe(described: guest::Description) -> host::Description {
    let guest::Description { name, version, stateless, routes } = described;
    let column = |column: guest::Column| host::Column { name: column.name, type_: column.type_ };
    let route = |route: guest::Route| host::Route {
        name: route.name,
        columns: route.columns.into_iter().map(column).collect(),
    };
    host::Description { name, version, stateless, routes: routes.into_iter().map(route).collect() }
}

impl Plugin for NativePlugin {
    fn description(&self) -> &Description {
        &self.description
    }

    fn hash(&self) -> PluginHash {
        PluginHash::of(b"native")
    }

    fn guest<'a>(&'a self, _: &'a Range) -> BoxFuture<'a, Result<Box<dyn Guest>, GuestFault>> {
        Box::pin(async move { Ok(Box::new(NativeGuest(self.instance.clone())) as Box<dyn Guest>) })
    }

    fn give_back(&self, _: Box<dyn Guest>) {}
}

impl Guest for NativeGuest {
    fn transform<'a>(&'a mut self, batch: host::Batch<'a>) -> BoxFuture<'a, Result<host::Output, GuestFault>> {
        Box::pin(async move {
            // The copy that lowering a batch into a guest's memory makes, too.
            let batch = owned(batch);
            INSTANCE.with_borrow_mut(|slot| {
                let instance = match slot {
                    Some(instance) => instance,
                    None => {
                        let tables = Rc::new(HostTables(self.0.lookups.clone()));
                        let started = Instance::new(tables, &self.0.settings);
                        slot.insert(started.map_err(|fault| GuestFault::Init(fault.to_string()))?)
                    }
                };
                Ok(output(instance.transform(&batch)))
            })
        })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<host::Output, GuestFault>> {
        Box::pin(async { Ok(host::Output { rows: Vec::new(), rejects: Vec::new() }) })
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}

/// A batch as the guest's side of the contract has it.
pub fn owned(batch: host::Batch<'_>) -> guest::Batch {
    let strings = |strings: host::Strings<'_>| guest::Strings {
        bytes: strings.bytes.to_vec(),
        ends: strings.ends.to_vec(),
        nulls: strings.nulls.to_vec(),
    };
    guest::Batch {
        topic: batch.topic.to_owned(),
        partition: batch.partition,
        offsets: batch.offsets.to_vec(),
        timestamps: batch.timestamps.to_vec(),
        keys: strings(batch.keys),
        values: strings(batch.values),
        headers: guest::Headers {
            record_ends: batch.headers.record_ends.to_vec(),
            names: strings(batch.headers.names),
            values: strings(batch.headers.values),
        },
    }
}

/// An output as the host's side of the contract has it.
pub fn output(output: guest::Output) -> host::Output {
    let rows =
        |rows: guest::Rows| host::Rows { route: rows.route, bytes: rows.bytes, ends: rows.ends, origins: rows.origins };
    let reject = |reject: guest::Reject| host::Reject { origin: reject.origin, reason: reject.reason };
    host::Output {
        rows: output.rows.into_iter().map(rows).collect(),
        rejects: output.rejects.into_iter().map(reject).collect(),
    }
}
