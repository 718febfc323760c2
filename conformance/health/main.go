// Asks kstatus what it makes of objects: one object a line on standard input, the object with the answer a line
// on standard output.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 10<<20)
	for lines.Scan() {
		object := &unstructured.Unstructured{}
		must(object.UnmarshalJSON(lines.Bytes()))
		row := map[string]any{"object": object.Object}
		if result, err := status.Compute(object); err != nil {
			row["kstatus"] = "Unknown: " + err.Error()
		} else {
			row["kstatus"] = fmt.Sprintf("%s: %s", result.Status, result.Message)
		}
		out, err := json.Marshal(row)
		must(err)
		fmt.Println(string(out))
	}
	must(lines.Err())
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
