//! Faults read from a file: rules that say which requests meet what, how often, and the same way each time.
//!
//! Chance is a function of the plan's seed, the rule, the cluster and how many requests the rule has matched there, so
//! one order of requests always meets the same faults, however fast they come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Fault, Faults, RequestInfo};

/// A seeded list of rules; the first whose time has come decides about a request.
///
/// `docs/apiserver.md` describes the file.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultPlan {
    pub(super) seed: u64,
    pub(super) rules: Vec<Rule>,
}

/// One rule: whom it is about, how often, and what happens.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) scope: Scope,
    pub(super) often: Often,
    pub(super) delay: Option<Delay>,
    pub(super) action: Action,
}

/// Which requests a rule is about; an empty list is about all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) verbs: Vec<String>,
    pub(super) groups: Vec<String>,
    /// Plurals, or `plural/subresource`; `*` covers subresources too.
    pub(super) resources: Vec<String>,
    pub(super) namespaces: Vec<String>,
    pub(super) names: Vec<String>,
    pub(super) user_agents: Vec<String>,
    pub(super) clusters: Vec<String>,
}

/// How often a rule acts on the requests it matches.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Often {
    /// The first so many are let pass.
    pub(super) after: u64,
    /// Of the rest each so manieth.
    pub(super) every: u64,
    /// And of these each with this chance.
    pub(super) probability: f64,
    /// Until it acted so many times.
    pub(super) count: u64,
}

impl Default for Often {
    fn default() -> Self {
        Self { after: 0, every: 1, probability: 1.0, count: u64::MAX }
    }
}

/// How long a request waits: between the two, evenly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delay {
    pub(super) from: Duration,
    pub(super) to: Duration,
}

/// What a rule does, besides a delay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// The request is served.
    Serve,
    /// It meets this.
    Fault(Fault),
}

impl FaultPlan {
    /// Returns what this plan does to one cluster; counts begin anew with each call.
    pub fn faults(&self, cluster: &str) -> Faults {
        let rules: Vec<(Rule, Counts)> = (self.rules.iter())
            .filter(|rule| chosen(&rule.scope.clusters, cluster))
            .map(|rule| (rule.clone(), Counts::default()))
            .collect();
        let seed = cluster.bytes().fold(self.seed, |sum, byte| mix(sum ^ u64::from(byte)));
        let rules = Arc::new(rules);
        Faults::new(move |request| {
            let decided = rules.iter().enumerate().find_map(|(at, (rule, counts))| {
                rule.scope.covers(request).then(|| rule.decide(counts, mix(seed ^ (at as u64) << 32)))?
            });
            decided.unwrap_or(Fault::None)
        })
    }

    /// Returns how many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Returns whether nothing ever goes wrong.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

#[derive(Debug, Default)]
struct Counts {
    matched: AtomicU64,
    acted: AtomicU64,
}

impl Rule {
    fn decide(&self, counts: &Counts, seed: u64) -> Option<Fault> {
        let number = counts.matched.fetch_add(1, Ordering::Relaxed);
        let turn = number.checked_sub(self.often.after)?;
        let chance = mix(seed ^ number);
        if turn % self.often.every != self.often.every - 1 || fraction(chance) >= self.often.probability {
            return None;
        }
        let acted = counts.acted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |acted| {
            (acted < self.often.count).then_some(acted + 1)
        });
        acted.ok()?;
        let fault = match &self.action {
            Action::Serve => Fault::None,
            Action::Fault(fault) => fault.clone(),
        };
        Some(match &self.delay {
            None => fault,
            Some(delay) => {
                let time = delay.from + delay.to.saturating_sub(delay.from).mul_f64(fraction(mix(chance)));
                match fault {
                    Fault::None => Fault::Delay(time),
                    fault => Fault::Delayed { time, then: Box::new(fault) },
                }
            }
        })
    }
}

impl Scope {
    fn covers(&self, request: &RequestInfo) -> bool {
        let resource = || match request.subresource.as_str() {
            "" => request.resource.clone(),
            subresource => format!("{}/{subresource}", request.resource),
        };
        (self.verbs.is_empty() || self.verbs.iter().any(|verb| covers_verb(verb, request)))
            && chosen(&self.groups, &request.group)
            && (self.resources.is_empty() || chosen(&self.resources, &resource()))
            && chosen(&self.namespaces, request.namespace.as_deref().unwrap_or_default())
            && chosen(&self.names, request.name.as_deref().unwrap_or_default())
            && chosen(&self.user_agents, &request.user_agent)
    }
}

