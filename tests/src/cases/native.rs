//! A plugin that is linked into the test instead of being loaded, behind the same trait: what it answers goes through
//! the same checks. A native instance cannot leave its thread, so each guest has one and talks to it.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tidegate::pipeline::Range;
use tidegate::plugin::{
    BoxFuture, Description, DescriptionFault, Guest, GuestFault, InstanceSettings, Lookups, Plugin, PluginHash,
    contract as host,
};
use tidegate_plugin::contract as guest;
use tidegate_plugin::native::{Environment, Instance};

/// The plugin `P`, with settings and tables.
pub struct NativePlugin<P> {
    description: Description,
    instance: InstanceSettings,
    plugin: PhantomData<fn() -> P>,
}

/// The owner of a thread that an instance lives on.
struct NativeGuest {
    /// None only while it is dropped.
    calls: Option<SyncSender<Call>>,
    answers: Receiver<Result<guest::Output, GuestFault>>,
    thread: Option<JoinHandle<()>>,
}

enum Call {
    Transform(guest::Batch),
    Finish,
}

/// The gateway's own tables; what is logged is lost.
struct Tables(Arc<Lookups>);

impl<P: tidegate_plugin::Plugin> NativePlugin<P> {
    /// Describes the plugin.
    ///
    /// # Errors
    /// Where the gateway refuses the description.
    pub fn new(instance: InstanceSettings) -> Result<Self, DescriptionFault> {
        let description = Description::new(described(P::describe()))?;
        Ok(Self { description, instance, plugin: PhantomData })
    }
}

impl<P: tidegate_plugin::Plugin> Plugin for NativePlugin<P> {
    fn description(&self) -> &Description {
        &self.description
    }

    fn hash(&self) -> PluginHash {
        PluginHash::of(self.description.name.as_bytes())
    }

    fn guest<'a>(&'a self, _: &'a Range) -> BoxFuture<'a, Result<Box<dyn Guest>, GuestFault>> {
        let instance = self.instance.clone();
        // One call is under way at a time.
        let (calls, received) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        let thread = std::thread::spawn(move || serve::<P>(&instance, &received, &answer));
        let guest = NativeGuest { calls: Some(calls), answers, thread: Some(thread) };
        Box::pin(async move { Ok(Box::new(guest) as Box<dyn Guest>) })
    }

    fn give_back(&self, _: Box<dyn Guest>) {}
}

fn serve<P: tidegate_plugin::Plugin>(
    instance: &InstanceSettings,
    calls: &Receiver<Call>,
    answers: &SyncSender<Result<guest::Output, GuestFault>>,
) {
    let mut started = Instance::<P>::new(Rc::new(Tables(instance.lookups.clone())), &instance.settings);
    while let Ok(call) = calls.recv() {
        let answer = match (&mut started, call) {
            (Err(refused), _) => Err(GuestFault::Init(refused.to_string())),
            (Ok(started), Call::Transform(batch)) => Ok(started.transform(&batch)),
            (Ok(started), Call::Finish) => Ok(started.finish()),
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}

impl NativeGuest {
    fn call(&self, call: Call) -> Result<host::Output, GuestFault> {
        let ended = || GuestFault::Trap("the native instance panicked".to_owned());
        self.calls.as_ref().ok_or_else(ended)?.send(call).map_err(|_| ended())?;
        self.answers.recv().map_err(|_| ended())?.map(answered)
    }
}

impl Guest for NativeGuest {
    fn transform<'a>(&'a mut self, batch: host::Batch<'a>) -> BoxFuture<'a, Result<host::Output, GuestFault>> {
        Box::pin(async move { self.call(Call::Transform(lent(&batch))) })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<host::Output, GuestFault>> {
        Box::pin(async move { self.call(Call::Finish) })
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}

impl Drop for NativeGuest {
    fn drop(&mut self) {
        // Without calls to wait for, the thread ends.
        self.calls = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Environment for Tables {
    fn open_table(&self, name: &str) -> Result<guest::Table, String> {
        let (handle, columns) = self.0.open(name)?;
        Ok(guest::Table { handle, columns: columns.to_vec() })
    }

    fn get(&self, table: u32, key: &str) -> Option<Vec<String>> {
        self.0.get(table, key).map(<[String]>::to_vec)
    }

    fn log(&self, _: guest::Level, _: &str) {}
}

// The two sides of the contract are generated each for itself; from here on it is field by field.

fn lent(batch: &host::Batch<'_>) -> guest::Batch {
    guest::Batch {
        topic: batch.topic.to_owned(),
        partition: batch.partition,
        offsets: batch.offsets.to_vec(),
        timestamps: batch.timestamps.to_vec(),
        keys: strings(&batch.keys),
        values: strings(&batch.values),
        headers: guest::Headers {
            record_ends: batch.headers.record_ends.to_vec(),
            names: strings(&batch.headers.names),
            values: strings(&batch.headers.values),
        },
    }
}

fn strings(strings: &host::Strings<'_>) -> guest::Strings {
    guest::Strings { bytes: strings.bytes.to_vec(), ends: strings.ends.to_vec(), nulls: strings.nulls.to_vec() }
}

fn answered(output: guest::Output) -> host::Output {
    let rows = output.rows.into_iter().map(|rows| {
        let guest::Rows { route, bytes, ends, origins } = rows;
        host::Rows { route, bytes, ends, origins }
    });
    let rejects = output.rejects.into_iter();
    let rejects = rejects.map(|guest::Reject { origin, reason }| host::Reject { origin, reason });
    host::Output { rows: rows.collect(), rejects: rejects.collect() }
}

fn described(description: guest::Description) -> host::Description {
    let routes = description.routes.into_iter().map(|route| {
        let columns = route.columns.into_iter().map(|column| host::Column { name: column.name, type_: column.type_ });
        host::Route { name: route.name, columns: columns.collect() }
    });
    let guest::Description { name, version, stateless, .. } = description;
    host::Description { name, version, stateless, routes: routes.collect() }
}
