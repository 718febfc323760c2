//! The canned logs: what a container of a pod would have written, and when.
//!
//! A program that serves says that it starts, where it listens, and every ten seconds that it is well; one that does a
//! piece of work says what it did. The annotation `sim.bowline.dev/log` on the pod gives the text instead, a line a second.
//! The same pod at the same time has always the same log.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::text;

/// The annotation that holds the text.
const TEXT: &str = "sim.bowline.dev/log";
/// How often a program that serves says that it is well.
const BEAT_SECS: i64 = 10;
/// Older beats are forgotten, as a node's log files are rotated.
const MAX_BEATS: i64 = 1000;

/// One line with the time it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) text: String,
}

/// One run of a container.
pub(super) struct Run<'a> {
    pub(super) pod: &'a Value,
    pub(super) container: &'a str,
    pub(super) started: Timestamp,
    /// When it ended, and with which exit code.
    pub(super) ended: Option<(Timestamp, i64)>,
}

impl Run<'_> {
    /// Returns what it wrote until `now`.
    pub(super) fn lines(&self, now: Timestamp) -> Vec<Line> {
        let until = self.ended.map_or(now, |(at, _)| at.min(now));
        if let Some(given) = self.pod["metadata"]["annotations"][TEXT].as_str() {
            let all = given.lines().enumerate().map(|(at, line)| self.line(at as i64, line.to_owned()));
            // What has ended has said all it had to say.
            return all.filter(|line| self.ended.is_some() || line.at <= until).collect();
        }
        let mut lines: Vec<Line> =
            self.opening().into_iter().enumerate().map(|(at, line)| self.line(at as i64 / 2, line)).collect();
        match self.ended {
            Some((at, code)) => lines.extend(closing(code).into_iter().map(|text| Line { at, text })),
            None => {
                let beats = (until.as_second() - self.started.as_second()) / BEAT_SECS;
                let from = (beats - MAX_BEATS).max(0);
                lines.extend((from + 1..=beats).map(|beat| self.beat(beat)));
            }
        }
        lines.retain(|line| self.ended.is_some() || line.at <= until);
        lines
    }

    /// Returns when the next line after `now` is written, if there will be one.
    pub(super) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        if self.ended.is_some() {
            return None;
        }
        let passed = now.as_second() - self.started.as_second();
        if let Some(given) = self.pod["metadata"]["annotations"][TEXT].as_str() {
            let lines = given.lines().count() as i64;
            return (passed + 1 < lines).then(|| self.line((passed + 1).max(0), String::new()).at);
        }
        let secs = if passed < 2 { passed + 1 } else { (passed / BEAT_SECS + 1) * BEAT_SECS };
        Some(self.line(secs, String::new()).at)
    }

    fn line(&self, secs: i64, text: String) -> Line {
        Line { at: self.started.checked_add(SignedDuration::from_secs(secs)).unwrap_or(self.started), text }
    }

    fn opening(&self) -> Vec<String> {
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        let mut all = lists.iter().flat_map(|list| self.pod["spec"][*list].as_array().into_iter().flatten());
        let container = all.find(|container| container["name"] == self.container).unwrap_or(&Value::Null);
        let mut lines = vec![format!("starting {} from image {}", self.container, text(container, "/image"))];
        for port in container["ports"].as_array().into_iter().flatten() {
            lines.push(format!("listening on :{}", port["containerPort"]));
        }
        lines.push("ready".to_owned());
        lines
    }

    fn beat(&self, beat: i64) -> Line {
        // The numbers look busy and follow from the pod and the time alone.
        let seed = text(self.pod, "/metadata/name").bytes().fold(7_i64, |sum, byte| (sum * 31 + i64::from(byte)) % 997);
        let served = (seed * 13 + beat * 29) % 97 + 3;
        self.line(beat * BEAT_SECS, format!("served {served} requests in {BEAT_SECS}s, 0 errors"))
    }
}

fn closing(code: i64) -> Vec<String> {
    match code {
        0 => vec!["done".to_owned()],
        137 => vec!["allocating memory".to_owned()],
        code => vec!["error: cannot go on".to_owned(), format!("exiting with code {code}")],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_program_starts_and_goes_on_saying_that_it_is_well() {
        let pod = json!({ "metadata": { "name": "p" }, "spec": { "containers": [
            { "name": "c", "image": "i", "ports": [{ "containerPort": 80 }] }
        ] } });
        let run = Run { pod: &pod, container: "c", started: time("2026-01-01T00:00:00Z"), ended: None };
        let said: Vec<String> = run.lines(time("2026-01-01T00:00:25Z")).into_iter().map(|line| line.text).collect();
        assert_eq!(said[..3], ["starting c from image i", "listening on :80", "ready"]);
        assert_eq!(said.len(), 5);
        assert_eq!(run.next(time("2026-01-01T00:00:25Z")), Some(time("2026-01-01T00:00:30Z")));
        let ended = Run { ended: Some((time("2026-01-01T00:00:01Z"), 1)), ..run };
        let last = ended.lines(time("2026-01-02T00:00:00Z")).pop().map(|line| line.text);
        assert_eq!(last.as_deref(), Some("exiting with code 1"));
    }

    #[test]
    fn the_annotation_gives_the_text() {
        let pod = json!({ "metadata": { "name": "p", "annotations": { TEXT: "a\nb\nc" } } });
        let run = Run { pod: &pod, container: "c", started: time("2026-01-01T00:00:00Z"), ended: None };
        assert_eq!(run.lines(time("2026-01-01T00:00:01Z")).len(), 2);
        assert_eq!(run.next(time("2026-01-01T00:00:01Z")), Some(time("2026-01-01T00:00:02Z")));
        assert_eq!(run.next(time("2026-01-01T00:00:02Z")), None);
    }
}