fn covers_verb(verb: &str, request: &RequestInfo) -> bool {
    match verb {
        "read" => matches!(request.verb.as_str(), "get" | "list" | "watch"),
        "write" => request.is_write(),
        // An apply is a patch to everybody but this server.
        "patch" => matches!(request.verb.as_str(), "patch" | "apply"),
        verb => verb == "*" || verb == request.verb,
    }
}

fn chosen(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| fits(pattern.as_bytes(), text.as_bytes()))
}

/// Returns whether a text fits a pattern in which `*` stands for any letters.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut star, mut seen, mut retry) = (0, None, 0, 0);
    while seen < text.len() {
        if at < pattern.len() && pattern[at] == b'*' {
            star = Some(at);
            retry = seen;
            at += 1;
        } else if at < pattern.len() && pattern[at] == text[seen] {
            at += 1;
            seen += 1;
        } else if let Some(star) = star {
            // The star takes one letter more.
            retry += 1;
            seen = retry;
            at = star + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|letter| *letter == b'*')
}

/// `SplitMix64`'s finaliser.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Returns a number from 0 up to, but not including, 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what a double has")]
fn fraction(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> FaultPlan {
        FaultPlan::parse(text.as_bytes()).expect("it is a plan")
    }

    fn request(verb: &str, group: &str, resource: &str, name: &str) -> RequestInfo {
        RequestInfo {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            name: Some(name.to_owned()),
            user_agent: "kubectl/v1.35".to_owned(),
            ..RequestInfo::default()
        }
    }

    #[test]
    fn patterns_stand_for_what_they_say() {
        let rows = [
            ("web-*", "web-1", true),
            ("web-*", "db-1", false),
            ("*", "", true),
            ("*a*b", "xaxbxab", true),
            ("*a*b", "xaxbxa", false),
            ("", "x", false),
        ];
        for (pattern, text, want) in rows {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes()), want, "{pattern} {text}");
        }
    }

    #[test]
    fn a_rule_acts_on_its_own_requests_alone() {
        let plan = plan(
            "rules:\n- match: {verbs: [patch], groups: [apps], resources: [deployments], names: [web-*], userAgents: [kubectl*], \
             clusters: [b]}\n  do: {status: 409}\n",
        );
        let faults = plan.faults("b");
        let met = |request: RequestInfo| faults.decide(&request) != Fault::None;
        assert!(met(request("apply", "apps", "deployments", "web-1")));
        assert!(!met(request("get", "apps", "deployments", "web-1")));
        assert!(!met(request("patch", "", "deployments", "web-1")));
        assert!(!met(request("patch", "apps", "deployments", "db")));
        let mut status = request("patch", "apps", "deployments", "web-1");
        status.subresource = "status".to_owned();
        assert!(!met(status));
        assert_eq!(plan.faults("a").decide(&request("patch", "apps", "deployments", "web-1")), Fault::None);
    }

    #[test]
    fn every_after_and_count_are_kept() {
        let plan = plan("rules:\n- when: {after: 2, every: 3, count: 2}\n  do: {drop: before}\n");
        let faults = plan.faults("a");
        let met: Vec<usize> =
            (0..20).filter(|_| faults.decide(&request("get", "", "pods", "x")) == Fault::DropBefore).collect();
        assert_eq!(met, [4, 7]);
    }

    #[test]
    fn chance_is_the_same_each_time_and_about_right() {
        let text = "seed: 7\nrules:\n- when: {probability: 0.2}\n  do: {status: 503}\n";
        let draw = |cluster: &str| {
            let faults = plan(text).faults(cluster);
            (0..1000).map(|_| faults.decide(&request("get", "", "pods", "x")) != Fault::None).collect::<Vec<_>>()
        };
        let (first, second, other) = (draw("a"), draw("a"), draw("b"));
        assert_eq!(first, second);
        assert_ne!(first, other, "two clusters do not fail in step");
        let met = first.iter().filter(|met| **met).count();
        assert!((150..250).contains(&met), "{met} of 1000");
    }

    #[test]
    fn a_delay_lies_between_its_bounds_and_goes_with_a_status() {
        let plan = plan("rules:\n- do: {delay: {from: 10ms, to: 30ms}, status: 500}\n");
        let faults = plan.faults("a");
        for _ in 0..100 {
            let Fault::Delayed { time, then } = faults.decide(&request("get", "", "pods", "x")) else {
                panic!("it is delayed")
            };
            assert!((10..=30).contains(&time.as_millis()), "{time:?}");
            assert!(matches!(*then, Fault::Status { code: 500, .. }));
        }
    }
}
