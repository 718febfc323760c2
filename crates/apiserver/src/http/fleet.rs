//! Many clusters behind one address: `/clusters/NAME/…` is the cluster `NAME`.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Request, Response, Uri};

use super::reply::{self, Body, ConnectionDropped};
use super::service;
use crate::cluster::Cluster;

/// Clusters by name; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Fleet(Arc<RwLock<Clusters>>);

#[derive(Debug, Default)]
struct Clusters {
    by_name: BTreeMap<String, Cluster>,
    /// The cluster that paths without a prefix mean.
    root: Option<String>,
}

impl Fleet {
    /// Starts an empty fleet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a cluster, in place of one of the same name.
    pub fn insert(&self, name: &str, cluster: Cluster) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).by_name.insert(name.to_owned(), cluster);
    }

    /// Serves a cluster at `/` as well as below its prefix.
    pub fn set_root(&self, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).root = Some(name.to_owned());
    }

    fn root(&self) -> Option<Cluster> {
        let clusters = self.0.read().unwrap_or_else(PoisonError::into_inner);
        clusters.by_name.get(clusters.root.as_ref()?).cloned()
    }

    /// Ends what all clusters do.
    pub fn shutdown(&self) {
        for cluster in self.0.read().unwrap_or_else(PoisonError::into_inner).by_name.values() {
            cluster.shutdown();
        }
    }

    /// Removes a cluster and ends what it does.
    pub fn remove(&self, name: &str) -> Option<Cluster> {
        let cluster = self.0.write().unwrap_or_else(PoisonError::into_inner).by_name.remove(name)?;
        cluster.shutdown();
        Some(cluster)
    }

    /// Returns a cluster.
    pub fn get(&self, name: &str) -> Option<Cluster> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_name.get(name).cloned()
    }

    /// Returns the names, sorted.
    pub fn names(&self) -> Vec<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_name.keys().cloned().collect()
    }

    /// Returns the fleet as a service.
    pub fn service(&self) -> FleetService {
        FleetService { fleet: self.clone() }
    }
}

/// A fleet as a `tower::Service`.
#[derive(Debug, Clone)]
pub struct FleetService {
    fleet: Fleet,
}

impl<B> tower::Service<Request<B>> for FleetService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = ConnectionDropped;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let fleet = self.fleet.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let found = match split(&parts.uri) {
                Some((name, uri)) => fleet.get(&name).map(|cluster| (cluster, uri)),
                None => fleet.root().map(|cluster| (cluster, parts.uri.clone())),
            };
            let Some((cluster, uri)) = found else { return Ok(reply::no_such_path()) };
            parts.uri = uri;
            cluster.service().answer(parts, service::read(body).await).await
        })
    }
}

/// Splits `/clusters/NAME/rest?query` into the name and `/rest?query`.
fn split(uri: &Uri) -> Option<(String, Uri)> {
    let rest = uri.path().strip_prefix("/clusters/")?;
    let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
    let text = match uri.query() {
        Some(query) => format!("/{path}?{query}"),
        None => format!("/{path}"),
    };
    let path: PathAndQuery = text.parse().ok()?;
    Some((super::route::decode(name, false), Uri::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_names_the_cluster() {
        let rows = [
            ("/clusters/a/api/v1/pods?watch=1", Some(("a", "/api/v1/pods?watch=1"))),
            ("/clusters/a", Some(("a", "/"))),
            ("/api/v1/pods", None),
        ];
        for (uri, want) in rows {
            let found = split(&Uri::from_static(uri)).map(|(name, uri)| (name, uri.to_string()));
            assert_eq!(found, want.map(|(name, uri)| (name.to_owned(), uri.to_owned())), "{uri}");
        }
    }
}
