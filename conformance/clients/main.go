// Command clients holds the unmodified clients that must not be able to tell
// the embedded API server from the real one: kubectl as its authors build it,
// client-go's informers, controller-runtime's cache and client, and the applier
// of Flux. Helm 3 and Helm 4 are built beside it from their own packages.
//
// Build: go build -trimpath -o clients . ; go build -o helm3 helm.sh/helm/v3/cmd/helm ; go build -o helm4 helm.sh/helm/v4/cmd/helm
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
)

// patience is how long any of these programs waits for what must come.
const patience = 100 * time.Second

func main() {
	if filepath.Base(os.Args[0]) == "kubectl" {
		os.Exit(cli.Run(cmd.NewDefaultKubectlCommand()))
	}
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: clients kubectl|informers|runtime|flux-apply …; the cluster is that of KUBECONFIG")
		os.Exit(2)
	}
	programs := map[string]func(context.Context, []string) error{
		"informers":  informers,
		"runtime":    controllerRuntime,
		"flux-apply": fluxApply,
	}
	if os.Args[1] == "kubectl" {
		os.Args = os.Args[1:]
		os.Exit(cli.Run(cmd.NewDefaultKubectlCommand()))
	}
	program, ok := programs[os.Args[1]]
	if !ok {
		fmt.Fprintf(os.Stderr, "error: there is no program `%s`\n", os.Args[1])
		os.Exit(2)
	}
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	if err := program(ctx, os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
	fmt.Println("ok")
}
