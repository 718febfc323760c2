// Build: go build -trimpath -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v1.35.4 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=35" -o control-plane .

// Command control-plane runs a real Kubernetes control plane for as long as its
// standard input stays open. It is the judge of every test that asks what a
// cluster would do: etcd, kube-apiserver and kube-controller-manager are the
// upstream programs, linked in whole and run as child processes of this binary.
// Only kubelets and the scheduler are stand-ins; see package nodes.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func init() {
	// A child's parent-death signal follows the thread that started it, not the
	// process, so main stays on the one thread that lives as long as the process.
	runtime.LockOSThread()
}

func main() {
	switch component() {
	case "etcd":
		etcdmain.Main(os.Args[1:])
	case "kube-apiserver":
		os.Args = os.Args[1:]
		os.Exit(cli.Run(apiserver.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Args = os.Args[1:]
		os.Exit(cli.Run(controllers.NewControllerManagerCommand()))
	default:
		os.Exit(exitCode(supervise(parseOptions())))
	}
}

// component is the program this process stands for, or "" for the supervisor.
func component() string {
	if len(os.Args) < 2 {
		return ""
	}
	return os.Args[1]
}

type options struct {
	dir       string
	nodes     int
	readyFile string
	profile   profile
}

func parseOptions() options {
	var opts options
	flags := flag.NewFlagSet("control-plane", flag.ExitOnError)
	flags.StringVar(&opts.dir, "dir", "", "keep state, logs and kubeconfig here (default: a temporary directory, removed at the end)")
	flags.IntVar(&opts.nodes, "nodes", 1, "number of simulated nodes; with 0 every pod stays pending")
	flags.BoolVar(&opts.profile.housekeeping, "housekeeping", false, "run only the controllers that no cluster is without: namespaces, garbage, service accounts, quotas, aggregated roles")
	flags.BoolVar(&opts.profile.serviceAccounts, "service-accounts", false, "admit pods as a cluster does by default: refused without a service account, given its token")
	flags.StringVar(&opts.readyFile, "ready-file", "", "also write the ready line to this file")
	_ = flags.Parse(os.Args[1:]) // ExitOnError: it does not come back with an error.
	if flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "error: unexpected argument `%s`\n", flags.Arg(0))
		flags.Usage()
		os.Exit(2)
	}
	return opts
}

// errAsked ends the supervisor without complaint: its parent went away or said so.
var errAsked = errors.New("asked to end")

func exitCode(err error) int {
	if err == nil || errors.Is(err, errAsked) {
		return 0
	}
	fmt.Fprintf(os.Stderr, "error: %v\n", err)
	return 1
}

// supervise runs the control plane until end of input, a signal, or the death of a child.
func supervise(opts options) error {
	ctx, end := context.WithCancelCause(context.Background())
	endOnSignal(end)
	lines := readLines(os.Stdin, end)

	dir, release, err := openDir(opts.dir)
	if err != nil {
		return err
	}
	defer release()

	plane, err := newPlane(dir, opts.profile, end)
	if err != nil {
		return err
	}
	defer plane.stop()
	if err := plane.start(ctx, opts.nodes); err != nil {
		return err
	}
	if err := announce(plane.ready(), opts.readyFile); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case line := <-lines:
			if err := printLine(obey(ctx, plane, line)); err != nil {
				return err
			}
		}
	}
}

func endOnSignal(end context.CancelCauseFunc) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		<-signals
		end(errAsked)
	}()
}

// readLines delivers standard input. Its end is the parent's end: a pipe closes
// however the parent dies, which no exit handler in the parent can promise.
func readLines(input io.Reader, end context.CancelCauseFunc) <-chan string {
	lines := make(chan string)
	go func() {
		scanner := bufio.NewScanner(input)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
		end(errAsked)
	}()
	return lines
}

type answer struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

// obey carries out one line of the control protocol.
func obey(ctx context.Context, plane *plane, line string) answer {
	var err error
	switch line {
	case "stop-apiserver":
		plane.stopAPIServer()
	case "start-apiserver":
		err = plane.startAPIServer(ctx)
	default:
		err = fmt.Errorf("unknown line `%s`: want `stop-apiserver` or `start-apiserver`", line)
	}
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{OK: true}
}

func announce(ready ready, file string) error {
	if file != "" {
		if err := writeReadyFile(ready, file); err != nil {
			return err
		}
	}
	return printLine(ready)
}

// writeReadyFile renames into place, so that who waits for the file never reads half of it.
func writeReadyFile(ready ready, file string) error {
	line, err := json.Marshal(ready)
	if err != nil {
		return err
	}
	file, err = filepath.Abs(file)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", append(line, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

func printLine(value any) error {
	return json.NewEncoder(os.Stdout).Encode(value)
}
