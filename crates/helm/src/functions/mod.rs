//! The functions that templates of charts may call, beside those of Go's `text/template`.
//!
//! They are sprig's, as of version 3.3.0, and Helm's own, as of 4.3.1; the two that read the environment are left out,
//! as Helm leaves them out. What they need of the world comes from a [`Host`], with which every execution must be
//! started.

mod args;
mod case;
mod certificates;
mod dates;
mod decimal;
mod der;
mod dicts;
mod durations;
mod encoding;
mod equal;
mod flow;
mod host;
mod json;
mod json_read;
mod keys;
mod layout;
mod layout_read;
mod lists;
mod merge;
mod netip;
mod numbers;
mod paths;
mod re2;
mod re2_classes;
mod regexes;
mod runes;
mod secrets;
pub(crate) mod semver;
mod strconv;
mod strings;
mod templates;
mod toml;
mod toml_lex;
mod toml_read;
mod toml_write;
mod urls;
mod wrap;
mod yaml_pretty;
mod zones;

use std::sync::LazyLock;

use bowline_gotmpl::Functions;

pub use host::{Host, Lookup, Random, Used};

/// Returns the functions of `text/template`, and those of sprig and Helm.
#[must_use]
pub fn table() -> Functions {
    static TABLE: LazyLock<Functions> = LazyLock::new(whole_table);
    TABLE.clone()
}

fn whole_table() -> Functions {
    Functions::builtin()
        .with(&certificates::TABLE)
        .with(&dates::TABLE)
        .with(&dicts::TABLE)
        .with(&durations::TABLE)
        .with(&encoding::TABLE)
        .with(&flow::TABLE)
        .with(&lists::TABLE)
        .with(&numbers::TABLE)
        .with(&paths::TABLE)
        .with(&regexes::TABLE)
        .with(&secrets::TABLE)
        .with(&semver::TABLE)
        .with(&urls::TABLE)
        .with(&yaml_pretty::TABLE)
        .with(&strings::TABLE)
        .with(&templates::TABLE)
        .with(&toml::TABLE)
}
