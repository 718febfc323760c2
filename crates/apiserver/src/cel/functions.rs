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
}

/// Returns the ways to call a function, or `None` when there is none of that name.
pub(super) fn overloads(name: &str) -> Option<&'static [Overload]> {
    static TABLE: LazyLock<HashMap<&'static str, Vec<Overload>>> = LazyLock::new(read);
    TABLE.get(name).map(Vec::as_slice)
}

/// One line a function: its name, `.` for a method, the types of the target and arguments, and the result. Capitals are
/// type parameters; `Q`, `IP` and the like stand for the types of the libraries.
const DECLARATIONS: &str = "
_?_:_ (bool, A, A) A
_&&_ (bool, bool) bool
_||_ (bool, bool) bool
!_ (bool) bool
@not_strictly_false (bool) bool
_==_ (A, A) bool
_!=_ (A, A) bool
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
_<_ (string, string) bool
_<_ (bytes, bytes) bool
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
_<=_ (string, string) bool
_<=_ (bytes, bytes) bool
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
_>_ (string, string) bool
_>_ (bytes, bytes) bool
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
_>=_ (string, string) bool
_>=_ (bytes, bytes) bool
_>=_ (timestamp, timestamp) bool
_>=_ (duration, duration) bool
_+_ (bytes, bytes) bytes
_+_ (double, double) double
_+_ (duration, duration) duration
_+_ (duration, timestamp) timestamp
_+_ (timestamp, duration) timestamp
_+_ (int, int) int
_+_ ([A], [A]) [A]
_+_ (string, string) string
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
_[_] ([A], int) A
_[_] ({A:B}, A) B
_[_] (?[A], int) ?A
_[_] (?{A:B}, A) ?B
_[?_] ([A], int) ?A
_[?_] (?[A], int) ?A
_[?_] ({A:B}, A) ?B
_[?_] (?{A:B}, A) ?B
@in (A, [A]) bool
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
bytes (string) bytes
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
string (bytes) string
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
contains .(string, string) bool
endsWith .(string, string) bool
matches (string, string) bool
matches .(string, string) bool
startsWith .(string, string) bool
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
slice .([A], int, int) [A]
flatten .([[A]]) [A]
flatten .([dyn], int) [dyn]
sort .([int]) [int]
sort .([uint]) [uint]
sort .([double]) [double]
sort .([bool]) [bool]
sort .([duration]) [duration]
sort .([timestamp]) [timestamp]
sort .([string]) [string]
sort .([bytes]) [bytes]
@sortByAssociatedKeys .([A], [int]) [A]
@sortByAssociatedKeys .([A], [uint]) [A]
@sortByAssociatedKeys .([A], [double]) [A]
@sortByAssociatedKeys .([A], [bool]) [A]
@sortByAssociatedKeys .([A], [duration]) [A]
@sortByAssociatedKeys .([A], [timestamp]) [A]
@sortByAssociatedKeys .([A], [string]) [A]
@sortByAssociatedKeys .([A], [bytes]) [A]
lists.range (int) [int]
reverse .([A]) [A]
distinct .([A]) [A]
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
format .(string, [dyn]) string
strings.quote (string) string
sets.contains ([A], [A]) bool
sets.equivalent ([A], [A]) bool
sets.intersects ([A], [A]) bool
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
containsIP .(CIDR, string) bool
containsIP .(CIDR, IP) bool
containsCIDR .(CIDR, string) bool
containsCIDR .(CIDR, CIDR) bool
ip .(CIDR) IP
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
        table.entry(name).or_default().push(Overload { is_member, args, result: type_of(result) });
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
        "type" => Type::Meta(Box::new(Type::Dyn)),
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
        "type" => Type::Meta(Box::new(Type::Dyn)),
        "google.protobuf.Timestamp" => Type::Timestamp,
        "google.protobuf.Duration" => Type::Duration,
        "optional_type" => Type::optional(Type::Dyn),
        "kubernetes.Quantity" | "kubernetes.URL" | "net.IP" | "net.CIDR" | "kubernetes.Semver" => Type::opaque(name),
        _ => return None,
    })
}
