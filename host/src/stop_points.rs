//! Named places on a range's way where tests make the process stop, wait or die, to see that nothing is lost or doubled there. They
//! are nothing unless the feature `stop-points` is on; then `FAILPOINTS` in the environment says what happens at which, in the
//! language of the crate `fail`: `FAILPOINTS="planned=1*off->return"`. The action `return` kills the process at once, as a power
//! cut would; `return(stop)` lets it stand still, until it is sent SIGCONT.

/// Reads what the environment says. To be called once, before anything runs.
pub fn set_up() {
    #[cfg(feature = "stop-points")]
    std::mem::forget(fail::FailScenario::setup());
}

/// Whether the environment asks for what this name says, such as to leave out a step of the protocol and see that it is missed.
pub fn asked(name: &'static str) -> bool {
    #[cfg(feature = "stop-points")]
    return fail::eval(name, |_| ()).is_some();
    #[cfg(not(feature = "stop-points"))]
    {
        let _ = name;
        false
    }
}

/// Passes a named place.
pub fn pass(name: &'static str) {
    #[cfg(feature = "stop-points")]
    fail::eval(name, |how| match how.as_deref() {
        Some("stop") => stand_still(),
        _ => std::process::abort(),
    });
    #[cfg(not(feature = "stop-points"))]
    let _ = name;
}

#[cfg(feature = "stop-points")]
fn stand_still() {
    // It takes effect before the call returns. Where it fails the process goes on, and the test waits in vain.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
}
