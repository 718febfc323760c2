// The expressions of kube-apiserver v1.35, asked about: types, costs and values.
//
// A line of JSON on standard input is an expression with the schema of `self` and a value for it; a line on standard output
// is what compiling it says, what it is estimated to cost, and, when there is a value, what evaluating it gives and cost.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"

	celgo "github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	schemacel "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apimachinery/pkg/util/version"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
)

type question struct {
	Source string                           `json:"source"`
	Schema *apiextensionsv1.JSONSchemaProps `json:"schema"`
	Self   any                              `json:"self"`
}

type answer struct {
	// What is wrong with the expression.
	Refused string `json:"refused,omitempty"`
	// Why there is no program for it.
	Unplannable string `json:"unplannable,omitempty"`
	Type        string `json:"type,omitempty"`
	Estimate    uint64 `json:"estimate"`
	// Why it has no value.
	Failure string `json:"failure,omitempty"`
	Value   string `json:"value,omitempty"`
	Cost    uint64 `json:"cost"`
}

// environments keeps the environment of each schema that was asked about.
var environments = map[string]*world{}

type world struct {
	env        *celgo.Env
	structural *schema.Structural
	root       *apiservercel.DeclType
}

func worldOf(given *apiextensionsv1.JSONSchemaProps) (*world, error) {
	text, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	if known, ok := environments[string(text)]; ok {
		return known, nil
	}
	base := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	if given == nil {
		made := &world{env: base.NewExpressionsEnv()}
		environments[string(text)] = made
		return made, nil
	}
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(given, &internal, nil); err != nil {
		return nil, err
	}
	structural, err := schema.NewStructural(&internal)
	if err != nil {
		return nil, err
	}
	root := model.SchemaDeclType(structural, false)
	if root == nil {
		return nil, fmt.Errorf("the schema has no type")
	}
	named := root.MaybeAssignTypeName("object")
	set, err := base.Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0),
		EnvOptions:        []celgo.EnvOption{celgo.Variable("self", named.CelType())},
		DeclTypes:         []*apiservercel.DeclType{named},
	})
	if err != nil {
		return nil, err
	}
	made := &world{env: set.NewExpressionsEnv(), structural: structural, root: root}
	environments[string(text)] = made
	return made, nil
}

// EstimateSize follows a path from `self` to what the schema says of the size there.
func (w *world) EstimateSize(element checker.AstNode) *checker.SizeEstimate {
	path := element.Path()
	if len(path) == 0 || w.root == nil {
		return nil
	}
	at := w.root
	for _, step := range path[1:] {
		var next *apiservercel.DeclType
		switch step {
		case "@items", "@values":
			next = at.ElemType
		case "@keys":
			next = at.KeyType
		default:
			if field := at.Fields[step]; field != nil {
				next = field.Type
			}
		}
		if next == nil {
			return nil
		}
		at = next
	}
	return &checker.SizeEstimate{Min: 0, Max: uint64(at.MaxElements)}
}

// EstimateCallCost leaves calls to the libraries.
func (w *world) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

func (w *world) answer(q question) (out answer) {
	defer func() {
		if wrong := recover(); wrong != nil {
			out.Failure = fmt.Sprintf("panic: %v", wrong)
		}
	}()
	ast, issues := w.env.Compile(q.Source)
	if issues != nil && issues.Err() != nil {
		out.Refused = issues.String()
		return out
	}
	out.Type = ast.OutputType().String()
	estimator := &library.CostEstimator{SizeEstimator: w}
	program, err := w.env.Program(ast, celgo.CostLimit(1000000), celgo.CostTracking(estimator), celgo.InterruptCheckFrequency(100))
	if err != nil {
		out.Unplannable = err.Error()
		return out
	}
	estimate, err := w.env.EstimateCost(ast, estimator)
	if err != nil {
		out.Unplannable = "estimate: " + err.Error()
		return out
	}
	out.Estimate = estimate.Max
	variables := map[string]any{}
	if w.structural != nil {
		variables["self"] = schemacel.UnstructuredToVal(q.Self, w.structural)
	}
	value, details, err := program.Eval(variables)
	if details != nil && details.ActualCost() != nil {
		out.Cost = *details.ActualCost()
	}
	if err != nil {
		out.Failure = err.Error()
		return out
	}
	out.Value = show(value)
	return out
}

// show prints a value so that two values print alike only when they are the same.
func show(value ref.Val) string {
	switch it := value.(type) {
	case types.Null:
		return "null"
	case types.Bool:
		return strconv.FormatBool(bool(it))
	case types.Int:
		return strconv.FormatInt(int64(it), 10)
	case types.Uint:
		return strconv.FormatUint(uint64(it), 10) + "u"
	case types.Double:
		return "double:" + strconv.FormatFloat(float64(it), 'e', 17, 64)
	case types.String:
		text, _ := json.Marshal(string(it))
		return string(text)
	case types.Bytes:
		return "bytes:" + hex.EncodeToString(it)
	case types.Duration:
		return fmt.Sprintf("duration:%d", it.Nanoseconds())
	case types.Timestamp:
		return fmt.Sprintf("timestamp:%d.%09d", it.Unix(), it.Nanosecond())
	case *types.Type:
		return "type:" + it.TypeName()
	case *types.Optional:
		if !it.HasValue() {
			return "none"
		}
		return "some(" + show(it.GetValue()) + ")"
	case traits.Lister:
		var items []string
		for walk := it.Iterator(); walk.HasNext() == types.True; {
			items = append(items, show(walk.Next()))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case traits.Mapper:
		var entries []string
		for walk := it.Iterator(); walk.HasNext() == types.True; {
			key := walk.Next()
			entries = append(entries, show(key)+": "+show(it.Get(key)))
		}
		sort.Strings(entries)
		return "{" + strings.Join(entries, ", ") + "}"
	case apiservercel.Quantity:
		// By value: how a quantity is written is no part of what it is.
		return "quantity:" + it.Quantity.AsDec().String()
	}
	switch it := value.Value().(type) {
	case fmt.Stringer:
		return value.Type().TypeName() + ":" + it.String()
	default:
		return value.Type().TypeName()
	}
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var q question
		var reply answer
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			reply.Refused = "question: " + err.Error()
		} else if made, err := worldOf(q.Schema); err != nil {
			reply.Refused = "schema: " + err.Error()
		} else {
			whole(q.Self, &q.Self)
			reply = made.answer(q)
		}
		text, err := json.Marshal(reply)
		if err != nil {
			panic(err)
		}
		out.Write(append(text, '\n'))
		out.Flush()
	}
}

// whole turns numbers without a fraction into integers, as the server reads them.
func whole(value any, into *any) {
	switch it := value.(type) {
	case float64:
		if it == float64(int64(it)) {
			*into = int64(it)
		}
	case []any:
		for at := range it {
			whole(it[at], &it[at])
		}
	case map[string]any:
		for key, child := range it {
			var changed any = child
			whole(child, &changed)
			it[key] = changed
		}
	}
}
