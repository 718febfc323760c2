//! Replacement, patches and applies: everything that turns one state of an object into the next.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};

use super::ahead::Ahead;
use super::devices;
use super::{Outcome, Registry, Target, WriteOptions, finalizers, is_terminating, meta, meta_text, metadata, scale};
use crate::admission::{self, Operation, Request};
use crate::auth::requests;
use crate::builtins::Builtins;
use crate::error::{ApiError, Cause};
use crate::ownership::{self, Ownership};
use crate::patch::{self, PatchKind};
use crate::rules;
use crate::store::Stored;
use crate::webhooks::convert::settled;

impl Registry<'_> {
    /// Replaces an object, or the subresource of one.
    pub(crate) fn update(
        &mut self,
        target: &Target<'_>,
        mut body: Value,
        options: &mut WriteOptions,
    ) -> Result<(Arc<Value>, Outcome), ApiError> {
        if target.subresource == "scale" {
            return self.update_scale(target, body, options);
        }
        meta::check_identity(target, &mut body)?;
        check_named(target, &body)?;
        let live = self.find(target.resource, target.namespace, target.name);
        if live.is_none() && rules::creates_on_update(target.resource, target.subresource) {
            metadata(&mut body).remove("resourceVersion");
            return Ok((self.create(target, body, options)?, Outcome::Created));
        }
        rules::decode(target.resource, &mut body, options)?;
        meta::tell_owners_apart(&mut body, "", options);
        let live = live.ok_or_else(|| ApiError::not_found(target.resource, target.name))?;
        check_uid_precondition(target, &live, &body)?;
        Ok((self.replace(target, &live, body, options)?, Outcome::Updated))
    }

    /// Changes an object by a patch; an apply creates it when it is missing.
    pub(crate) fn patch(
        &mut self,
        target: &Target<'_>,
        kind: PatchKind,
        body: &Value,
        options: &mut WriteOptions,
    ) -> Result<(Arc<Value>, Outcome), ApiError> {
        if kind == PatchKind::Apply {
            return self.apply(target, body, options);
        }
        let live = self.live(target)?;
        let current = self.kept(target.resource, &live);
        if target.subresource == "scale" {
            let scale = self.scale_of(target, &current)?;
            let mut patched = patch::change(target.resource, kind, &scale, body)?;
            let text = patched.to_string();
            scale::decode(&mut patched).map_err(|error| blame_patch(error, &text, kind == PatchKind::Strategic))?;
            return self.update_scale(target, patched, options);
        }
        let mut patched = patch::change(target.resource, kind, &current, body)?;
        let is_strategic = kind == PatchKind::Strategic;
        let text = if is_strategic {
            bowline_smd::print_go(&patch::spent(body, &current))
        } else {
            go_text(target, &patch::touched(kind, body), &patched)
        };
        if is_strategic {
            // What comes of it is put into an object of the kind, whatever it says it is.
            patched["apiVersion"] = json!(target.resource.api_version());
            patched["kind"] = json!(target.resource.kind);
            meta::check_request_namespace(target, &patched)?;
        }
        let checked = if is_strategic { Ok(()) } else { meta::check_identity(target, &mut patched) };
        checked
            .and_then(|()| rules::decode(target.resource, &mut patched, options))
            .map_err(|error| blame_patch(error, &text, is_strategic))?;
        meta::check_names(target, &patched)?;
        Ok((self.replace(target, &live, patched, options)?, Outcome::Updated))
    }

    /// Makes `object` the live state's successor, with what only the server may set taken from `live`.
    fn replace(
        &mut self,
        target: &Target<'_>,
        live: &Stored,
        mut object: Value,
        options: &mut WriteOptions,
    ) -> Result<Arc<Value>, ApiError> {
        let resource = target.resource;
        let current = self.kept(resource, live);
        object = self.record_given(target, Some(&current), object, options);
        self.succeed(target, live, &current, object, options)
    }

    /// Lets others change the next state, and stores it with what only the server may set taken from the live one.
    fn succeed(
        &mut self,
        target: &Target<'_>,
        live: &Stored,
        current: &Arc<Value>,
        mut object: Value,
        options: &mut WriteOptions,
    ) -> Result<Arc<Value>, ApiError> {
        self.admit_changes(&update_of(target, current), &mut object, options)?;
        meta::tell_owners_apart(&mut object, meta::AFTER_ADMISSION, options);
        check_has_version(target, &object)?;
        check_version(target, live, &object)?;
        check_uid(target, live, &object)?;
        keep_server_fields(current, &mut object);
        rules::keep_other_parts(target.resource, target.subresource, current, &mut object);
        self.identify(target, &mut object, Some(current), options)?;
        self.store_successor(target, live, current, object, options)
    }

    /// Records who wrote what. Whoever gives an empty list owns it, though storage knows only that there is none.
    pub(super) fn record_given(
        &self,
        target: &Target<'_>,
        live: Option<&Value>,
        mut object: Value,
        options: &WriteOptions,
    ) -> Value {
        let restored = rules::restore_empties(&mut object, options);
        let mut object = self.ownership(target).record(live, object, options);
        for pointer in restored {
            if let Some(value) = object.pointer_mut(pointer) {
                *value = Value::Null;
            }
        }
        object
    }

    fn apply(
        &mut self,
        target: &Target<'_>,
        config: &Value,
        options: &mut WriteOptions,
    ) -> Result<(Arc<Value>, Outcome), ApiError> {
        let resource = target.resource;
        patch::check_apply(target, config)?;
        let Some(live) = self.find(resource, target.namespace, target.name) else {
            if !target.subresource.is_empty() && !rules::creates_on_update(resource, target.subresource) {
                return Err(ApiError::not_found(resource, target.name));
            }
            return Ok((self.create_applied(target, config, options)?, Outcome::Created));
        };
        let ahead = options.ahead.take().filter(|ahead| {
            let now = self.clock.now_seconds();
            ahead.holds(&live, &self.state.catalog, &now)
        });
        let (current, outcome) = match ahead {
            Some(ahead) => {
                let Ahead { current, outcome, options: told, .. } = *ahead;
                *options = told;
                (current, Some(outcome))
            }
            None => (self.kept(resource, &live), None),
        };
        if target.subresource == "scale" {
            let scale = self.scale_of(target, &current)?;
            let applied = self.ownership(target).apply_scale(&scale, config, options)?;
            return Ok((self.store_scale(target, &live, &current, applied, options)?, Outcome::Updated));
        }
        let object = match outcome {
            Some(outcome) => outcome?,
            None => merge(target, &self.ownership(target), &current, config, options)?,
        };
        meta::check_names(target, &object)?;
        Ok((self.succeed(target, &live, &current, object, options)?, Outcome::Updated))
    }

    /// Returns the scale of an object, with the owners of its replicas.
    fn scale_of(&self, target: &Target<'_>, object: &Value) -> Result<Value, ApiError> {
        let mut scale = scale::peek(target.resource, object)?;
        ownership::scale::show_owners(target.resource, &self.state.catalog, object, &mut scale)?;
        Ok(scale)
    }

    fn update_scale(
        &mut self,
        target: &Target<'_>,
        mut body: Value,
        options: &mut WriteOptions,
    ) -> Result<(Arc<Value>, Outcome), ApiError> {
        let live = self.live(target)?;
        let current = rules::present(target.resource, &live.value);
        scale::decode(&mut body)?;
        let namespace = meta_text(&body, "namespace");
        if !namespace.is_empty() && namespace != target.namespace {
            let why = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(ApiError::bad_request(why));
        }
        metadata(&mut body).insert("namespace".to_owned(), json!(target.namespace));
        check_uid_precondition(target, &live, &body)?;
        let scale = self.scale_of(target, &current)?;
        let written = self.ownership(target).record(Some(&scale), body, options);
        Ok((self.store_scale(target, &live, &current, written, options)?, Outcome::Updated))
    }

    /// Gives an object the replicas of a scale that was written, and their owners.
    fn store_scale(
        &mut self,
        target: &Target<'_>,
        live: &Stored,
        current: &Arc<Value>,
        mut scale: Value,
        options: &mut WriteOptions,
    ) -> Result<Arc<Value>, ApiError> {
        let resource = target.resource;
        scale::decode(&mut scale)?;
        let before = self.scale_of(target, current)?;
        self.admit_changes(&update_of(target, &before), &mut scale, options)?;
        scale::decode(&mut scale)?;
        let mut object = scale::write(resource, target.name, current, &scale)?;
        check_version(target, live, &scale)?;
        ownership::scale::take_owners(resource, &self.state.catalog, &mut object, &scale)?;
        let stored = self.store_successor(target, live, current, object, options)?;
        Ok(Arc::new(scale::read(resource, &stored)?))
    }

    /// Returns whose fields a write through the target touches.
    pub(super) fn ownership<'t>(&'t self, target: &Target<'t>) -> Ownership<'t> {
        Ownership {
            resource: target.resource,
            subresource: target.subresource,
            catalog: Arc::clone(&self.state.catalog),
            clock: self.clock,
        }
    }

    /// Prepares, validates and stores the next state; a state equal to the live one is not stored.
    fn store_successor(
        &mut self,
        target: &Target<'_>,
        live: &Stored,
        current: &Arc<Value>,
        mut object: Value,
        options: &mut WriteOptions,
    ) -> Result<Arc<Value>, ApiError> {
        let resource = target.resource;
        metadata(&mut object).insert("resourceVersion".to_owned(), json!(live.rv.to_string()));
        // Upstream looks for changes of slices before it drops what belongs to features that are off.
        let was_wanted = resource.is("resource.k8s.io", "resourceslices")
            && rules::starts_generation(resource, current, &object, options);
        self.prepare_once(target, Some(current), &mut object, options)?;
        let prepared = self.is_returned_if_refused(target, options).then(|| object.clone());
        let stored = self.store_prepared(target, (live, current), object, was_wanted, options);
        if let (Some(prepared), Err(_)) = (prepared, &stored) {
            self.state.allocator.release_dropped(&prepared, current);
        }
        stored
    }

    fn store_prepared(
        &mut self,
        target: &Target<'_>,
        (live, current): (&Stored, &Arc<Value>),
        mut object: Value,
        was_wanted: bool,
        options: &mut WriteOptions,
    ) -> Result<Arc<Value>, ApiError> {
        let resource = target.resource;
        // What is written through `/status` is never what is wanted, annotations included.
        let wanted = target.subresource != "status" && rules::starts_generation(resource, current, &object, options);
        if rules::counts_generations(resource) && (wanted || was_wanted) {
            let generation = current["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
            metadata(&mut object).insert("generation".to_owned(), json!(generation));
        }
        bowline_smd::keep_times_of_unchanged(Some(current), &mut object);
        let mut causes = Vec::new();
        if resource.custom().is_some() {
            causes = meta::validate(resource, &object, Some(current));
        }
        causes.extend(devices::mistakes(self, target, &object, Some(current)));
        let given = match target.subresource {
            "" => rules::as_given(resource, &object, options),
            _ => Cow::Borrowed(&object),
        };
        let both = (&object, &*given);
        causes.extend(rules::validate(resource, target.subresource, both, Some(current), &mut options.warnings));
        if resource.is("", "pods") {
            causes.extend(super::pods::validate_part(target.subresource, current, &object));
        }
        causes.extend(requests::mistakes(target, &object, Some(current)));
        if !causes.is_empty() {
            return Err(ApiError::invalid(&resource.group, &resource.kind, target.name, causes));
        }
        options.warnings.extend(rules::update_warnings(target, current, &object));
        let request = update_of(target, current);
        admission::validate(self, &request, &object, &mut options.warnings)?;
        if target.subresource == "scale" {
            let (before, after) = (scale::peek(resource, current)?, scale::peek(resource, &object)?);
            self.admit_result(target, target.name, (Some(&before), &after), options)?;
        } else {
            self.admit_result(target, target.name, (Some(current), &object), options)?;
            self.drop_unknown(target, &mut object);
        }
        let charges = admission::charge(self, &request, &object)?;
        // What waited for its last finalizer goes at once: that it lost it is never stored, and only its writer is told.
        let goes =
            is_terminating(current) && finalizers(&object).is_empty() && !rules::waits_for_grace(resource, &object);
        settled()?;
        if goes && !options.dry_run {
            self.remove(resource, &target.key());
            return Ok(Self::shown(target, Arc::new(object)));
        }
        // Versions may show the same for what is stored differently; an apply that changes nothing converts nothing.
        let is_same = if options.applied_nothing || live.value["apiVersion"] == current["apiVersion"] {
            object == **current || rules::is_printed_alike(resource, &object, current)
        } else {
            self.in_storage(target, live, object.clone()) == **live.value
        };
        // Who writes a scale leaves the owners of all fields in another order than who writes the object. Of custom
        // resources those are stored in one order, whoever writes.
        let is_reordered =
            target.subresource == "scale" && resource.custom().is_none() && ownership::scale::reorders(&object);
        let is_in_order = self.state.reordered.contains(&*live.uid) == is_reordered;
        if is_same && is_in_order && !self.state.unsettled.contains(&*live.uid) {
            return Ok(Self::shown(target, Arc::clone(current)));
        }
        if resource.custom().is_none() && live.value["apiVersion"] != current["apiVersion"] {
            if options.applied_nothing {
                object = with_owners_of(live, current, object);
            }
            object = self.in_storage(target, live, object);
        }
        if options.dry_run {
            return Ok(Self::shown(target, self.read_back(resource, object)?));
        }
        self.state.concealed.remove(&*live.uid);
        admission::collect(self, charges);
        let is_read_otherwise = rules::is_read_otherwise(resource, &object, &self.state.catalog);
        let stored = self.commit(resource, target.key(), object)?;
        if resource.is("", "services") {
            self.state.allocator.release_dropped(current, &stored.value);
        }
        self.settle_form(resource, &stored, options, is_read_otherwise);
        options.came_to = Some(Arc::clone(&stored));
        if is_reordered {
            self.state.reordered.insert(stored.uid.to_string());
        } else {
            self.state.reordered.remove(&*stored.uid);
        }
        Ok(Self::shown(target, self.kept(resource, &stored)))
    }

    /// Returns a successor as it is stored; the part its endpoint does not write stays as it was stored.
    ///
    /// Converted there and back it could differ: `autoscaling/v1` knows no order of metrics.
    fn in_storage(&self, target: &Target<'_>, live: &Stored, object: Value) -> Value {
        let resource = target.resource;
        let is_new = object["apiVersion"] != live.value["apiVersion"];
        let mut stored = rules::to_storage(resource, object, &self.state.catalog);
        if is_new && resource.is("autoscaling", "horizontalpodautoscalers") {
            let part = if target.subresource == "status" { "spec" } else { "status" };
            if let Some(kept) = live.value.get(part) {
                stored[part] = kept.clone();
            }
        }
        stored
    }
}

