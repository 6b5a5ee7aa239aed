//! `activity-sensor unload`: takes pinned hooks out of the kernel.

use crate::{
    cli::UnloadArgs,
    config::Config,
    failure::{Failure, say},
    run::require_privilege,
    source::pins,
    state::State,
};

/// Takes them out, and says what that was.
///
/// # Errors
/// When the sensor runs, or the system refuses.
pub fn unload(args: &UnloadArgs) -> Result<(), Failure> {
    let config = Config::load(args.config.as_deref())?;
    crate::log::start(config.log.level.as_str());
    require_privilege()?;
    let state = args.state.as_ref().unwrap_or(&config.sensor.state);
    let _alone = State::hold(state)?;
    let said = match pins::unload(state).map_err(Failure::unavailable)? {
        None => "no hooks are pinned".to_owned(),
        Some(0) => "the hooks are out of the kernel; all they had recorded had been read".to_owned(),
        Some(unread) => {
            format!("the hooks are out of the kernel; {unread} records that no run had read are gone")
        }
    };
    say(said)
}
