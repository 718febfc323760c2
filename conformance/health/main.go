// Tells what both peers make of objects: kstatus, which Flux uses, and the checks that are built into Argo CD. One
// object a line on standard input; on standard output one line each, the object with both verdicts. Argo CD's is
// absent for kinds that it has no built-in check for.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/argoproj/gitops-engine/pkg/health"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 10<<20)
	for lines.Scan() {
		object := &unstructured.Unstructured{}
		must(object.UnmarshalJSON(lines.Bytes()))
		row := map[string]any{"object": object.Object, "kstatus": byKstatus(object)}
		if verdict, ok := byArgo(object); ok {
			row["argo"] = verdict
		}
		out, err := json.Marshal(row)
		must(err)
		fmt.Println(string(out))
	}
	must(lines.Err())
}

func byKstatus(object *unstructured.Unstructured) string {
	result, err := status.Compute(object.DeepCopy())
	if err != nil {
		return "Unknown: " + err.Error()
	}
	return fmt.Sprintf("%s: %s", result.Status, result.Message)
}

func byArgo(object *unstructured.Unstructured) (string, bool) {
	result, err := health.GetResourceHealth(object.DeepCopy(), nil)
	if err != nil {
		return "Unknown: " + err.Error(), true
	}
	if result == nil {
		return "", false
	}
	return fmt.Sprintf("%s: %s", result.Status, result.Message), true
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
