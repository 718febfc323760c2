package main

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	clientinformers "k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/retry"
)

// restConfig reads the cluster that KUBECONFIG names, as every client does.
func restConfig() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
}

// informers runs typed informers over protobuf and JSON, dynamic and
// metadata-only ones against objects that come, change and go, and asks at the
// end whether each cache holds what a fresh list says; then optimistic
// concurrency and a leader election.
func informers(ctx context.Context, _ []string) error {
	for _, contentType := range []string{"application/json", "application/vnd.kubernetes.protobuf"} {
		config, err := restConfig()
		if err != nil {
			return err
		}
		config.ContentType = contentType
		config.QPS = -1
		if contentType != "application/json" {
			config.AcceptContentTypes = contentType + ",application/json"
		}
		if err := follow(ctx, config); err != nil {
			return fmt.Errorf("with %s: %w", contentType, err)
		}
		fmt.Printf("informers with %s: ok\n", contentType)
	}
	config, err := restConfig()
	if err != nil {
		return err
	}
	if err := concurrentUpdates(ctx, config); err != nil {
		return fmt.Errorf("concurrent updates: %w", err)
	}
	fmt.Println("concurrent updates: ok")
	if err := electLeader(ctx, config); err != nil {
		return fmt.Errorf("leader election: %w", err)
	}
	fmt.Println("leader election: ok")
	return nil
}

// newNamespace makes a namespace that no other run uses.
func newNamespace(ctx context.Context, client kubernetes.Interface) (string, error) {
	ns, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "clients-"}}, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return ns.Name, nil
}

func follow(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ns, err := newNamespace(ctx, client)
	if err != nil {
		return err
	}
	for i := range 30 {
		if _, err := client.CoreV1().ConfigMaps(ns).Create(ctx, configMap(i), metav1.CreateOptions{}); err != nil {
			return err
		}
	}

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	typed := clientinformers.NewSharedInformerFactoryWithOptions(client, 0, clientinformers.WithNamespace(ns))
	maps := typed.Core().V1().ConfigMaps()
	typedMaps := maps.Informer()
	typedDeployments := typed.Apps().V1().Deployments().Informer()
	typed.Start(ctx.Done())

	dynamicConfig := rest.CopyConfig(config)
	dynamicConfig.ContentType, dynamicConfig.AcceptContentTypes = "application/json", "application/json"
	dynamicClient, err := dynamic.NewForConfig(dynamicConfig)
	if err != nil {
		return err
	}
	configMaps := schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	dynamics := dynamicinformer.NewFilteredDynamicSharedInformerFactory(dynamicClient, 0, ns, nil)
	dynamicMaps := dynamics.ForResource(configMaps).Informer()
	dynamics.Start(ctx.Done())

	metadataClient, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	metas := metadatainformer.NewFilteredSharedInformerFactory(metadataClient, 0, ns, func(options *metav1.ListOptions) {
		options.LabelSelector = "parity=even"
	})
	metaMaps := metas.ForResource(configMaps).Informer()
	metas.Start(ctx.Done())

	if !cache.WaitForCacheSync(ctx.Done(), typedMaps.HasSynced, typedDeployments.HasSynced, dynamicMaps.HasSynced, metaMaps.HasSynced) {
		return fmt.Errorf("caches did not fill: typed %v, dynamic %v, metadata %v", typedMaps.HasSynced(), dynamicMaps.HasSynced(), metaMaps.HasSynced())
	}

	// Changes of every sort while they watch.
	if _, err := client.AppsV1().Deployments(ns).Create(ctx, deployment(), metav1.CreateOptions{}); err != nil {
		return err
	}
	for i := range 30 {
		name := configMap(i).Name
		switch i % 3 {
		case 0:
			err = client.CoreV1().ConfigMaps(ns).Delete(ctx, name, metav1.DeleteOptions{})
		case 1:
			_, err = client.CoreV1().ConfigMaps(ns).Patch(ctx, name, types.StrategicMergePatchType, []byte(`{"data":{"changed":"yes"},"metadata":{"labels":{"parity":"odd"}}}`), metav1.PatchOptions{})
		default:
			_, err = client.CoreV1().ConfigMaps(ns).Create(ctx, configMap(100+i), metav1.CreateOptions{})
		}
		if err != nil {
			return err
		}
	}

	agree := func(ctx context.Context) (bool, error) {
		for selector, store := range map[string]cache.Store{"": typedMaps.GetStore(), " ": dynamicMaps.GetStore(), "parity=even": metaMaps.GetStore()} {
			list, err := client.CoreV1().ConfigMaps(ns).List(ctx, metav1.ListOptions{LabelSelector: selector})
			if err != nil {
				return false, err
			}
			if !sameRevisions(list.Items, store.List()) {
				return false, nil
			}
		}
		return true, nil
	}
	if err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 10*time.Second, true, agree); err != nil {
		return fmt.Errorf("a cache does not come to hold what is listed: %w", err)
	}
	if _, err := maps.Lister().ConfigMaps(ns).List(labels.Everything()); err != nil {
		return err
	}
	// A rollout to its end, as an informer sees it; controllers and nodes run.
	rolledOut := func(context.Context) (bool, error) {
		for _, item := range typedDeployments.GetStore().List() {
			if have, ok := item.(*appsv1.Deployment); ok && have.Status.AvailableReplicas == 2 {
				return true, nil
			}
		}
		return false, nil
	}
	if err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 20*time.Second, true, rolledOut); err != nil {
		return fmt.Errorf("the Deployment does not become available: %w", err)
	}
	return client.CoreV1().Namespaces().Delete(ctx, ns, metav1.DeleteOptions{})
}

