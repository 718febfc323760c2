//! Who somebody is.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{ANONYMOUS, AUTHENTICATED, MASTERS, UNAUTHENTICATED};

/// What the names of service accounts begin with.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Who somebody is, as far as the cluster is concerned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// The name roles are bound to.
    pub name: String,
    /// What tells two users of one name apart; often empty.
    pub uid: String,
    /// The groups, in the order they were told.
    pub groups: Vec<String>,
    /// What else the authenticator knows.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Names a user without groups.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Adds groups.
    #[must_use]
    pub fn in_groups<'a>(mut self, groups: impl IntoIterator<Item = &'a str>) -> Self {
        self.groups.extend(groups.into_iter().map(str::to_owned));
        self
    }

    /// Returns the user who may do everything, as the administrator's token and certificate name it.
    pub fn administrator() -> Self {
        Self { uid: "admin".to_owned(), ..Self::new("admin").in_groups([MASTERS]) }
    }

    /// Returns the user of requests without credentials.
    pub(crate) fn anonymous() -> Self {
        Self::new(ANONYMOUS).in_groups([UNAUTHENTICATED])
    }

    /// Returns the user a service account is.
    pub(crate) fn service_account(namespace: &str, name: &str) -> Self {
        Self { groups: service_account_groups(namespace), ..Self::new(service_account_name(namespace, name)) }
    }

    /// Adds the group of the authenticated, unless one says whether they are.
    #[must_use]
    pub(crate) fn authenticated(mut self) -> Self {
        if self.name != ANONYMOUS && !self.groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED)
        {
            self.groups.push(AUTHENTICATED.to_owned());
        }
        self
    }

    pub(crate) fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }

    /// Reads who somebody is from the fields of a `UserInfo`.
    pub(crate) fn from_json(told: &Value) -> Self {
        let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
        let extra = told["extra"].as_object().into_iter().flatten();
        Self {
            name: text("username"),
            uid: text("uid"),
            groups: crate::catalog::texts(&told["groups"]),
            extra: extra.map(|(key, values)| (key.clone(), crate::catalog::texts(values))).collect(),
        }
    }

    /// Returns the `UserInfo` of reviews and admission.
    pub(crate) fn to_json(&self) -> Value {
        let mut out = Map::new();
        if !self.name.is_empty() {
            out.insert("username".to_owned(), json!(self.name));
        }
        if !self.uid.is_empty() {
            out.insert("uid".to_owned(), json!(self.uid));
        }
        if !self.groups.is_empty() {
            out.insert("groups".to_owned(), json!(self.groups));
        }
        if !self.extra.is_empty() {
            out.insert("extra".to_owned(), json!(self.extra));
        }
        Value::Object(out)
    }
}

/// Returns the user name of a service account.
pub(crate) fn service_account_name(namespace: &str, name: &str) -> String {
    format!("{SERVICE_ACCOUNT}{namespace}:{name}")
}

/// Returns the groups a service account is in by its namespace.
pub(crate) fn service_account_groups(namespace: &str) -> Vec<String> {
    vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]
}

/// Splits the user name of a service account into namespace and name.
pub(crate) fn split_service_account(name: &str) -> Option<(&str, &str)> {
    let is_label = |part: &str| {
        let is_edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let bytes = part.as_bytes();
        let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        is_edge(bytes.first()) && is_edge(bytes.last()) && bytes.iter().all(plain)
    };
    let (namespace, name) = name.strip_prefix(SERVICE_ACCOUNT)?.split_once(':')?;
    let is_valid = namespace.len() <= 63 && is_label(namespace) && name.len() <= 253 && name.split('.').all(is_label);
    is_valid.then_some((namespace, name))
}
