package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// tailLines is how much of a child's log goes into an error: a Go panic's reason
// stands above its first stack, and both fit.
const tailLines = 30

// child is this binary running as one of the control plane's programs.
type child struct {
	name    string
	logFile string
	process *os.Process
	stopped atomic.Bool
	done    chan struct{}
}

// startChild must be called from the main goroutine; see init in main.go. When
// the child ends without having been stopped, `end` gets the reason.
func startChild(dir, name string, args []string, end context.CancelCauseFunc) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{name: name, logFile: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(c.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()

	cmd := exec.Command(self, append([]string{name}, args...)...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	// Nothing is inherited: ETCD_* and KUBE_* variables would change the judge's mind.
	cmd.Env = []string{"HOME=" + dir, "TMPDIR=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		// A terminal's Ctrl-C reaches the supervisor alone, which then ends the children in order.
		Setpgid: true,
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	c.process = cmd.Process
	go func() {
		err := cmd.Wait()
		close(c.done)
		if !c.stopped.Load() {
			end(fmt.Errorf("%s ended by itself: %v\n%s", name, err, c.tail()))
		}
	}()
	return c, nil
}

// stop kills: a graceful kube-apiserver waits for its open watches, and there is
// nothing to save. It may be called on a nil or stopped child.
func (c *child) stop() {
	if c == nil {
		return
	}
	c.stopped.Store(true)
	_ = c.process.Kill() // Already ended is as good.
	<-c.done
}

// tail returns the last lines of the child's log.
func (c *child) tail() []byte {
	log, err := os.ReadFile(c.logFile)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-tailLines):], []byte("\n"))
}

// reservePort returns a free loopback port that stays ours until this process ends.
//
// The port is bound, with SO_REUSEPORT, but not listened on: children share it by
// the same option, and while the API server is away connections are refused and
// nobody else, not even a client's own outgoing connection, can take the port.
func reservePort() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("cannot reserve a port: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, fmt.Errorf("cannot reserve a port: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, fmt.Errorf("cannot reserve a port: %w", err)
	}
	address, err := unix.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("cannot reserve a port: %w", err)
	}
	return address.(*unix.SockaddrInet4).Port, nil
}
