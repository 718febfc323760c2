//! Kinds that Argo CD checks by Lua scripts of its own: those that most clusters have.
//!
//! The rules are written from what each project documents of its conditions. Argo CD's `Application` has no
//! health of its own on purpose, as there.

use bowline_model::{Health, Object};

use crate::fields::{condition, conditions, degraded, healthy, is_behind, is_true, progressing, suspended, text};

/// How a kind tells its health.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// By a `Ready` condition: True, False (failed) or anything else (on its way). The text says what is waited
    /// for while there is none.
    Ready(&'static str),
    /// As above, in Flux's words: the reason tells more than the message, and `spec.suspend` suspends.
    Flux,
    /// By a check.
    Check(fn(&Object) -> Health),
}

/// Group, kind and rule. Sorted; an empty kind stands for every kind of the group.
const RULES: &[(&str, &str, Rule)] = &[
    ("apiextensions.k8s.io", "CustomResourceDefinition", Rule::Check(custom_resource_definition)),
    ("argoproj.io", "ApplicationSet", Rule::Check(application_set)),
    ("batch", "CronJob", Rule::Check(cron_job)),
    ("cert-manager.io", "Certificate", Rule::Check(certificate)),
    ("cert-manager.io", "ClusterIssuer", Rule::Ready("Initializing cluster issuer")),
    ("cert-manager.io", "Issuer", Rule::Ready("Initializing issuer")),
    ("certmanager.k8s.io", "Certificate", Rule::Check(certificate)),
    ("certmanager.k8s.io", "ClusterIssuer", Rule::Ready("Initializing cluster issuer")),
    ("certmanager.k8s.io", "Issuer", Rule::Ready("Initializing issuer")),
    ("external-secrets.io", "ClusterExternalSecret", Rule::Check(cluster_external_secret)),
    ("external-secrets.io", "ClusterSecretStore", Rule::Ready("Initializing ClusterSecretStore")),
    ("external-secrets.io", "ExternalSecret", Rule::Ready("Waiting for ExternalSecret")),
    ("external-secrets.io", "PushSecret", Rule::Ready("Waiting for PushSecret")),
    ("external-secrets.io", "SecretStore", Rule::Ready("Initializing SecretStore")),
    ("helm.toolkit.fluxcd.io", "", Rule::Flux),
    ("image.toolkit.fluxcd.io", "", Rule::Flux),
    ("kustomize.toolkit.fluxcd.io", "", Rule::Flux),
    ("notification.toolkit.fluxcd.io", "", Rule::Flux),
    ("source.toolkit.fluxcd.io", "", Rule::Flux),
];

pub(crate) fn assess(object: &Object) -> Option<Health> {
    let gvk = object.gvk();
    let (.., rule) =
        RULES.iter().find(|(group, kind, _)| *group == gvk.group && (kind.is_empty() || *kind == gvk.kind))?;
    Some(match rule {
        Rule::Ready(waiting) => ready(object, waiting),
        Rule::Flux => flux(object),
        Rule::Check(check) => check(object),
    })
}

fn ready(object: &Object, waiting: &str) -> Health {
    let Some(ready) = condition(object, "Ready") else { return progressing(waiting) };
    match ready.status {
        _ if is_behind(object) => progressing(waiting),
        "True" => healthy(ready.message),
        "False" => degraded(ready.message),
        _ => progressing(ready.words()),
    }
}

fn flux(object: &Object) -> Health {
    if is_true(object, "/spec/suspend") {
        return suspended(format!("{} is suspended", object.kind()));
    }
    let Some(ready) = condition(object, "Ready") else {
        return match object.kind() {
            // These only configure other kinds, and have no status at all since Flux 2.
            "Alert" | "Provider" => healthy(""),
            "HelmRepository" if text(object, "/spec/type") == "oci" => {
                healthy("Helm repositories of type 'oci' do not contain any information in the status.")
            }
            kind => progressing(format!("Waiting for {kind}")),
        };
    };
    match ready.status {
        "True" => healthy(ready.reason),
        "False" => degraded(ready.reason),
        _ => progressing(ready.reason),
    }
}

fn certificate(object: &Object) -> Health {
    match condition(object, "Issuing") {
        // A renewal: the old certificate is good meanwhile, but the new one is on its way.
        Some(issuing) if issuing.status == "True" => progressing(issuing.message),
        _ => ready(object, "Waiting for certificate"),
    }
}

/// It is ready, or says in conditions of their own that some or all namespaces failed.
fn cluster_external_secret(object: &Object) -> Health {
    let find = |kind: &str| conditions(object).find(|condition| condition.is(kind, "True"));
    match (find("Ready"), find("NotReady").or_else(|| find("PartiallyReady"))) {
        (Some(ready), _) => healthy(ready.message),
        (None, Some(failed)) => degraded(failed.message),
        (None, None) => progressing("Waiting for ClusterExternalSecret"),
    }
}

/// While the server is installing a definition, `Established` is False; that is no failure.
fn custom_resource_definition(object: &Object) -> Health {
    let find = |kind: &str, status: &str| conditions(object).find(|condition| condition.is(kind, status));
    if let Some(terminating) = find("Terminating", "True") {
        return progressing(format!("CRD is being terminated: {}", terminating.message));
    }
    if let Some(refused) = find("NamesAccepted", "False") {
        return degraded(format!("CRD names have not been accepted: {}", refused.message));
    }
    match condition(object, "Established") {
        Some(established) if established.status == "True" => {}
        Some(established) if established.status == "False" && established.reason != "Installing" => {
            return degraded(format!("CRD is not established: {}", established.message));
        }
        _ => return progressing("CRD is not established yet"),
    }
    match find("NonStructuralSchema", "True") {
        Some(violation) => degraded(format!("Schema violations found: {}", violation.message)),
        None => healthy("CRD is healthy"),
    }
}

fn application_set(object: &Object) -> Health {
    let find = |kind: &str, status: &str| conditions(object).find(|condition| condition.is(kind, status));
    if let Some(error) = find("ErrorOccurred", "True") {
        return degraded(error.message);
    }
    if let Some(rollout) = find("RolloutProgressing", "True") {
        return progressing(rollout.message);
    }
    match condition(object, "ResourcesUpToDate") {
        Some(updated) if updated.status == "True" => healthy(updated.message),
        Some(updated) if updated.status == "False" => degraded(updated.message),
        _ => progressing("Waiting for the status to be reported"),
    }
}

/// Times are RFC 3339 in UTC, as Kubernetes writes them, and so compare as texts.
fn cron_job(object: &Object) -> Health {
    let scheduled = text(object, "/status/lastScheduleTime");
    let succeeded = text(object, "/status/lastSuccessfulTime");
    let is_active = !crate::fields::items(object, "/status/active").is_empty();
    if is_true(object, "/spec/suspend") {
        healthy("CronJob is Suspended")
    } else if is_active {
        healthy("The job is running. Its last execution may not have been successful")
    } else if scheduled.is_empty() {
        healthy("CronJob has not been scheduled yet")
    } else if succeeded.is_empty() {
        healthy("The CronJob never completed successfully. It may not be healthy")
    } else if succeeded < scheduled {
        degraded("CronJob has not completed its last execution successfully")
    } else {
        healthy("CronJob has completed its last execution successfully")
    }
}

#[cfg(test)]
mod tests {
    use super::RULES;

    #[test]
    fn the_table_is_sorted() {
        assert!(RULES.is_sorted_by_key(|(group, kind, _)| (*group, *kind)));
    }
}
