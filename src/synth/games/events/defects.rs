//! Dirt of the events: which rows and values get which defect.

use super::super::defects::{Injector, Kind, RowDefect};
use super::super::words::{DEVICES, EVENT_TYPES, Word};
use super::super::{UNKNOWN_ID, repeat, stream};
use super::{Events, GameEvents};

const BAD_TIMES: &[&str] = &[
    "2024-02-30T14:23:01",
    "2023-02-29T09:00:00",
    "2024-13-05T18:30:00",
    "2022-06-31T21:05:47",
    "2024-06-15T25:10:00",
    "2023-07-01T12:75:00",
    "not a time",
    "yesterday",
];

impl GameEvents {
    /// Gives a share of the rows and values a defect each.
    pub(super) fn inject_defects(&self, block: u64, events: &mut Events) {
        let n_rows = events.len();
        let mut injector =
            Injector::new(self.dirt, self.seed, stream::EVENT_DIRT, block, &mut events.defects);
        for row in 0..n_rows {
            let kinds = [Kind::UnknownUser, Kind::UnknownGame, Kind::BadTime];
            match injector.row_defect(row, n_rows, &kinds, 1.0, || true) {
                RowDefect::None => {
                    let kind = word(&EVENT_TYPES, events.event_type[row]);
                    events.event_type[row] = injector.spell(row, "event_type", kind);
                    injector.inject_duration(
                        row,
                        "duration_seconds",
                        &mut events.duration_seconds[row],
                    );
                    let device = word(&DEVICES, events.device_type[row]);
                    events.device_type[row] = injector.spell(row, "device_type", device);
                }
                RowDefect::Copied => {}
                RowDefect::Copy => {
                    injector.record(
                        row,
                        "event_id",
                        Kind::DuplicateId,
                        events.event_id[row].to_string(),
                    );
                    repeat(&mut events.event_id, row);
                    repeat(&mut events.game_id, row);
                    repeat(&mut events.user_id, row);
                    repeat(&mut events.event_type, row);
                    repeat(&mut events.duration_seconds, row);
                    repeat(&mut events.device_type, row);
                    let start = row * Events::TIME_LENGTH;
                    let before = events.times[start - Events::TIME_LENGTH..start].to_owned();
                    events.times.replace_range(start..start + Events::TIME_LENGTH, &before);
                }
                RowDefect::Unusable(kind @ Kind::UnknownUser) => {
                    let clean = std::mem::replace(&mut events.user_id[row], UNKNOWN_ID);
                    injector.record(row, "user_id", kind, clean.to_string());
                }
                RowDefect::Unusable(kind @ Kind::UnknownGame) => {
                    let clean = std::mem::replace(&mut events.game_id[row], UNKNOWN_ID);
                    injector.record(row, "game_id", kind, clean.to_string());
                }
                RowDefect::Unusable(kind) => {
                    events.bad_times[row] = Some(injector.bad_time(BAD_TIMES));
                    let start = row * Events::TIME_LENGTH;
                    let clean = events.times[start..start + Events::TIME_LENGTH].to_owned();
                    injector.record(row, "event_time", kind, clean);
                }
            }
        }
    }
}

/// The word of a clean text.
fn word(words: &'static [Word], text: Option<&str>) -> &'static Word {
    words
        .iter()
        .find(|word| Some(word.text) == text)
        .expect("clean text is a word of its enumeration")
}
