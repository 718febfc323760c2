//! The functions expressions may call, with their types: CEL's own and those Kubernetes adds
//! (k8s: `apiserver/pkg/cel/{environment,library}`; compatibility version 1.34).

use std::collections::HashMap;
use std::sync::LazyLock;

use super::types::Type;

/// One way to call a function.
#[derive(Debug)]
pub(super) struct Overload {
    pub(super) is_member: bool,
    /// With the target first where there is one.
    pub(super) args: Vec<Type>,
    pub(super) result: Type,
    /// The name upstream has for it, where its cost depends on that.
    pub(super) id: &'static str,
}

/// Returns the ways to call a function, or `None` when there is none of that name.
pub(super) fn overloads(name: &str) -> Option<&'static [Overload]> {
    static TABLE: LazyLock<HashMap<&'static str, Vec<Overload>>> = LazyLock::new(read);
    TABLE.get(name).map(Vec::as_slice)
}

/// One line a function: its name, `.` for a method, the types of the target and arguments, and the result. Capitals are
/// type parameters; `Q`, `IP` and the like stand for the types of the libraries. Last comes cel-go's name of the overload, where
/// costs ask for it; sorting has one for each type upstream, which cost alike.
const DECLARATIONS: &str = "
_?_:_ (bool, A, A) A conditional
_&&_ (bool, bool) bool logical_and
_||_ (bool, bool) bool logical_or
!_ (bool) bool
@not_strictly_false (bool) bool
_==_ (A, A) bool equals
_!=_ (A, A) bool not_equals
_<_ (bool, bool) bool
_<_ (int, int) bool
_<_ (int, double) bool
_<_ (int, uint) bool
_<_ (uint, uint) bool
_<_ (uint, double) bool
_<_ (uint, int) bool
_<_ (double, double) bool
_<_ (double, int) bool
_<_ (double, uint) bool
_<_ (string, string) bool less_string
_<_ (bytes, bytes) bool less_bytes
_<_ (timestamp, timestamp) bool
_<_ (duration, duration) bool
_<=_ (bool, bool) bool
_<=_ (int, int) bool
_<=_ (int, double) bool
_<=_ (int, uint) bool
_<=_ (uint, uint) bool
_<=_ (uint, double) bool
_<=_ (uint, int) bool
_<=_ (double, double) bool
_<=_ (double, int) bool
_<=_ (double, uint) bool
_<=_ (string, string) bool less_equals_string
_<=_ (bytes, bytes) bool less_equals_bytes
_<=_ (timestamp, timestamp) bool
_<=_ (duration, duration) bool
_>_ (bool, bool) bool
_>_ (int, int) bool
_>_ (int, double) bool
_>_ (int, uint) bool
_>_ (uint, uint) bool
_>_ (uint, double) bool
_>_ (uint, int) bool
_>_ (double, double) bool
_>_ (double, int) bool
_>_ (double, uint) bool
_>_ (string, string) bool greater_string
_>_ (bytes, bytes) bool greater_bytes
_>_ (timestamp, timestamp) bool
_>_ (duration, duration) bool
_>=_ (bool, bool) bool
_>=_ (int, int) bool
_>=_ (int, double) bool
_>=_ (int, uint) bool
_>=_ (uint, uint) bool
_>=_ (uint, double) bool
_>=_ (uint, int) bool
_>=_ (double, double) bool
_>=_ (double, int) bool
_>=_ (double, uint) bool
_>=_ (string, string) bool greater_equals_string
_>=_ (bytes, bytes) bool greater_equals_bytes
_>=_ (timestamp, timestamp) bool
_>=_ (duration, duration) bool
_+_ (bytes, bytes) bytes add_bytes
_+_ (double, double) double
_+_ (duration, duration) duration
_+_ (duration, timestamp) timestamp
_+_ (timestamp, duration) timestamp
_+_ (int, int) int
_+_ ([A], [A]) [A] add_list
_+_ (string, string) string add_string
_+_ (uint, uint) uint
_-_ (double, double) double
_-_ (duration, duration) duration
_-_ (int, int) int
_-_ (timestamp, duration) timestamp
_-_ (timestamp, timestamp) duration
_-_ (uint, uint) uint
_*_ (double, double) double
_*_ (int, int) int
_*_ (uint, uint) uint
_/_ (double, double) double
_/_ (int, int) int
_/_ (uint, uint) uint
_%_ (int, int) int
_%_ (uint, uint) uint
-_ (double) double
-_ (int) int
_[_] ([A], int) A index_list
_[_] ({A:B}, A) B index_map
_[_] (?[A], int) ?A
_[_] (?{A:B}, A) ?B
_[?_] ([A], int) ?A
_[?_] (?[A], int) ?A
_[?_] ({A:B}, A) ?B
_[?_] (?{A:B}, A) ?B
@in (A, [A]) bool in_list
@in (A, {A:B}) bool
size (bytes) int
size .(bytes) int
size ([A]) int
size .([A]) int
size ({A:B}) int
size .({A:B}) int
size (string) int
size .(string) int
type (A) type
bool (bool) bool
bool (string) bool
bytes (bytes) bytes
bytes (string) bytes string_to_bytes
double (double) double
double (int) double
double (string) double
double (uint) double
duration (duration) duration
duration (int) duration
duration (string) duration
dyn (A) dyn
int (int) int
int (double) int
int (duration) int
int (string) int
int (timestamp) int
int (uint) int
string (string) string
string (bool) string
string (bytes) string bytes_to_string
string (double) string
string (duration) string
string (int) string
string (timestamp) string
string (uint) string
string (IP) string
string (CIDR) string
timestamp (timestamp) timestamp
timestamp (int) timestamp
timestamp (string) timestamp
uint (uint) uint
uint (double) uint
uint (int) uint
uint (string) uint
contains .(string, string) bool contains_string
endsWith .(string, string) bool ends_with_string
matches (string, string) bool
matches .(string, string) bool matches_string
startsWith .(string, string) bool starts_with_string
getDate .(timestamp) int
getDate .(timestamp, string) int
getDayOfMonth .(timestamp) int
getDayOfMonth .(timestamp, string) int
getDayOfWeek .(timestamp) int
getDayOfWeek .(timestamp, string) int
getDayOfYear .(timestamp) int
getDayOfYear .(timestamp, string) int
getFullYear .(timestamp) int
getFullYear .(timestamp, string) int
getHours .(timestamp) int
getHours .(timestamp, string) int
getHours .(duration) int
getMilliseconds .(timestamp) int
getMilliseconds .(timestamp, string) int
getMilliseconds .(duration) int
getMinutes .(timestamp) int
getMinutes .(timestamp, string) int
getMinutes .(duration) int
getMonth .(timestamp) int
getMonth .(timestamp, string) int
getSeconds .(timestamp) int
getSeconds .(timestamp, string) int
getSeconds .(duration) int
optional.of (A) ?A
optional.ofNonZeroValue (A) ?A
optional.none () ?A
value .(?A) A
hasValue .(?A) bool
or .(?A, ?A) ?A
orValue .(?A, A) A
optional.unwrap ([?A]) [A]
unwrapOpt .([?A]) [A]
url (string) URL
getScheme .(URL) string
getHost .(URL) string
getHostname .(URL) string
getPort .(URL) string
getEscapedPath .(URL) string
getQuery .(URL) {string:[string]}
isURL (string) bool
find .(string, string) string
findAll .(string, string) [string]
findAll .(string, string, int) [string]
isSorted .([int]) bool
isSorted .([uint]) bool
isSorted .([double]) bool
isSorted .([bool]) bool
isSorted .([duration]) bool
isSorted .([timestamp]) bool
isSorted .([string]) bool
isSorted .([bytes]) bool
sum .([int]) int
sum .([uint]) uint
sum .([double]) double
sum .([duration]) duration
min .([int]) int
min .([uint]) uint
min .([double]) double
min .([bool]) bool
min .([duration]) duration
min .([timestamp]) timestamp
min .([string]) string
min .([bytes]) bytes
max .([int]) int
max .([uint]) uint
max .([double]) double
max .([bool]) bool
max .([duration]) duration
max .([timestamp]) timestamp
max .([string]) string
max .([bytes]) bytes
indexOf .([A], A) int
indexOf .(string, string) int
indexOf .(string, string, int) int
lastIndexOf .([A], A) int
lastIndexOf .(string, string) int
lastIndexOf .(string, string, int) int
slice .([A], int, int) [A] list_slice
flatten .([[A]]) [A] list_flatten
flatten .([dyn], int) [dyn] list_flatten
sort .([int]) [int] list_sort
sort .([uint]) [uint] list_sort
sort .([double]) [double] list_sort
sort .([bool]) [bool] list_sort
sort .([duration]) [duration] list_sort
sort .([timestamp]) [timestamp] list_sort
sort .([string]) [string] list_sort_texts
sort .([bytes]) [bytes] list_sort_texts
@sortByAssociatedKeys .([A], [int]) [A] list_sort_by
@sortByAssociatedKeys .([A], [uint]) [A] list_sort_by
@sortByAssociatedKeys .([A], [double]) [A] list_sort_by
@sortByAssociatedKeys .([A], [bool]) [A] list_sort_by
@sortByAssociatedKeys .([A], [duration]) [A] list_sort_by
@sortByAssociatedKeys .([A], [timestamp]) [A] list_sort_by
@sortByAssociatedKeys .([A], [string]) [A] list_sort_by_texts
@sortByAssociatedKeys .([A], [bytes]) [A] list_sort_by_texts
lists.range (int) [int] lists_range
reverse .([A]) [A] list_reverse
distinct .([A]) [A] list_distinct
first .([A]) ?A
last .([A]) ?A
charAt .(string, int) string
lowerAscii .(string) string
upperAscii .(string) string
replace .(string, string, string) string
replace .(string, string, string, int) string
split .(string, string) [string]
split .(string, string, int) [string]
substring .(string, int) string
substring .(string, int, int) string
trim .(string) string
join .([string]) string
join .([string], string) string
format .(string, [dyn]) string string_format
strings.quote (string) string strings_quote
sets.contains ([A], [A]) bool list_sets_contains_list
sets.equivalent ([A], [A]) bool list_sets_equivalent_list
sets.intersects ([A], [A]) bool list_sets_intersects_list
quantity (string) Q
isQuantity (string) bool
sign (Q) int
isGreaterThan .(Q, Q) bool
isLessThan .(Q, Q) bool
compareTo .(Q, Q) int
asApproximateFloat .(Q) double
asInteger .(Q) int
isInteger .(Q) bool
add .(Q, Q) Q
add .(Q, int) Q
sub .(Q, Q) Q
sub .(Q, int) Q
ip (string) IP
isIP (string) bool
ip.isCanonical (string) bool
family .(IP) int
isUnspecified .(IP) bool
isLoopback .(IP) bool
isLinkLocalMulticast .(IP) bool
isLinkLocalUnicast .(IP) bool
isGlobalUnicast .(IP) bool
cidr (string) CIDR
isCIDR (string) bool
containsIP .(CIDR, string) bool cidr_contains_ip_string
containsIP .(CIDR, IP) bool
containsCIDR .(CIDR, string) bool cidr_contains_cidr_string
containsCIDR .(CIDR, CIDR) bool
ip .(CIDR) IP cidr_ip
prefixLength .(CIDR) int
masked .(CIDR) CIDR
format.named (string) ?F
validate .(F, string) ?[string]
format.dns1123Label () F
format.dns1123Subdomain () F
format.dns1035Label () F
format.qualifiedName () F
format.dns1123LabelPrefix () F
format.dns1123SubdomainPrefix () F
format.dns1035LabelPrefix () F
format.labelValue () F
format.uri () F
format.uuid () F
format.byte () F
format.date () F
format.datetime () F
semver (string) SV
semver (string, bool) SV
isSemver (string) bool
isSemver (string, bool) bool
major .(SV) int
minor .(SV) int
patch .(SV) int
isGreaterThan .(SV, SV) bool
isLessThan .(SV, SV) bool
compareTo .(SV, SV) int
cel.@mapInsert ({A:B}, A, B) {A:B}
cel.@mapInsert ({A:B}, {A:B}) {A:B}
path .(AZ, string) AZP
group .(AZ, string) AZG
serviceAccount .(AZ, string, string) AZ
resource .(AZG, string) AZR
subresource .(AZR, string) AZR
namespace .(AZR, string) AZR
name .(AZR, string) AZR
fieldSelector .(AZR, string) AZR
labelSelector .(AZR, string) AZR
check .(AZP, string) AZD
check .(AZR, string) AZD
allowed .(AZD) bool
reason .(AZD) string
errored .(AZD) bool
error .(AZD) string
";