func sameRevisions(want []corev1.ConfigMap, have []any) bool {
	if len(want) != len(have) {
		return false
	}
	revisions := map[string]string{}
	for _, item := range have {
		object, ok := item.(metav1.Object)
		if !ok {
			return false
		}
		revisions[object.GetName()] = object.GetResourceVersion()
	}
	for _, item := range want {
		if revisions[item.Name] != item.ResourceVersion {
			return false
		}
	}
	return true
}

func configMap(i int) *corev1.ConfigMap {
	parity := "even"
	if i%2 == 1 {
		parity = "odd"
	}
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("map-%d", i), Labels: map[string]string{"parity": parity}},
		Data:       map[string]string{"index": fmt.Sprint(i)},
		BinaryData: map[string][]byte{"bytes": {0, 1, 255, byte(i)}},
	}
}

func deployment() *appsv1.Deployment {
	replicas := int32(2)
	app := map[string]string{"app": "web"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: app},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: app},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web:1"}}},
			},
		},
	}
}

// concurrentUpdates increments one number from many writers, each retrying on conflict.
func concurrentUpdates(ctx context.Context, config *rest.Config) error {
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ns, err := newNamespace(ctx, typed)
	if err != nil {
		return err
	}
	maps := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(ns)
	start := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "count"}, "data": map[string]any{"n": "0"},
	}}
	if _, err := maps.Create(ctx, start, metav1.CreateOptions{}); err != nil {
		return err
	}
	const writers, each = 8, 10
	failures := make(chan error, writers)
	for range writers {
		go func() {
			for range each {
				backoff := wait.Backoff{Steps: 200, Duration: time.Millisecond, Factor: 1.1, Jitter: 1, Cap: 50 * time.Millisecond}
				if err := retry.OnError(backoff, apierrors.IsConflict, func() error {
					have, err := maps.Get(ctx, "count", metav1.GetOptions{})
					if err != nil {
						return err
					}
					text, _, _ := unstructured.NestedString(have.Object, "data", "n")
					var n int
					fmt.Sscan(text, &n)
					if err := unstructured.SetNestedField(have.Object, fmt.Sprint(n+1), "data", "n"); err != nil {
						return err
					}
					_, err = maps.Update(ctx, have, metav1.UpdateOptions{})
					return err
				}); err != nil {
					failures <- err
					return
				}
			}
			failures <- nil
		}()
	}
	for range writers {
		if err := <-failures; err != nil {
			return err
		}
	}
	have, err := maps.Get(ctx, "count", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if text, _, _ := unstructured.NestedString(have.Object, "data", "n"); text != fmt.Sprint(writers*each) {
		return fmt.Errorf("%d increments gave %s", writers*each, text)
	}
	return nil
}

func electLeader(ctx context.Context, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	lock, err := resourcelock.New(resourcelock.LeasesResourceLock, "default", "clients", client.CoreV1(), client.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: "one"})
	if err != nil {
		return err
	}
	led := false
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: time.Second, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { led = true; stop() },
			OnStoppedLeading: func() {},
		},
	})
	if !led {
		return fmt.Errorf("no lease was got")
	}
	return nil
}
