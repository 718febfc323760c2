//! Webhooks: what their configurations may say, which requests they are about, and what is made of their answers.
//!
//! A request runs under the cluster's lock, and nobody may be asked anything there. So a write that comes to a webhook
//! looks for its answer in the request's [`Replay`]; when there is none it notes the question and gives up. Whoever serves
//! the request lets go of the lock, asks ([`call`]), and runs the request again from its beginning, now with the answer.
//! Time and chance stand still in between, so that the second run asks the very same question. It asks another one only
//! when the objects have changed meanwhile, and then that one is put to the webhook, as upstream does when a write loses
//! a race (`GuaranteedUpdate`).

pub(crate) mod call;
mod check;
mod client;
pub(crate) mod convert;
mod dispatch;
mod index;
mod replay;
mod response;
mod service;
mod url;

pub(crate) use check::check_configuration;
pub(crate) use client::check_client;
pub(crate) use dispatch::{Attributes, Rounds, mutate, validate};
pub(crate) use index::Index;
pub(crate) use replay::{MAX_ROUNDS, REQUEST_PATIENCE, Replay, out_of_time, outrun, unanswered};