fn read() -> HashMap<&'static str, Vec<Overload>> {
    let mut table: HashMap<&'static str, Vec<Overload>> = HashMap::new();
    for line in DECLARATIONS.lines().filter(|line| !line.is_empty()) {
        let (name, rest) = line.split_once(' ').expect("holds because the table is constant and tested");
        let is_member = rest.starts_with('.');
        let rest = rest.trim_start_matches(['.', '(']);
        let (args, result) = rest.rsplit_once(") ").expect("holds because the table is constant and tested");
        let args = args.split(", ").filter(|arg| !arg.is_empty()).map(type_of).collect();
        let (result, id) = result.split_once(' ').unwrap_or((result, ""));
        table.entry(name).or_default().push(Overload { is_member, args, result: type_of(result), id });
    }
    table
}

fn type_of(text: &str) -> Type {
    if let Some(inner) = text.strip_prefix('?') {
        return Type::optional(type_of(inner));
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return Type::list(type_of(inner));
    }
    if let Some((key, value)) =
        text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).and_then(|text| text.split_once(':'))
    {
        return Type::map(type_of(key), type_of(value));
    }
    match text {
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "timestamp" => Type::Timestamp,
        "duration" => Type::Duration,
        "dyn" => Type::Dyn,
        "type" => Type::Meta(Box::new(Type::Param("A".to_owned()))),
        "Q" => Type::opaque("kubernetes.Quantity"),
        "URL" => Type::opaque("kubernetes.URL"),
        "IP" => Type::opaque("net.IP"),
        "CIDR" => Type::opaque("net.CIDR"),
        "F" => Type::opaque("kubernetes.NamedFormat"),
        "SV" => Type::opaque("kubernetes.Semver"),
        "AZ" => Type::opaque("kubernetes.authorization.Authorizer"),
        "AZP" => Type::opaque("kubernetes.authorization.PathCheck"),
        "AZG" => Type::opaque("kubernetes.authorization.GroupCheck"),
        "AZR" => Type::opaque("kubernetes.authorization.ResourceCheck"),
        "AZD" => Type::opaque("kubernetes.authorization.Decision"),
        param => Type::Param(param.to_owned()),
    }
}

/// Returns the type a type's name stands for.
pub(super) fn named_type(name: &str) -> Option<Type> {
    Some(match name {
        "bool" | "int" | "uint" | "double" | "string" | "bytes" => type_of(name),
        "list" => Type::list(Type::Dyn),
        "map" => Type::map(Type::Dyn, Type::Dyn),
        "null_type" => Type::Null,
        "type" => Type::Meta(Box::new(Type::Error)),
        "google.protobuf.Timestamp" => Type::Timestamp,
        "google.protobuf.Duration" => Type::Duration,
        "optional_type" => Type::optional(Type::Dyn),
        "kubernetes.Quantity" | "kubernetes.URL" | "net.IP" | "net.CIDR" | "kubernetes.Semver" => Type::opaque(name),
        _ => return None,
    })
}
