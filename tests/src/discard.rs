//! A plugin that reads nothing and emits nothing: what is left is what consuming costs.

use std::sync::Arc;

use tidegate::pipeline::Range;
use tidegate::plugin::{BoxFuture, Description, Guest, GuestFault, LoadFault, Plugin, PluginHash, contract};
use tidegate::{LoadPlugin, PluginRequest};

/// Answers every request with a plugin that drops all records. Its one route is called `sale`.
#[derive(Debug)]
pub struct Discard;

struct Dropping(Description);

struct DroppingGuest;

impl LoadPlugin for Discard {
    fn load(&self, request: PluginRequest) -> BoxFuture<'_, Result<Arc<dyn Plugin>, LoadFault>> {
        Box::pin(async move {
            let column = contract::Column { name: "nothing".to_owned(), type_: "UInt8".to_owned() };
            let route = contract::Route { name: "sale".to_owned(), columns: vec![column] };
            let described = contract::Description {
                name: "discard".to_owned(),
                version: "1".to_owned(),
                stateless: true,
                routes: vec![route],
            };
            let description = Description::new(described)
                .map_err(|problem| LoadFault::Description { path: request.file.path.clone(), problem })?;
            Ok(Arc::new(Dropping(description)) as Arc<dyn Plugin>)
        })
    }
}

impl Plugin for Dropping {
    fn description(&self) -> &Description {
        &self.0
    }

    fn hash(&self) -> PluginHash {
        PluginHash::of(b"discard")
    }

    fn guest<'a>(&'a self, _: &'a Range) -> BoxFuture<'a, Result<Box<dyn Guest>, GuestFault>> {
        Box::pin(async { Ok(Box::new(DroppingGuest) as Box<dyn Guest>) })
    }

    fn give_back(&self, _: Box<dyn Guest>) {}
}

fn nothing() -> Result<contract::Output, GuestFault> {
    Ok(contract::Output { rows: Vec::new(), rejects: Vec::new() })
}

impl Guest for DroppingGuest {
    fn transform<'a>(&'a mut self, _: contract::Batch<'a>) -> BoxFuture<'a, Result<contract::Output, GuestFault>> {
        Box::pin(async { nothing() })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<contract::Output, GuestFault>> {
        Box::pin(async { nothing() })
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any> {
        self
    }
}
