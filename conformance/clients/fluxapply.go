package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/pkg/ssa"
	ssautils "github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// fluxApply applies the manifests of a file as Flux's kustomize-controller
// does, waits for them, finds no drift, applies again without a change, and
// deletes them.
func fluxApply(ctx context.Context, arguments []string) error {
	if len(arguments) != 1 {
		return fmt.Errorf("want one file of manifests")
	}
	file, err := os.Open(arguments[0])
	if err != nil {
		return err
	}
	defer file.Close()
	objects, err := ssautils.ReadObjects(file)
	if err != nil {
		return err
	}
	config, err := restConfig()
	if err != nil {
		return err
	}
	manager, err := fluxManager(config)
	if err != nil {
		return err
	}
	first, err := manager.ApplyAllStaged(ctx, objects, ssa.DefaultApplyOptions())
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	for _, entry := range first.Entries {
		fmt.Println(entry.String())
		if entry.Action != ssa.CreatedAction {
			return fmt.Errorf("%s: want %s", entry.String(), ssa.CreatedAction)
		}
	}
	wait := ssa.WaitOptions{Interval: 50 * time.Millisecond, Timeout: 30 * time.Second}
	if err := manager.WaitForSetWithContext(ctx, first.ToObjMetadataSet(), wait); err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	second, err := manager.ApplyAllStaged(ctx, objects, ssa.DefaultApplyOptions())
	if err != nil {
		return fmt.Errorf("second apply: %w", err)
	}
	for _, entry := range second.Entries {
		if entry.Action != ssa.UnchangedAction {
			return fmt.Errorf("second apply: %s: want %s", entry.String(), ssa.UnchangedAction)
		}
	}
	if _, err := manager.DeleteAll(ctx, objects, ssa.DefaultDeleteOptions()); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if err := manager.WaitForTermination(objects, wait); err != nil {
		return fmt.Errorf("termination: %w", err)
	}
	return nil
}

func fluxManager(config *rest.Config) (*ssa.ResourceManager, error) {
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, httpClient)
	if err != nil {
		return nil, err
	}
	direct, err := client.New(config, client.Options{Scheme: runtime.NewScheme(), Mapper: mapper})
	if err != nil {
		return nil, err
	}
	poller := polling.NewStatusPoller(direct, mapper, polling.Options{})
	return ssa.NewResourceManager(direct, poller, ssa.Owner{Field: "kustomize-controller", Group: "kustomize.toolkit.fluxcd.io"}), nil
}
