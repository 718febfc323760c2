//! Raising reports to status: what is written, and above all what is not.

mod health;
mod history;
mod operation;
mod story;
mod support;
mod trouble;
