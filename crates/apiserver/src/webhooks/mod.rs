//! Webhooks: what their configurations may say.

mod check;
mod client;

pub(crate) use check::check_configuration;
pub(crate) use client::check_client;
