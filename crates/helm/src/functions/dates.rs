//! Dates.
use bowline_gotmpl::Object;

pub(super) fn to_json(_object: &dyn Object) -> Option<String> {
    None
}
