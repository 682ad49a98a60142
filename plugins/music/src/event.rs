//! What a listener did, by the number that the service gives it.

use tidegate_plugin::{Enum, Reject};

/// An event's kind, which is also its route.
#[derive(Clone, Copy)]
pub(crate) enum Event {
    Playback(Playing),
    Taste(Taste),
}

/// The numbers are those of `event_type_id`.
#[derive(Clone, Copy, Enum)]
pub(crate) enum Playing {
    #[column(name = "track_playback")]
    TrackPlayback = 1,
    #[column(name = "pause_track")]
    PauseTrack = 2,
    #[column(name = "resume_track")]
    ResumeTrack = 3,
    #[column(name = "skipping_track_next")]
    SkippingTrackNext = 4,
    #[column(name = "skipping_track_prev")]
    SkippingTrackPrev = 5,
}

/// The numbers are those of `event_type_id`.
#[derive(Clone, Copy, Enum)]
pub(crate) enum Taste {
    #[column(name = "adding_track_to_playlist")]
    AddingTrackToPlaylist = 6,
    #[column(name = "track_like")]
    TrackLike = 7,
    #[column(name = "track_unlike")]
    TrackUnlike = 8,
}

impl Event {
    /// The event with this number.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) fn of(event_type_id: i64) -> Result<Self, Reject> {
        Ok(match event_type_id {
            1 => Self::Playback(Playing::TrackPlayback),
            2 => Self::Playback(Playing::PauseTrack),
            3 => Self::Playback(Playing::ResumeTrack),
            4 => Self::Playback(Playing::SkippingTrackNext),
            5 => Self::Playback(Playing::SkippingTrackPrev),
            6 => Self::Taste(Taste::AddingTrackToPlaylist),
            7 => Self::Taste(Taste::TrackLike),
            8 => Self::Taste(Taste::TrackUnlike),
            unknown => {
                let reason = format!("event_params: event_type_id is {unknown}, which is no event; they are 1 to 8");
                return Err(Reject::new(reason));
            }
        })
    }

    /// As the service calls it, for reasons.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Playback(Playing::TrackPlayback) => "track_playback",
            Self::Playback(Playing::PauseTrack) => "pause_track",
            Self::Playback(Playing::ResumeTrack) => "resume_track",
            Self::Playback(Playing::SkippingTrackNext) => "skipping_track_next",
            Self::Playback(Playing::SkippingTrackPrev) => "skipping_track_prev",
            Self::Taste(Taste::AddingTrackToPlaylist) => "adding_track_to_playlist",
            Self::Taste(Taste::TrackLike) => "track_like",
            Self::Taste(Taste::TrackUnlike) => "track_unlike",
        }
    }
}