/// Returns the live object as it is stored with the owners of `object`, where nothing else came of an apply.
fn with_owners_of(live: &Stored, current: &Value, object: Value) -> Value {
    const OWNERS: &str = "managedFields";
    let owners = object["metadata"].get(OWNERS).cloned();
    let put = |into: &Value| {
        let mut next = into.clone();
        match owners.clone() {
            Some(owners) => drop(metadata(&mut next).insert(OWNERS.to_owned(), owners)),
            None => drop(metadata(&mut next).remove(OWNERS)),
        }
        next
    };
    if put(current) == object { put(&live.value) } else { object }
}

fn update_of<'a>(target: &'a Target<'a>, old: &'a Value) -> Request<'a> {
    Request { target, name: target.name, is_named: true, operation: Operation::Update, old: Some(old) }
}

/// Merges a configuration into the live object, and reads what comes of it.
pub(super) fn merge(
    target: &Target<'_>,
    ownership: &Ownership<'_>,
    current: &Value,
    config: &Value,
    options: &mut WriteOptions,
) -> Result<Value, ApiError> {
    let (mut object, merged_nothing) = ownership.apply(Some(current), config, options)?;
    options.applied = true;
    options.applied_nothing = merged_nothing;
    // What stays as it is is neither read anew nor defaulted.
    if !merged_nothing {
        rules::decode(target.resource, &mut object, options).map_err(|error| unfit(target, config, error))?;
    }
    Ok(object)
}

