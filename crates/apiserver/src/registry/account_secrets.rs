//! Secrets of type `kubernetes.io/service-account-token` get a token that lives as long as they do, after the tokens
//! controller of kube-controller-manager.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::furniture::CERTIFICATE;
use super::{DeleteOptions, Propagation, Registry, Target, WriteOptions, meta_text};
use crate::auth::tokens;
use crate::resource::Gvr;
use crate::store::Key;

/// The type of these Secrets.
pub(super) const TYPE: &str = "kubernetes.io/service-account-token";

const NAME: &str = "kubernetes.io/service-account.name";
const UID: &str = "kubernetes.io/service-account.uid";

fn annotation<'a>(secret: &'a Value, key: &str) -> &'a str {
    secret["metadata"]["annotations"][key].as_str().unwrap_or_default()
}

impl Registry<'_> {
    /// Fills a Secret, or removes it when its account is not there.
    pub(super) fn fill_account_secret(&mut self, key: &Key) {
        let (Ok(secrets), Ok(accounts)) =
            (self.resource(&Gvr::new("", "v1", "secrets")), self.resource(&Gvr::new("", "v1", "serviceaccounts")))
        else {
            return;
        };
        let Some(secret) = self.find(&secrets, &key.0, &key.1) else { return };
        let name = annotation(&secret.value, NAME).to_owned();
        let uid = annotation(&secret.value, UID).to_owned();
        let account = self.find(&accounts, &key.0, &name);
        let Some(account) = account.filter(|account| uid.is_empty() || *account.uid == *uid) else {
            self.remove_secret(key);
            return;
        };
        let data = &secret.value["data"];
        let is_whole = ["ca.crt", "namespace", "token"].iter().all(|field| !data[*field].is_null());
        if is_whole && !uid.is_empty() {
            return;
        }
        let Some(signing) = self.state.secret_key.clone() else { return };
        let claims = tokens::secret_claims(&key.0, (&name, &account.uid), &key.1);
        let mut next = Value::clone(&secret.value);
        next["metadata"]["annotations"][UID] = json!(account.uid.to_string());
        let contents = [("ca.crt", CERTIFICATE.to_owned()), ("namespace", key.0.clone())];
        let token = data["token"].is_null().then(|| signing.sign(&claims)).flatten().map(|token| ("token", token));
        for (field, text) in contents.into_iter().chain(token) {
            next["data"][field] = json!(STANDARD.encode(text));
        }
        let target = Target { resource: &secrets, namespace: &key.0, name: &key.1, subresource: "" };
        if let Err(error) = self.update(&target, next, &mut controller()) {
            tracing::debug!(%error, name = key.1, "A Secret could not be given its token");
        }
    }

    /// Removes the Secrets that hold tokens of an account that is gone.
    pub(super) fn remove_account_secrets(&mut self, account: &Key) {
        let Ok(secrets) = self.resource(&Gvr::new("", "v1", "secrets")) else { return };
        for secret in self.all(&secrets, Some(&account.0)) {
            if secret.value["type"] == TYPE && annotation(&secret.value, NAME) == account.1 {
                self.remove_secret(&(account.0.clone(), meta_text(&secret.value, "name").to_owned()));
            }
        }
    }

    fn remove_secret(&mut self, key: &Key) {
        let Ok(secrets) = self.resource(&Gvr::new("", "v1", "secrets")) else { return };
        let target = Target { resource: &secrets, namespace: &key.0, name: &key.1, subresource: "" };
        let options = DeleteOptions { propagation: Some(Propagation::Background), ..DeleteOptions::default() };
        if let Err(error) = self.delete(&target, &options, &mut controller()) {
            tracing::debug!(%error, name = key.1, "A Secret without an account could not be removed");
        }
    }
}

fn controller() -> WriteOptions {
    WriteOptions { manager: "kube-controller-manager".to_owned(), ..WriteOptions::default() }
}
