//! A plugin that is linked into the test instead of being loaded, behind the same trait: what it answers goes through
//! the same checks. A native instance cannot leave its thread, so each guest has one and talks to it.

use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tidegate::pipeline::Range;
use tidegate::plugin::{
    BoxFuture, Description, DescriptionFault, Guest, GuestFault, InstanceSettings, Plugin, PluginHash, contract as host,
};
use tidegate_plugin::contract as guest;
use tidegate_plugin::native::Instance;

use crate::native::{self, HostTables};

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
    Transform(Box<guest::Batch>),
    Finish,
}

impl<P: tidegate_plugin::Plugin> NativePlugin<P> {
    /// Describes the plugin.
    ///
    /// # Errors
    /// Where the gateway refuses the description.
    pub fn new(instance: InstanceSettings) -> Result<Self, DescriptionFault> {
        let description = Description::new(native::describe(P::describe()))?;
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
    let mut started = Instance::<P>::new(Rc::new(HostTables(instance.lookups.clone())), &instance.settings);
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
        self.answers.recv().map_err(|_| ended())?.map(native::output)
    }
}

impl Guest for NativeGuest {
    fn transform<'a>(&'a mut self, batch: host::Batch<'a>) -> BoxFuture<'a, Result<host::Output, GuestFault>> {
        Box::pin(async move { self.call(Call::Transform(Box::new(native::owned(batch)))) })
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