/// Refuses the replacement of another object than the one there is.
fn check_uid_precondition(target: &Target<'_>, live: &Stored, object: &Value) -> Result<(), ApiError> {
    let uid = meta_text(object, "uid");
    if !uid.is_empty() && uid != &*live.uid {
        let have = &live.uid;
        let key = target.storage_path();
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
             failed: UID in precondition: {uid}, UID in object meta: {have}"
        );
        return Err(ApiError::conflict(target.resource, target.name, &why));
    }
    Ok(())
}

/// Refuses a change of the uid.
fn check_uid(target: &Target<'_>, live: &Stored, object: &Value) -> Result<(), ApiError> {
    let uid = meta_text(object, "uid");
    if uid.is_empty() || uid == &*live.uid {
        return Ok(());
    }
    let cause = || Cause::invalid("metadata.uid", &json!(uid), "field is immutable");
    // Upstream looks at the metadata of a successor twice: as of any object, and as of one of that kind.
    let causes = vec![cause(), cause()];
    Err(ApiError::invalid(&target.resource.group, &target.resource.kind, target.name, causes))
}

/// Refuses a write of an older state.
fn check_version(target: &Target<'_>, live: &Stored, object: &Value) -> Result<(), ApiError> {
    let rv = meta_text(object, "resourceVersion");
    if !rv.is_empty() && rv.parse::<u64>().is_err() {
        return Err(ApiError::unforeseen(format!("strconv.ParseUint: parsing {rv:?}: invalid syntax")));
    }
    if !rv.is_empty() && rv != "0" && rv != live.rv.to_string() {
        return Err(ApiError::stale(target.resource, target.name));
    }
    Ok(())
}

