// Answers what `helm template` prints, by Helm's own library, in one process.
//
//	go run . < cases.jsonl               one answer a line for each case
//	go run . bench SECONDS < cases.jsonl charts a second, over all cases that render, again and again
//
// A case:
//
//	{"chart": "a directory or archive", "name": "rel", "namespace": "ns", "kubeVersion": "1.34.0", "values": ["file", …]}
//
// Hooks and CRDs are printed too. The answer is {"out": …} or {"error": …}.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader"
	"helm.sh/helm/v4/pkg/cli/values"
	"helm.sh/helm/v4/pkg/getter"
	release "helm.sh/helm/v4/pkg/release/v1"
)

type request struct {
	Chart       string   `json:"chart"`
	Name        string   `json:"name"`
	Namespace   string   `json:"namespace"`
	KubeVersion string   `json:"kubeVersion"`
	Values      []string `json:"values"`
}

type answer struct {
	Out   string `json:"out,omitempty"`
	Error string `json:"error,omitempty"`
}

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	if len(os.Args) == 3 && os.Args[1] == "bench" {
		seconds, err := strconv.ParseFloat(os.Args[2], 64)
		if err != nil {
			log.Fatal(err)
		}
		bench(seconds)
		return
	}
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for _, one := range read() {
		var said answer
		text, err := template(one)
		if err != nil {
			said.Error = err.Error()
		} else {
			said.Out = text
		}
		if err := encoder.Encode(said); err != nil {
			log.Fatal(err)
		}
		if err := out.Flush(); err != nil {
			log.Fatal(err)
		}
	}
}

func read() []request {
	var all []request
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var one request
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			log.Fatal(err)
		}
		all = append(all, one)
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
	return all
}

// template does what the command does.
func template(one request) (text string, err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("panic: %v", broken)
		}
	}()
	client := action.NewInstall(action.NewConfiguration())
	client.DryRunStrategy = action.DryRunClient
	client.Replace = true
	client.IncludeCRDs = true
	client.ReleaseName = one.Name
	client.Namespace = one.Namespace
	if one.KubeVersion != "" {
		client.KubeVersion, err = common.ParseKubeVersion(one.KubeVersion)
		if err != nil {
			return "", err
		}
	}
	options := values.Options{ValueFiles: one.Values}
	vals, err := options.MergeValues(getter.Providers{})
	if err != nil {
		return "", err
	}
	chart, err := loader.Load(one.Chart)
	if err != nil {
		return "", err
	}
	run, err := client.RunWithContext(context.Background(), chart, vals)
	if err != nil {
		return "", err
	}
	made, ok := run.(*release.Release)
	if !ok {
		return "", fmt.Errorf("a release of type %T", run)
	}
	var out bytes.Buffer
	fmt.Fprintln(&out, strings.TrimSpace(made.Manifest))
	for _, hook := range made.Hooks {
		fmt.Fprintf(&out, "---\n# Source: %s\n%s\n", hook.Path, hook.Manifest)
	}
	return out.String(), nil
}

// bench prints {"charts": …, "seconds": …, "cpu": …}.
func bench(seconds float64) {
	var all []request
	for _, one := range read() {
		if _, err := template(one); err == nil {
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		log.Fatal("no case renders")
	}
	begin, used := time.Now(), cpu()
	charts := 0
	// Whole rounds, so that every chart weighs the same.
	for time.Since(begin).Seconds() < seconds {
		for _, one := range all {
			if _, err := template(one); err != nil {
				log.Fatal(err)
			}
			charts++
		}
	}
	wall := time.Since(begin).Seconds()
	fmt.Printf("{\"charts\": %d, \"seconds\": %f, \"cpu\": %f}\n", charts, wall, cpu()-used)
}

func cpu() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	whole := func(time syscall.Timeval) float64 { return float64(time.Sec) + float64(time.Usec)/1e6 }
	return whole(usage.Utime) + whole(usage.Stime)
}
