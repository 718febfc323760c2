use maud::{DOCTYPE, Markup, html};

use crate::view::{AppRow, ObjectRow};

fn frame(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Bowline" }
                link rel="stylesheet" href="/style.css";
                script src="/live.js" defer {}
            }
            body {
                header {
                    a.brand href="/" { "Bowline" }
                    span.tagline { "clusters, tied to Git" }
                }
                main { (body) }
            }
        }
    }
}

/// All apps.
pub(crate) fn apps(rows: &[AppRow]) -> Markup {
    frame(
        "Apps",
        &html! {
            h1 { "Apps" }
            div data-live="/apps" { (apps_table(rows)) }
        },
    )
}

/// The part of the page that follows what happens.
pub(crate) fn apps_table(rows: &[AppRow]) -> Markup {
    let synced = rows.iter().filter(|row| row.sync == "Synced").count();
    let healthy = rows.iter().filter(|row| row.health == "Healthy").count();
    html! {
        p.summary { (rows.len()) " apps · " (synced) " synced · " (healthy) " healthy" }
        @if rows.is_empty() {
            p.empty { "No apps yet. Create an Application or a Kustomization, and it appears here." }
        } @else {
            table {
                thead { tr { th { "App" } th { "Sync" } th { "Health" } th { "Revision" } th { "Objects" } } }
                tbody {
                    @for row in rows {
                        tr {
                            td {
                                a href=(href(row)) { (row.namespace) "/" (row.name) }
                                div.quiet { (row.kind) }
                                @if !row.failure.is_empty() { div.failure { (row.failure) } }
                            }
                            td { (badge(row.sync)) @if row.activity != "settled" { div.quiet { (row.activity) } } }
                            td { (badge(row.health)) }
                            td { (revision(&row.revision)) @if !row.subject.is_empty() { div.quiet { (row.subject) } } }
                            td { (row.objects.len()) }
                        }
                    }
                }
            }
        }
    }
}

/// One app and its objects.
pub(crate) fn app(row: &AppRow) -> Markup {
    frame(
        &row.name,
        &html! {
            h1 { (row.namespace) "/" (row.name) " " span.quiet { (row.kind) } }
            div data-live=(href(row)) data-part="app" { div #app {
                p { (badge(row.sync)) " " (badge(row.health)) " " span.quiet { (row.activity) } }
                @if !row.failure.is_empty() {
                    div.failure role="alert" {
                        p { (row.failure) }
                        @if !row.help.is_empty() { p.help { "What to do: " (row.help) } }
                    }
                }
                dl {
                    dt { "Desired" } dd { (revision(&row.revision)) " " (row.subject) @if !row.author.is_empty() { span.quiet { " — " (row.author) } } }
                    dt { "Applied" } dd { (revision(&row.applied)) }
                    @if !row.last_sync.is_empty() { dt { "Last sync" } dd { (row.last_sync_phase) ": " (row.last_sync) } }
                }
                table {
                    thead { tr { th { "Object" } th { "Sync" } th { "Health" } th { "Written in" } } }
                    tbody { @for object in &row.objects { (object_row(object)) } }
                }
            } }
        },
    )
}

fn object_row(object: &ObjectRow) -> Markup {
    html! {
        tr {
            td {
                (object.kind) " " @if !object.namespace.is_empty() { (object.namespace) "/" } (object.name)
                @for field in &object.drift {
                    div.drift {
                        code { (field.path) } ": "
                        @if let Some(have) = &field.have { del { (have) } } @else { del { "absent" } }
                        " → "
                        @if let Some(want) = &field.want { ins { (want) } } @else { ins { "absent" } }
                        @if let Some(manager) = &field.manager {
                            span.quiet { " taken by " (manager) @if let Some(since) = &field.since { " at " (since) } }
                        }
                    }
                }
            }
            td { (badge(object.sync)) @if object.requires_pruning { div.quiet { "no longer desired" } } }
            td { @if !object.health.is_empty() { (badge(object.health)) } @if !object.message.is_empty() { div.quiet { (object.message) } } }
            td { code { (object.origin) } }
        }
    }
}

/// No such page.
pub(crate) fn not_found() -> Markup {
    frame(
        "Not found",
        &html! {
            h1 { "Nothing here" }
            p { "There is no such page, or the app is gone. " a href="/" { "All apps" } }
        },
    )
}

fn href(row: &AppRow) -> String {
    format!("/apps/{}/{}/{}", row.kind, row.namespace, row.name)
}

/// A state as a word with a sign before it: colour alone tells nobody anything.
fn badge(word: &str) -> Markup {
    let sign = match word {
        "Synced" | "Healthy" => "●",
        "OutOfSync" | "Degraded" => "▲",
        "Progressing" => "◐",
        "Suspended" => "‖",
        "Missing" => "○",
        _ => "?",
    };
    html! { span class={ "badge " (word.to_lowercase()) } { span aria-hidden="true" { (sign) } " " (word) } }
}

/// `main@sha1:9f3c1d2…`, shortened; the whole of it as a title.
fn revision(text: &str) -> Markup {
    let short = match text.rsplit_once(':') {
        Some((before, commit)) if commit.len() > 7 => {
            let name = before.strip_suffix("@sha1").unwrap_or("");
            if name.is_empty() { commit[..7].to_owned() } else { format!("{name} @ {}", &commit[..7]) }
        }
        _ => text.to_owned(),
    };
    html! { @if !text.is_empty() { code title=(text) { (short) } } @else { span.quiet { "none" } } }
}