/// Refuses a write that does not tell what it is based on, where it must.
fn check_has_version(target: &Target<'_>, object: &Value) -> Result<(), ApiError> {
    if !["", "0"].contains(&meta_text(object, "resourceVersion")) || !rules::needs_resource_version(target.resource) {
        return Ok(());
    }
    let cause = Cause {
        reason: "FieldValueInvalid",
        message: "Invalid value: 0: must be specified for an update".to_owned(),
        field: "metadata.resourceVersion".to_owned(),
    };
    let resource = target.resource;
    Err(ApiError::invalid(&resource.group, &resource.plural, target.name, vec![cause]))
}

/// Refuses what has no name; the one in the path does not stand in for it.
fn check_named(target: &Target<'_>, object: &Value) -> Result<(), ApiError> {
    if !meta_text(object, "name").is_empty() {
        return Ok(());
    }
    let name = target.name;
    let why = format!("the name of the object ({name} based on URL) was undeterminable: name must be provided");
    Err(ApiError::bad_request(why))
}

/// Tells that what a patch made cannot be read, which is the patch's fault.
fn blame_patch(error: ApiError, patched: &str, is_strategic: bool) -> ApiError {
    let Some((_, why)) = error.message.split_once(" cannot be handled as a ") else { return error };
    let why = why.split_once(": ").map_or(why, |(_, why)| why);
    let why = if is_strategic { restored(why) } else { why.to_owned() };
    ApiError::invalid("", "", "", vec![Cause::invalid("patch", &json!(patched), why)])
}

