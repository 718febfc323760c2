package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dirPrefix = "bowline-control-plane-"
	lockName  = "lock"
	// abandonedAfter is longer than the moment between making a directory and locking it.
	abandonedAfter = time.Minute
)

// openDir makes and locks the directory everything lives in. The returned
// function gives it up: a temporary directory is removed, a named one is kept.
func openDir(named string) (string, func(), error) {
	if named != "" {
		return openNamed(named)
	}
	removeAbandoned()
	dir, err := os.MkdirTemp("", dirPrefix)
	if err != nil {
		return "", nil, err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return "", nil, err
	}
	return dir, func() {
		_ = os.RemoveAll(dir) // What is left over goes at the next start.
		unlock()
	}, nil
}

func openNamed(named string) (string, func(), error) {
	dir, err := filepath.Abs(named)
	if err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return "", nil, fmt.Errorf("`%s` is in use by another control plane: %w", dir, err)
	}
	return dir, unlock, nil
}

// lockDir marks the directory as in use. The kernel drops the lock with the
// process, so it cannot be forgotten.
func lockDir(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		return nil, err
	}
	return func() { file.Close() }, nil
}

// removeAbandoned removes the directories of supervisors that were killed
// outright. Test harnesses do that, and each leaves etcd's 64 MB log segments.
func removeAbandoned() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err != nil || time.Since(info.ModTime()) < abandonedAfter {
			continue
		}
		if unlock, err := lockDir(dir); err == nil {
			_ = os.RemoveAll(dir) // Another's directory, say: then it is not ours to remove.
			unlock()
		}
	}
}