/// Writes what a patch made of an object as Go does: unsafe characters escaped, and what the patch left alone in the order
/// in which its type declares its fields.
fn go_text(target: &Target<'_>, touched: &Value, patched: &Value) -> String {
    let resource = target.resource;
    let text = match resource.custom() {
        Some(_) => patched.to_string(),
        None => Builtins::get().patched_text(&resource.group, &resource.version, &resource.kind, touched, patched),
    };
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Says that a value does not fit its Go type as one says who turns maps into structs, rather than reads JSON.
fn restored(why: &str) -> String {
    if why.starts_with("illegal base64") {
        return format!("error decoding from json: {why}");
    }
    let parts = why.strip_prefix("json: cannot unmarshal ").and_then(|rest| {
        let (found, rest) = rest.split_once(" into Go struct field ")?;
        Some((found, rest.rsplit_once(" of type ")?.1))
    });
    let Some((found, want)) = parts else { return why.to_owned() };
    let kind = match found {
        "array" => "slice",
        "object" => "map",
        number if number.contains('.') => "float64",
        number if number.starts_with("number") => "int64",
        other => other,
    };
    if want.starts_with("[]") {
        return format!("cannot restore slice from {kind}");
    }
    if want.starts_with("map[") {
        return format!("cannot restore map from {kind}");
    }
    match (kind, want) {
        ("int64", "string") | ("int64" | "float64", "int32" | "int64" | "float64") => {
            format!("cannot convert {kind} to {want}")
        }
        // Into a struct it would fit: the type is a name for a text.
        ("map", _) => "unrecognized type: string".to_owned(),
        (_, "string" | "bool" | "int32" | "int64" | "float64") => format!("unrecognized type: {want}"),
        _ => format!("cannot restore struct from: {kind}"),
    }
}

/// Says why a merged configuration is no object of its kind.
pub(super) fn unfit(target: &Target<'_>, config: &Value, error: ApiError) -> ApiError {
    let resource = target.resource;
    let Some((_, why)) = error.message.split_once(" cannot be handled as a ") else { return error };
    if resource.custom().is_some() || why.contains("strict decoding") {
        return error;
    }
    let why = restored(why.split_once(": ").map_or(why, |(_, why)| why));
    let text = |key: &str| config["metadata"][key].as_str().unwrap_or_default().to_owned();
    let (group_version, kind) = (format!("{}/{}", resource.group, resource.version), &resource.kind);
    ApiError::unforeseen(format!(
        "failed to convert new object ({}/{}; {group_version}, Kind={kind}) to proper version: unable to convert \
         unstructured object to {group_version}, Kind={kind}: {why}",
        text("namespace"),
        text("name"),
    ))
}

/// Copies what clients cannot change from the live object.
fn keep_server_fields(live: &Value, object: &mut Value) {
    object["apiVersion"] = live["apiVersion"].clone();
    object["kind"] = live["kind"].clone();
    let meta = metadata(object);
    for key in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        // What is set stays; that it may not be set by clients is for validation to say.
        if let Some(value) = live["metadata"].get(key) {
            meta.insert(key.to_owned(), value.clone());
        }
    }
    for key in ["name", "namespace", "uid", "creationTimestamp", "generation", "selfLink"] {
        match live["metadata"].get(key) {
            Some(value) => drop(meta.insert(key.to_owned(), value.clone())),
            None => drop(meta.remove(key)),
        }
    }
}
